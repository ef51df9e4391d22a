package plan

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// urlRule is what a URL may be.
type urlRule struct {
	schemes  []string
	fields   []Field
	userinfo bool
}

// clientURL is what the address of a scenario may be.
var clientURL = urlRule{schemes: []string{"ws", "wss"}, fields: handshakeFields}

// cutURL takes a URL, which may be a template, apart: its scheme in lower case,
// its authority, and whether it has both.
func cutURL(text string) (scheme, authority string, ok bool) {
	scheme, rest, ok := strings.Cut(text, "://")
	if i := strings.IndexAny(rest, `/?#\`); i >= 0 {
		rest = rest[:i]
	}
	return strings.ToLower(scheme), rest, ok && rest != ""
}

// checkURL compiles a URL, and makes one of it to see whether it is right.
func checkURL(text string, rule urlRule) (*Template, error) {
	schemes := strings.Join(rule.schemes, ":// or ") + "://"
	scheme, authority, ok := cutURL(text)
	known := false
	for _, s := range rule.schemes {
		known = known || s == scheme
	}
	switch {
	case text == "":
		return nil, errors.New("it is not set; it begins with " + schemes)
	case !known:
		return nil, errors.New("it must begin with " + schemes)
	case !ok:
		return nil, errors.New("it has no host")
	case strings.Contains(authority, "{{"):
		return nil, errors.New("the host cannot have a template in it: which machine is loaded must be certain")
	}
	t, err := CompileURL(text, rule.fields...)
	if err != nil {
		return nil, err
	}
	made := string(t.Append(nil, &Values{User: "user", Token: "token"}))
	if i := strings.IndexFunc(made, func(r rune) bool { return r <= ' ' || r > '~' }); i >= 0 {
		return nil, fmt.Errorf("spaces, control characters and letters beyond ASCII must be percent-encoded (byte %d)", i+1)
	}
	if len(made) > maxText {
		return nil, fmt.Errorf("it comes to %d bytes, more than %d", len(made), maxText)
	}
	u, err := url.Parse(made)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // without the URL, which may have secrets in it
		}
		return nil, err
	}
	switch port := u.Port(); {
	case u.Hostname() == "":
		return nil, errors.New("it has no host")
	case strings.HasSuffix(u.Host, ":") || port != "" && !portNumber(port):
		return nil, errors.New("the port must be 1 to 65535")
	case strings.Contains(made, "#"):
		return nil, errors.New("it cannot have a fragment")
	case u.User != nil && !rule.userinfo:
		return nil, errors.New("it cannot have a user name or password; give a header, Authorization for example")
	}
	return t, nil
}

func portNumber(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// hostPort tells whether text is host:port.
func hostPort(text string) bool {
	host, port, err := net.SplitHostPort(text)
	return err == nil && host != "" && portNumber(port) && !strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' })
}
