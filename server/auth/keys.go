package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// minRSABits is the smallest RSA key (RFC 7518 sections 3.3 and 3.5).
const minRSABits = 2048

// hmacAlgorithms are the algorithms of a shared secret, with the shortest secret of each: as long as its hash
// (RFC 7518 section 3.2).
var hmacAlgorithms = []struct {
	name  string
	bytes int
}{{"HS256", 32}, {"HS384", 48}, {"HS512", 64}}

// jwtKeys returns the key of opt under the name of every algorithm that it may be used with.
func jwtKeys(opt JWTOptions) (map[string]any, error) {
	sources := 0
	for _, given := range []bool{len(opt.Secret) > 0, len(opt.PublicKeyPEM) > 0, opt.PublicKeyFile != ""} {
		if given {
			sources++
		}
	}
	switch {
	case sources == 0:
		return nil, errors.New("a secret or a public key is needed")
	case sources > 1:
		return nil, errors.New("only one of secret, public key and public key file may be given")
	}

	var key any
	var able []string
	var err error
	if len(opt.Secret) > 0 {
		key = bytes.Clone(opt.Secret)
		able, err = secretAlgorithms(opt.Secret)
	} else {
		data := opt.PublicKeyPEM
		if opt.PublicKeyFile != "" {
			if data, err = os.ReadFile(opt.PublicKeyFile); err != nil {
				return nil, fmt.Errorf("public key: %w", err)
			}
		}
		if key, err = parsePublicKey(data); err == nil {
			able, err = publicAlgorithms(key)
		}
		if err != nil && opt.PublicKeyFile != "" {
			err = fmt.Errorf("%s: %w", opt.PublicKeyFile, err)
		}
	}
	if err != nil {
		return nil, err
	}

	wanted := opt.Algorithms
	if len(wanted) == 0 {
		wanted = able
	}
	keys := make(map[string]any, len(wanted))
	for _, alg := range wanted {
		if !slices.Contains(able, alg) {
			return nil, fmt.Errorf("algorithm %q cannot be used with this key: allowed are %s", alg, strings.Join(able, ", "))
		}
		keys[alg] = key
	}
	return keys, nil
}

// secretAlgorithms returns what a shared secret is long enough for.
func secretAlgorithms(secret []byte) ([]string, error) {
	if bytes.Contains(secret, []byte("-----BEGIN ")) {
		return nil, errors.New("the secret is a PEM block: a public key belongs into the public key setting, " +
			"since anybody could sign with it as a secret")
	}
	var able []string
	for _, a := range hmacAlgorithms {
		if len(secret) >= a.bytes {
			able = append(able, a.name)
		}
	}
	if able == nil {
		return nil, fmt.Errorf("the secret has %d bytes: HS256 needs at least 32, HS384 48, HS512 64", len(secret))
	}
	return able, nil
}

// publicAlgorithms returns what a public key can check.
func publicAlgorithms(key any) ([]string, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSABits {
			return nil, fmt.Errorf("an RSA key of %d bits: at least %d are needed", k.N.BitLen(), minRSABits)
		}
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, nil
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return []string{"ES256"}, nil
		case elliptic.P384():
			return []string{"ES384"}, nil
		case elliptic.P521():
			return []string{"ES512"}, nil
		}
		return nil, fmt.Errorf("an ECDSA key on curve %s: allowed are P-256, P-384 and P-521", k.Curve.Params().Name)
	case ed25519.PublicKey:
		return []string{"EdDSA"}, nil
	default:
		return nil, fmt.Errorf("a public key of type %T: allowed are RSA, ECDSA and Ed25519", key)
	}
}

// parsePublicKey returns the public key of a PEM text. A chain of certificates stands for its first one.
func parsePublicKey(text []byte) (any, error) {
	block, rest := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no PEM block in the public key")
	}
	var key any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = cert.PublicKey
		}
	default:
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return nil, fmt.Errorf("a PEM block %q: the public key is needed, the private one belongs to the issuer alone", block.Type)
		}
		return nil, fmt.Errorf("a PEM block %q: allowed are PUBLIC KEY, RSA PUBLIC KEY and CERTIFICATE", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("PEM block %q: %w", block.Type, err)
	}
	if next, _ := pem.Decode(rest); next != nil && block.Type != "CERTIFICATE" {
		return nil, errors.New("more than one PEM block in the public key: one key is needed")
	}
	return key, nil
}
