// The article's server as a Go user writes it: a goroutine per connection, keep-alive on with a period, a line scanner,
// encoding/json, a registry behind a mutex.
//
//	go-peer PORT   prints "listening PORT" (0: the kernel chooses), and on SIGUSR1 "accepted=A closed=C items=I bad=B".
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type item struct {
	IP     string `json:"ip"`
	Status string `json:"status"`
	Seq    int    `json:"seq"`
}

type registry struct {
	mutex       sync.Mutex
	connections map[*net.TCPConn]struct{}
}

func (r *registry) add(c *net.TCPConn) {
	r.mutex.Lock()
	r.connections[c] = struct{}{}
	r.mutex.Unlock()
}

func (r *registry) remove(c *net.TCPConn) {
	r.mutex.Lock()
	delete(r.connections, c)
	r.mutex.Unlock()
}

var accepted, closed, items, bad uint64

func serve(c *net.TCPConn, all *registry) {
	all.add(c)
	defer func() {
		all.remove(c)
		c.Close()
		atomic.AddUint64(&closed, 1)
	}()
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		var one item
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil || one.IP == "" {
			atomic.AddUint64(&bad, 1)
			continue
		}
		atomic.AddUint64(&items, 1)
	}
}

func main() {
	port := "0"
	if len(os.Args) > 1 {
		port = os.Args[1]
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	go func() {
		for range asked {
			fmt.Printf("accepted=%d closed=%d items=%d bad=%d\n", atomic.LoadUint64(&accepted), atomic.LoadUint64(&closed),
				atomic.LoadUint64(&items), atomic.LoadUint64(&bad))
		}
	}()
	fmt.Printf("listening %d\n", listener.Addr().(*net.TCPAddr).Port)
	all := &registry{connections: make(map[*net.TCPConn]struct{})}
	for {
		c, err := listener.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			time.Sleep(10 * time.Millisecond)
			continue
		}
		atomic.AddUint64(&accepted, 1)
		tcp := c.(*net.TCPConn)
		tcp.SetKeepAlive(true)
		tcp.SetKeepAlivePeriod(30 * time.Second)
		go serve(tcp, all)
	}
}
