// A gateway in Go, by libholdfast.so: prints the events of its devices, and answers each item. SIGTERM drains it.
//
//	CGO_CFLAGS="-I$PREFIX/include" CGO_LDFLAGS="-L$PREFIX/lib -lholdfast" go build
//	LD_LIBRARY_PATH=$PREFIX/lib ./gateway 127.0.0.1:7000
package main

/*
#include <stdlib.h>
#include <holdfast/c.h>
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"unsafe"
)

const (
	batch     = 1024
	timeoutMs = 200
)

// Gateway owns a server.
type Gateway struct {
	server *C.hf_server
	events []C.hf_event // in C's memory, because its texts are
}

// check returns the error of a call. The text belongs to the thread of the call.
func check(result C.int32_t) error {
	if result >= 0 {
		return nil
	}
	return errors.New(C.GoString(C.hf_last_error()))
}

// Start starts a server with these options.
func Start(options map[string]string) (*Gateway, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	config := C.hf_config_create(C.HF_ABI_VERSION)
	if config == nil {
		return nil, check(-1)
	}
	defer C.hf_config_destroy(config)
	for name, value := range options {
		option, text := C.CString(name), C.CString(value)
		err := check(C.hf_config_set(config, option, text))
		C.free(unsafe.Pointer(option))
		C.free(unsafe.Pointer(text))
		if err != nil {
			return nil, err
		}
	}
	g := &Gateway{}
	if err := check(C.hf_server_start(config, &g.server)); err != nil {
		return nil, err
	}
	memory := C.calloc(batch, C.sizeof_hf_event)
	g.events = unsafe.Slice((*C.hf_event)(memory), batch)
	return g, nil
}

// Address returns the address of the first listener.
func (g *Gateway) Address() string {
	var text [64]C.char
	C.hf_server_address(g.server, 0, &text[0], C.size_t(len(text)))
	return C.GoString(&text[0])
}

// Events returns the next events, none at the timeout, and false behind the last one.
func (g *Gateway) Events() ([]C.hf_event, bool) {
	count := C.hf_server_wait_events(g.server, &g.events[0], batch, timeoutMs)
	if count < 0 {
		return nil, false
	}
	return g.events[:count], true
}

// Send sends an object to a device.
func (g *Gateway) Send(conn C.hf_conn, json string) bool {
	text := C.CString(json)
	defer C.free(unsafe.Pointer(text))
	return C.hf_server_send(g.server, conn, text, C.size_t(len(json))) == C.HF_SUCCESS
}

// Drain ends all connections in order.
func (g *Gateway) Drain() { C.hf_server_drain(g.server) }

// Close frees the server.
func (g *Gateway) Close() {
	C.hf_server_destroy(g.server)
	C.free(unsafe.Pointer(&g.events[0]))
}

func text(of C.hf_text) string { return C.GoStringN(of.data, C.int(of.size)) }

func (g *Gateway) take(event *C.hf_event) {
	switch event.kind {
	case C.HF_IDENTIFIED:
		fmt.Println(text(event.id), "is here")
	case C.HF_ITEM:
		fmt.Println(text(event.key), "sent", text(event.body))
		g.Send(event.conn, fmt.Sprintf(`{"received":%d}`, event.number))
	case C.HF_CLOSED:
		fmt.Println("closed:", text(event.reason), "after", event.number, "items")
	}
}

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	gateway, err := Start(map[string]string{"listener.address": os.Args[1], "reactors": "2"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer gateway.Close()
	fmt.Println("listening on", gateway.Address())
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		<-stop
		gateway.Drain()
	}()
	for events, more := gateway.Events(); more; events, more = gateway.Events() {
		for n := range events {
			gateway.take(&events[n])
		}
	}
	<-drained // no function may run while Close() does
}
