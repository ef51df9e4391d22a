package faulty

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"

	"github.com/gorilla/websocket"
)

// BenchmarkEcho has a client send without waiting: what the server and a plain
// client do on the same cores.
func BenchmarkEcho(b *testing.B) {
	s := Start(b, Options{Faults: Faults{DropEvery: 1000}})
	c, _, err := websocket.DefaultDialer.Dial(s.URL(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	go func() { _, _ = io.Copy(io.Discard, c.NetConn()) }()
	message := make([]byte, 128)
	b.ReportAllocs()
	for b.Loop() {
		if err := c.WriteMessage(websocket.TextMessage, message); err != nil {
			b.Fatal(err)
		}
	}
	for st := s.Stats(); st.Sent+st.Dropped < st.Due || st.Received < int64(b.N); st = s.Stats() {
		runtime.Gosched()
	}
}

// BenchmarkBroadcast is one message to a number of connections that read and
// throw away.
func BenchmarkBroadcast(b *testing.B) {
	for _, conns := range []int{10, 1000} {
		b.Run(fmt.Sprint(conns), func(b *testing.B) {
			s := Start(b, Options{})
			for range conns {
				c, _, err := websocket.DefaultDialer.Dial(s.URL(), nil)
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				go func(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) }(c.NetConn())
			}
			text := string(make([]byte, 128))
			n := int64(0)
			for b.Loop() {
				s.Broadcast(text)
				for n += int64(conns); s.count.Sent.Load() < n; {
					runtime.Gosched()
				}
			}
		})
	}
}
