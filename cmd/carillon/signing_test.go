package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
)

// TestTokenOfEveryKey makes a token with each kind of private key and has it checked with the public one.
func TestTokenOfEveryKey(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ec := func(curve elliptic.Curve) *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p256 := ec(elliptic.P256())
	sec1, err := x509.MarshalECPrivateKey(p256)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8 := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	for _, tt := range []struct {
		name   string
		key    crypto.Signer
		pem    []byte
		args   []string
		wanted string
	}{
		{"RS256", rsaKey, pkcs8(rsaKey), nil, "RS256"},
		{"PKCS1", rsaKey, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey)}), nil, "RS256"},
		{"PS512", rsaKey, pkcs8(rsaKey), []string{"--algorithm", "PS512"}, "PS512"},
		{"ES256", p256, pkcs8(p256), nil, "ES256"},
		{"SEC1", p256, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}), nil, "ES256"},
		{"ES384", nil, nil, nil, "ES384"},
		{"ES512", nil, nil, nil, "ES512"},
		{"EdDSA", edKey, pkcs8(edKey), nil, "EdDSA"},
	} {
		switch tt.name {
		case "ES384":
			key := ec(elliptic.P384())
			tt.key, tt.pem = key, pkcs8(key)
		case "ES512":
			key := ec(elliptic.P521())
			tt.key, tt.pem = key, pkcs8(key)
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			private, public := filepath.Join(dir, "private.pem"), filepath.Join(dir, "public.pem")
			der, err := x509.MarshalPKIXPublicKey(tt.key.Public())
			if err != nil {
				t.Fatal(err)
			}
			for path, text := range map[string][]byte{private: tt.pem, public: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})} {
				if err := os.WriteFile(path, text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			token := runCommand(t, append([]string{"token", "--private-key-file", private, "--user", "u"}, tt.args...)...)
			got := runCommand(t, "token", "check", "--auth.mode=jwt", "--auth.jwt.public-key-file="+public, "--auth.jwt.algorithms="+tt.wanted, string(bytes.TrimSpace(token)))
			if !bytes.HasPrefix(got, []byte("user: u\nexpires: 2")) {
				t.Errorf("got %s", got)
			}
		})
	}
}

// runCommand runs a command in this process and returns its standard output.
func runCommand(t *testing.T, args ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&out)
	if err := root.Execute(); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return out.Bytes()
}

func TestPrivateKeyIsNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "text", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if key, err := parsePrivateKey([]byte(text)); err == nil {
			t.Errorf("%q: got a %T", text, key)
		}
	}
	small, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := newSigner(small, ""); err == nil {
		t.Errorf("P-224: got %v", s.method)
	}
}
