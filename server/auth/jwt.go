package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// MaxUserBytes is the longest user id, in bytes. It is a key in every index and in Redis, so it has to be short.
	MaxUserBytes = 256
	// maxJWTBytes is the longest token that is looked at. It is above what a request line may carry, and keeps a caller
	// that has no limit of its own from having megabytes of JSON parsed before the signature is checked.
	maxJWTBytes = 16 << 10
)

// JWTOptions says which signed tokens are accepted. One of Secret, PublicKeyPEM and PublicKeyFile is needed.
type JWTOptions struct {
	// Secret is the shared key of the HS algorithms: at least 32 bytes for HS256, 48 for HS384, 64 for HS512
	// (RFC 7518 section 3.2).
	Secret []byte
	// PublicKeyPEM is an RSA (from 2048 bits), ECDSA (P-256, P-384, P-521) or Ed25519 public key in PEM: PKIX, PKCS#1,
	// or the one of a certificate. The certificate's own dates and issuer are not looked at.
	PublicKeyPEM []byte
	// PublicKeyFile is the file to read such a key from, once.
	PublicKeyFile string
	// Algorithms narrows the accepted "alg" values down. Empty: every one the key is good for.
	Algorithms []string
	// Issuer is the "iss" a token must have. Empty: not looked at.
	Issuer string
	// Audience are the values of which a token's "aud" must have one. Empty: not looked at.
	Audience []string
	// Leeway is how far "exp", "nbf" and "iat" may be off, for clocks that differ.
	Leeway time.Duration
	// UserClaim is the claim with the user id, a string or a whole number. Empty: "sub".
	UserClaim string
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// The reasons of a refusal. They are made once, because refusals come in bursts, and say nothing of the token's text.
var (
	errTooLong    = fmt.Errorf("%w: too long", ErrInvalid)
	errMalformed  = fmt.Errorf("%w: no well-formed JWT", ErrInvalid)
	errAlgorithm  = fmt.Errorf("%w: algorithm not accepted", ErrInvalid)
	errSignature  = fmt.Errorf("%w: bad signature", ErrInvalid)
	errCritical   = fmt.Errorf("%w: critical header not understood", ErrInvalid)
	errTooEarly   = fmt.Errorf("%w: not valid yet", ErrInvalid)
	errIssuer     = fmt.Errorf("%w: wrong issuer", ErrInvalid)
	errAudience   = fmt.Errorf("%w: wrong audience", ErrInvalid)
	errClaims     = fmt.Errorf("%w: claims of a wrong type", ErrInvalid)
	errUser       = fmt.Errorf("%w: no usable user claim", ErrInvalid)
	errNotAllowed = errors.New("not allowed")
)

// jwtVerifier checks signed tokens.
type jwtVerifier struct {
	parser *jwt.Parser
	// keys is the one accepted key under each accepted algorithm. A token names its algorithm, but never gets to pick
	// what kind of key another algorithm's key is taken for.
	keys   map[string]any
	claim  string
	leeway time.Duration
}

// NewJWT returns the verifier for signed tokens. It reads opt.PublicKeyFile, if given; Verify does no I/O.
func NewJWT(opt JWTOptions) (Verifier, error) {
	keys, err := jwtKeys(opt)
	if err != nil {
		return nil, fmt.Errorf("jwt auth: %w", err)
	}
	if opt.Leeway < 0 {
		return nil, fmt.Errorf("jwt auth: leeway %v is negative", opt.Leeway)
	}
	if opt.UserClaim == "" {
		opt.UserClaim = "sub"
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	methods := make([]string, 0, len(keys))
	for alg := range keys {
		methods = append(methods, alg)
	}
	parserOptions := []jwt.ParserOption{
		jwt.WithValidMethods(methods),
		jwt.WithJSONNumber(),
		jwt.WithStrictDecoding(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(opt.Leeway),
		jwt.WithTimeFunc(opt.Now),
	}
	if opt.Issuer != "" {
		parserOptions = append(parserOptions, jwt.WithIssuer(opt.Issuer))
	}
	if len(opt.Audience) > 0 {
		parserOptions = append(parserOptions, jwt.WithAudience(opt.Audience...))
	}
	return &jwtVerifier{
		parser: jwt.NewParser(parserOptions...),
		keys:   keys,
		claim:  opt.UserClaim,
		leeway: opt.Leeway,
	}, nil
}

// inJWT are the bytes a token may consist of (RFC 7515 section 2). encoding/base64 skips line breaks, which would make
// many tokens of one.
var inJWT = func() (in [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_." {
		in[c] = true
	}
	return in
}()

// Verify implements [Verifier].
func (v *jwtVerifier) Verify(token []byte) (Identity, error) {
	if len(token) > maxJWTBytes {
		return Identity{}, errTooLong
	}
	for _, c := range token {
		if !inJWT[c] {
			return Identity{}, errMalformed
		}
	}
	claims := jwt.MapClaims{}
	if _, err := v.parser.ParseWithClaims(string(token), claims, v.key); err != nil {
		return Identity{}, refusal(err)
	}
	user, ok := userOf(claims[v.claim])
	if !ok {
		return Identity{}, errUser
	}
	id := Identity{User: user}
	if expires, _ := dateOf(claims, "exp"); !expires.IsZero() {
		id.Expires = expires.Add(v.leeway)
	}
	return id, nil
}

// key gives the parser the key for the algorithm that the token names. The parser has checked the name against the
// accepted ones before, so a miss here is a second line of defence.
func (v *jwtVerifier) key(t *jwt.Token) (any, error) {
	// RFC 7515 section 4.1.11: a header listed in "crit" must be understood, and none is. The library ignores it.
	if _, ok := t.Header["crit"]; ok {
		return nil, errCritical
	}
	// The library compares dates without a look at their range, and takes what it cannot convert for any date.
	claims, _ := t.Claims.(jwt.MapClaims)
	for _, name := range []string{"exp", "nbf", "iat"} {
		if _, ok := dateOf(claims, name); !ok {
			return nil, errClaims
		}
	}
	key, ok := v.keys[t.Method.Alg()]
	if !ok {
		return nil, errNotAllowed
	}
	return key, nil
}

// refusal turns the library's error into one of ours. The library's own text is dropped: it quotes from the token.
// [ErrExpired] is only for a token at which everything else is right, as far as the library looked.
func refusal(err error) error {
	for _, r := range refusals {
		if errors.Is(err, r.library) {
			return r.ours
		}
	}
	return errMalformed
}

// refusals is ordered: the library reports all claims that are wrong at once, and expiry comes last among them.
var refusals = []struct{ library, ours error }{
	{errCritical, errCritical},
	{errClaims, errClaims},
	{jwt.ErrTokenMalformed, errMalformed},
	{jwt.ErrTokenUnverifiable, errAlgorithm},
	{jwt.ErrTokenSignatureInvalid, errSignature},
	{jwt.ErrInvalidType, errClaims},
	{jwt.ErrTokenInvalidIssuer, errIssuer},
	{jwt.ErrTokenInvalidAudience, errAudience},
	{jwt.ErrTokenRequiredClaimMissing, errClaims},
	{jwt.ErrTokenNotValidYet, errTooEarly},
	{jwt.ErrTokenUsedBeforeIssued, errTooEarly},
	{jwt.ErrTokenExpired, ErrExpired},
}

// userOf reads a user id from a claim: a string, or a whole number in plain digits, of any size, which is taken as it
// was written. 1e3 or 1.0 would need a rule of how to print them, and two spellings of one user.
func userOf(claim any) (string, bool) {
	switch c := claim.(type) {
	case string:
		if strings.TrimSpace(c) == "" || len(c) > MaxUserBytes {
			return "", false
		}
		return c, true
	case json.Number:
		s := c.String()
		if len(s) > MaxUserBytes || strings.ContainsAny(s, ".eE") || s == "-0" {
			return "", false
		}
		return s, true
	default:
		return "", false
	}
}

// The dates that fit into RFC 3339; beyond them the conversion of a float to a time is undefined.
const (
	minUnix = -62135596800 // 0001-01-01
	maxUnix = 253402300799 // 9999-12-31
)

// dateOf reads a NumericDate claim: the zero time when there is none, false when it is no date.
func dateOf(claims jwt.MapClaims, name string) (time.Time, bool) {
	claim, ok := claims[name]
	if !ok {
		return time.Time{}, true
	}
	number, ok := claim.(json.Number)
	if !ok {
		return time.Time{}, false
	}
	seconds, err := number.Float64()
	if err != nil || seconds < minUnix || seconds > maxUnix {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)).UTC(), true
}
