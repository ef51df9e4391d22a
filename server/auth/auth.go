package auth

import (
	"errors"
	"fmt"
	"time"
)

// Identity is who a token stands for.
type Identity struct {
	// User is the user's id, never empty.
	User string
	// Expires is the first moment at which the token is no longer accepted, leeway included; the session has to end
	// then. The zero time means never.
	Expires time.Time
}

// Verifier tells whom a token stands for.
type Verifier interface {
	// Verify returns the identity behind token, or an error that wraps [ErrInvalid] or [ErrExpired]. The token is
	// valid during the call only. Verify is called on event loops: it must not block on I/O, and what it computes
	// delays every connection of that loop. Any goroutine.
	Verify(token []byte) (Identity, error)
}

var (
	// ErrInvalid says that the token is not one that is accepted here; the client needs another one.
	ErrInvalid = errors.New("invalid token")
	// ErrExpired says that the token was good, but is no longer; the client needs a fresh one.
	ErrExpired = errors.New("expired token")
)

// The modes that [New] knows.
const (
	ModeDemo   = "demo"
	ModeStatic = "static"
	ModeJWT    = "jwt"
)

// New returns the verifier of the named mode: "demo", "static" with its tokens (token to user), or "jwt" with its
// options. What belongs to another mode is ignored.
func New(mode string, tokens map[string]string, jwt JWTOptions) (Verifier, error) {
	switch mode {
	case ModeDemo:
		return NewDemo(), nil
	case ModeStatic:
		return NewStatic(tokens)
	case ModeJWT:
		return NewJWT(jwt)
	default:
		return nil, fmt.Errorf("auth mode %q: allowed are %s, %s and %s", mode, ModeDemo, ModeStatic, ModeJWT)
	}
}
