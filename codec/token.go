package codec

import (
	"bytes"
	"encoding/base64"
)

// bearerProtocol announces, in Sec-WebSocket-Protocol, that the next element is a token.
const bearerProtocol = "bearer"

// Token returns the client's token. It is looked for in this order, and the
// first place that has one decides, even when what it has is no good:
//
//  1. the first query parameter named token (exact case), URL-decoded, "+" being a space;
//  2. Authorization: Bearer <token>;
//  3. Sec-WebSocket-Protocol: bearer, <token>, where the token stands as it is
//     or as base64url.<unpadded base64url> when it has other characters.
//
// ok is false when there is no token, when it is blank, badly escaped or badly
// encoded. Nothing is trimmed. token lies in the scanned bytes, or in buf when
// it had to be decoded (a longer one is allocated); it is a secret.
func (r *Request) Token(buf []byte) (token []byte, ok bool) {
	if v, found := queryParam(r.Query, "token", buf); found {
		token, ok = unescapeQuery(v, buf)
		return token, ok && !blank(token)
	}
	if r.authorizations > 0 {
		if v, found := bearer(r.Authorization); found {
			return v, r.authorizations == 1 && len(v) > 0 && bytes.IndexByte(v, ' ') < 0
		}
	}
	if r.protocolLines > 0 {
		if v, found := r.bearerProtocol(); found {
			return decodeProtocolToken(v, buf)
		}
	}
	return nil, false
}

// queryParam returns the raw value of the first parameter of that name. The
// name may be escaped, too.
func queryParam(query []byte, name string, buf []byte) ([]byte, bool) {
	for len(query) > 0 {
		var pair []byte
		pair, query, _ = bytes.Cut(query, []byte("&"))
		k, v, _ := bytes.Cut(pair, []byte("="))
		if string(k) == name {
			return v, true
		}
		if bytes.IndexByte(k, '%') >= 0 {
			if k, ok := unescapeQuery(k, buf); ok && string(k) == name {
				return v, true
			}
		}
	}
	return nil, false
}

// unescapeQuery decodes application/x-www-form-urlencoded. Without escapes the
// result is v itself.
func unescapeQuery(v, buf []byte) ([]byte, bool) {
	if bytes.IndexByte(v, '%') < 0 && bytes.IndexByte(v, '+') < 0 {
		return v, true
	}
	out := buf[:0]
	for i := 0; i < len(v); i++ {
		switch c := v[i]; c {
		case '%':
			if i+2 >= len(v) {
				return nil, false
			}
			hi, lo := hexDigit(v[i+1]), hexDigit(v[i+2])
			if hi < 0 || lo < 0 {
				return nil, false
			}
			out = append(out, byte(hi<<4|lo))
			i += 2
		case '+':
			out = append(out, ' ')
		default:
			out = append(out, c)
		}
	}
	return out, true
}

func hexDigit(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case 'a' <= lower(c) && lower(c) <= 'f':
		return int(lower(c)-'a') + 10
	}
	return -1
}

func blank(b []byte) bool { return len(bytes.TrimSpace(b)) == 0 }

// bearer returns what follows the scheme (RFC 6750 section 2.1; the scheme in any case).
func bearer(v []byte) ([]byte, bool) {
	const scheme = "bearer"
	if len(v) < len(scheme) || !foldEqual(v[:len(scheme)], scheme) {
		return nil, false
	}
	v = v[len(scheme):]
	if len(v) > 0 && v[0] != ' ' {
		return nil, false
	}
	for len(v) > 0 && v[0] == ' ' {
		v = v[1:]
	}
	return v, true
}

// bearerProtocol returns the offer after the offer "bearer".
func (r *Request) bearerProtocol() ([]byte, bool) {
	c := r.offers()
	for {
		e, ok := c.next()
		if !ok {
			return nil, false
		}
		if string(e) == bearerProtocol {
			return c.next()
		}
	}
}

// offers walks over the subprotocols the client offers.
func (r *Request) offers() listCursor {
	return listCursor{name: "sec-websocket-protocol", fields: fieldCursor{r.fields}}
}

func decodeProtocolToken(v, buf []byte) ([]byte, bool) {
	enc, ok := bytes.CutPrefix(v, []byte("base64url."))
	if !ok {
		return v, len(v) > 0
	}
	out, err := base64.RawURLEncoding.Strict().AppendDecode(buf[:0], enc)
	if err != nil {
		return nil, false
	}
	return out, !blank(out)
}
