package server

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unsafe"

	"carillon/netpoll"
)

// TestSessionIDs: an id is a UUID, names its handle, and can not be made up or
// carried over from another start or node.
func TestSessionIDs(t *testing.T) {
	t.Parallel()
	start := time.Unix(1, 0)
	ids := newSessionIDs("node-a", start)
	others := []sessionIDs{newSessionIDs("node-a", start), newSessionIDs("node-a", start.Add(1)), newSessionIDs("node-b", start)}
	seen := make(map[string]bool)
	for _, h := range []netpoll.Handle{1, 2, 1 << 28, 1<<28 - 1, 1 << 54, 1<<54 - 1, ^netpoll.Handle(0), 0x0123456789abcdef} {
		id := ids.of(h).String()
		if len(id) != 36 || id[14] != '8' || !strings.ContainsRune("89ab", rune(id[19])) || seen[id] {
			t.Errorf("%v has the id %s", h, id)
		}
		seen[id] = true
		if got, ok := ids.parse(id); !ok || got != h {
			t.Errorf("%s is parsed as %v, %v; want %v", id, got, ok, h)
		}
		if got, ok := ids.parse(strings.ToUpper(id)); !ok || got != h {
			t.Errorf("%s in upper case is parsed as %v, %v", id, got, ok)
		}
		for i, o := range others {
			if _, ok := o.parse(id); ok {
				t.Errorf("other start or node %d takes %s", i, id)
			}
		}
	}
	for _, id := range []string{"", "x", strings.Repeat("-", 36), strings.Repeat("0", 36), "00000000-0000-8000-8000-000000000000", "not-a-uuid-at-all-but-of-that-length"} {
		if h, ok := ids.parse(id); ok {
			t.Errorf("%q is taken for %v", id, h)
		}
	}
}

// TestSizeofSession pins what a session costs beside the reactor's part.
func TestSizeofSession(t *testing.T) {
	t.Parallel()
	if n := unsafe.Sizeof(session{}); n > 48 {
		t.Errorf("a session is %d bytes, over its size class of 48", n)
	}
}

// TestSessionIDRoundTrip: every bit of a handle comes back, and no two handles
// have the same id.
func TestSessionIDRoundTrip(t *testing.T) {
	t.Parallel()
	ids := newSessionIDs("node-a", time.Unix(1, 0))
	rnd := rand.New(rand.NewPCG(1, 2))
	seen := make(map[string]netpoll.Handle)
	check := func(h netpoll.Handle) {
		id := ids.of(h).String()
		if other, ok := seen[id]; ok && other != h {
			t.Fatalf("%x and %x have the same id %s", uint64(h), uint64(other), id)
		}
		seen[id] = h
		if got, ok := ids.parse(id); !ok || got != h {
			t.Fatalf("%s of %x is parsed as %x, %v", id, uint64(h), uint64(got), ok)
		}
		if ids.of(h).String() != id {
			t.Fatalf("%x has two ids", uint64(h))
		}
	}
	for i := range 64 {
		for j := range 64 {
			check(netpoll.Handle(1<<i | 1<<j))
			check(^netpoll.Handle(1<<i | 1<<j))
		}
	}
	for range 100_000 {
		check(netpoll.Handle(rnd.Uint64()))
	}
}

// TestForgedSessionIDs: an id in which a digit was changed, or that was made up
// with everything right but the check, names nobody. The check of another handle
// is right by chance once in 67 million, so that two hits in some 100,000 are let
// pass; a second id of one handle never is.
func TestForgedSessionIDs(t *testing.T) {
	t.Parallel()
	ids := newSessionIDs("node-a", time.Unix(1, 0))
	rnd := rand.New(rand.NewPCG(3, 4))
	hits := 0
	for range 300 {
		h := netpoll.Handle(rnd.Uint64())
		id := ids.of(h).String()
		for i, c := range []byte(id) {
			for _, d := range []byte("0123456789abcdefg-") {
				if d == c {
					continue
				}
				forged := id[:i] + string(d) + id[i+1:]
				if got, ok := ids.parse(forged); ok {
					hits++
					if got == h {
						t.Errorf("%s is taken for %s", forged, id)
					}
				}
			}
		}
		for n := range len(id) {
			if got, ok := ids.parse(id[:n]); ok {
				t.Errorf("%s is taken for %v", id[:n], got)
			}
		}
		if got, ok := ids.parse(id + "0"); ok {
			t.Errorf("%s0 is taken for %v", id, got)
		}
	}
	for range 10_000 {
		id := fmt.Sprintf("%08x-%04x-8%03x-%04x-%012x", ids.tag, rnd.Uint32()&0xffff, rnd.Uint32()&0xfff, 0x8000|rnd.Uint32()&0x3fff, rnd.Uint64()&(1<<48-1))
		if _, ok := ids.parse(id); ok {
			hits++
		}
	}
	if hits > 2 {
		t.Errorf("%d forged ids were taken for sessions", hits)
	}
}
