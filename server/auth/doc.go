// Package auth answers one question for a connecting client: who is it?
//
// A [Verifier] takes the token of a handshake and returns an [Identity]. There are three kinds, chosen by
// configuration through [New] or built directly:
//
//   - [NewDemo] knows the one token of the reference, and is meant for trying things out;
//   - [NewStatic] knows a fixed table of tokens;
//   - [NewJWT] checks signed tokens (RFC 7519) with a shared secret or a public key.
//
// A Go program that embeds the gateway brings its own Verifier for anything else. Where the token was found (query,
// header, subprotocol) and how it was encoded there is the caller's business: a Verifier gets the decoded bytes.
//
// No error of this package contains a token or a part of one, so that errors can be logged.
package auth
