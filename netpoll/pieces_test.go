package netpoll

import (
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"

	"carillon/codec"
)

// trickle writes s in pieces of n bytes, each of them a segment of its own as
// TCP_NODELAY is Go's default.
func (c *rawClient) trickle(s string, n int) {
	c.t.Helper()
	for len(s) > 0 {
		k := min(n, len(s))
		c.write(s[:k])
		s = s[k:]
	}
}

// TestPieces is the handshake and all kinds of frames in pieces of every small
// size, in the segment of the request, and in one go, on every loop, while
// broadcasts come in between.
func TestPieces(t *testing.T) {
	h := newTestHandler()
	r := startReactor(t, Options{Loops: 3, MaxMessage: 1 << 20}, h)
	var stop atomic.Bool
	var load sync.WaitGroup
	load.Add(1)
	go func() {
		defer load.Done()
		for !stop.Load() {
			rc := NewReceipt()
			if err := r.Broadcast(codec.NewTextString("load"), rc); err != nil {
				t.Error(err)
				return
			}
			_, _ = rc.Wait(t.Context())
		}
	}()
	t.Cleanup(func() { stop.Store(true); load.Wait() })

	long := strings.Repeat("0123456789ä", 800)
	var stream strings.Builder
	stream.WriteString(text("first"))
	stream.WriteString(clientFrame(ws.OpPing, true, "p1"))
	stream.WriteString(clientFrame(ws.OpText, false, "frag"))
	stream.WriteString(clientFrame(ws.OpPing, true, strings.Repeat("p", 125)))
	stream.WriteString(clientFrame(ws.OpContinuation, false, ""))
	stream.WriteString(clientFrame(ws.OpContinuation, true, "mented \xc3\xa4"))
	stream.WriteString(text(""))
	stream.WriteString(text(codec.HeartbeatRequest))
	stream.WriteString(text(long))
	stream.WriteString(closeFrame(1000, "done"))
	want := []struct {
		op ws.OpCode
		p  string
	}{
		{ws.OpText, "first"}, {ws.OpPong, "p1"}, {ws.OpPong, strings.Repeat("p", 125)}, {ws.OpText, "fragmented ä"}, {ws.OpText, ""},
		{ws.OpText, `{"type":"HEARTBEAT_ACK"}`}, {ws.OpText, long}, {ws.OpClose, "\x03\xe8done"},
	}
	check := func(t *testing.T, c *rawClient) {
		t.Helper()
		for i := 0; i < len(want); {
			op, p, err := c.next()
			if err != nil {
				t.Fatalf("frame %d: %v", i, err)
			}
			if string(p) == "load" {
				continue
			}
			if op != want[i].op || string(p) != want[i].p {
				t.Fatalf("frame %d: got opcode %d %.40q (%d bytes), want %d %.40q", i, op, p, len(p), want[i].op, want[i].p)
			}
			i++
		}
		c.expectEnd()
	}
	for _, size := range []int{1, 2, 3, 7, 64, 1000, 1 << 20} {
		for range 2 * r.Loops() { // several connections for each loop, by chance and the kernel's hash
			c := connect(t, r.Port(), 0)
			done := make(chan struct{})
			go func() {
				defer close(done)
				if c.status() == 101 {
					check(t, c)
				}
			}()
			c.trickle(upgradeRequest+stream.String(), size)
			<-done
			_ = c.nc.Close()
			if t.Failed() {
				t.Fatalf("in pieces of %d bytes", size)
			}
		}
	}
	waitFor(t, "every loop to have had connections", func() bool {
		return !slices.ContainsFunc(r.Stats(), func(s ShardStats) bool { return s.Upgraded == 0 })
	})
}

// TestMegabyteInFragments sends 1 MiB in fragments of all sizes, with pings in
// between, plain and compressed.
func TestMegabyteInFragments(t *testing.T) {
	h := newTestHandler()
	r := startReactor(t, Options{MaxMessage: 1 << 20, MaxOutbound: 4 << 20, Policy: codec.Policy{Path: "/ws", Compression: true}}, h)
	b := make([]byte, 1<<20)
	for i := range b {
		b[i] = 'a' + byte(i*i/7%26)
	}
	message := string(b)
	c := upgraded(t, r.Port())
	go func() {
		rest, op := message, ws.OpText
		for n := 1; len(rest) > 0; n += 97 {
			k := min(n, len(rest))
			s := clientFrame(op, k == len(rest), rest[:k]) + clientFrame(ws.OpPing, true, "")
			if _, err := c.nc.Write([]byte(s)); err != nil {
				return
			}
			rest, op = rest[k:], ws.OpContinuation
		}
	}()
	for {
		op, p, err := c.next()
		if err != nil {
			t.Fatal(err)
		}
		if op == ws.OpPong {
			continue
		}
		if string(p) != message {
			t.Fatalf("got %d bytes back, not what was sent", len(p))
		}
		break
	}

	d := connect(t, r.Port(), 0)
	d.upgrade(deflateRequest)
	d.write(text("plain still goes"))
	h1, err := ws.ReadHeader(d.br)
	if err != nil || h1.Rsv != ws.Rsv(true, false, false) {
		t.Fatalf("header %+v, %v, want RSV1", h1, err)
	}
	p := make([]byte, h1.Length)
	if _, err := io.ReadFull(d.br, p); err != nil {
		t.Fatal(err)
	}
	z := flate.NewReader(strings.NewReader(string(p) + "\x00\x00\xff\xff\x01\x00\x00\xff\xff"))
	var out strings.Builder
	if _, err := io.Copy(&out, z); err != nil || out.String() != "plain still goes" {
		t.Fatalf("inflated %q, %v", out.String(), err)
	}
}
