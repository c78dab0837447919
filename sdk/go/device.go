// Package device is the device's side of the holdfast protocol (docs/reference/protocol.md), with the standard library only.
//
//	d, err := device.New(device.Config{Address: "gateway.example:7000", ID: "device-17"})
//	go d.Run(ctx)
//	err = d.Add([]byte(`{"ip":"10.20.30.40","status":"online"}`)) // ErrFull: try again after an ack
package device

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"sync"
	"time"
)

const (
	stable        = 10 * time.Second // a connection that lasted so long resets the back-off
	maxRetryAfter = 24 * time.Hour
	maxGaps       = 3 // of one number in a row
	maxMessage    = 64 << 10
	batchBytes    = 16 << 10
	maxSeq        = 1<<53 - 1
)

// ErrFull is the error of Add if the memory has no room until an ack.
var ErrFull = errors.New("the memory of the device is full; add the item again after an ack")

// Config has the settings of a device. Zero stands for the default.
type Config struct {
	Address, ID, Token string
	Session            string        // a new one whenever the numbers start from 1; empty: drawn
	FirstSeq           uint64        // number of the first item of a kept session; needs Session
	Length             bool          // framing = "length"
	MaxItems           int           // 10,000
	ResumeTimeout      time.Duration // 60 s
	AckTimeout         time.Duration // 2 min; without an ack for so long, the path is lost
	MinBackoff         time.Duration // 250 ms
	MaxBackoff         time.Duration // 60 s
	// Dial opens a connection, for example with TLS. Default: TCP, with 30 s.
	Dial      func(ctx context.Context, address string) (net.Conn, error)
	OnMessage func(json []byte)               // receives a message that is no answer of the protocol
	OnRefused func(seq uint64, reason string) // receives the number and the kind of an item that the gateway refused
	OnAcked   func(seq uint64)                // receives the number up to which the items are safe
}

// Device keeps items until the gateway acknowledges them. All functions may be called on any goroutine.
type Device struct {
	config Config
	mutex  sync.Mutex // guards the members below
	wake   chan struct{}
	items  [][]byte // texts without their last brace
	first  uint64   // number of the oldest kept item
	link
	session  string
	sentMax  uint64
	started  bool
	failures uint
}

// link is the state of one connection.
type link struct {
	conn     net.Conn
	next     uint64 // number of the next item to send; 0 before the resume
	since    time.Time
	retryAt  time.Time   // of retry_after_ms
	late     *time.Timer // of the next ack; nil: none is due
	gap      uint64
	gaps     int
	conflict bool // another device has the same session
}

// New checks the config and makes a device, without a connection.
func New(config Config) (*Device, error) {
	if config.ID == "" || len(config.ID) > 128 || len(config.Session) > 64 || len(config.Token) > 256 {
		return nil, errors.New("the config is invalid; give an ID of 1 to 128, a Session of at most 64 and a Token of at most 256 bytes")
	}
	if config.FirstSeq != 0 && config.Session == "" {
		return nil, errors.New("the config has FirstSeq without Session; give the name of the kept session")
	}
	setDefault(&config.MaxItems, 10000)
	setDefault(&config.ResumeTimeout, time.Minute)
	setDefault(&config.AckTimeout, 2*time.Minute)
	setDefault(&config.MinBackoff, 250*time.Millisecond)
	setDefault(&config.MaxBackoff, time.Minute)
	if config.Dial == nil {
		config.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			dialer := net.Dialer{Timeout: 30 * time.Second, KeepAlive: 15 * time.Second}
			return dialer.DialContext(ctx, "tcp", address)
		}
	}
	d := &Device{config: config, wake: make(chan struct{}, 1), first: 1, session: config.Session}
	if config.FirstSeq != 0 {
		d.first = config.FirstSeq
	}
	if d.session == "" {
		d.session = drawSession()
	}
	d.sentMax = d.first - 1
	return d, nil
}

func setDefault[T int | time.Duration](value *T, standard T) {
	if *value == 0 {
		*value = standard
	}
}

func drawSession() string {
	bits := make([]byte, 12)
	if _, err := rand.Read(bits); err != nil {
		panic(err) // a system without random numbers
	}
	return hex.EncodeToString(bits)
}

// Backoff returns the wait before an attempt: doubled with each failure, and from half of it to all of it.
func Backoff(failures uint, min, max time.Duration) time.Duration {
	wait := min
	for ; failures > 0 && wait < max; failures-- {
		wait *= 2
	}
	if wait > max {
		wait = max
	}
	jitter, err := rand.Int(rand.Reader, big.NewInt(int64(wait/2)+1))
	if err != nil {
		return wait
	}
	return wait/2 + time.Duration(jitter.Int64())
}

// Add keeps one item, a JSON object without the field "seq".
func (d *Device) Add(item []byte) error {
	text := bytes.TrimSpace(item)
	if len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}' {
		return errors.New("the item is no JSON object; give an object")
	}
	kept := bytes.Map(func(r rune) rune {
		if r == '\n' || r == '\r' {
			return ' '
		}
		return r
	}, text[:len(text)-1])
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if len(d.items) >= d.config.MaxItems {
		return ErrFull
	}
	d.items = append(d.items, kept)
	if !d.started && d.config.FirstSeq != 0 {
		d.sentMax = d.last()
	}
	d.notify()
	return nil
}

// Pending returns the number of items that no answer has covered.
func (d *Device) Pending() int {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return len(d.items)
}

// Place returns the session, and the number of the oldest kept item.
func (d *Device) Place() (string, uint64) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.session, d.first
}

func (d *Device) last() uint64 { return d.first + uint64(len(d.items)) - 1 }

func (d *Device) notify() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Run connects, again after each end, until the context ends.
func (d *Device) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		d.mutex.Lock()
		d.started = true
		d.link = link{}
		d.mutex.Unlock()
		if conn, err := d.config.Dial(ctx, d.config.Address); err == nil {
			d.serve(ctx, conn)
		}
		select {
		case <-ctx.Done():
		case <-time.After(d.waitBeforeNext()):
		}
	}
	return ctx.Err()
}

// waitBeforeNext ends the state of a connection.
func (d *Device) waitBeforeNext() time.Duration {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.late != nil {
		d.late.Stop()
	}
	if d.conflict {
		d.session, d.first, d.sentMax = drawSession(), 1, 0
	}
	if d.next != 0 && time.Since(d.since) >= stable {
		d.failures = 0
	}
	if !d.retryAt.IsZero() { // what the gateway said, but never at once
		soonest := Backoff(0, d.config.MinBackoff, d.config.MaxBackoff)
		if left := time.Until(d.retryAt); left > soonest {
			return left
		}
		return soonest
	}
	wait := Backoff(d.failures, d.config.MinBackoff, d.config.MaxBackoff)
	if d.failures < 32 {
		d.failures++
	}
	return wait
}

// serve runs one connection to its end.
func (d *Device) serve(ctx context.Context, conn net.Conn) {
	over, end := context.WithCancel(ctx)
	d.mutex.Lock()
	d.conn = conn
	hello := d.hello()
	d.mutex.Unlock()
	var helpers sync.WaitGroup
	helpers.Add(2)
	go func() {
		defer helpers.Done()
		<-over.Done()
		conn.Close() // also ends a Write() that waits
	}()
	go func() {
		defer helpers.Done()
		defer end()
		d.read(conn)
	}()
	deadline := time.AfterFunc(d.config.ResumeTimeout, func() {
		if d.awaitsResume() {
			conn.Close()
		}
	})
	if _, err := conn.Write(hello); err == nil {
		d.write(over, conn)
	}
	deadline.Stop()
	end()
	helpers.Wait()
}

func (d *Device) awaitsResume() bool {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.next == 0
}

func (d *Device) hello() []byte {
	hello := map[string]any{"id": d.config.ID, "session": d.session, "from": d.first}
	if d.config.Token != "" {
		hello["token"] = d.config.Token
	}
	text, err := json.Marshal(map[string]any{"hello": hello})
	if err != nil {
		panic(err) // strings and numbers only
	}
	return d.framed(nil, text)
}

func (d *Device) framed(out, text []byte) []byte {
	if d.config.Length {
		return append(binary.BigEndian.AppendUint32(out, uint32(len(text))), text...)
	}
	return append(append(out, text...), '\n')
}

// write sends items until the connection ends. Bytes that a slow connection does not take wait in Write().
func (d *Device) write(over context.Context, conn net.Conn) {
	for {
		batch := d.batch()
		if len(batch) > 0 {
			if _, err := conn.Write(batch); err != nil {
				<-over.Done() // the reader takes the acks that came before the end
				return
			}
			continue
		}
		select {
		case <-over.Done():
			return
		case <-d.wake:
		}
	}
}

// batch returns the next items in their framing.
func (d *Device) batch() []byte {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	var out []byte
	for d.next != 0 && d.retryAt.IsZero() && d.next <= d.last() && len(out) < batchBytes {
		text, comma := d.items[d.next-d.first], ","
		if len(bytes.TrimSpace(text)) == 1 {
			comma = ""
		}
		out = d.framed(out, []byte(fmt.Sprintf("%s%s\"seq\":%d}", text, comma, d.next)))
		if d.next > d.sentMax {
			d.sentMax = d.next
		}
		d.next++
	}
	if len(out) > 0 && d.late == nil {
		d.expectAck()
	}
	return out
}

// expectAck ends the connection if no ack comes in time.
func (d *Device) expectAck() {
	conn := d.conn
	d.late = time.AfterFunc(d.config.AckTimeout, func() { conn.Close() })
}

// read takes answers until the connection ends.
func (d *Device) read(conn net.Conn) {
	source := bufio.NewReaderSize(conn, maxMessage)
	for {
		frame, err := d.frame(source)
		if err != nil {
			return
		}
		if !d.take(frame) {
			return
		}
	}
}

// frame returns the next whole frame; nil for one that is too large.
func (d *Device) frame(source *bufio.Reader) ([]byte, error) {
	if !d.config.Length {
		line, err := source.ReadSlice('\n')
		for tooLarge := false; ; tooLarge = true {
			if !errors.Is(err, bufio.ErrBufferFull) {
				if tooLarge {
					line = nil
				}
				return line, err
			}
			line, err = source.ReadSlice('\n')
		}
	}
	var size [4]byte
	if _, err := io.ReadFull(source, size[:]); err != nil {
		return nil, err
	}
	count := binary.BigEndian.Uint32(size[:])
	if count > maxMessage {
		_, err := io.CopyN(io.Discard, source, int64(count))
		return nil, err
	}
	frame := make([]byte, count)
	_, err := io.ReadFull(source, frame)
	return frame, err
}

// answer has the fields of the protocol. A field of another type is none.
type answer map[string]json.RawMessage

func (a answer) number(name string) (uint64, bool) {
	var number uint64
	err := json.Unmarshal(a[name], &number)
	return number, err == nil && number <= maxSeq && !bytes.Equal(a[name], []byte("null"))
}

func (a answer) text(name string) string {
	var text string
	_ = json.Unmarshal(a[name], &text)
	return text
}

// take applies a frame. Returns false if the connection must end.
func (d *Device) take(frame []byte) bool {
	var fields answer
	if json.Unmarshal(frame, &fields) != nil || fields == nil {
		return true
	}
	resume, hasResume := fields.number("resume")
	ack, hasAck := fields.number("ack")
	nack, hasNack := fields.number("nack")
	retry, hasRetry := fields.number("retry_after_ms")
	if !hasResume && !hasAck && !hasNack && !hasRetry && d.config.OnMessage != nil {
		d.config.OnMessage(append([]byte(nil), bytes.TrimSpace(frame)...))
	}
	d.mutex.Lock()
	good, acked, refused := true, false, false
	switch {
	case hasResume:
		again := d.next != 0 // the gateway has replaced its process: items that no ack covers are lost there
		if good = d.release(resume); good {
			d.next, acked = d.first, true
			if !again {
				d.since = time.Now()
			}
		}
	case hasAck && d.next != 0:
		good, acked, d.gaps = d.release(ack), true, 0
	case hasNack && d.next != 0:
		good, refused = d.refuse(nack, fields)
	}
	if hasRetry && d.retryAt.IsZero() {
		d.part(retry)
	}
	first := d.first
	d.notify()
	d.mutex.Unlock()
	if good && acked && d.config.OnAcked != nil {
		d.config.OnAcked(first - 1)
	}
	if refused && d.config.OnRefused != nil {
		d.config.OnRefused(nack, fields.text("reason"))
	}
	return good
}

// part sets the time of the next connection, and ends this one then at the latest.
func (d *Device) part(retryMs uint64) {
	wait := maxRetryAfter
	if retryMs < uint64(maxRetryAfter/time.Millisecond) {
		wait = time.Duration(retryMs) * time.Millisecond
	}
	d.retryAt = time.Now().Add(wait)
	conn := d.conn
	time.AfterFunc(wait, func() { conn.Close() })
}

// release drops the items up to seq. Returns false if that number was never sent.
func (d *Device) release(seq uint64) bool {
	if seq > d.sentMax {
		d.conflict = true
		return false
	}
	if seq >= d.first {
		d.items = d.items[seq+1-d.first:]
		d.first = seq + 1
	}
	if d.next != 0 && d.next < d.first {
		d.next = d.first
	}
	if d.late != nil {
		d.late.Stop()
		d.late = nil
	}
	if d.next > d.first {
		d.expectAck()
	}
	return true
}

// refuse applies a nack. Returns false if the connection must end, and whether the program gets it.
func (d *Device) refuse(seq uint64, fields answer) (good, refused bool) {
	expected, hasExpected := fields.number("expected")
	switch fields.text("reason") {
	case "gap":
		if d.gaps++; expected != d.gap {
			d.gaps = 1
		}
		d.gap = expected
		d.conflict = hasExpected && expected > d.last()+1
		if d.conflict || !hasExpected || expected < d.first || d.gaps > maxGaps {
			return false, false
		}
		if expected < d.next {
			d.next = expected
		}
		return true, false
	case "skipped":
		d.conflict = seq >= d.first && seq <= d.last() // no ack ever covers that item
		return !d.conflict, false
	}
	return true, true
}
