package local

import (
	"errors"
	"testing"

	"carillon/cluster"
)

func TestCursor(t *testing.T) {
	h := NewHub()
	listings := []listing{{users: true}, {}, {node: "a"}, {node: "b"}}
	at := position{holder: 3, scan: 1<<64 - 1}
	for _, l := range listings {
		text := h.cursor(l, at)
		for _, other := range listings {
			got, err := h.parseCursor(other, text)
			switch {
			case other == l && (err != nil || got != at):
				t.Errorf("%+v: got %+v, %v", l, got, err)
			case other != l && !errors.Is(err, cluster.ErrBadCursor):
				t.Errorf("cursor of %+v for %+v: got %v, want %v", l, other, err, cluster.ErrBadCursor)
			}
		}
		if _, err := NewHub().parseCursor(l, text); !errors.Is(err, cluster.ErrBadCursor) {
			t.Errorf("cursor of another hub: got %v, want %v", err, cluster.ErrBadCursor)
		}
	}
}

func FuzzCursor(f *testing.F) {
	h := NewHub()
	l := listing{node: "a"}
	f.Add(h.cursor(l, position{1, 2}), uint64(1), uint64(2))
	f.Add("1-2", uint64(0), uint64(0))
	f.Add("1-2-3-4", uint64(0), uint64(1<<63))
	f.Add("-1-+2-0x3", uint64(7), uint64(7))
	f.Add("", uint64(0), uint64(0))
	f.Fuzz(func(t *testing.T, text string, holder, scan uint64) {
		at := position{holder, scan}
		if got, err := h.parseCursor(l, h.cursor(l, at)); err != nil || got != at {
			t.Errorf("got %+v, %v, want %+v", got, err, at)
		}
		got, err := h.parseCursor(l, text)
		if err != nil {
			if !errors.Is(err, cluster.ErrBadCursor) {
				t.Errorf("%q: got %v, want %v", text, err, cluster.ErrBadCursor)
			}
			return
		}
		if again, err := h.parseCursor(l, h.cursor(l, got)); err != nil || again != got {
			t.Errorf("%q: got %+v and %+v, %v", text, got, again, err)
		}
	})
}
