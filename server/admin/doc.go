// Package admin is the HTTP interface of the gateway for back ends: counting, pushing, kicking, and health.
//
// Paths, methods, bodies and answers are those of section 3 of the contract, so that a back end of the Java cluster
// goes on working: a push answers 200 with an empty body. A call that carries "Prefer: return=representation" (RFC
// 7240) learns what happened instead, as JSON. Every error is a problem of RFC 9457.
//
//	GET   /websocket/online/count           users online in the cluster
//	GET   /websocket/online/session/count   sessions of this node
//	GET   /websocket/online/users           ids of the users online in the cluster
//	POST  /websocket/online/users           {"userIds": [...]}: where these users are
//	GET   /websocket/online/users/{id}      where a user is
//	GET   /websocket/online/nodes           the nodes of the cluster
//	GET   /websocket/online/sessions        the sessions of the cluster in pages; ?node=, ?limit=, ?cursor=
//	POST  /websocket/send/user/{id}         {"message": any JSON}
//	POST  /websocket/send/users             {"userIds": [...], "message": any JSON}
//	POST  /websocket/send/session/{id}      {"message": any JSON}
//	POST  /websocket/broadcast              {"message": any JSON}
//	POST  /websocket/kick/user/{id}
//	POST  /websocket/kick/session/{id}
//	POST  /websocket/kick/all               {"confirm": "kick all", "node": …, "code": …, "reason": …, "spread": …}
//	POST  /websocket/heartbeat/check
//	GET   /healthz                          is the process up? Open to everybody.
//	GET   /readyz                           can it serve clients? Open to everybody.
//	GET   /metrics                          [Options].Metrics, if set
//
// # Access
//
// With [Options].Tokens every call needs one of them as a bearer token. Without, only programs on the same machine
// are let in: the peer is a loopback address or a Unix socket, and nothing says that it speaks for somebody else, be
// it a proxy (a forwarding header) or a web page (a foreign Origin, or a Host name that a page may have pointed to
// this machine by DNS rebinding).
//
// # Use
//
//	api := admin.New(gateway, admin.Options{Tokens: tokens, Logger: logger})
//	server := fasthttp.Server{
//		Handler:            api.Handler(),
//		ErrorHandler:       admin.ErrorHandler,
//		MaxRequestBodySize: admin.DefaultMaxBody,
//	}
package admin
