// Package web serves the gateway's page: a console in which a developer
// connects, sends messages and watches what the gateway pushes.
//
// The page is three small files and an icon, embedded in the binary, and needs
// nothing from elsewhere. [New] renders it once for its [Options]; every
// request is answered from memory. Scripts and styles are separate files whose
// names hold a hash of their content, so that the Content-Security-Policy can
// forbid everything inline and browsers can keep them for ever.
//
//	site := web.New(web.Options{Endpoint: "/ws"})
//	site.Register(r) // a *router.Router of fasthttp/router
//
// The page needs no server of its own kind: the tests in this package and the
// suite in package webtest drive it in a real browser.
package web
