package codec

import (
	"encoding/binary"
	"strconv"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// CloseCode is the status code of a close frame (RFC 6455 section 7.4, IANA
// registry "WebSocket Close Code Number").
type CloseCode uint16

// The codes carillon sends or has to know.
const (
	CloseNormal           CloseCode = 1000 // done, or kicked by an operator
	CloseGoingAway        CloseCode = 1001 // the server shuts down
	CloseProtocolError    CloseCode = 1002 // the peer broke RFC 6455
	CloseUnsupportedData  CloseCode = 1003 // binary where only text is served
	CloseNoStatus         CloseCode = 1005 // never on the wire: close frame without code
	CloseAbnormal         CloseCode = 1006 // never on the wire: no close frame at all
	CloseInvalidPayload   CloseCode = 1007 // text is not UTF-8, or deflate data is broken
	ClosePolicyViolation  CloseCode = 1008 // against the rules of this server
	CloseTooBig           CloseCode = 1009 // over the message limit
	CloseInternalError    CloseCode = 1011 // the server's fault
	CloseServiceRestart   CloseCode = 1012 // the server restarts
	CloseTryAgainLater    CloseCode = 1013 // the server, or the way to this client, is overloaded
	CloseTokenExpired     CloseCode = 4401 // the token that opened the session has run out
	CloseHeartbeatTimeout CloseCode = 4500 // nothing was heard for heartbeat-timeout
)

// MaxCloseReason is the longest reason of a close frame in bytes: 125 bytes of
// control frame payload less two of code (RFC 6455 section 5.5).
const MaxCloseReason = 123

// String returns the number and, for a known code, its name: "1001 going away".
func (c CloseCode) String() string {
	n := strconv.Itoa(int(c))
	if s := c.name(); s != "" {
		return n + " " + s
	}
	return n
}

func (c CloseCode) name() string {
	switch c {
	case CloseNormal:
		return "normal"
	case CloseGoingAway:
		return "going away"
	case CloseProtocolError:
		return "protocol error"
	case CloseUnsupportedData:
		return "unsupported data"
	case CloseNoStatus:
		return "no status"
	case CloseAbnormal:
		return "abnormal"
	case CloseInvalidPayload:
		return "invalid payload"
	case ClosePolicyViolation:
		return "policy violation"
	case CloseTooBig:
		return "too big"
	case CloseInternalError:
		return "internal error"
	case CloseServiceRestart:
		return "service restart"
	case CloseTryAgainLater:
		return "try again later"
	case CloseTokenExpired:
		return "token expired"
	case CloseHeartbeatTimeout:
		return "heartbeat timeout"
	}
	return ""
}

// Advice is what a client does after it was closed with a code.
type Advice uint8

const (
	ReconnectNow   Advice = iota // at once; a further failure backs off as usual
	ReconnectLater               // after the backoff with jitter
	ReconnectNever               // not by itself: the same client would be closed again
)

// String returns "now", "later" or "never".
func (a Advice) String() string {
	switch a {
	case ReconnectNow:
		return "now"
	case ReconnectLater:
		return "later"
	case ReconnectNever:
		return "never"
	}
	return "advice(" + strconv.Itoa(int(a)) + ")"
}

// CloseInfo is one row of [CloseTable].
type CloseInfo struct {
	Code    CloseCode
	Name    string // short name of the code, as in CloseCode.String
	Reason  string // the reason on the wire; "" when it varies or there is none
	Meaning string // one sentence for client authors
	Advice  Advice
}

// CloseTable returns a fresh copy of the one table of codes the server sends,
// in rising order, with what the client must do. docs/protocol.md is tested
// against it. A code has one row per reason that means something else.
func CloseTable() []CloseInfo {
	t := []CloseInfo{
		{Code: CloseNormal, Meaning: "The session was ended on purpose: an operator kicked it, or the answer to the client's own close.", Advice: ReconnectNever},
		{Code: CloseGoingAway, Reason: ReasonShutdown, Meaning: "This node stops. Another one, or this one after its restart, takes the client.", Advice: ReconnectLater},
		{Code: CloseProtocolError, Meaning: "The client broke RFC 6455; the reason says how. It is a bug of the client or of a proxy.", Advice: ReconnectNever},
		{Code: CloseUnsupportedData, Reason: ErrBinary.Reason, Meaning: "The client sent a binary message; only text is served.", Advice: ReconnectNever},
		{Code: CloseInvalidPayload, Meaning: "A text message was not UTF-8, or a compressed one could not be inflated.", Advice: ReconnectNever},
		{Code: ClosePolicyViolation, Meaning: "The client did something this server forbids; the reason says what.", Advice: ReconnectNever},
		{Code: CloseTooBig, Reason: ErrTooBig.Reason, Meaning: "A message was longer than websocket.max-message-bytes.", Advice: ReconnectNever},
		{Code: CloseInternalError, Meaning: "The server failed while it served this client.", Advice: ReconnectLater},
		{Code: CloseServiceRestart, Reason: ReasonRestart, Meaning: "This node restarts.", Advice: ReconnectLater},
		{Code: CloseTryAgainLater, Reason: ReasonSlowConsumer, Meaning: "The client did not read fast enough and messages for it had piled up to the bound; those are lost.", Advice: ReconnectLater},
		{Code: CloseTryAgainLater, Reason: ReasonOverloaded, Meaning: "The server could not take this client's messages: its handler queue was full.", Advice: ReconnectLater},
		{Code: CloseTokenExpired, Reason: ReasonTokenExpired, Meaning: "The token has run out. Get a new one, then connect with it.", Advice: ReconnectNow},
		{Code: CloseHeartbeatTimeout, Reason: ReasonHeartbeatTimeout, Meaning: "Nothing was heard from the client for websocket.heartbeat-timeout.", Advice: ReconnectNow},
	}
	for i := range t {
		t[i].Name = t[i].Code.name()
	}
	return t
}

// Reasons of the close frames that do not come out of a broken frame.
const (
	ReasonShutdown         = "server shutting down"
	ReasonRestart          = "server restarting"
	ReasonSlowConsumer     = "slow consumer"
	ReasonOverloaded       = "overloaded"
	ReasonTokenExpired     = "token expired"
	ReasonHeartbeatTimeout = "heartbeat timeout"
)

// CloseError says why a connection has to be closed and with which frame. The
// ones codec returns are the predeclared pointers below, so they can be
// compared and cost nothing.
type CloseError struct {
	Code   CloseCode
	Reason string
}

// Error returns code and reason: "close 1002: reserved opcode".
func (e *CloseError) Error() string {
	if e.Reason == "" {
		return "close " + strconv.Itoa(int(e.Code))
	}
	return "close " + strconv.Itoa(int(e.Code)) + ": " + e.Reason
}

// The faults of a client, one value each. The section is RFC 6455's unless it says otherwise.
var (
	ErrUnmasked             = &CloseError{CloseProtocolError, "client frames must be masked"}            // 5.1
	ErrMasked               = &CloseError{CloseProtocolError, "server frames must not be masked"}        // 5.1
	ErrReservedBits         = &CloseError{CloseProtocolError, "reserved bits set"}                       // 5.2
	ErrReservedOpcode       = &CloseError{CloseProtocolError, "reserved opcode"}                         // 5.2
	ErrLengthOverflow       = &CloseError{CloseProtocolError, "frame length has its first bit set"}      // 5.2
	ErrControlTooLong       = &CloseError{CloseProtocolError, "control frame over 125 bytes"}            // 5.5
	ErrControlFragmented    = &CloseError{CloseProtocolError, "fragmented control frame"}                // 5.4
	ErrOrphanContinuation   = &CloseError{CloseProtocolError, "continuation without a message"}          // 5.4
	ErrExpectedContinuation = &CloseError{CloseProtocolError, "new message inside a fragmented message"} // 5.4
	ErrCloseTooShort        = &CloseError{CloseProtocolError, "close frame of one byte"}                 // 5.5.1
	ErrCloseCode            = &CloseError{CloseProtocolError, "close code not allowed"}                  // 7.4
	ErrCloseReason          = &CloseError{CloseInvalidPayload, "close reason is not utf-8"}              // 8.1
	ErrInvalidUTF8          = &CloseError{CloseInvalidPayload, "text is not utf-8"}                      // 8.1
	ErrBadDeflate           = &CloseError{CloseInvalidPayload, "compressed message is damaged"}          // RFC 7692 7.2.2
	ErrTooBig               = &CloseError{CloseTooBig, "message too big"}                                // 7.4.1
	ErrBinary               = &CloseError{CloseUnsupportedData, "binary messages not supported"}         // 7.4.1
)

// ParseClose reads the payload of a close frame (RFC 6455 sections 5.5.1 and
// 7.4). An empty payload is CloseNoStatus. A payload of one byte or a code that
// must not be on the wire is 1002, a reason that is not UTF-8 is 1007; then code
// is what the peer sent, for the log. reason aliases payload.
//
// Legal are 1000 to 1003, 1007 to 1011, 1012 to 1014 (registered after the
// RFC) and 3000 to 4999.
func ParseClose(payload []byte) (code CloseCode, reason []byte, err *CloseError) {
	switch len(payload) {
	case 0:
		return CloseNoStatus, nil, nil
	case 1:
		return CloseNoStatus, nil, ErrCloseTooShort
	}
	code = CloseCode(binary.BigEndian.Uint16(payload))
	reason = payload[2:]
	if !validCloseCode(code) {
		return code, reason, ErrCloseCode
	}
	if !utf8.Valid(reason) {
		return code, reason, ErrCloseReason
	}
	return code, reason, nil
}

// validCloseCode adds 1012 to 1014 to what gobwas/ws knows and, as it does not,
// refuses codes from 5000 on.
func validCloseCode(code CloseCode) bool {
	switch {
	case code >= 1012 && code <= 1014:
		return true
	case code >= 5000:
		return false
	}
	return ws.CheckCloseFrameData(ws.StatusCode(code), "") == nil
}

// AppendClose appends a whole unmasked close frame. A reason over
// MaxCloseReason bytes is cut at a character boundary, one that is not UTF-8 is
// left out. CloseNoStatus writes an empty body, as the code must not be sent.
func AppendClose(dst []byte, code CloseCode, reason string) []byte {
	if code == CloseNoStatus {
		return AppendHeader(dst, ws.OpClose, true, false, 0)
	}
	if !utf8.ValidString(reason) {
		reason = ""
	}
	if len(reason) > MaxCloseReason {
		n := MaxCloseReason
		for !utf8.RuneStart(reason[n]) {
			n--
		}
		reason = reason[:n]
	}
	dst = AppendHeader(dst, ws.OpClose, true, false, 2+len(reason))
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, reason...)
}
