package cluster

import (
	"encoding/hex"
	"fmt"
)

// SessionID is the id of a session of a carillon node: a UUID (RFC 9562), whose
// first four bytes are the Tag of its node.
type SessionID [16]byte

// String returns the text form, which is what clients, back ends and Redis see.
func (id SessionID) String() string {
	var t [36]byte
	return string(id.Append(t[:0]))
}

// Append appends the text form to dst.
func (id SessionID) Append(dst []byte) []byte {
	dst = hex.AppendEncode(dst, id[0:4])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, id[4:6])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, id[6:8])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, id[8:10])
	dst = append(dst, '-')
	return hex.AppendEncode(dst, id[10:16])
}

// Tag returns the node tag in the id.
func (id SessionID) Tag() uint32 {
	return uint32(id[0])<<24 | uint32(id[1])<<16 | uint32(id[2])<<8 | uint32(id[3])
}

// ParseSessionID reads the text form of a UUID of any version.
func ParseSessionID(text string) (id SessionID, err error) {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return id, fmt.Errorf("session id %.40q is not a UUID", text)
	}
	var digits [32]byte
	copy(digits[0:], text[0:8])
	copy(digits[8:], text[9:13])
	copy(digits[12:], text[14:18])
	copy(digits[16:], text[19:23])
	copy(digits[20:], text[24:36])
	if _, err := hex.Decode(id[:], digits[:]); err != nil {
		return SessionID{}, fmt.Errorf("session id %.40q is not a UUID", text)
	}
	return id, nil
}
