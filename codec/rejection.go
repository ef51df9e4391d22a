package codec

import (
	"net/http"
	"strconv"
)

// Rejection is the answer to a request that does not become a WebSocket. It is
// immutable; the predeclared ones are shared. Any goroutine.
type Rejection struct {
	Status int
	Title  string // the reason phrase
	Detail string // one sentence for people; "" leaves the member out
	Header [][2]string
}

// NewRejection returns a Rejection with the usual title of status.
func NewRejection(status int, detail string, header ...[2]string) *Rejection {
	return &Rejection{Status: status, Title: http.StatusText(status), Detail: detail, Header: header}
}

// The constant answers. Sections are RFC 9112's (HTTP/1.1) or RFC 6455's.
var (
	RejectNotHTTP        = NewRejection(400, "this is not an HTTP request")
	RejectRequestLine    = NewRejection(400, "malformed request line")                                                     // 9112 3
	RejectTarget         = NewRejection(400, "malformed request target")                                                   // 9112 3.2
	RejectLineEnd        = NewRejection(400, "lines must end with CRLF")                                                   // 9112 2.2
	RejectField          = NewRejection(400, "malformed header field")                                                     // 9112 5
	RejectFieldValue     = NewRejection(400, "control character in a header field")                                        // 9110 5.5
	RejectFolding        = NewRejection(400, "folded header line")                                                         // 9112 5.2
	RejectHost           = NewRejection(400, "exactly one valid Host header is needed")                                    // 9112 3.2
	RejectBody           = NewRejection(400, "an upgrade request can not have a body")                                     // 9112 6
	RejectUpgrade        = NewRejection(400, `can "Upgrade" only to "WebSocket"`)                                          // 6455 4.2.1
	RejectConnection     = NewRejection(400, `"Connection" must say "upgrade"`)                                            // 6455 4.2.1
	RejectKey            = NewRejection(400, "exactly one Sec-WebSocket-Key of 16 bytes in base64 is needed")              // 6455 4.2.1
	RejectUnauthorized   = NewRejection(401, "no valid token", [2]string{"WWW-Authenticate", "Bearer"})                    // 9110 15.5.2
	RejectOrigin         = NewRejection(403, "origin not allowed")                                                         // 6455 4.2.2
	RejectNotFound       = NewRejection(404, "")                                                                           // 9110 15.5.5
	RejectMethod         = NewRejection(405, "", [2]string{"Allow", "GET"})                                                // 9110 15.5.6
	RejectVersion        = NewRejection(426, "only version 13 is spoken", [2]string{"Sec-WebSocket-Version", "13"})        // 6455 4.4
	RejectHeaderTooLarge = NewRejection(431, "request header too large")                                                   // 6585 5
	RejectUnavailable    = NewRejection(503, "this node takes no new connections now", [2]string{"Retry-After", "1"})      // 9110 15.6.4
	RejectTooMany        = NewRejection(503, "this node has as many connections as it may", [2]string{"Retry-After", "1"}) // 9110 15.6.4
	RejectHTTPVersion    = NewRejection(505, "HTTP/1.1 is needed")                                                         // 9110 15.6.6
)

// Error returns status, title and detail.
func (r *Rejection) Error() string {
	s := strconv.Itoa(r.Status) + " " + r.Title
	if r.Detail != "" {
		s += ": " + r.Detail
	}
	return s
}

// Append appends the whole HTTP/1.1 response: problem+json (RFC 9457, type
// about:blank), Connection: close. date is the value of the Date header
// (RFC 9110 section 6.6.1); nil leaves it out. The caller closes the connection
// after it; to a HEAD request the body is one byte string too many, but the
// connection ends there.
func (r *Rejection) Append(dst []byte, date []byte) []byte {
	var room [192]byte
	body := append(room[:0], `{"type":"about:blank","title":`...)
	body = appendJSONString(body, r.Title)
	body = append(body, `,"status":`...)
	body = strconv.AppendInt(body, int64(r.Status), 10)
	if r.Detail != "" {
		body = append(body, `,"detail":`...)
		body = appendJSONString(body, r.Detail)
	}
	body = append(body, '}')

	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(r.Status), 10)
	dst = append(dst, ' ')
	dst = append(dst, r.Title...)
	dst = append(dst, "\r\nContent-Type: application/problem+json\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, "\r\nConnection: close\r\n"...)
	if len(date) > 0 {
		dst = append(append(append(dst, "Date: "...), date...), "\r\n"...)
	}
	for _, h := range r.Header {
		dst = append(append(append(append(dst, h[0]...), ": "...), h[1]...), "\r\n"...)
	}
	dst = append(dst, "\r\n"...)
	return append(dst, body...)
}
