package admin

import (
	"bytes"
	"mime"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
)

// values yields the members of a list header (RFC 9110 section 5.6.1), over all its lines, trimmed, empty ones left
// out. A comma inside quotes does not separate.
func values(ctx *fasthttp.RequestCtx, header string) []string {
	var out []string
	for _, line := range ctx.Request.Header.PeekAll(header) {
		out = append(out, split(string(line), ',')...)
	}
	return out
}

// split cuts s at every sep outside of quotes; empty parts are left out, the others are trimmed.
func split(s string, sep byte) []string {
	var out []string
	quoted, start := false, 0
	add := func(part string) {
		if part = strings.Trim(part, " \t"); part != "" {
			out = append(out, part)
		}
	}
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			add(s[start:i])
			start = i + 1
		}
	}
	add(s[start:])
	return out
}

// wantsRepresentation tells whether the client prefers to learn what its call did (RFC 7240 section 4.2). Of several
// "return" preferences the first one counts (section 2).
func wantsRepresentation(ctx *fasthttp.RequestCtx) bool {
	for _, preference := range values(ctx, "Prefer") {
		parts := split(preference, ';')
		if len(parts) == 0 {
			continue
		}
		name, value, _ := strings.Cut(parts[0], "=")
		if !strings.EqualFold(strings.TrimSpace(name), "return") {
			continue
		}
		return strings.EqualFold(strings.Trim(value, " \t\""), "representation")
	}
	return false
}

// acceptsJSON tells whether the client takes a JSON answer (RFC 9110 section 12.5.1): no Accept at all, or one whose
// most specific match for application/json does not have the weight 0. What cannot be read as a range is no match.
func acceptsJSON(ctx *fasthttp.RequestCtx) bool {
	ranges := values(ctx, "Accept")
	if len(ranges) == 0 {
		return true
	}
	best, accepted := 0, false
	for _, r := range ranges {
		parts := split(r, ';')
		if len(parts) == 0 {
			continue
		}
		specific := 0
		switch strings.ToLower(parts[0]) {
		case typeJSON:
			specific = 3
		case "application/*":
			specific = 2
		case "*/*", "*": // a lone * is what Java's old HTTP client sends
			specific = 1
		}
		if specific == 0 || specific < best {
			continue
		}
		weighted := weight(parts[1:]) > 0
		accepted = weighted || specific == best && accepted
		best = specific
	}
	return accepted
}

// weight returns the "q" among the parameters of a range, 1 without a readable one.
func weight(parameters []string) float64 {
	for _, p := range parameters {
		name, value, _ := strings.Cut(p, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		if q, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
			return q
		}
	}
	return 1
}

// isJSON tells whether a Content-Type is one of the push calls': application/json or application/*+json, in UTF-8,
// which is also what RFC 8259 section 8.1 asks for.
func isJSON(contentType []byte) bool {
	if bytes.Equal(contentType, []byte(typeJSON)) {
		return true
	}
	kind, parameters, err := mime.ParseMediaType(string(contentType))
	if err != nil {
		return false
	}
	if subtype, ok := strings.CutPrefix(kind, "application/"); !ok || subtype != "json" && !strings.HasSuffix(subtype, "+json") {
		return false
	}
	charset, ok := parameters["charset"]
	return !ok || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8")
}
