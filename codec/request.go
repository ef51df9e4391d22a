package codec

import (
	"bytes"
)

// DefaultMaxHeader is the limit of a header block when ScanRequest is given none: 8 KiB.
const DefaultMaxHeader = 8 << 10

// Request is the head of an HTTP/1 request. Its slices lie in the bytes that
// were scanned and are valid as long as those; absent fields are nil. It is not
// for WebSockets only: the path tells who handles it.
type Request struct {
	Method        []byte
	Target        []byte // as sent
	Path          []byte // of the target, still percent-encoded; "*" and authority-form as they are
	Query         []byte // of the target, without "?"
	Host          []byte // of an absolute-form target, else of the Host field
	Origin        []byte
	Authorization []byte
	UserAgent     []byte
	Minor         uint8 // 0 or more in HTTP/1.Minor

	block  []byte // request line to the empty line, inclusive
	fields []byte // the header lines, each with its CRLF

	upgrade    []byte // first value of each
	key        []byte
	version    []byte
	protocols  []byte
	extensions []byte
	proto      []byte // X-Forwarded-Proto

	upgrades       uint16 // number of lines of each
	connections    uint16
	keys           uint16
	versions       uint16
	origins        uint16
	authorizations uint16
	protocolLines  uint16
	extensionLines uint16
	connUpgrade    bool // some Connection line lists "upgrade"
	connPlain      bool // the first Connection line is what clients usually send
	wsUpgrade      bool // some Upgrade line lists "websocket"
	body           bool // Content-Length other than 0, or Transfer-Encoding
	ownHost        bool // the target is in absolute-form
}

// ScanRequest reads the header block at the front of b (RFC 9112). n is its
// length in bytes, the empty line and an empty line before the request
// included. n == 0 without a Rejection means that the block is incomplete; call
// again with the same bytes and more. Once it is longer than maxHeader bytes
// (0: DefaultMaxHeader) the answer is 431.
//
// It is strict, because what comes after it is not: a malformed request line,
// white space before a colon, control characters, folded lines, bare CR or LF,
// no or several Host fields (HTTP/1.1) are 400, HTTP/2 and beyond are 505; what can not
// become HTTP (a TLS hello) is 400 at its first byte. HTTP/1.0 is left to the
// caller, see Request.Minor.
func ScanRequest(b []byte, maxHeader int) (r Request, n int, rej *Rejection) {
	if maxHeader <= 0 {
		maxHeader = DefaultMaxHeader
	}
	start, ok := skipEmptyLine(b)
	if !ok {
		return r, 0, nil
	}
	if start < len(b) && !isToken[b[start]] {
		return r, 0, RejectNotHTTP
	}
	// A limit may be shorter than the empty line before the request.
	lineEnd := bytes.IndexByte(b[start:max(start, min(len(b), maxHeader))], '\n')
	if lineEnd < 0 {
		if len(b) >= maxHeader {
			return r, 0, RejectHeaderTooLarge
		}
		return r, 0, nil
	}
	lineEnd += start
	if rej := r.scanLine(b[start : lineEnd+1]); rej != nil {
		return r, 0, rej
	}
	// The search begins at the end of the request line: a request may have no fields.
	end := bytes.Index(b[lineEnd-1:min(len(b), maxHeader)], crlfcrlf)
	if end < 0 {
		if len(b) >= maxHeader {
			return r, 0, RejectHeaderTooLarge
		}
		return r, 0, nil
	}
	n = lineEnd - 1 + end + len(crlfcrlf)
	r.block = b[start:n:n]
	r.fields = b[lineEnd+1 : n-2]
	if rej := r.scanFields(); rej != nil {
		return r, 0, rej
	}
	return r, n, nil
}

var crlfcrlf = []byte("\r\n\r\n")

// RequestPath returns the path of the request at the front of b as soon as its
// request line is complete, so that a request for another path can be handed
// over before its header block is. ok is false when the line is incomplete or
// malformed; ScanRequest tells which. path is valid as long as b.
func RequestPath(b []byte) (path []byte, ok bool) {
	start, ok := skipEmptyLine(b)
	if !ok {
		return nil, false
	}
	end := bytes.IndexByte(b[start:], '\n')
	if end < 0 {
		return nil, false
	}
	var r Request
	if r.scanLine(b[start:start+end+1]) != nil {
		return nil, false
	}
	return r.Path, true
}

// skipEmptyLine returns where the request line begins: clients of old send an
// empty line before it (RFC 9112 section 2.2). ok is false when that is not known yet.
func skipEmptyLine(b []byte) (start int, ok bool) {
	if len(b) == 0 {
		return 0, false
	}
	if b[0] != '\r' {
		return 0, true
	}
	if len(b) == 1 {
		return 0, false
	}
	if b[1] != '\n' {
		return 0, true // refused as no token
	}
	return 2, len(b) > 2
}

// scanLine reads "method SP target SP HTTP/1.x CRLF" (RFC 9112 section 3). line
// ends with its LF.
func (r *Request) scanLine(line []byte) *Rejection {
	if len(line) < 2 || line[len(line)-2] != '\r' {
		return RejectLineEnd
	}
	line = line[:len(line)-2]
	sp := bytes.IndexByte(line, ' ')
	if sp <= 0 {
		return RejectRequestLine
	}
	method := line[:sp]
	for _, c := range method {
		if !isToken[c] {
			return RejectRequestLine
		}
	}
	rest := line[sp+1:]
	sp = bytes.IndexByte(rest, ' ')
	if sp <= 0 {
		return RejectRequestLine
	}
	target, version := rest[:sp], rest[sp+1:]
	if len(version) != len("HTTP/1.1") || string(version[:5]) != "HTTP/" || version[6] != '.' ||
		!isDigit(version[5]) || !isDigit(version[7]) {
		return RejectRequestLine
	}
	if version[5] != '1' {
		return RejectHTTPVersion
	}
	r.Minor = version[7] - '0'
	r.Method, r.Target = method, target
	return r.scanTarget()
}

var rootPath = []byte("/")

// scanTarget splits the request target (RFC 9112 section 3.2).
func (r *Request) scanTarget() *Rejection {
	t := r.Target
	for _, c := range t {
		// Bytes beyond ASCII and "#" have to be escaped (RFC 3986).
		if c <= ' ' || c >= 0x7f || c == '#' {
			return RejectTarget
		}
	}
	switch {
	case string(r.Method) == "CONNECT":
		r.Path = t // authority-form
		return nil
	case t[0] == '/':
	case len(t) == 1 && t[0] == '*':
		r.Path = t
		return nil
	default:
		rest, ok := cutScheme(t)
		if !ok {
			return RejectTarget
		}
		end := bytes.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		if end == 0 || !validHost(rest[:end]) {
			return RejectTarget
		}
		r.Host, r.ownHost = rest[:end], true
		t = rest[end:]
	}
	path, query, _ := bytes.Cut(t, []byte("?"))
	if len(path) == 0 {
		path = rootPath
	}
	r.Path, r.Query = path, query
	return nil
}

// cutScheme takes "http://" and its kind off an absolute-form target.
func cutScheme(t []byte) ([]byte, bool) {
	for _, s := range [...]string{"http://", "https://", "ws://", "wss://"} {
		if len(t) >= len(s) && foldEqual(t[:len(s)], s) {
			return t[len(s):], true
		}
	}
	return nil, false
}

// scanFields checks every header line and notes the fields we know.
func (r *Request) scanFields() *Rejection {
	hosts := 0
	for rest := r.fields; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		if end < 1 || rest[end-1] != '\r' {
			return RejectLineEnd
		}
		line := rest[:end-1]
		rest = rest[end+1:]

		colon := 0
		for colon < len(line) && isToken[line[colon]] {
			colon++
		}
		switch {
		case colon == 0 && (line[0] == ' ' || line[0] == '\t'):
			return RejectFolding
		case colon == 0 || colon == len(line) || line[colon] != ':':
			return RejectField
		}
		value := trimOWS(line[colon+1:])
		for _, c := range value {
			if c < ' ' && c != '\t' || c == 0x7f {
				return RejectFieldValue
			}
		}
		if rej := r.field(line[:colon], value, &hosts); rej != nil {
			return rej
		}
	}
	if hosts == 0 && r.Minor > 0 {
		return RejectHost
	}
	return nil
}

// field notes one header field; a known name is recognised by its length first.
func (r *Request) field(name, value []byte, hosts *int) *Rejection {
	switch len(name) {
	case len("Host"):
		if foldEqual(name, "host") {
			if *hosts++; *hosts > 1 || !validHost(value) {
				return RejectHost
			}
			if !r.ownHost {
				r.Host = value
			}
		}
	case len("Origin"):
		if foldEqual(name, "origin") {
			first(&r.Origin, &r.origins, value)
		}
	case len("Upgrade"):
		if foldEqual(name, "upgrade") {
			first(&r.upgrade, &r.upgrades, value)
			r.wsUpgrade = r.wsUpgrade || listHas(value, "websocket")
		}
	case len("Connection"): // and User-Agent
		switch {
		case foldEqual(name, "connection"):
			if r.connections = inc(r.connections); r.connections == 1 {
				r.connPlain = foldEqual(value, "upgrade") || foldEqual(value, "keep-alive, upgrade")
			}
			r.connUpgrade = r.connUpgrade || listHas(value, "upgrade")
		case foldEqual(name, "user-agent"):
			var n uint16
			if r.UserAgent == nil {
				first(&r.UserAgent, &n, value)
			}
		}
	case len("Authorization"):
		if foldEqual(name, "authorization") {
			first(&r.Authorization, &r.authorizations, value)
		}
	case len("Content-Length"):
		if foldEqual(name, "content-length") && string(value) != "0" {
			r.body = true
		}
	case len("Transfer-Encoding"): // and X-Forwarded-Proto, Sec-WebSocket-Key
		switch {
		case foldEqual(name, "transfer-encoding"):
			r.body = true
		case foldEqual(name, "x-forwarded-proto"):
			if r.proto == nil {
				r.proto = value
			}
		case foldEqual(name, "sec-websocket-key"):
			first(&r.key, &r.keys, value)
		}
	case len("Sec-WebSocket-Version"):
		if foldEqual(name, "sec-websocket-version") {
			first(&r.version, &r.versions, value)
		}
	case len("Sec-WebSocket-Protocol"):
		if foldEqual(name, "sec-websocket-protocol") {
			first(&r.protocols, &r.protocolLines, value)
		}
	case len("Sec-WebSocket-Extensions"):
		if foldEqual(name, "sec-websocket-extensions") {
			first(&r.extensions, &r.extensionLines, value)
		}
	}
	return nil
}

func first(dst *[]byte, n *uint16, value []byte) {
	if *n == 0 {
		*dst = value
	}
	*n = inc(*n)
}

func inc(n uint16) uint16 {
	if n < 1<<16-1 {
		n++
	}
	return n
}

// Header returns the value of the first field of that name, whatever its case,
// without the white space around it; nil when there is none. Valid as long as
// the scanned bytes.
func (r *Request) Header(name string) []byte {
	c := fieldCursor{r.fields}
	v, _ := c.next(name)
	return v
}

// WantsUpgrade reports whether the client asks for a WebSocket at all: Upgrade
// lists websocket and Connection lists upgrade. Whether the request is in
// order is CheckUpgrade's matter.
func (r *Request) WantsUpgrade() bool { return r.wsUpgrade && r.connUpgrade }

// fieldCursor walks over checked header lines.
type fieldCursor struct{ rest []byte }

// next returns the value of the next field of that name (lower or any case).
func (c *fieldCursor) next(name string) ([]byte, bool) {
	for len(c.rest) > 0 {
		end := bytes.IndexByte(c.rest, '\n')
		line := c.rest[:end-1]
		c.rest = c.rest[end+1:]
		if len(line) > len(name) && line[len(name)] == ':' && foldEqual(line[:len(name)], name) {
			return trimOWS(line[len(name)+1:]), true
		}
	}
	return nil, false
}

// listCursor walks over the elements of a comma-separated list that may be
// spread over several fields (RFC 9110 section 5.6.1). Empty elements are
// skipped; quotes are not looked at.
type listCursor struct {
	name   string
	fields fieldCursor
	value  []byte
}

func (c *listCursor) next() ([]byte, bool) {
	for {
		for len(c.value) > 0 {
			var e []byte
			e, c.value, _ = bytes.Cut(c.value, []byte(","))
			if e = trimOWS(e); len(e) > 0 {
				return e, true
			}
		}
		v, ok := c.fields.next(c.name)
		if !ok {
			return nil, false
		}
		c.value = v
	}
}

// listHas reports whether a comma-separated list has the lower-case element.
func listHas(value []byte, element string) bool {
	c := listCursor{value: value}
	for {
		e, ok := c.next()
		if !ok {
			return false
		}
		if foldEqual(e, element) {
			return true
		}
	}
}

// trimOWS takes spaces and tabs off both ends (RFC 9110 section 5.6.3). The
// result is never nil, so that an empty field differs from none.
func trimOWS(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// foldEqual compares ASCII without case.
func foldEqual(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		if lower(b[i]) != lower(s[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c |= 0x20
	}
	return c
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isAlpha(c byte) bool { return 'a' <= lower(c) && lower(c) <= 'z' }

// validHost is a light check of host[:port]: no character that could end it
// early or begin something else. Empty is legal (RFC 9112 section 3.2).
func validHost(b []byte) bool {
	for _, c := range b {
		if !isDigit(c) && !isAlpha(c) && bytes.IndexByte([]byte("-._~:[]%!$&'()*+,;="), c) < 0 {
			return false
		}
	}
	return true
}

// isToken tells the characters of a token (RFC 9110 section 5.6.2).
var isToken = func() (t [256]bool) {
	for c := range t {
		t[c] = isDigit(byte(c)) || isAlpha(byte(c)) || bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), byte(c)) >= 0
	}
	return t
}()
