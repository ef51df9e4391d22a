package netpoll

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"carillon/codec"
)

// onBothPaths runs a test with one system call for each send of a broadcast, and
// through io_uring if this system has it.
func onBothPaths(t *testing.T, test func(*testing.T, UringMode)) {
	t.Run("send", func(t *testing.T) { test(t, UringOff) })
	u, err := newUring(1)
	if err != nil {
		t.Logf("not tested through io_uring: %v", err)
		return
	}
	u.close()
	t.Run("uring", func(t *testing.T) { test(t, UringOn) })
}

func TestUringModeString(t *testing.T) {
	t.Parallel()
	for mode, want := range map[UringMode]string{UringAuto: "auto", UringOn: "on", UringOff: "off", 9: "UringMode(9)"} {
		if got := mode.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestUringRefused has a system that refuses io_uring to the second loop: with
// auto all loops do without and say so once, with on nothing starts, and off does
// not ask. What the first loop got is given back.
func TestUringRefused(t *testing.T) {
	refusal := errors.New("refused by the test")
	for _, tc := range []struct {
		mode         UringMode
		asked, lines int
		err          error
	}{{UringAuto, 2, 1, nil}, {UringOn, 2, 0, refusal}, {UringOff, 0, 0, nil}} {
		t.Run(tc.mode.String(), func(t *testing.T) {
			before := uringMaps()
			var lines bytes.Buffer
			h := newTestHandler()
			r, err := New(Options{
				Host: "127.0.0.1", Loops: 3, Policy: codec.Policy{Path: "/ws"}, Uring: tc.mode,
				Logger: slog.New(slog.NewTextHandler(&lines, nil)),
			}, h)
			if err != nil {
				t.Fatal(err)
			}
			asked := 0
			r.newRing = func(entries int) (*uring, error) {
				if asked++; asked == 2 {
					return nil, refusal
				}
				return newUring(entries)
			}
			err = r.Start()
			if !errors.Is(err, tc.err) {
				t.Fatalf("Start: got %v, want %v", err, tc.err)
			}
			if asked != tc.asked {
				t.Errorf("asked for %d rings, want %d", asked, tc.asked)
			}
			if n := uringMaps(); n != before {
				t.Errorf("%d mappings of io_uring are left", n-before)
			}
			if err == nil {
				c := upgraded(t, r.Port())
				if err := r.Broadcast(codec.NewTextString("to all"), nil); err != nil {
					t.Fatal(err)
				}
				c.expect("to all")
			}
			if err := r.Stop(); err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(lines.String(), "io_uring"); n != tc.lines {
				t.Errorf("io_uring is spoken of %d times, want %d:\n%s", n, tc.lines, &lines)
			}
		})
	}
}

// TestUringFreed starts and stops, with loops that have served.
func TestUringFreed(t *testing.T) {
	onBothPaths(t, func(t *testing.T, mode UringMode) {
		maps, fds := uringMaps(), openFDs()
		r, err := New(Options{Host: "127.0.0.1", Loops: 2, Policy: codec.Policy{Path: "/ws"}, Uring: mode, Logger: slog.New(slog.DiscardHandler)}, newTestHandler())
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Start(); err != nil {
			t.Fatal(err)
		}
		c := upgraded(t, r.Port())
		if err := r.Broadcast(codec.NewTextString("to all"), nil); err != nil {
			t.Fatal(err)
		}
		c.expect("to all")
		if n := uringMaps() - maps; (n == 0) != (mode == UringOff) {
			t.Errorf("%d mappings of io_uring while running", n)
		}
		_ = c.nc.Close()
		if err := r.Stop(); err != nil {
			t.Fatal(err)
		}
		if n := uringMaps(); n != maps {
			t.Errorf("%d mappings of io_uring are left", n-maps)
		}
		waitFor(t, "the descriptors to be closed", func() bool { return openFDs() <= fds+2 }) // the runtime's own two
	})
}
