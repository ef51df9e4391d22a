package codec

import (
	"bytes"
	"strconv"
)

// Kind is what the type member of an envelope says.
type Kind uint8

const (
	KindInvalid      Kind = iota // not an envelope: ParseEnvelope returned an error
	KindUnknown                  // a type that nobody here knows
	KindMissing                  // no type, or one that is not a string
	KindHeartbeat                // HEARTBEAT
	KindHeartbeatAck             // HEARTBEAT_ACK
	KindBiz                      // BIZ
)

// String returns a name for logs and metrics.
func (k Kind) String() string {
	switch k {
	case KindInvalid:
		return "invalid"
	case KindUnknown:
		return "unknown"
	case KindMissing:
		return "missing"
	case KindHeartbeat:
		return "heartbeat"
	case KindHeartbeatAck:
		return "heartbeat_ack"
	case KindBiz:
		return "biz"
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// Values of the type member.
const (
	TypeHeartbeat    = "HEARTBEAT"
	TypeHeartbeatAck = "HEARTBEAT_ACK"
	TypeBiz          = "BIZ"
)

// Envelope is a message {type, code, data}. Type, Code and Data alias the
// message, or the Envelope itself when an escape had to be decoded: valid until
// the message's bytes change or the Envelope is parsed into again.
type Envelope struct {
	Kind    Kind
	HasCode bool   // code is there and a string
	Type    []byte // nil unless it is there and a string
	Code    []byte
	Data    []byte // raw JSON, null included; nil when absent

	scratch []byte // decoded strings; kept for the next message
}

// ParseEnvelope reads a message into e, whose earlier content is lost. The whole
// text has to be JSON (RFC 8259) with nothing but white space around it
// (ErrBadJSON), nested at most MaxDepth deep (ErrTooDeep), and an object
// (ErrNotObject). Member names are compared exactly, escapes decoded; of members
// of one name the last counts; others are skipped. It does not allocate, but for
// the first strings with escapes.
func ParseEnvelope(b []byte, e *Envelope) error {
	*e = Envelope{scratch: e.scratch[:0]}
	i := skipSpace(b, 0)
	if i == len(b) || b[i] != '{' {
		if err := ValidJSON(b); err != nil {
			return err
		}
		return ErrNotObject
	}
	var typ, code, data, other []byte
	for members := 0; ; members++ {
		i = skipSpace(b, i+1)
		if i < len(b) && b[i] == '}' && members == 0 {
			break
		}
		start := i
		if i = skipName(b, i); i < 0 {
			return ErrBadJSON
		}
		dst := &other
		switch memberName(b[start:i]) {
		case memberType:
			dst = &typ
		case memberCode:
			dst = &code
		case memberData:
			dst = &data
		}
		start = i
		var err error
		if i, err = skipValue(b, i, 1); err != nil {
			return err
		}
		*dst = b[start:i:i]
		if i = skipSpace(b, i); i == len(b) {
			return ErrBadJSON
		}
		if b[i] == '}' {
			break
		}
		if b[i] != ',' {
			return ErrBadJSON
		}
	}
	if skipSpace(b, i+1) != len(b) {
		return ErrBadJSON
	}

	e.Data = data
	e.Type, _ = e.text(typ)
	e.Code, e.HasCode = e.text(code)
	switch {
	case e.Type == nil:
		e.Kind = KindMissing
	case string(e.Type) == TypeBiz:
		e.Kind = KindBiz
	case string(e.Type) == TypeHeartbeat:
		e.Kind = KindHeartbeat
	case string(e.Type) == TypeHeartbeatAck:
		e.Kind = KindHeartbeatAck
	default:
		e.Kind = KindUnknown
	}
	return nil
}

// member is one of the members we know.
type member uint8

const (
	memberOther member = iota
	memberType
	memberCode
	memberData
)

// memberName tells which member a checked name is; b begins with its quote and
// may have more behind the closing one.
func memberName(b []byte) member {
	end, escaped := skipString(b, 0)
	name := b[1 : end-1]
	if escaped {
		// Our names are four characters, at most six bytes of escape each.
		var room [4 * 6]byte
		if len(name) > len(room) {
			return memberOther
		}
		name = appendUnescaped(room[:0], name)
	}
	switch string(name) {
	case "type":
		return memberType
	case "code":
		return memberCode
	case "data":
		return memberData
	}
	return memberOther
}

// text returns the content of a raw value if it is a string. The result is not nil then.
func (e *Envelope) text(raw []byte) ([]byte, bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return nil, false
	}
	s := raw[1 : len(raw)-1]
	if bytes.IndexByte(s, '\\') < 0 {
		return s[:len(s):len(s)], true
	}
	// Earlier strings keep their bytes when scratch has to move.
	n := len(e.scratch)
	e.scratch = appendUnescaped(e.scratch, s)
	return e.scratch[n:len(e.scratch):len(e.scratch)], true
}

// IsHeartbeat reports whether b is exactly HeartbeatRequest, the usual heartbeat.
// Other spellings of it are found by ParseEnvelope.
func IsHeartbeat(b []byte) bool { return string(b) == HeartbeatRequest }

// AppendEnvelope appends {"type":…,"code":…,"data":…}. Absent fields are left
// out: an empty typ or code, a data of no bytes. data is raw JSON and goes out as it is;
// typ and code are escaped.
func AppendEnvelope(dst []byte, typ, code string, data []byte) []byte {
	dst = append(dst, '{')
	sep := ""
	if typ != "" {
		dst = append(dst, `"type":`...)
		dst = appendJSONString(dst, typ)
		sep = ","
	}
	if code != "" {
		dst = append(append(dst, sep...), `"code":`...)
		dst = appendJSONString(dst, code)
		sep = ","
	}
	if len(data) > 0 {
		dst = append(append(dst, sep...), `"data":`...)
		dst = append(dst, data...)
	}
	return append(dst, '}')
}
