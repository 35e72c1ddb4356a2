//! A TCP proxy as tokio programs have it: one task for each connection, with copy_bidirectional.

use std::{env, io, net::SocketAddr};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.len() != 3 {
        eprintln!("usage: tokiocopy LISTEN TARGET THREADS");
        std::process::exit(64);
    }
    let (listen, target, threads) = (&arguments[0], &arguments[1], &arguments[2]);
    let target: SocketAddr = target.parse().expect("TARGET is an address and a port");
    let threads: usize = threads.parse().expect("THREADS is a number");
    let runtime = match threads {
        1 => Builder::new_current_thread().enable_io().build()?,
        _ => Builder::new_multi_thread().worker_threads(threads).enable_io().build()?,
    };
    runtime.block_on(serve(listen, target))
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
