package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"carillon/server/config"
)

// signer is a key and the algorithm it signs with.
type signer struct {
	method jwt.SigningMethod
	key    any
}

// signingKey finds the key that the flags name, else the secret of the configuration.
func signingKey(cfg config.JWT, f tokenFlags) (signer, error) {
	if f.privateKeyFile != "" {
		text, err := os.ReadFile(f.privateKeyFile)
		if err != nil {
			return signer{}, err
		}
		key, err := parsePrivateKey(text)
		if err != nil {
			return signer{}, fmt.Errorf("%s: %w", f.privateKeyFile, err)
		}
		return newSigner(key, f.algorithm)
	}
	secret := []byte(cfg.Secret)
	if f.secretFile != "" {
		text, err := os.ReadFile(f.secretFile)
		if err != nil {
			return signer{}, err
		}
		secret = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	}
	if len(secret) == 0 {
		return signer{}, fail(exitUsage, errors.New("no key to sign with: give --secret-file, --private-key-file or auth.jwt.secret"))
	}
	return newSigner(secret, f.algorithm)
}

// parsePrivateKey reads PKCS #8, PKCS #1 (RSA) and SEC 1 (EC) keys.
func parsePrivateKey(text []byte) (any, error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "PRIVATE KEY":
			return x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			return x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			return x509.ParseECPrivateKey(block.Bytes)
		}
	}
	return nil, errors.New("no private key in PEM form (an encrypted one cannot be read)")
}

// newSigner pairs a key with an algorithm that is made for it; the first is the default.
func newSigner(key any, algorithm string) (signer, error) {
	var fit []string
	switch k := key.(type) {
	case []byte:
		if len(k) < minSecretBytes {
			return signer{}, fmt.Errorf("the secret is shorter than %d bytes: no server accepts it (RFC 7518 section 3.2)", minSecretBytes)
		}
		fit = []string{"HS256", "HS384", "HS512"}[:min(len(k)/16-1, 3)]
	case *rsa.PrivateKey:
		fit = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	case *ecdsa.PrivateKey:
		switch k.Curve.Params().BitSize {
		case 256:
			fit = []string{"ES256"}
		case 384:
			fit = []string{"ES384"}
		case 521:
			fit = []string{"ES512"}
		}
	case ed25519.PrivateKey:
		fit = []string{"EdDSA"}
	}
	if fit == nil {
		return signer{}, fmt.Errorf("no JWT algorithm signs with a %T like this", key)
	}
	if algorithm == "" {
		algorithm = fit[0]
	}
	if !slices.Contains(fit, algorithm) {
		return signer{}, fail(exitUsage, fmt.Errorf("--algorithm %s does not fit the key; allowed: %s", algorithm, strings.Join(fit, ", ")))
	}
	return signer{jwt.GetSigningMethod(algorithm), key}, nil
}

// minSecretBytes is the length of HS256's hash. Each step of 16 more is enough for the next algorithm.
const minSecretBytes = 32
