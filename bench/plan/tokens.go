package plan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Bounds of a token file. Ten million JWTs of the usual length fit.
const (
	maxTokenFile = 4 << 30
	maxToken     = 16 << 10
	maxTokens    = maxConnections
)

// Tokens gives connections their tokens. It is safe for concurrent use.
type Tokens struct {
	text   []byte  // the file
	ends   []int64 // of the lines in text, line breaks left out
	secret []byte
	ttl    time.Duration
}

// NewTokens makes what the scenario says tokens come from, and reads its token
// file. Without either there is no error, and every token is "".
func (s *Scenario) NewTokens() (*Tokens, error) {
	t := &Tokens{secret: []byte(s.JWTSecret), ttl: s.JWTTTL}
	if s.TokenFile == "" {
		return t, nil
	}
	text, err := readBounded(s.TokenFile, maxTokenFile)
	if err == nil {
		t.text = text
		err = t.split()
	}
	if err != nil {
		return nil, fmt.Errorf("token file %s: %w", s.TokenFile, err)
	}
	return t, nil
}

// readBounded reads a regular file of at most longest bytes. The error does not have its name.
func readBounded(name string, longest int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, plainError(err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, plainError(err)
	case info.IsDir():
		return nil, errors.New("it is a directory")
	case info.Size() > longest:
		return nil, fmt.Errorf("it has %d bytes, more than %d", info.Size(), longest)
	}
	var b bytes.Buffer
	b.Grow(int(info.Size()) + bytes.MinRead) // room to see the end without growing
	if _, err = b.ReadFrom(io.LimitReader(f, longest+1)); err != nil {
		return nil, plainError(err)
	}
	if int64(b.Len()) > longest { // a pipe, or it grew
		return nil, fmt.Errorf("it has more than %d bytes", longest)
	}
	return b.Bytes(), nil
}

// plainError is err without the name of the file.
func plainError(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err
	}
	return err
}

// split finds the lines of the file and checks them.
func (t *Tokens) split() error {
	for start := 0; start < len(t.text); {
		end, next := len(t.text), len(t.text)
		if i := bytes.IndexByte(t.text[start:], '\n'); i >= 0 {
			end, next = start+i, start+i+1
		}
		line := len(t.ends) + 1
		token := bytes.TrimSuffix(t.text[start:end], []byte("\r"))
		switch {
		case line > maxTokens:
			return fmt.Errorf("it has more than %d lines", maxTokens)
		case len(token) == 0:
			return fmt.Errorf("line %d is empty", line)
		case len(token) > maxToken:
			return fmt.Errorf("line %d has %d bytes, more than %d", line, len(token), maxToken)
		case bytes.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
			return fmt.Errorf("line %d has a space, control character or letter beyond ASCII in it", line)
		}
		t.ends = append(t.ends, int64(end))
		start = next
	}
	if t.ends == nil {
		return errors.New("it is empty")
	}
	return nil
}

// Token is the token of a connection: line id modulo lines of the token file,
// or a JWT for the user that is valid from now on, or "".
func (t *Tokens) Token(id int, user string) (string, error) {
	switch {
	case t.ends != nil:
		n := id % len(t.ends)
		if n < 0 {
			return "", fmt.Errorf("connection %d: the number is negative", id)
		}
		start := int64(0)
		if n > 0 {
			start = t.ends[n-1] + 1
		}
		return string(bytes.TrimSuffix(t.text[start:t.ends[n]], []byte("\r"))), nil
	case len(t.secret) > 0:
		now := time.Now()
		claims := jwt.RegisteredClaims{Subject: user, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(t.ttl))}
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(t.secret)
		if err != nil {
			return "", fmt.Errorf("token of user %s: %w", quote(user), err)
		}
		return token, nil
	}
	return "", nil
}
