package engine

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
)

// mark identifies a message of a run wherever it turns up: in a reply, or at a
// receiver. It is text that survives JSON and URLs unchanged:
//
//	cb: run 8 · scenario 2 · epoch 2 · stream 8 · seq 8 · due 16 · crc 8   (hex digits)
//
// The checksum tells a mark that was damaged from text that only looks like one.
type mark struct {
	scenario uint8
	epoch    uint8  // period of the run; numbers begin again in each
	stream   uint32 // publisher, or connection for echoes and pushes
	seq      uint32 // number in its stream, from 0
	due      int64  // when the message was due (open model) or sent (closed), coordinator's clock
}

const (
	markLead = "cb:"
	markHex  = 52 // digits after the lead, checksum included
	markLen  = len(markLead) + markHex
	prefixLn = len(markLead) + 8
)

// markPrefix is what all marks of a run begin with.
func markPrefix(run uint32) []byte {
	return appendHex32([]byte(markLead), run)
}

func appendHex32(dst []byte, v uint32) []byte {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], v)
	return hex.AppendEncode(dst, b[:])
}

// append appends the mark with the prefix of its run.
func (m *mark) append(dst, prefix []byte) []byte {
	at := len(dst)
	dst = append(dst, prefix...)
	var b [18]byte
	b[0], b[1] = m.scenario, m.epoch
	binary.BigEndian.PutUint32(b[2:], m.stream)
	binary.BigEndian.PutUint32(b[6:], m.seq)
	binary.BigEndian.PutUint64(b[10:], uint64(m.due))
	dst = hex.AppendEncode(dst, b[:])
	return appendHex32(dst, crc32.ChecksumIEEE(dst[at:]))
}

// findMark looks for a mark of the run in b. found tells that the prefix is
// there, ok that the mark is whole.
func findMark(b, prefix []byte) (m mark, found, ok bool) {
	at := bytes.Index(b, prefix)
	if at < 0 {
		return m, false, false
	}
	b = b[at:]
	if len(b) < markLen {
		return m, true, false
	}
	var raw [22]byte
	if _, err := hex.Decode(raw[:], b[prefixLn:markLen]); err != nil {
		return m, true, false
	}
	if crc32.ChecksumIEEE(b[:markLen-8]) != binary.BigEndian.Uint32(raw[18:]) {
		return m, true, false
	}
	m.scenario, m.epoch = raw[0], raw[1]
	m.stream = binary.BigEndian.Uint32(raw[2:])
	m.seq = binary.BigEndian.Uint32(raw[6:])
	m.due = int64(binary.BigEndian.Uint64(raw[10:]))
	return m, true, true
}
