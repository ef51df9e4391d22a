package live

import (
	"crypto/subtle"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// tokenHeader carries the token of the page in a request to stop.
const tokenHeader = "Carillon-Token"

// silent drops what a server says about connections that browsers cut.
var silent = log.New(io.Discard, "", 0)

// hosts says under which names the page is reached. A page of another site
// whose name is made to lead here (DNS rebinding) comes with that name, so an
// address and localhost are all right, and else only the name that the page
// was told to listen on.
type hosts struct{ given string }

func (h hosts) allow(host string) bool {
	name := (&url.URL{Host: host}).Hostname()
	return net.ParseIP(name) != nil || strings.EqualFold(name, "localhost") || name != "" && strings.EqualFold(name, h.given)
}

// guarded refuses requests under other names and tells browsers to keep other
// sites out.
func (u *UI) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !u.hosts.allow(r.Host) {
			http.Error(w, "not served under this name", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// fromPage reports whether a request comes from the page: from its origin, as
// the browser says, and with the token that only the page has.
func (u *UI) fromPage(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return false
	}
	return r.Header.Get("Origin") == "http://"+r.Host &&
		subtle.ConstantTimeCompare([]byte(r.Header.Get(tokenHeader)), []byte(u.token)) == 1
}
