package local

import (
	"fmt"
	"hash/maphash"
	"strconv"
	"strings"

	"carillon/cluster"
)

// listing is what a cursor belongs to.
type listing struct {
	users bool
	node  string
}

// position is where a page begins: at a holder, or the first after it when it is
// gone, and where its Scan goes on.
type position struct {
	holder, scan uint64
}

// cursor returns the text of a position. It carries a sum, so that no holder is
// ever asked to go on from where it has not stopped.
func (h *Hub) cursor(l listing, at position) string {
	return fmt.Sprintf("%x-%x-%x", at.holder, at.scan, h.sum(l, at))
}

func (h *Hub) parseCursor(l listing, text string) (position, error) {
	var n [3]uint64
	parts := strings.SplitN(text, "-", len(n)+1)
	if len(parts) != len(n) {
		return position{}, cluster.ErrBadCursor
	}
	for i, part := range parts {
		v, err := strconv.ParseUint(part, 16, 64)
		if err != nil {
			return position{}, cluster.ErrBadCursor
		}
		n[i] = v
	}
	at := position{holder: n[0], scan: n[1]}
	if n[2] != h.sum(l, at) {
		return position{}, cluster.ErrBadCursor
	}
	return at, nil
}

func (h *Hub) sum(l listing, at position) uint64 {
	type whole struct {
		listing
		position
	}
	return maphash.Comparable(h.seed, whole{l, at})
}
