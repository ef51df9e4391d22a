package plan

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Headers that are made from other settings, and where to say so.
var (
	handshakeHeaders = map[string]string{
		"Host": "url says it", "Connection": "the handshake needs its own", "Upgrade": "the handshake needs its own",
		"Content-Length": "a handshake has no body", "Transfer-Encoding": "a handshake has no body",
		"Sec-Websocket-Key": "the handshake needs its own", "Sec-Websocket-Version": "the handshake needs its own",
		"Sec-Websocket-Protocol": "subprotocol says it", "Sec-Websocket-Extensions": "extensions are not asked for",
	}
	requestHeaders = map[string]string{
		"Host": "url says it", "Connection": "connections are kept", "Upgrade": "connections are kept",
		"Content-Length": "the body says it", "Transfer-Encoding": "the body says it",
	}
)

// checkHeaders checks headers and tells whether one of them uses {{.Token}}.
func (d *draft) checkHeaders(key string, headers map[string]string, fields []Field, reserved map[string]string) bool {
	uses, seen := false, map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		key := key + "." + name
		canonical := http.CanonicalHeaderKey(name)
		if !httpToken(name) {
			d.errs.add(key, "it is not the name of a header")
			continue
		}
		if why, ok := reserved[canonical]; ok {
			d.errs.add(key, "it cannot be set: %s", why)
		}
		if seen[canonical] {
			d.errs.add(key, "the header is there twice")
		}
		seen[canonical] = true
		t, err := Compile(headers[name], fields...)
		switch {
		case err != nil:
			d.errs.add(key, "%v", err)
		case !printable(t):
			d.errs.add(key, "the value has control characters")
		default:
			uses = uses || t.Uses(FieldToken)
		}
	}
	return uses
}

// printable tells whether a template has no control characters of its own, tabs aside.
func printable(t *Template) bool {
	for _, s := range t.segments {
		if strings.ContainsFunc(s.literal, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return false
		}
	}
	return true
}

// httpToken tells whether text is a token (RFC 9110, section 5.6.2).
func httpToken(text string) bool {
	for i := range len(text) {
		c := text[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return text != ""
}

// subprotocols tells whether text is empty or a list of tokens.
func subprotocols(text string) bool {
	if text == "" {
		return true
	}
	for one := range strings.SplitSeq(text, ",") {
		if !httpToken(strings.TrimSpace(one)) {
			return false
		}
	}
	return true
}
