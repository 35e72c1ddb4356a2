//! A minimal TCP proxy with tokio: one task for each connection, with copy_bidirectional.

use std::{env, io, net::SocketAddr};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    // An address and a target for each route, and the number of threads.
    if arguments.len() < 3 || arguments.len() % 2 == 0 {
        eprintln!("usage: tokiocopy LISTEN TARGET [LISTEN TARGET]... THREADS");
        std::process::exit(64);
    }
    let (routes, threads) = arguments.split_at(arguments.len() - 1);
    let threads = &threads[0];
    let threads: usize = threads.parse().expect("THREADS is a number");
    let runtime = match threads {
        1 => Builder::new_current_thread().enable_io().build()?,
        _ => Builder::new_multi_thread().worker_threads(threads).enable_io().build()?,
    };
    runtime.block_on(serve_all(routes))
}

async fn serve_all(routes: &[String]) -> io::Result<()> {
    let mut tasks = Vec::new();
    for route in routes.chunks(2) {
        let (listen, target) = (route[0].clone(), route[1].parse().expect("TARGET is an address and a port"));
        tasks.push(tokio::spawn(async move { serve(&listen, target).await }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}

async fn serve(listen: &str, target: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (client, _) = listener.accept().await?;
        tokio::spawn(async move {
            // A connection that fails is over, as one that ends.
            let _ = relay(client, target).await;
        });
    }
}

async fn relay(mut client: TcpStream, target: SocketAddr) -> io::Result<()> {
    let mut server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
