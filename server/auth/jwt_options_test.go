package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

func TestJWTOptionErrors(t *testing.T) {
	t.Parallel()
	k := keys()
	rsaPEM := publicPEM(t, k.rsa.Public())
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k.rsa)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "public.pem")
	if err := os.WriteFile(file, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	for name, c := range map[string]struct {
		opt  JWTOptions
		want string
	}{
		"nothing":             {JWTOptions{}, "a secret or a public key is needed"},
		"two keys":            {JWTOptions{Secret: secret, PublicKeyPEM: rsaPEM}, "only one of"},
		"two public keys":     {JWTOptions{PublicKeyFile: file, PublicKeyPEM: rsaPEM}, "only one of"},
		"short secret":        {JWTOptions{Secret: secret[:31]}, "31 bytes: HS256 needs at least 32"},
		"secret that is PEM":  {JWTOptions{Secret: rsaPEM}, "PEM block"},
		"HS384 with 32 bytes": {JWTOptions{Secret: secret, Algorithms: []string{"HS384"}}, `"HS384" cannot be used with this key: allowed are HS256`},
		"RS256 with a secret": {JWTOptions{Secret: secret, Algorithms: []string{"RS256"}}, "cannot be used"},
		"HS256 with a key":    {JWTOptions{PublicKeyPEM: rsaPEM, Algorithms: []string{"HS256"}}, "cannot be used"},
		"none":                {JWTOptions{PublicKeyPEM: rsaPEM, Algorithms: []string{"none"}}, "cannot be used"},
		"weak RSA":            {JWTOptions{PublicKeyPEM: publicPEM(t, &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537})}, "1024 bits"},
		"P-224":               {JWTOptions{PublicKeyPEM: publicPEM(t, p224.Public())}, "P-224"},
		"private key":         {JWTOptions{PublicKeyPEM: block("PRIVATE KEY", private)}, "the public key is needed"},
		"other PEM":           {JWTOptions{PublicKeyPEM: block("X509 CRL", nil)}, "X509 CRL"},
		"no PEM":              {JWTOptions{PublicKeyPEM: []byte("ssh-rsa AAAA")}, "no PEM block"},
		"broken PEM":          {JWTOptions{PublicKeyPEM: block("PUBLIC KEY", []byte("x"))}, "PUBLIC KEY"},
		"broken certificate":  {JWTOptions{PublicKeyPEM: block("CERTIFICATE", []byte("x"))}, "CERTIFICATE"},
		"two blocks":          {JWTOptions{PublicKeyPEM: append(bytes.Clone(rsaPEM), rsaPEM...)}, "more than one"},
		"no file":             {JWTOptions{PublicKeyFile: file + ".gone"}, "public.pem.gone"},
		"bad file":            {JWTOptions{PublicKeyFile: file}, "public.pem: no PEM block"},
		"negative leeway":     {JWTOptions{Secret: secret, Leeway: -1}, "negative"},
	} {
		v, err := NewJWT(c.opt)
		if err == nil || v != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, c.want)
		}
		if err != nil && len(c.opt.Secret) > 0 && strings.Contains(err.Error(), string(c.opt.Secret)) {
			t.Errorf("%s: the error contains the secret: %v", name, err)
		}
	}
}

func TestJWTKeyFromFile(t *testing.T) {
	t.Parallel()
	k := keys()
	file := filepath.Join(t.TempDir(), "public.pem")
	if err := os.WriteFile(file, append([]byte("# of the issuer\n"), publicPEM(t, k.ed.Public())...), 0o600); err != nil {
		t.Fatal(err)
	}
	v := newJWT(t, JWTOptions{PublicKeyFile: file})
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if id, err := v.Verify(sign(t, "EdDSA", k.ed, jwt.MapClaims{"sub": "u"})); err != nil || id.User != "u" {
		t.Fatalf("Verify = %+v, %v, want user u", id, err)
	}
}
