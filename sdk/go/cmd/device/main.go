// A device whose items are the lines of standard input. Ends after the end of the input, once every item is acknowledged.
//
//	echo '{"ip":"10.20.30.40"}' | go run ./cmd/device 127.0.0.1 7000 device-17 [lines|length] [TOKEN|-] [CA]
//
// With the file of an authority, the connection has TLS.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"

	device "holdfast/device"
)

// encrypted returns a function that opens a connection with TLS, and verifies the gateway.
func encrypted(authority string) func(context.Context, string) (net.Conn, error) {
	text, err := os.ReadFile(authority)
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(text) {
		fmt.Fprintln(os.Stderr, "the authority cannot be read; give a PEM file")
		os.Exit(2)
	}
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots}}
	return func(ctx context.Context, address string) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", address)
	}
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: device HOST PORT ID [lines|length] [TOKEN|-] [CA]")
		os.Exit(2)
	}
	acked := make(chan struct{}, 1)
	config := device.Config{
		Address:   net.JoinHostPort(os.Args[1], os.Args[2]),
		ID:        os.Args[3],
		Length:    len(os.Args) > 4 && os.Args[4] == "length",
		OnMessage: func(text []byte) { fmt.Printf("%s\n", text) },
		OnRefused: func(seq uint64, reason string) { fmt.Fprintf(os.Stderr, "item %d was refused: %s\n", seq, reason) },
		OnAcked: func(uint64) {
			select {
			case acked <- struct{}{}:
			default:
			}
		},
	}
	if len(os.Args) > 5 && os.Args[5] != "-" {
		config.Token = os.Args[5]
	}
	if len(os.Args) > 6 {
		config.Dial = encrypted(os.Args[6])
	}
	d, err := device.New(config)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	go d.Run(context.Background())
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		err := d.Add(lines.Bytes())
		for ; errors.Is(err, device.ErrFull); err = d.Add(lines.Bytes()) {
			<-acked
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "no item: %s (%v)\n", lines.Bytes(), err)
		}
	}
	for d.Pending() > 0 {
		<-acked
	}
}
