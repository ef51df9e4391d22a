package plan

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// masked stands where a secret was.
const masked = "***"

// Masked is a deep copy with the secrets taken out, fit for a report.
func (p *Plan) Masked() *Plan {
	c := p.Clone()
	c.AgentToken = maskText(c.AgentToken)
	for i := range c.MetricsURL {
		c.MetricsURL[i] = MaskURL(c.MetricsURL[i])
	}
	for i := range c.Scenarios {
		s := &c.Scenarios[i]
		s.URL, s.JWTSecret = MaskURL(s.URL), maskText(s.JWTSecret)
		s.Subprotocol = maskSubprotocol(s.Subprotocol)
		maskHeaders(s.Headers)
		if s.Publish != nil {
			s.Publish.URL = MaskURL(s.Publish.URL)
			maskHeaders(s.Publish.Headers)
		}
	}
	return c
}

func maskText(text string) string {
	if text == "" {
		return ""
	}
	return masked
}

func maskHeaders(headers map[string]string) {
	for name, value := range headers {
		headers[name] = maskHeader(name, value)
	}
}

// maskHeader is the value of a header as it may be shown. What a template makes
// of a token is no secret; the word before it says how.
func maskHeader(name, value string) string {
	if strings.EqualFold(name, "Sec-WebSocket-Protocol") {
		return maskSubprotocol(value)
	}
	if !secretName(name) {
		return value
	}
	scheme, rest, two := strings.Cut(value, " ")
	switch {
	case fromTemplate(value), two && httpToken(scheme) && fromTemplate(rest):
		return value
	case two && httpToken(scheme) && strings.Contains(strings.ToLower(name), "authorization"):
		return scheme + " " + masked
	}
	return maskText(value)
}

// maskSubprotocol masks what comes after "bearer", where clients put a token.
func maskSubprotocol(list string) string {
	first, _, more := strings.Cut(list, ",")
	if more && strings.EqualFold(strings.TrimSpace(first), "bearer") {
		return first + ", " + masked
	}
	return list
}

// secretWords are what the names of headers and query parameters with secrets have in them.
var secretWords = []string{"token", "secret", "auth", "cookie", "password", "passwd", "pwd", "apikey", "signature", "jwt", "credential", "session"}

// secretName tells whether a header or query parameter of that name is likely to be secret.
func secretName(name string) bool {
	name = plain(name)
	if slices.Contains([]string{"key", "sig", "pass", "ticket", "sid", "code"}, name) {
		return true
	}
	return slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) })
}

var action = regexp.MustCompile(`{{[^{}]*}}`)

// fromTemplate tells whether a value comes from the fields of a template alone.
func fromTemplate(value string) bool {
	return value != "" && !strings.Contains(value, `"`) && !strings.Contains(value, "`") && action.ReplaceAllString(value, "") == ""
}

// MaskURL is a URL, which may be a template, as it may be shown: without user
// name and password, and without the values of query parameters whose names
// speak of tokens, keys and the like. What is not a URL is treated as far as it
// looks like one.
func MaskURL(text string) string {
	head, fragment, hasFragment := strings.Cut(text, "#")
	head, query, hasQuery := strings.Cut(head, "?")
	if scheme, rest, ok := strings.Cut(head, "://"); ok {
		end := len(rest)
		if i := strings.IndexAny(rest, `/\`); i >= 0 {
			end = i
		}
		if at := strings.LastIndexByte(rest[:end], '@'); at >= 0 {
			head = scheme + "://" + masked + rest[at:]
		}
	}
	if hasQuery {
		parameters := strings.FieldsFunc(query, func(r rune) bool { return r == '&' || r == ';' })
		for i, one := range parameters {
			name, value, _ := strings.Cut(one, "=")
			if value != "" && secretName(decoded(name)) && !fromTemplate(value) {
				parameters[i] = name + "=" + masked
			}
		}
		head += "?" + strings.Join(parameters, "&")
	}
	if hasFragment {
		head += "#" + maskText(fragment)
	}
	return head
}

// decoded is a name of a query as the server reads it.
func decoded(name string) string {
	if text, err := url.QueryUnescape(name); err == nil {
		return text
	}
	return name
}

// MaskArgs is a command line as it may be shown: the values of secret flags,
// headers and URLs are masked.
func MaskArgs(args []string) []string {
	out := slices.Clone(args)
	for i := 0; i < len(out); i++ {
		arg := out[i]
		switch name, value, joined := strings.Cut(arg, "="); {
		case flagMask(name) != nil && joined:
			out[i] = name + "=" + flagMask(name)(value)
		case flagMask(arg) != nil:
			if i+1 < len(out) {
				i++
				out[i] = flagMask(arg)(out[i])
			}
		case strings.HasPrefix(arg, "-H"): // -H'Name: value'
			out[i] = "-H" + maskLine(strings.TrimPrefix(arg, "-H"))
		case strings.Contains(arg, "://"):
			out[i] = MaskURL(arg)
		}
	}
	return out
}

// flagMask is how the value of a flag is masked, or nil when it is not.
func flagMask(name string) func(string) string {
	switch name {
	case "--jwt-secret", "--agent-token":
		return maskText
	case "-H", "--header", "--publish-header":
		return maskLine
	case "--subprotocol":
		return maskSubprotocol
	case "--publish-url", "--metrics-url":
		return MaskURL
	}
	return nil
}

// maskLine masks a header written as one line.
func maskLine(line string) string {
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		return maskText(line) // not a header, so that there is no telling
	}
	return name + ": " + maskHeader(strings.TrimSpace(name), strings.TrimSpace(value))
}
