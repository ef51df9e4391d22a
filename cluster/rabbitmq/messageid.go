package rabbitmq

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"strings"
)

// A message id is "<node>:<start>:<number>". The first two name the publisher: one
// start of one node. The numbers of a publisher grow by one with each message,
// wherever it goes.

const startLen = 16

// newStart returns what tells this start of the process from others.
func newStart() string {
	var b [startLen / 2]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func publisherOf(node, start string) string { return node + ":" + start }

func messageID(publisher string, number uint64) string {
	var buf [maxNodeID + startLen + 24]byte
	b := append(append(buf[:0], publisher...), ':')
	return string(strconv.AppendUint(b, number, 10))
}

// parseMessageID reads an id of ours; ok is false for any other.
func parseMessageID(id string) (publisher string, number uint64, ok bool) {
	i := strings.LastIndexByte(id, ':')
	if i < startLen+1 || id[i-startLen-1] != ':' {
		return "", 0, false
	}
	number, err := strconv.ParseUint(id[i+1:], 10, 64)
	if err != nil || number == 0 {
		return "", 0, false
	}
	return id[:i], number, true
}
