package codec

import (
	"encoding/base64"
	"slices"
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
// CheckUpgrade.
//
// The subprotocol is the client's first offer among p.Protocols; failing that,
// and if the client offered "bearer, <token>", it is "bearer", since browsers
// insist on an answer. A token is never chosen. permessage-deflate is answered
// with both no_context_takeover parameters, see negotiateDeflate.
func (p *Policy) Accept(dst []byte, r *Request) (out []byte, a Accepted) {
	accept := acceptOf([KeyLen]byte(r.key))
	out = append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"...)
	out = appendHeaderLine(out, "Sec-WebSocket-Accept", accept[:])
	if a.Protocol = p.selectProtocol(r); a.Protocol != "" {
		out = appendHeaderLine(out, "Sec-WebSocket-Protocol", a.Protocol)
	}
	if p.Compression && r.extensionLines > 0 {
		if answer := negotiateDeflate(r); answer != "" {
			a.Deflate = true
			out = appendHeaderLine(out, "Sec-WebSocket-Extensions", answer)
		}
	}
	if p.Date != nil {
		out = appendHeaderLine(out, "Date", p.Date())
	}
	return append(out, "\r\n"...), a
}

func appendHeaderLine[T string | []byte](dst []byte, name string, value T) []byte {
	dst = append(append(dst, name...), ": "...)
	return append(append(dst, value...), "\r\n"...)
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
