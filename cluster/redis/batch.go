package redis

import (
	"slices"
	"strconv"
)

// entry is a change as it is written: the ids of sessions that others have left
// behind may be anything.
type entry struct {
	user    string // "" when it is not known
	session string
	kind    kind
}

// block is what one script writes: each session and each user once.
type block struct {
	come, gone []entry
	users      []string
	counts     []int // of the users' sessions
}

// fill makes b what the entries come to, in their order. Its memory is used again.
func (b *block) fill(entries []entry, countOf func(user string) int) {
	b.come, b.gone, b.users, b.counts = b.come[:0], b.gone[:0], b.users[:0], b.counts[:0]
	last := make(map[string]int, len(entries))
	users := make(map[string]struct{}, len(entries))
	for i, e := range entries {
		if e.kind != check {
			last[e.session] = i
		}
		if _, known := users[e.user]; !known && e.user != "" {
			users[e.user] = struct{}{}
			b.users = append(b.users, e.user)
			b.counts = append(b.counts, countOf(e.user))
		}
	}
	for i, e := range entries {
		switch {
		case e.kind == check || last[e.session] != i:
		case e.kind == come:
			b.come = append(b.come, e)
		default:
			b.gone = append(b.gone, e)
		}
	}
}

// holder is as whom a batch is written: a node, or one that cleans up after it.
type holder struct {
	node        string
	incarnation uint64
	cleaning    bool
	extend      int64  // ms to extend the claim by
	users       string // on the node; "" when that is not to be noted
	now         int64  // Unix ms, the time of heartbeats
}

func (h holder) lease() string {
	if h.cleaning {
		return keyCleaning
	}
	return keyLeases
}

// fence returns what the scripts need to tell whether the holder still is that.
func (h holder) fence(extraKeys, extraArgs int) (keys []string, args []any) {
	keys = slices.Grow([]string{keyIncarnations, h.lease(), keyUsers}, extraKeys)
	args = slices.Grow([]any{h.node, strconv.FormatUint(h.incarnation, 10), h.extend, h.users}, extraArgs)
	return keys, args
}
