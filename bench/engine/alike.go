package engine

import (
	"bytes"

	"github.com/gobwas/ws"
)

// alike remembers the last messages that were found right. A broadcast comes at
// every connection of a loop: where it comes as it did before, its mark need not
// be read nor the message be made again to compare with.
type alike struct {
	at   int // where the mark begins in messages of the scenario
	slot [alikeSlots]struct {
		payload []byte
		op      ws.OpCode
		m       mark
	}
}

const (
	alikeSlots = 32
	alikeMost  = 16 << 10 // longest message remembered, in bytes
)

// find returns the mark of a message that is exactly one of those remembered.
func (a *alike) find(op ws.OpCode, payload []byte) (m mark, ok bool) {
	h, ok := digitsOf(payload, a.at)
	if !ok {
		return m, false
	}
	s := &a.slot[h%alikeSlots]
	return s.m, op == s.op && bytes.Equal(payload, s.payload)
}

// keep remembers a message that is right, with its mark at at.
func (a *alike) keep(op ws.OpCode, payload []byte, m mark, at int) {
	a.at = at
	h, ok := digitsOf(payload, at)
	if !ok || len(payload) > alikeMost {
		return
	}
	s := &a.slot[h%alikeSlots]
	s.op, s.payload, s.m = op, append(s.payload[:0], payload...), m
}
