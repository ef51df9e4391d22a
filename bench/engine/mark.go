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
// The checksum tells a mark that was damaged from one that is whole: it finds
// every change within four bytes that follow each other.
type mark struct {
	scenario uint8
	epoch    uint8  // period of the run; numbers begin again in each
	stream   uint32 // publisher, or connection for echoes and pushes
	seq      uint32 // number in its stream, from 0; a period has 1<<32 at most
	due      int64  // when the message was due (open model) or sent (closed), coordinator's clock
}

const (
	markLead = "cb:"
	markHex  = 52 // digits after the lead, checksum included
	markLen  = len(markLead) + markHex
	prefixLn = len(markLead) + 8
	sumLen   = 8
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

// finding is what was found of a mark in a message.
type finding uint8

const (
	noMark      finding = iota
	wholeMark           // as it was made
	hitPrefix           // the prefix was damaged, the rest is readable
	damagedMark         // one of ours, and which can not be told
)

// findMark looks for a mark of the run in b. at is where it begins.
func findMark(b, prefix []byte) (m mark, at int, is finding) {
	if at = bytes.Index(b, prefix); at < 0 {
		return findHitPrefix(b, prefix)
	}
	if m.read(b[at:], prefix) {
		return m, at, wholeMark
	}
	return m, at, damagedMark
}

// searchHit bounds how much of a message is searched for a damaged prefix, in bytes.
const searchHit = 64 << 10

// findHitPrefix looks for a mark of whose prefix at most two bytes are wrong.
func findHitPrefix(b, prefix []byte) (m mark, at int, is finding) {
	b = b[:min(len(b), searchHit)]
	for at := 0; at+markLen <= len(b); at++ {
		wrong := 0
		for i, c := range prefix {
			if b[at+i] != c {
				if wrong++; wrong > 2 {
					break
				}
			}
		}
		if wrong > 2 {
			continue
		}
		if m.read(b[at:], prefix) {
			return m, at, hitPrefix
		}
		return mark{}, at, damagedMark
	}
	return mark{}, -1, noMark
}

// read reads the mark at the front of b, whose prefix it takes for granted. It is
// false when the rest is not as append made it.
func (m *mark) read(b, prefix []byte) bool {
	if len(b) < markLen {
		return false
	}
	var raw [18]byte
	if _, err := hex.Decode(raw[:], b[prefixLn:markLen-sumLen]); err != nil {
		return false
	}
	sum := crc32.Update(crc32.ChecksumIEEE(prefix), crc32.IEEETable, b[prefixLn:markLen-sumLen])
	var digits [sumLen]byte
	if !bytes.Equal(appendHex32(digits[:0], sum), b[markLen-sumLen:markLen]) {
		return false
	}
	m.scenario, m.epoch = raw[0], raw[1]
	m.stream = binary.BigEndian.Uint32(raw[2:])
	m.seq = binary.BigEndian.Uint32(raw[6:])
	m.due = int64(binary.BigEndian.Uint64(raw[10:]))
	return true
}

// digitsOf hashes the digits of stream and seq of the mark that may begin at at:
// a quick guess which message b is.
func digitsOf(b []byte, at int) (hash uint32, ok bool) {
	const stream = prefixLn + 4
	if at < 0 || at+markLen > len(b) {
		return 0, false
	}
	d := b[at+stream:]
	h := binary.LittleEndian.Uint64(d)*3 + binary.LittleEndian.Uint64(d[8:])
	return uint32(h * 0x9E3779B97F4A7C15 >> 32), true
}
