// A minimal TCP proxy in Go: two goroutines for each connection, each with io.Copy, which splices on Linux.
package main

import (
	"io"
	"log"
	"net"
	"os"
)

func main() {
	routes := os.Args[1:]
	if len(routes) == 0 || len(routes)%2 != 0 {
		log.Fatal("usage: gocopy LISTEN TARGET [LISTEN TARGET]...")
	}
	for ; len(routes) > 2; routes = routes[2:] {
		go listen(routes[0], routes[1])
	}
	listen(routes[0], routes[1])
}

func listen(address, target string) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Print(err)
			continue
		}
		go serve(client.(*net.TCPConn), target)
	}
}

func serve(client *net.TCPConn, target string) {
	defer client.Close()
	connection, err := net.Dial("tcp", target)
	if err != nil {
		log.Print(err)
		return
	}
	server := connection.(*net.TCPConn)
	defer server.Close()

	upstreamEnded := make(chan struct{})
	go func() {
		relay(server, client)
		close(upstreamEnded)
	}()
	relay(client, server)
	<-upstreamEnded
}

// relay passes everything on, and then the end.
func relay(sink, source *net.TCPConn) {
	io.Copy(sink, source)
	sink.CloseWrite()
}
