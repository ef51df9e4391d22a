package codec

import "bytes"

// Answers to an offer of permessage-deflate (RFC 7692 section 7.1). Both
// no_context_takeover parameters may be answered although they were not
// offered. An offer of server_max_window_bits=15 has to be answered with it.
const (
	deflateAnswer       = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	deflateAnswerWindow = deflateAnswer + "; server_max_window_bits=15"
)

// negotiateDeflate goes through the extensions the client offers, in its order,
// and returns the answer to the first acceptable permessage-deflate, or "".
// Other extensions are ignored. An offer with an unknown or repeated parameter or
// a value out of range is declined, so is one that wants a smaller window of
// the server; the next one is looked at. A field that is no list of extensions
// at all ends the search: no extension, never a refusal.
func negotiateDeflate(r *Request) string {
	fields := fieldCursor{r.fields}
	for {
		v, ok := fields.next("sec-websocket-extensions")
		if !ok {
			return ""
		}
		s := extScanner{v}
		for {
			answer, more := s.offer()
			if answer != "" {
				return answer
			}
			if !more {
				break
			}
		}
	}
}

// extScanner reads `name *( ";" param [ "=" ( token / quoted ) ] )` lists (RFC
// 6455 section 9.1).
type extScanner struct{ b []byte }

// offer reads one offer and returns its answer; more is false at the end of the
// field or when it is malformed.
func (s *extScanner) offer() (answer string, more bool) {
	for s.skip(',') {
	}
	name, ok := s.token()
	if !ok {
		return "", false
	}
	good := string(name) == "permessage-deflate"
	var seen uint8
	window := false
	for s.skip(';') {
		param, ok := s.token()
		if !ok {
			return "", false
		}
		var value []byte
		has := s.skip('=')
		if has {
			if value, ok = s.value(); !ok {
				return "", false
			}
		}
		bit := uint8(0)
		switch string(param) {
		case "server_no_context_takeover":
			bit, good = 1, good && !has
		case "client_no_context_takeover":
			bit, good = 2, good && !has
		case "client_max_window_bits":
			bit, good = 4, good && (!has || windowBits(value) != 0)
		case "server_max_window_bits":
			bit, good = 8, good && windowBits(value) == 15
			window = true
		default:
			good = false
		}
		if seen&bit != 0 {
			good = false
		}
		seen |= bit
	}
	s.space()
	if len(s.b) > 0 && s.b[0] != ',' {
		return "", false
	}
	switch {
	case !good:
		return "", len(s.b) > 0
	case window:
		return deflateAnswerWindow, true
	}
	return deflateAnswer, true
}

// windowBits returns 8 to 15, or 0 for what is no such number (RFC 7692 section 7.1.2).
func windowBits(v []byte) int {
	switch {
	case len(v) == 1 && (v[0] == '8' || v[0] == '9'):
		return int(v[0] - '0')
	case len(v) == 2 && v[0] == '1' && '0' <= v[1] && v[1] <= '5':
		return 10 + int(v[1]-'0')
	}
	return 0
}

func (s *extScanner) space() { s.b = bytes.TrimLeft(s.b, " \t") }

func (s *extScanner) skip(c byte) bool {
	s.space()
	if len(s.b) > 0 && s.b[0] == c {
		s.b = s.b[1:]
		return true
	}
	return false
}

func (s *extScanner) token() ([]byte, bool) {
	s.space()
	i := 0
	for i < len(s.b) && isToken[s.b[i]] {
		i++
	}
	t := s.b[:i]
	s.b = s.b[i:]
	return t, i > 0
}

// value reads a token, or a token in quotes; no value of ours has an escape.
func (s *extScanner) value() ([]byte, bool) {
	if !s.skip('"') {
		return s.token()
	}
	i := bytes.IndexByte(s.b, '"')
	if i < 0 {
		return nil, false
	}
	v := s.b[:i]
	s.b = s.b[i+1:]
	return v, true
}
