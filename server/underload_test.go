package server

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"

	"carillon/netpoll"
	"carillon/server/config"
)

// loopWatch remembers which loop serves which client.
type loopWatch struct {
	netpoll.Handler
	loops sync.Map // client's address: index of the loop
}

func (w *loopWatch) wrap(h netpoll.Handler) netpoll.Handler {
	w.Handler = h
	return w
}

func (w *loopWatch) Open(c *netpoll.Conn) {
	loop, _, _ := strings.Cut(c.Handle().String(), ".")
	w.loops.Store(c.RemoteAddr().String(), loop)
	w.Handler.Open(c)
}

// of returns the loop of a connection that was answered a message.
func (w *loopWatch) of(c *rawConn) string {
	c.t.Helper()
	loop, ok := w.loops.Load(c.LocalAddr().String())
	if !ok {
		c.t.Fatal("no loop knows the connection")
	}
	return loop.(string)
}

// flooded is a connection that takes part in a flood of broadcasts.
type flooded struct{ *rawConn }

var flood = []byte("flood " + strings.Repeat("f", 500))

// next reads the next frame that is not a broadcast.
func (c flooded) next() (head byte, payload []byte, err error) {
	for {
		head, payload, err = c.readFrame()
		if err != nil || head != headText || !bytes.Equal(payload, flood) {
			return head, payload, err
		}
	}
}

func (c flooded) expect(head byte, want []byte) {
	c.t.Helper()
	h, p, err := c.next()
	if err != nil || h != head || !bytes.Equal(p, want) {
		c.t.Fatalf("got frame %#x %.60q (%d bytes), %v, want %#x %.60q (%d bytes)", h, p, len(p), err, head, want, len(want))
	}
}

// underLoad keeps every loop busy until the test ends: acknowledged broadcasts
// one after the other, and two connections on each loop that echo messages of
// their own and check every frame they get.
func underLoad(t *testing.T, r *running, w *loopWatch, loops int) (broadcasts *atomic.Int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var load sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		load.Wait()
	})
	served := make(map[string]int)
	for n := 0; len(served) < loops || slices.Min(slices.Collect(maps.Values(served))) < 2; n++ {
		c := flooded{dialEcho(t, r)}
		mine := fmt.Appendf(nil, "%d %s", n, sample(300))
		c.text("hello")
		c.expect(headText, []byte("hello"))
		if loop := w.of(c.rawConn); served[loop] < 2 {
			served[loop]++
		} else {
			_ = c.Close()
			continue
		}
		stop := context.AfterFunc(ctx, func() { _ = c.Close() })
		load.Go(func() {
			defer stop()
			four := bytes.Repeat(appendMasked(nil, headText, mine), 4)
			for ctx.Err() == nil {
				_, err := c.Write(four)
				for range 4 {
					var h byte
					var p []byte
					if err == nil {
						h, p, err = c.next()
					}
					if ctx.Err() == nil && (err != nil || h != headText || !bytes.Equal(p, mine)) {
						t.Errorf("a connection of the load got frame %#x %.60q (%d bytes), %v", h, p, len(p), err)
						return
					}
				}
			}
		})
	}
	broadcasts = new(atomic.Int64)
	load.Go(func() {
		for ctx.Err() == nil {
			if d, err := r.broadcast(waitIf(ctx, true), flood); err == nil && d.Sessions >= 2*loops {
				broadcasts.Add(1)
			} else if ctx.Err() == nil {
				t.Errorf("broadcast: %+v, %v", d, err)
				return
			}
		}
	})
	t.Cleanup(cancel) // before the sockets are closed
	waitFor(t, "broadcasts", func() bool { return broadcasts.Load() > 100 })
	return broadcasts
}

// TestRightUnderLoad: handshakes and frames byte by byte, frames in the segment
// of the request and 1 MiB in fragments come out right on every loop, while
// broadcasts flood it and other connections of it echo. The kernel picks the loop
// of a connection, so each shape is tried until every loop had it.
func TestRightUnderLoad(t *testing.T) {
	const loops = 3
	w := new(loopWatch)
	r := startWith(t, func(cfg *config.Config) {
		cfg.WebSocket.Echo = true
		cfg.WebSocket.MaxMessageBytes = 1 << 20
		cfg.Server.EventLoops = loops
	}, func(o *Options) { o.observe = w.wrap })
	broadcasts := underLoad(t, r, w, loops)

	accepted := func(c flooded) {
		c.t.Helper()
		if res, body := c.response(); res.StatusCode != 101 {
			c.t.Fatalf("%s %s", res.Status, body)
		}
	}
	large := sample(1 << 20)
	frames := func(b []byte, mine string) []byte {
		b = appendMasked(b, headText, []byte(mine))
		b = appendMasked(b, byte(ws.OpText), []byte(mine[:3]))
		b = appendMasked(b, headPing, []byte("between"))
		b = appendMasked(b, finBit|byte(ws.OpContinuation), []byte(mine[3:]))
		return appendMasked(b, headBinary, []byte(mine))
	}
	answers := func(c flooded, mine string) {
		c.t.Helper()
		c.expect(headText, []byte(mine))
		c.expect(headPong, []byte("between"))
		c.expect(headText, []byte(mine))
		c.expect(headBinary, []byte(mine))
	}
	shapes := []struct {
		name  string
		times int // on each loop
		run   func(c flooded, mine string)
	}{
		{"byte by byte", 10, func(c flooded, mine string) {
			c.chop(frames([]byte(request("/ws")), mine), 1)
			accepted(c)
			answers(c, mine)
		}},
		{"in the segment of the request", 10, func(c flooded, mine string) {
			c.send(string(frames([]byte(request("/ws")), mine)))
			accepted(c)
			answers(c, mine)
		}},
		{"a frame cut by the segment of the request", 10, func(c flooded, mine string) {
			b := frames([]byte(request("/ws")), mine)
			cut := len(request("/ws")) + 3
			c.send(string(b[:cut]))
			accepted(c)
			c.send(string(b[cut:]))
			answers(c, mine)
		}},
		{"1 MiB in fragments", 1, func(c flooded, mine string) {
			c.send(request("/ws"))
			accepted(c)
			b := fragmented(large, 10_000, byte(ws.OpText))
			c.pour(frames(b, mine), 9_999)
			c.expect(headText, large)
			answers(c, mine)
		}},
		{"1 MiB in fragments behind the request", 1, func(c flooded, mine string) {
			b := append([]byte(request("/ws")), fragmented(large, 65_000, byte(ws.OpBinary))...)
			c.pour(frames(b, mine), whole)
			accepted(c)
			c.expect(headBinary, large)
			answers(c, mine)
		}},
	}
	for _, shape := range shapes {
		t.Run(shape.name, func(t *testing.T) {
			before := broadcasts.Load()
			served := make(map[string]int)
			for n := 0; len(served) < loops || slices.Min(slices.Collect(maps.Values(served))) < shape.times; n++ {
				c := flooded{dialRaw(t, r)}
				shape.run(c, fmt.Sprintf("%s, number %d", shape.name, n))
				served[w.of(c.rawConn)]++
				_ = c.Close()
			}
			waitFor(t, "broadcasts meanwhile", func() bool { return broadcasts.Load() > before })
		})
	}
}
