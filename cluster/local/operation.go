package local

import (
	"slices"
	"strings"

	"carillon/cluster"
)

// operationCost is what an operation takes in memory beside its texts, and textCost
// what a text takes beside its bytes.
const (
	operationCost = 256
	textCost      = 16
)

// encode returns a copy that shares nothing with op, as a broker would get it.
func encode(op *cluster.Operation) *cluster.Operation {
	c := *op
	c.Payload = strings.Clone(op.Payload)
	c.Reason = strings.Clone(op.Reason)
	c.Users = cloneAll(op.Users)
	c.Sessions = cloneAll(op.Sessions)
	return &c
}

// decode returns a copy for a handler to keep.
func decode(op *cluster.Operation) *cluster.Operation {
	c := *op
	c.Users = slices.Clone(op.Users)
	c.Sessions = slices.Clone(op.Sessions)
	return &c
}

func cloneAll(texts []string) []string {
	if texts == nil {
		return nil
	}
	c := make([]string, len(texts))
	for i, s := range texts {
		c[i] = strings.Clone(s)
	}
	return c
}

// sizeOf returns what an operation counts for in an outbox.
func sizeOf(op *cluster.Operation) int {
	n := operationCost + len(op.Payload) + len(op.Reason)
	for _, s := range op.Users {
		n += textCost + len(s)
	}
	for _, s := range op.Sessions {
		n += textCost + len(s)
	}
	return n
}
