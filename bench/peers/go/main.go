// The article's server as a Go user writes it: a goroutine per connection, keep-alive on with a period, a line scanner,
// encoding/json, a registry behind a mutex.
//
//	go-peer [-period D] [-tell] PORT
//
// prints "listening PORT" (0: the kernel chooses), and on SIGUSR1 "accepted=A closed=C items=I bad=B". With -tell also
// "closed PEER UNIX_MS" for each connection that ends, and on SIGUSR2 it writes one line to every connection.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
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

func (r *registry) writeAll(line []byte) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for c := range r.connections {
		c.Write(line)
	}
}

var accepted, closed, items, bad uint64

func serve(c *net.TCPConn, all *registry, tell bool) {
	all.add(c)
	defer func() {
		all.remove(c)
		if tell {
			fmt.Printf("closed %s %d\n", c.RemoteAddr(), time.Now().UnixMilli())
		}
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
	period := flag.Duration("period", 30*time.Second, "of keep-alive")
	tell := flag.Bool("tell", false, "print every end; write to all on SIGUSR2")
	flag.Parse()
	port := "0"
	if flag.NArg() > 0 {
		port = flag.Arg(0)
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
	all := &registry{connections: make(map[*net.TCPConn]struct{})}
	if *tell {
		wanted := make(chan os.Signal, 1)
		signal.Notify(wanted, syscall.SIGUSR2)
		go func() {
			for range wanted {
				all.writeAll([]byte("{\"ping\":1}\n"))
			}
		}()
	}
	fmt.Printf("listening %d\n", listener.Addr().(*net.TCPAddr).Port)
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
		tcp.SetKeepAlivePeriod(*period)
		go serve(tcp, all, *tell)
	}
}
