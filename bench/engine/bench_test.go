package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"carillon/bench/plan"
	"carillon/codec"
)

func heartbeatReply() []byte {
	return codec.AppendFrame(nil, ws.OpText, []byte(`{"type":"HEARTBEAT_ACK"}`))
}

// echo sends a message and has the same come back. reply is reused.
func (b *bare) echo(reply []byte) []byte {
	b.g.s.now++
	if !b.g.arrive(b.g.s.now) {
		b.t.Fatal("not sent")
	}
	n, _ := unix.Read(b.peer, b.sink)
	frame := b.sink[:n] // 2 bytes, the mask and the payload: below 126 bytes, or 2 more
	at := 2
	if frame[1]&0x7f == 126 {
		at = 4
	}
	key := [4]byte(frame[at : at+4])
	payload := frame[at+4:]
	ws.Cipher(payload, key, 0)
	reply = codec.AppendFrame(reply[:0], ws.OpText, payload)
	b.feed(reply)
	return reply
}

// What a frame that is received costs beside the kernel: a broadcast, the same at
// 1,000 connections, and one that no other connection has had.
func BenchmarkReceive(b *testing.B) {
	for _, size := range []int{0, 1000, 10_000} {
		sc := plan.Scenario{Kind: plan.Broadcast, Message: fmt.Sprintf(`{"type":"BIZ","data":"{{.Mark}}{{.Pad %d}}"}`, size)}
		run := func(b *testing.B, conns int) {
			x := newBare(b, sc)
			frames := make([][]byte, 1000)
			for i := range frames {
				frames[i] = x.delivery()
			}
			b.SetBytes(int64(len(frames[0])))
			b.ReportAllocs()
			i, k := 0, 0
			for b.Loop() {
				if k++; k == conns {
					k = 0
					i = (i + 1) % len(frames)
				}
				x.c.echoes = echoes{}
				x.feed(frames[i])
			}
			x.ok(int64(b.N))
		}
		b.Run(fmt.Sprintf("fanout/%dB", size), func(b *testing.B) { run(b, 1000) })
		b.Run(fmt.Sprintf("alone/%dB", size), func(b *testing.B) { run(b, 1) })
	}
	b.Run("push", func(b *testing.B) {
		x := newBare(b, plan.Scenario{Kind: plan.Push})
		frame := x.delivery()
		b.ReportAllocs()
		for b.Loop() {
			x.c.echoes = echoes{}
			x.feed(frame)
		}
	})
}

// A request and its reply, with the kernel's part of a local socket.
func BenchmarkRequest(b *testing.B) {
	b.Run("heartbeat", func(b *testing.B) {
		x := newBare(b, plan.Scenario{Kind: plan.Heartbeat})
		reply := heartbeatReply()
		b.ReportAllocs()
		for b.Loop() {
			x.g.s.now++
			x.g.arrive(x.g.s.now)
			x.drain()
			x.feed(reply)
			x.g.expire()
		}
		x.ok(int64(b.N))
	})
	b.Run("echo", func(b *testing.B) {
		x := newBare(b, plan.Scenario{Kind: plan.Echo})
		var reply []byte
		b.ReportAllocs()
		for b.Loop() {
			reply = x.echo(reply)
		}
		x.ok(int64(b.N))
	})
}

// Requests and replies of an engine against a server in another process: what each
// costs this process in CPU time.
func BenchmarkRoundTrip(b *testing.B) {
	url := serveApart(b)
	for _, kind := range []plan.Kind{plan.Heartbeat, plan.Echo} {
		b.Run(string(kind), func(b *testing.B) {
			r := newRig(b, plan.Scenario{Kind: kind, URL: url, Connections: 50, Model: plan.Closed})
			r.connect()
			b.ReportAllocs()
			before := cpuTime()
			b.ResetTimer()
			at := r.e.clock.now()
			r.e.Traffic(Stage{At: at, From: at, To: at + int64(time.Hour)})
			for r.total[0].Measured.Counts.OK < int64(b.N) {
				time.Sleep(time.Millisecond)
				r.collect()
			}
			b.StopTimer()
			n := r.total[0].Measured.Counts.OK
			b.ReportMetric(float64(cpuTime()-before)/float64(n), "cpu-ns/request")
			r.e.Close()
		})
	}
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// An engine with nothing to do looks at what has timed out, and no more.
func BenchmarkIdle(b *testing.B) {
	url := serveApart(b)
	r := newRig(b, plan.Scenario{Kind: plan.Heartbeat, URL: url, Connections: 100, ConnectRate: 5000})
	r.connect()
	before := cpuTime()
	began := time.Now()
	for b.Loop() {
		time.Sleep(200 * time.Millisecond)
	}
	b.ReportMetric(100*float64(cpuTime()-before)/float64(time.Since(began)), "%cpu")
}

func BenchmarkMark(b *testing.B) {
	prefix := markPrefix(testRun)
	text := append(append([]byte(`{"type":"BIZ","data":"`), aMark.append(nil, prefix)...), `"}`...)
	b.Run("append", func(b *testing.B) {
		var buf []byte
		b.ReportAllocs()
		for b.Loop() {
			buf = aMark.append(buf[:0], prefix)
		}
	})
	b.Run("find", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			findMark(text, prefix)
		}
	})
}

func BenchmarkSchedule(b *testing.B) {
	for _, parts := range []int{1, 2, 20} {
		b.Run(fmt.Sprintf("parts=%d", parts), func(b *testing.B) {
			s := newSchedule(plan.Constant, 1e6, 0, never-1, whole.part(0, 1, parts), [2]uint64{})
			for b.Loop() {
				s.take()
			}
		})
	}
}
