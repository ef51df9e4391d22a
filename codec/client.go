package codec

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/gobwas/ws"
)

// AppendMasked appends one whole frame of a client, masked with key (RFC 6455
// section 5.3). A key of zeros is legal and leaves the payload readable.
func AppendMasked(dst []byte, op ws.OpCode, payload []byte, key [4]byte) []byte {
	at := len(dst)
	dst = AppendHeader(dst, op, true, false, len(payload))
	dst[at+1] |= bitMask
	dst = append(dst, key[:]...)
	at = len(dst)
	dst = append(dst, payload...)
	ws.Cipher(dst[at:], key, 0)
	return dst
}

// acceptGUID is what a server appends to the key (RFC 6455 section 1.3).
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// AcceptLen is the length of a Sec-WebSocket-Accept, KeyLen of a Sec-WebSocket-Key.
const (
	AcceptLen = 28
	KeyLen    = 24
)

// AppendKey appends the Sec-WebSocket-Key for a nonce (RFC 6455 section 4.1).
func AppendKey(dst []byte, nonce [16]byte) []byte {
	return base64.StdEncoding.AppendEncode(dst, nonce[:])
}

// AcceptOf returns the Sec-WebSocket-Accept that a server must answer to the key
// of nonce (RFC 6455 section 4.2.2).
func AcceptOf(nonce [16]byte) (accept [AcceptLen]byte) {
	var in [KeyLen + len(acceptGUID)]byte
	copy(in[KeyLen:], acceptGUID)
	AppendKey(in[:0], nonce)
	sum := sha1.Sum(in[:])
	base64.StdEncoding.Encode(accept[:], sum[:])
	return accept
}

// UpgradeResponse is a server's answer to an upgrade request. Its members alias
// the bytes it was scanned from.
type UpgradeResponse struct {
	Status   int
	Reason   []byte // the reason phrase
	Protocol []byte // Sec-WebSocket-Protocol; nil when absent
	accept   []byte
	upgrade  bool // Upgrade says websocket
	conn     bool // Connection says upgrade
	ext      []byte
}

// Faults of a server's answer.
var (
	ErrNotHTTP        = errors.New("the answer is not HTTP/1.1")
	ErrResponseHeader = errors.New("malformed header in the answer")
	ErrResponseTooBig = errors.New("the header of the answer is too large")
)

// HandshakeError says why a complete answer is no agreement (RFC 6455 section
// 4.1). Status is what the server answered.
type HandshakeError struct {
	Status int
	Text   string
}

// Error returns the text: "HTTP 503 Service Unavailable", or what is wrong with a 101.
func (e *HandshakeError) Error() string { return e.Text }

// oneOf tells whether token is in a list with commas. Subprotocols are case-sensitive.
func oneOf(list string, token []byte) bool {
	for one := range strings.SplitSeq(list, ",") {
		if len(token) > 0 && strings.TrimSpace(one) == string(token) {
			return true
		}
	}
	return false
}

// ScanResponse reads the header block at the front of b. n is its length in
// bytes; n == 0 without an error means that it is incomplete: call again with the
// same bytes and more. Longer than maxHeader bytes is an error.
func ScanResponse(b []byte, maxHeader int) (r UpgradeResponse, n int, err error) {
	const proto = "HTTP/1."
	if m := min(len(b), len(proto)); string(b[:m]) != proto[:m] {
		return r, 0, ErrNotHTTP
	}
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 || end+4 > maxHeader {
		if len(b) > maxHeader {
			return r, 0, ErrResponseTooBig
		}
		return r, 0, nil
	}
	head := b[:end]
	line, head, _ := bytes.Cut(head, []byte("\r\n"))
	// HTTP/1.1 101 Reason: the reason may be empty, its blank missing (RFC 9112 section 4).
	if len(line) < 12 || line[7] < '0' || line[7] > '9' || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return r, 0, ErrNotHTTP
	}
	if r.Status, err = strconv.Atoi(string(line[9:12])); err != nil || r.Status < 100 {
		return r, 0, ErrNotHTTP
	}
	r.Reason = bytes.TrimSpace(line[12:])
	for len(head) > 0 {
		line, head, _ = bytes.Cut(head, []byte("\r\n"))
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || len(name) == 0 {
			return r, 0, ErrResponseHeader
		}
		value = bytes.Trim(value, " \t")
		switch {
		case foldEqual(name, "Upgrade"):
			r.upgrade = foldEqual(value, "websocket")
		case foldEqual(name, "Connection"):
			for len(value) > 0 && !r.conn {
				var token []byte
				token, value, _ = bytes.Cut(value, []byte(","))
				r.conn = foldEqual(bytes.Trim(token, " \t"), "upgrade")
			}
		case foldEqual(name, "Sec-WebSocket-Accept"):
			r.accept = value
		case foldEqual(name, "Sec-WebSocket-Protocol"):
			r.Protocol = value
		case foldEqual(name, "Sec-WebSocket-Extensions"):
			r.ext = value
		}
	}
	return r, end + 4, nil
}

// Check returns nil when the answer is the agreement that a client has to accept
// (RFC 6455 section 4.1): 101, Upgrade, Connection, the right accept, a
// subprotocol only if it is one of those offered (with commas between them), no
// extension (none was offered). Else it is a *HandshakeError.
func (r *UpgradeResponse) Check(accept [AcceptLen]byte, offered string) error {
	bad := func(text string) error { return &HandshakeError{r.Status, text} }
	switch {
	case r.Status != 101:
		text := "HTTP " + strconv.Itoa(r.Status)
		if len(r.Reason) > 0 {
			text += " " + string(r.Reason)
		}
		return bad(text)
	case !r.upgrade:
		return bad(`101 without "Upgrade: websocket"`)
	case !r.conn:
		return bad(`101 without "Connection: upgrade"`)
	case string(r.accept) != string(accept[:]):
		return bad("101 with a wrong Sec-WebSocket-Accept")
	case len(r.ext) > 0:
		return bad(fmt.Sprintf("101 with an extension that was not offered: %.60q", r.ext))
	case r.Protocol != nil && !oneOf(offered, r.Protocol):
		return bad(fmt.Sprintf("101 with a subprotocol that was not offered: %.60q", r.Protocol))
	}
	return nil
}
