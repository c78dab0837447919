// A device whose items are the lines of standard input. Ends after the end of the input, once every item is acknowledged.
//
//	echo '{"ip":"10.20.30.40"}' | go run ./cmd/device 127.0.0.1 7000 device-17 [lines|length] [TOKEN]
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	device "holdfast/device"
)

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: device HOST PORT ID [lines|length] [TOKEN]")
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
	if len(os.Args) > 5 {
		config.Token = os.Args[5]
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
			fmt.Fprintln(os.Stderr, err)
		}
	}
	for d.Pending() > 0 {
		<-acked
	}
}
