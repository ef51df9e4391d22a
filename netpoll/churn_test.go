package netpoll

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"carillon/codec"
)

// TestChurnUnderBroadcast opens and closes connections at random while
// broadcasts and targeted frames run. Descriptors, slots and queues are reused
// all the time; a frame for one connection must never reach another.
func TestChurnUnderBroadcast(t *testing.T) {
	onBothPaths(t, churnUnderBroadcast)
}

func churnUnderBroadcast(t *testing.T, mode UringMode) {
	const lanes = 24
	h := newTestHandler()
	var owners sync.Map // Handle -> the name its client sent
	h.onMessage(func(c *Conn, payload []byte) bool {
		name := string(payload)
		if !strings.HasPrefix(name, "i am ") {
			return false
		}
		owners.Store(c.Handle(), name)
		c.SendMessage(ws.OpText, []byte("welcome "+name), 0)
		return true
	})
	// The buffer is small, so that connections are blocked now and then.
	r := startReactor(t, Options{SendBuffer: 8 << 10, MaxOutbound: 512 << 10, CloseTimeout: 5 * time.Second, Uring: mode}, h)

	var stop atomic.Bool
	var clients, lives, targeted sync.WaitGroup
	var got atomic.Int64
	faults := make(chan string, 1000)
	for lane := range lanes {
		clients.Add(1)
		go func() {
			defer clients.Done()
			rnd := rand.New(rand.NewPCG(7, uint64(lane)))
			for life := 0; !stop.Load(); life++ {
				name := fmt.Sprintf("i am %d.%d", lane, life)
				c, err := tryConnect(t, fmt.Sprintf("127.0.0.1:%d", r.Port()), 4<<10)
				if err != nil {
					faults <- err.Error()
					return
				}
				_, _ = c.nc.Write([]byte(upgradeRequest + text(name)))
				if code := c.status(); code != 101 {
					faults <- fmt.Sprintf("%s: status %d", name, code)
					return
				}
				welcome := false
				last := 0
				for range 1 + rnd.IntN(60) {
					op, p, err := c.next()
					if err != nil || op == ws.OpClose {
						break // closed by the test's other half
					}
					kind, rest, _ := strings.Cut(string(p), " ")
					switch kind {
					case "welcome":
						welcome = true
						if rest != name {
							faults <- fmt.Sprintf("%s was welcomed as %s", name, rest)
						}
					case "for":
						who, _, _ := strings.Cut(rest, "|")
						if !welcome || who != name {
							faults <- fmt.Sprintf("%s got %.40q, welcome %v", name, p, welcome)
						}
						got.Add(1)
					case "all":
						var n int
						if _, err := fmt.Sscan(rest, &n); err != nil || n <= last {
							faults <- fmt.Sprintf("%s got broadcast %.20q after %d", name, rest, last)
						}
						last = n
					default:
						faults <- fmt.Sprintf("%s got %.40q", name, p)
					}
				}
				switch rnd.IntN(3) {
				case 0:
					_, _ = c.nc.Write([]byte(closeFrame(1000, "")))
				case 1:
					_ = c.nc.(interface{ SetLinger(int) error }).SetLinger(0)
				}
				_ = c.nc.Close()
				lives.Add(1)
				lives.Done()
			}
		}()
	}
	targeted.Add(2)
	go func() {
		defer targeted.Done()
		pad := strings.Repeat("p", 2000)
		for n := 1; !stop.Load(); n++ {
			rc := NewReceipt()
			f := codec.NewTextString(fmt.Sprint("all ", n, " ", pad[:n%len(pad)]))
			if err := r.Broadcast(f, rc); err != nil {
				faults <- err.Error()
			}
			_, _ = rc.Wait(t.Context())
		}
	}()
	go func() {
		defer targeted.Done()
		rnd := rand.New(rand.NewPCG(8, 8))
		for !stop.Load() {
			owners.Range(func(k, v any) bool {
				hd, name := k.(Handle), v.(string)
				f := codec.NewTextString("for " + name + "|" + strings.Repeat("t", rnd.IntN(3000)))
				rc := NewReceipt()
				_ = r.Send(hd, f, rc)
				if n, _ := rc.Wait(t.Context()); n == 0 {
					owners.Delete(hd) // it is gone
				} else if rnd.IntN(20) == 0 {
					_ = r.Close(hd, codec.CloseNormal, "", CauseKicked, nil)
				}
				return !stop.Load()
			})
		}
	}()
	waitFor(t, "traffic", func() bool { return len(faults) > 0 || got.Load() > 1500 && r.Stats()[0].Accepted > 300 })
	stop.Store(true)
	targeted.Wait()
	// Lanes that wait for a frame are ended by a close.
	waitFor(t, "the clients", func() bool {
		_ = r.CloseMany(h.all(), codec.CloseNormal, "", CauseKicked, nil)
		return r.Conns() == 0
	})
	clients.Wait()
	close(faults)
	for f := range faults {
		t.Error(f)
	}
	waitFor(t, "the loops to be empty", func() bool {
		for _, s := range r.Stats() {
			if s.Sockets != 1 && s.Sockets != 0 || s.Open != 0 || s.OutBytes != 0 || s.Blocked != 0 {
				return false
			}
		}
		return true
	})
}
