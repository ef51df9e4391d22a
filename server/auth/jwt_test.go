package auth

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestJWTAlgorithms(t *testing.T) {
	t.Parallel()
	k := keys()
	long := bytes.Repeat([]byte("k"), 64)
	rsaPEM := publicPEM(t, k.rsa.Public())
	for _, c := range []struct {
		alg  string
		key  any
		opt  JWTOptions
		name string
	}{
		{alg: "HS256", key: secret, opt: JWTOptions{Secret: secret}},
		{alg: "HS256", key: long, opt: JWTOptions{Secret: long}, name: "long secret"},
		{alg: "HS384", key: long, opt: JWTOptions{Secret: long}},
		{alg: "HS512", key: long, opt: JWTOptions{Secret: long}},
		{alg: "RS256", key: k.rsa, opt: JWTOptions{PublicKeyPEM: rsaPEM}},
		{alg: "RS384", key: k.rsa, opt: JWTOptions{PublicKeyPEM: rsaPEM}},
		{alg: "RS512", key: k.rsa, opt: JWTOptions{PublicKeyPEM: rsaPEM}},
		{alg: "PS256", key: k.rsa, opt: JWTOptions{PublicKeyPEM: rsaPEM}},
		{alg: "PS384", key: k.rsa, opt: JWTOptions{PublicKeyPEM: rsaPEM}},
		{alg: "PS512", key: k.rsa, opt: JWTOptions{PublicKeyPEM: rsaPEM}},
		{alg: "RS256", key: k.rsa, name: "PKCS1", opt: JWTOptions{PublicKeyPEM: pem.EncodeToMemory(
			&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&k.rsa.PublicKey)})}},
		{alg: "RS256", key: k.rsa, name: "certificate", opt: JWTOptions{PublicKeyPEM: certificate(t, k.rsa)}},
		{alg: "ES256", key: k.p256, opt: JWTOptions{PublicKeyPEM: publicPEM(t, k.p256.Public())}},
		{alg: "ES384", key: k.p384, opt: JWTOptions{PublicKeyPEM: publicPEM(t, k.p384.Public())}},
		{alg: "ES512", key: k.p521, opt: JWTOptions{PublicKeyPEM: publicPEM(t, k.p521.Public())}},
		{alg: "EdDSA", key: k.ed, opt: JWTOptions{PublicKeyPEM: publicPEM(t, k.ed.Public())}},
	} {
		t.Run(c.alg+c.name, func(t *testing.T) {
			t.Parallel()
			token := sign(t, c.alg, c.key, jwt.MapClaims{"sub": "u1"})
			v := newJWT(t, c.opt)
			if id, err := v.Verify(token); err != nil || id.User != "u1" || !id.Expires.IsZero() {
				t.Fatalf("Verify = %+v, %v, want user u1 that never expires", id, err)
			}
			// Each byte of the text that is signed counts.
			end := bytes.LastIndexByte(token, '.')
			for i := 0; i < end; i++ {
				forged := bytes.Clone(token)
				if forged[i]++; forged[i] == '.' {
					forged[i]++
				}
				if id, err := v.Verify(forged); !errors.Is(err, ErrInvalid) {
					t.Fatalf("byte %d changed: %+v, %v, want ErrInvalid", i, id, err)
				}
			}
			if _, err := v.Verify(token[:end+1]); !errors.Is(err, ErrInvalid) {
				t.Fatalf("signature cut off: %v, want ErrInvalid", err)
			}
		})
	}
}

// TestJWTAttacks goes through what is known to have been got wrong by others.
func TestJWTAttacks(t *testing.T) {
	t.Parallel()
	k := keys()
	rsaPEM := publicPEM(t, k.rsa.Public())
	rsaDER, _ := pem.Decode(rsaPEM)
	ecPEM := publicPEM(t, k.p256.Public())
	claims := jwt.MapClaims{"sub": "admin"}
	hs, rs, es := JWTOptions{Secret: secret}, JWTOptions{PublicKeyPEM: rsaPEM}, JWTOptions{PublicKeyPEM: ecPEM}
	none := sign(t, "none", jwt.UnsafeAllowNoneSignatureType, claims)
	good := sign(t, "HS256", secret, claims)
	parts := strings.Split(string(good), ".")
	spelled := func(alg string) []byte { return rawHS256(secret, `{"alg":"`+alg+`"}`, `{"sub":"admin"}`) }
	for _, c := range []struct {
		name  string
		opt   JWTOptions
		token []byte
	}{
		{"none against a secret", hs, none},
		{"none against a public key", rs, none},
		{"none with a signature", hs, append(bytes.Clone(none), parts[2]...)},
		{"None", hs, spelled("None")},
		{"NONE", rs, spelled("NONE")},
		{"empty algorithm", hs, spelled("")},
		{"algorithm in lower case", hs, spelled("hs256")},
		{"no algorithm", hs, rawHS256(secret, `{"typ":"JWT"}`, `{"sub":"admin"}`)},
		{"algorithm of another type", hs, rawHS256(secret, `{"alg":["HS256"]}`, `{"sub":"admin"}`)},
		{"null header", hs, rawHS256(secret, `null`, `{"sub":"admin"}`)},
		{"key confusion, PEM", rs, sign(t, "HS256", rsaPEM, claims)},
		{"key confusion, PEM without the last line break", rs, sign(t, "HS256", bytes.TrimSpace(rsaPEM), claims)},
		{"key confusion, DER", rs, sign(t, "HS256", rsaDER.Bytes, claims)},
		{"key confusion, modulus", rs, sign(t, "HS256", k.rsa.N.Bytes(), claims)},
		{"key confusion, EC", es, sign(t, "HS256", ecPEM, claims)},
		{"key confusion, HS384", rs, sign(t, "HS384", rsaPEM, claims)},
		{"empty secret", hs, sign(t, "HS256", []byte{}, claims)},
		{"RSA token against an EC key", es, sign(t, "RS256", k.rsa, claims)},
		{"EC token against an RSA key", rs, sign(t, "ES256", k.p256, claims)},
		{"EC token of another curve", es, sign(t, "ES384", k.p384, claims)},
		{"HS512 with a secret that is too short for it", hs, sign(t, "HS512", secret, claims)},
		{"algorithm that was ruled out", JWTOptions{PublicKeyPEM: rsaPEM, Algorithms: []string{"PS256"}}, sign(t, "RS256", k.rsa, claims)},
		{"another secret", hs, sign(t, "HS256", bytes.Repeat([]byte("x"), 32), claims)},
		{"another RSA key", rs, sign(t, "RS256", k.other, claims)},
		{"zero ECDSA signature", es, []byte(strings.Join(strings.Split(string(sign(t, "ES256", k.p256, claims)), ".")[:2], ".") +
			"." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)))},
		{"key inside of the token", rs, sign(t, "RS256", k.other, claims, map[string]any{"jwk": map[string]any{
			"kty": "RSA", "n": base64.RawURLEncoding.EncodeToString(k.other.N.Bytes()), "e": "AQAB"}})},
		{"critical header", hs, sign(t, "HS256", secret, claims, map[string]any{"crit": []string{"b64"}, "b64": false})},
		{"signature of other claims", hs, []byte(parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"root"}`)) + "." + parts[2])},
		{"no signature", hs, []byte(parts[0] + "." + parts[1] + ".")},
		{"two parts", hs, []byte(parts[0] + "." + parts[1])},
		{"four parts", hs, append(bytes.Clone(good), '.')},
		{"padding", hs, append(bytes.Clone(good), '=')},
		{"blank in front", hs, append([]byte(" "), good...)},
		{"line break behind", hs, append(bytes.Clone(good), '\n')},
		{"line break in the signature", hs, []byte(parts[0] + "." + parts[1] + "." + parts[2][:9] + "\r\n" + parts[2][9:])},
		{"many dots", hs, bytes.Repeat([]byte("."), 10000)},
		{"too long", hs, sign(t, "HS256", secret, jwt.MapClaims{"sub": "admin", "x": strings.Repeat("x", maxJWTBytes)})},
		{"empty", hs, nil},
		{"demo token", hs, []byte(DemoToken)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			id, err := newJWT(t, c.opt).Verify(c.token)
			if !errors.Is(err, ErrInvalid) || id != (Identity{}) {
				t.Fatalf("Verify = %+v, %v, want nobody and ErrInvalid", id, err)
			}
		})
	}
	if id, err := newJWT(t, hs).Verify(good); err != nil || id.User != "admin" {
		t.Fatalf("the token the attacks are made of: %+v, %v, want user admin", id, err)
	}
}

// TestJWTErrorsKeepTheToken makes sure that what is refused can be logged.
func TestJWTErrorsKeepTheToken(t *testing.T) {
	t.Parallel()
	v := newJWT(t, JWTOptions{Secret: secret, Issuer: "i"})
	const mark = "TOPSECRET"
	for name, token := range map[string][]byte{
		"no JWT":        []byte(mark),
		"bad base64":    []byte(mark + "!." + mark + "." + mark),
		"bad header":    rawHS256(secret, mark, `{}`),
		"bad algorithm": rawHS256(secret, `{"alg":"`+mark+`"}`, `{}`),
		"bad claims":    rawHS256(secret, hs256, `{"sub":`+mark+`}`),
		"bad issuer":    rawHS256(secret, hs256, `{"sub":"`+mark+`","iss":"`+mark+`"}`),
		"bad exp":       rawHS256(secret, hs256, `{"sub":"`+mark+`","iss":"i","exp":"`+mark+`"}`),
		"expired":       rawHS256(secret, hs256, `{"sub":"`+mark+`","iss":"i","exp":1}`),
	} {
		_, err := v.Verify(token)
		if err == nil || strings.Contains(err.Error(), mark) || strings.Contains(err.Error(), string(token)) {
			t.Errorf("%s: error %v, want one without the token", name, err)
		}
	}
}

// TestVerifyTakesNoHold makes sure that the identity survives the buffer the token was in, and that one verifier can
// be used by many goroutines.
func TestVerifyTakesNoHold(t *testing.T) {
	t.Parallel()
	v := newJWT(t, JWTOptions{Secret: secret})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				token := sign(t, "HS256", secret, jwt.MapClaims{"sub": "someone"})
				id, err := v.Verify(token)
				clear(token)
				if err != nil || id.User != "someone" {
					t.Errorf("Verify = %+v, %v, want user someone", id, err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzVerifyJWT(f *testing.F) {
	k := keys()
	rsaPEM := publicPEM(f, k.rsa.Public())
	f.Add(sign(f, "HS256", secret, jwt.MapClaims{"sub": "u", "exp": now.Add(time.Hour).Unix()}))
	f.Add(sign(f, "none", jwt.UnsafeAllowNoneSignatureType, jwt.MapClaims{"sub": "u"}))
	f.Add(sign(f, "HS256", rsaPEM, jwt.MapClaims{"sub": "u"}))
	f.Add(sign(f, "RS256", k.rsa, jwt.MapClaims{"sub": 5, "crit": 1}))
	f.Add(rawHS256(secret, hs256, `{"sub":"u","exp":1e400}`))
	f.Add([]byte("..."))
	f.Add([]byte("e30.e30."))
	hs, public := newJWT(f, JWTOptions{Secret: secret}), newJWT(f, JWTOptions{PublicKeyPEM: rsaPEM})
	f.Fuzz(func(t *testing.T, token []byte) {
		if id, err := public.Verify(token); err == nil {
			end := bytes.LastIndexByte(token, '.')
			digest := sha256.Sum256(token[:end])
			signature, err := base64.RawURLEncoding.DecodeString(string(token[end+1:]))
			if err != nil || rsa.VerifyPKCS1v15(&k.rsa.PublicKey, crypto.SHA256, digest[:], signature) != nil {
				t.Fatalf("accepted without the issuer's signature: %+v", id)
			}
		}
		if id, err := hs.Verify(token); err != nil {
			if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrExpired) || id != (Identity{}) {
				t.Fatalf("refused with %+v, %v", id, err)
			}
		} else {
			end := bytes.LastIndexByte(token, '.')
			mac := hmac.New(sha256.New, secret)
			mac.Write(token[:end])
			signature, err := base64.RawURLEncoding.DecodeString(string(token[end+1:]))
			if err != nil || !hmac.Equal(signature, mac.Sum(nil)) || id.User == "" || len(id.User) > MaxUserBytes {
				t.Fatalf("accepted without a good signature or user: %+v", id)
			}
		}
		// Whatever is signed properly must be handled as well: the fuzzer's bytes as claims.
		id, err := hs.Verify(rawHS256(secret, hs256, string(token)))
		if err == nil && (id.User == "" || len(id.User) > MaxUserBytes) {
			t.Fatalf("accepted with user %q", id.User)
		}
	})
}

func BenchmarkVerifyJWT(b *testing.B) {
	k := keys()
	claims := jwt.MapClaims{"sub": "10001", "iss": "i", "aud": "push", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	for _, c := range []struct {
		alg string
		key any
		opt JWTOptions
	}{
		{"HS256", secret, JWTOptions{Secret: secret}},
		{"RS256", k.rsa, JWTOptions{PublicKeyPEM: publicPEM(b, k.rsa.Public())}},
		{"ES256", k.p256, JWTOptions{PublicKeyPEM: publicPEM(b, k.p256.Public())}},
		{"EdDSA", k.ed, JWTOptions{PublicKeyPEM: publicPEM(b, k.ed.Public())}},
	} {
		b.Run(c.alg, func(b *testing.B) {
			c.opt.Issuer, c.opt.Audience = "i", []string{"push"}
			benchmarkVerify(b, newJWT(b, c.opt), sign(b, c.alg, c.key, claims))
		})
	}
	b.Run("refused", func(b *testing.B) {
		v := newJWT(b, JWTOptions{Secret: secret})
		token := sign(b, "HS256", bytes.Repeat([]byte("x"), 32), claims)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Verify(token); err == nil {
				b.Fatal("accepted")
			}
		}
	})
}
