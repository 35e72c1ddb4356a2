// A client with Go's crypto/tls: a full handshake, 1 MiB echoed, a half-close, and a resumed handshake, with TLS 1.2 and 1.3.
//
//	tls_client ADDRESS NAME AUTHORITY.pem CERTIFICATE.pem KEY.pem
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"os"
	"time"
)

const (
	size    = 1 << 20
	timeout = 30 * time.Second
)

func main() {
	log.SetFlags(0)
	address, name := os.Args[1], os.Args[2]
	authority, err := os.ReadFile(os.Args[3])
	check(err)
	certificate, err := tls.LoadX509KeyPair(os.Args[4], os.Args[5])
	check(err)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		settings := &tls.Config{
			ServerName:         name,
			RootCAs:            x509.NewCertPool(),
			Certificates:       []tls.Certificate{certificate},
			MinVersion:         version,
			MaxVersion:         version,
			ClientSessionCache: tls.NewLRUClientSessionCache(1),
		}
		settings.RootCAs.AppendCertsFromPEM(authority)
		first := exchange(address, settings)
		second := exchange(address, settings)
		if first || !second {
			log.Fatalf("version %x: the first connection was resumed: %v, the second: %v", version, first, second)
		}
	}
	fmt.Println("4 connections of 1 MiB each way, 2 of them resumed")
}

// Sends and receives 1 MiB; returns whether the session was resumed.
func exchange(address string, settings *tls.Config) bool {
	connection, err := tls.Dial("tcp", address, settings)
	check(err)
	defer connection.Close()
	check(connection.SetDeadline(time.Now().Add(timeout)))
	sent := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	failure := make(chan error, 1)
	go func() {
		_, err := connection.Write(sent)
		if err == nil {
			err = connection.CloseWrite()
		}
		failure <- err
	}()
	received, err := io.ReadAll(connection)
	check(err)
	check(<-failure)
	if !bytes.Equal(sent, received) {
		log.Fatalf("received %d bytes that differ from the %d sent", len(received), len(sent))
	}
	return connection.ConnectionState().DidResume
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
