package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
)

// The only token of the reference, and its user (contract, section 1).
const (
	DemoToken = "Admin@123"
	DemoUser  = "10001"
)

// demo accepts [DemoToken].
type demo struct{ digest [sha256.Size]byte }

// NewDemo returns the verifier that accepts [DemoToken] for [DemoUser], and nothing else. The token is public: whoever
// switches this on should say so in a warning.
func NewDemo() Verifier { return demo{sha256.Sum256([]byte(DemoToken))} }

// Verify implements [Verifier]. Digests are compared, so that neither content nor length shows in the time it takes.
func (d demo) Verify(token []byte) (Identity, error) {
	digest := sha256.Sum256(token)
	if subtle.ConstantTimeCompare(digest[:], d.digest[:]) != 1 {
		return Identity{}, ErrInvalid
	}
	return Identity{User: DemoUser}, nil
}

// static accepts the tokens of a fixed table. Its keys are digests: what a lookup gives away by its timing is a digest,
// which a client cannot steer towards that of a token it does not know.
type static map[[sha256.Size]byte]string

// NewStatic returns the verifier for a fixed table of token to user. The tokens themselves are not kept. A table
// without entries, an empty token, or a user that is empty or longer than [MaxUserBytes] is an error.
func NewStatic(tokens map[string]string) (Verifier, error) {
	if len(tokens) == 0 {
		return nil, errors.New("static auth: no tokens given, so that nobody could connect")
	}
	s := make(static, len(tokens))
	for token, user := range tokens {
		if token == "" {
			return nil, fmt.Errorf("static auth: the token of user %q is empty", user)
		}
		if user == "" {
			return nil, errors.New("static auth: a token has no user")
		}
		if len(user) > MaxUserBytes {
			return nil, fmt.Errorf("static auth: a user id of %d bytes, allowed are %d", len(user), MaxUserBytes)
		}
		s[sha256.Sum256([]byte(token))] = user
	}
	return s, nil
}

// Verify implements [Verifier].
func (s static) Verify(token []byte) (Identity, error) {
	user, ok := s[sha256.Sum256(token)]
	if !ok {
		return Identity{}, ErrInvalid
	}
	return Identity{User: user}, nil
}
