package codec

import (
	"bytes"
	"encoding/base64"
	"io"
	"slices"
	"sync"

	"github.com/gobwas/ws"
)

// Policy is what a server wants of a WebSocket handshake. It does not change
// once it is in use. Any goroutine.
type Policy struct {
	// Path is the only path that upgrades, compared exactly. Default "/ws".
	Path string
	// CheckOrigin decides about the Origin field, see OriginMatcher. nil allows all.
	CheckOrigin func(r *Request) bool
	// Protocols are the subprotocols the server speaks.
	Protocols []string
	// Compression accepts permessage-deflate, always without context takeover.
	Compression bool
	// Date returns the value of the Date header (IMF-fixdate) for the 101; it may
	// be shared. nil leaves the header out.
	Date func() []byte
}

// Accepted is what was negotiated.
type Accepted struct {
	Protocol string // "" when none
	Deflate  bool   // permessage-deflate
}

// Check checks path (404), method (405) and version of HTTP (505). The caller
// authenticates next (401), then calls CheckUpgrade: that is the contract's order.
func (p *Policy) Check(r *Request) *Rejection {
	path := p.Path
	if path == "" {
		path = "/ws"
	}
	switch {
	case string(r.Path) != path:
		return RejectNotFound
	case string(r.Method) != "GET":
		return RejectMethod
	case r.Minor == 0:
		return RejectHTTPVersion
	}
	return nil
}

// CheckUpgrade checks what RFC 6455 section 4.2.1 demands: Upgrade and
// Connection (400), version (426), key (400), no body (400); then the origin (403).
func (p *Policy) CheckUpgrade(r *Request) *Rejection {
	switch {
	case !r.wsUpgrade:
		return RejectUpgrade
	case !r.connUpgrade:
		return RejectConnection
	case r.versions != 1 || string(r.version) != "13":
		return RejectVersion
	case r.keys != 1 || !validKey(r.key):
		return RejectKey
	case r.body:
		return RejectBody
	case r.origins > 1:
		return RejectOrigin
	case p.CheckOrigin != nil && !p.CheckOrigin(r):
		return RejectOrigin
	}
	return nil
}

// validKey reports whether k is the base64 of 16 bytes.
func validKey(k []byte) bool {
	var b [18]byte
	if len(k) != 24 {
		return false
	}
	n, err := base64.StdEncoding.Decode(b[:], k)
	return err == nil && n == 16
}

// Accept appends the 101 response to dst. The request has passed Check and
// CheckUpgrade; the answer is made by ws.Upgrader from the scanned bytes, so what
// it refuses all the same is a Rejection (400), and nothing is appended.
//
// The subprotocol is the client's first offer among p.Protocols; failing that,
// and if the client offered "bearer, <token>", it is "bearer", since browsers
// insist on an answer. A token is never chosen. permessage-deflate is answered
// with both no_context_takeover parameters, see negotiateDeflate.
func (p *Policy) Accept(dst []byte, r *Request) (out []byte, a Accepted, rej *Rejection) {
	a.Protocol = p.selectProtocol(r)
	deflate := ""
	if p.Compression && r.extensionLines > 0 {
		deflate = negotiateDeflate(r)
		a.Deflate = deflate != ""
	}

	h := handshakes.Get().(*handshake)
	defer h.release()
	h.protocol = a.Protocol
	h.extra = h.extra[:0]
	if deflate != "" {
		h.extra = appendHeaderLine(h.extra, "Sec-WebSocket-Extensions", deflate)
	}
	if p.Date != nil {
		h.extra = appendHeaderLine(h.extra, "Date", p.Date())
	}
	in := r.block
	if !r.plainForUpgrader() {
		h.copied = r.appendForUpgrader(h.copied[:0])
		in = h.copied
	}
	h.in.Reset(in)
	h.out = dst
	if _, err := h.upgrader.Upgrade(h); err != nil {
		return dst, Accepted{}, NewRejection(400, err.Error())
	}
	out = h.out
	// The reference says "Connection: upgrade"; ws.Upgrader says "Upgrade".
	if i := len(dst) + len("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "); i < len(out) && out[i] == 'U' {
		out[i] = 'u'
	}
	return out, a, nil
}

// handshake is the io.ReadWriter of one run of a ws.Upgrader, from memory to
// memory. Pooled, as the Upgrader's closures are made once.
type handshake struct {
	upgrader ws.Upgrader
	in       bytes.Reader
	out      []byte
	copied   []byte
	extra    []byte // header lines of the answer
	protocol string
}

var handshakes = sync.Pool{New: func() any {
	h := new(handshake)
	h.upgrader = ws.Upgrader{
		ProtocolCustom: func([]byte) (string, bool) { return h.protocol, true },
		OnBeforeUpgrade: func() (ws.HandshakeHeader, error) {
			return ws.HandshakeHeaderBytes(h.extra), nil
		},
	}
	return h
}}

func (h *handshake) release() {
	h.in.Reset(nil)
	h.out = nil
	h.protocol = ""
	handshakes.Put(h)
}

// Read implements io.Reader for ws.Upgrader.
func (h *handshake) Read(b []byte) (int, error) { return h.in.Read(b) }

// Write implements io.Writer for ws.Upgrader.
func (h *handshake) Write(b []byte) (int, error) {
	h.out = append(h.out, b...)
	return len(b), nil
}

var _ io.ReadWriter = (*handshake)(nil)

func appendHeaderLine[T string | []byte](dst []byte, name string, value T) []byte {
	dst = append(append(dst, name...), ": "...)
	return append(append(dst, value...), "\r\n"...)
}

// plainForUpgrader reports whether ws.Upgrader understands the request as it is:
// one Connection field of the usual value (it refuses some lists that contain
// "upgrade" all the same), one Upgrade field with a single value.
func (r *Request) plainForUpgrader() bool {
	return r.connections == 1 && r.connPlain && r.upgrades == 1 && foldEqual(r.upgrade, "websocket") && !r.ownHost
}

// appendForUpgrader writes the request anew with what ws.Upgrader needs, lists
// and several lines made into one.
func (r *Request) appendForUpgrader(dst []byte) []byte {
	dst = append(append(dst, "GET "...), r.Path...)
	dst = append(dst, " HTTP/1.1\r\n"...)
	dst = appendHeaderLine(dst, "Host", r.Host)
	dst = appendHeaderLine(dst, "Upgrade", "websocket")
	dst = appendHeaderLine(dst, "Connection", "Upgrade")
	dst = appendHeaderLine(dst, "Sec-WebSocket-Version", r.version)
	dst = appendHeaderLine(dst, "Sec-WebSocket-Key", r.key)
	if r.protocolLines > 0 {
		dst = appendHeaderLine(dst, "Sec-WebSocket-Protocol", r.protocols)
	}
	return append(dst, "\r\n"...)
}

// selectProtocol chooses a subprotocol (RFC 6455 section 4.2.2, 5.), see Accept.
func (p *Policy) selectProtocol(r *Request) string {
	if r.protocolLines == 0 {
		return ""
	}
	c := r.offers()
	withToken := false
	for {
		e, ok := c.next()
		if !ok {
			break
		}
		if string(e) == bearerProtocol {
			// The element after it is the token, not an offer.
			if _, ok := c.next(); ok {
				withToken = true
			}
		}
		if i := slices.IndexFunc(p.Protocols, func(s string) bool { return s == string(e) }); i >= 0 {
			return p.Protocols[i]
		}
	}
	if withToken {
		return bearerProtocol
	}
	return ""
}
