package server

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"carillon/netpoll"
)

// TestUserIndexModel compares the index with a map of sets.
func TestUserIndexModel(t *testing.T) {
	t.Parallel()
	x := newUserIndex()
	model := make(map[string][]netpoll.Handle)
	h := netpoll.Handle(0)
	for i := range 20000 {
		user := fmt.Sprint("u", i*7919%13)
		if have := model[user]; i%3 == 0 && len(have) > 0 {
			k := i % len(have)
			x.remove(user, have[k])
			x.remove(user, have[k]) // the second time does nothing
			model[user] = slices.Delete(have, k, k+1)
		} else {
			h++
			x.add(user, h)
			model[user] = append(model[user], h)
		}
		got := x.handles(nil, user)
		slices.Sort(got)
		want := slices.Sorted(slices.Values(model[user]))
		if !slices.Equal(got, want) {
			t.Fatalf("step %d: %s has %v, want %v", i, user, got, want)
		}
		if one, n := x.single(user); n != len(want) || n > 0 && !slices.Contains(want, one) {
			t.Fatalf("step %d: single is %v of %d, want one of %v", i, one, n, want)
		}
	}
	users, sessions := 0, 0
	for _, hs := range model {
		if len(hs) > 0 {
			users++
		}
		sessions += len(hs)
	}
	if int(x.users.Load()) != users || int(x.sessions.Load()) != sessions || len(x.all(nil)) != users {
		t.Errorf("counts %d users, %d sessions, %v; want %d and %d", x.users.Load(), x.sessions.Load(), x.all(nil), users, sessions)
	}
}

// TestUserIndexFromManyGoroutines ends empty whatever the interleaving.
func TestUserIndexFromManyGoroutines(t *testing.T) {
	t.Parallel()
	x := newUserIndex()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				user := fmt.Sprint(i % 5)
				h := netpoll.Handle(g*1_000_000 + i + 1)
				x.add(user, h)
				if !slices.Contains(x.handles(nil, user), h) {
					t.Errorf("session %v is not found", h)
				}
				x.remove(user, h)
			}
		})
	}
	wg.Wait()
	if n, s, all := x.users.Load(), x.sessions.Load(), x.all(nil); n != 0 || s != 0 || len(all) != 0 {
		t.Errorf("left: %d users, %d sessions, %v", n, s, all)
	}
}

// TestSessionIDs: an id is a UUID, names its handle, and can not be made up or
// carried over from another start or node.
func TestSessionIDs(t *testing.T) {
	t.Parallel()
	start := time.Unix(1, 0)
	ids := newSessionIDs("node-a", start)
	others := []sessionIDs{newSessionIDs("node-a", start), newSessionIDs("node-a", start.Add(1)), newSessionIDs("node-b", start)}
	seen := make(map[string]bool)
	for _, h := range []netpoll.Handle{1, 2, 1 << 28, 1<<28 - 1, 1 << 54, 1<<54 - 1, ^netpoll.Handle(0), 0x0123456789abcdef} {
		id := ids.of(h)
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
	if n := unsafe.Sizeof(session{}); n > 32 {
		t.Errorf("a session is %d bytes, over its size class of 32", n)
	}
}
