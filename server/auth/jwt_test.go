package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var (
	secret = []byte("0123456789abcdef0123456789abcdef") // 32 bytes
	now    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

// keys are made once: RSA takes its time.
var keys = sync.OnceValue(func() (k struct {
	rsa   *rsa.PrivateKey
	other *rsa.PrivateKey
	p256  *ecdsa.PrivateKey
	p384  *ecdsa.PrivateKey
	p521  *ecdsa.PrivateKey
	ed    ed25519.PrivateKey
}) {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	var err error
	k.rsa, err = rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	k.other, err = rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	k.p256, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	k.p384, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(err)
	k.p521, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	must(err)
	_, k.ed, err = ed25519.GenerateKey(rand.Reader)
	must(err)
	return k
})

func publicPEM(t testing.TB, public any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func certificate(t testing.TB, key *rsa.PrivateKey) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "issuer"},
		NotBefore: now, NotAfter: now.Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func sign(t testing.TB, alg string, key any, claims jwt.MapClaims, header ...map[string]any) []byte {
	t.Helper()
	token := jwt.NewWithClaims(jwt.GetSigningMethod(alg), claims)
	for _, h := range header {
		for name, value := range h {
			token.Header[name] = value
		}
	}
	signed, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(signed)
}

// rawHS256 signs header and claims as they are given, for what no library would write.
func rawHS256(key []byte, header, claims string) []byte {
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return []byte(text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
}

const hs256 = `{"alg":"HS256","typ":"JWT"}`

func newJWT(t testing.TB, opt JWTOptions) Verifier {
	t.Helper()
	if opt.Now == nil {
		opt.Now = func() time.Time { return now }
	}
	v, err := NewJWT(opt)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

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

func TestJWTClaims(t *testing.T) {
	t.Parallel()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	base := JWTOptions{Secret: secret, Leeway: 30 * time.Second}
	strict := base
	strict.Issuer, strict.Audience = "https://issuer", []string{"push", "other"}
	id := base
	id.UserClaim = "uid"
	for _, c := range []struct {
		name    string
		opt     JWTOptions
		claims  jwt.MapClaims
		want    error
		expires time.Time
	}{
		{name: "no exp", opt: base, claims: jwt.MapClaims{"sub": "u"}},
		{name: "exp ahead", opt: base, claims: jwt.MapClaims{"sub": "u", "exp": at(time.Minute)}, expires: now.Add(90 * time.Second)},
		{name: "exp with a fraction", opt: base, claims: jwt.MapClaims{"sub": "u", "exp": json.Number("1772366400.5")}, expires: now.Add(30500 * time.Millisecond)},
		{name: "exp within the leeway", opt: base, claims: jwt.MapClaims{"sub": "u", "exp": at(-29 * time.Second)}, expires: now.Add(time.Second)},
		{name: "exp at the end of the leeway", opt: base, claims: jwt.MapClaims{"sub": "u", "exp": at(-30 * time.Second)}, want: ErrExpired},
		{name: "exp long ago", opt: base, claims: jwt.MapClaims{"sub": "u", "exp": at(-time.Hour)}, want: ErrExpired},
		{name: "exp 0", opt: base, claims: jwt.MapClaims{"sub": "u", "exp": 0}, want: ErrExpired},
		{name: "exp null", opt: base, claims: jwt.MapClaims{"sub": "u", "exp": nil}, want: errClaims},
		{name: "exp a string", opt: base, claims: jwt.MapClaims{"sub": "u", "exp": "never"}, want: errClaims},
		{name: "exp beyond all dates", opt: base, claims: jwt.MapClaims{"sub": "u", "exp": json.Number("1e300")}, want: errClaims},
		{name: "nbf beyond all dates", opt: base, claims: jwt.MapClaims{"sub": "u", "nbf": json.Number("1e300")}, want: errClaims},
		{name: "iat beyond all numbers", opt: base, claims: jwt.MapClaims{"sub": "u", "iat": json.Number("1e400")}, want: errClaims},
		{name: "exp just beyond", opt: base, claims: jwt.MapClaims{"sub": "u", "exp": json.Number("253402300800")}, want: errClaims},
		{name: "nbf ahead", opt: base, claims: jwt.MapClaims{"sub": "u", "nbf": at(time.Minute)}, want: errTooEarly},
		{name: "nbf within the leeway", opt: base, claims: jwt.MapClaims{"sub": "u", "nbf": at(29 * time.Second)}},
		{name: "iat ahead", opt: base, claims: jwt.MapClaims{"sub": "u", "iat": at(time.Minute)}, want: errTooEarly},
		{name: "iat within the leeway", opt: base, claims: jwt.MapClaims{"sub": "u", "iat": at(29 * time.Second)}},
		{name: "issuer and audience", opt: strict, claims: jwt.MapClaims{"sub": "u", "iss": "https://issuer", "aud": "push"}},
		{name: "audience in a list", opt: strict, claims: jwt.MapClaims{"sub": "u", "iss": "https://issuer", "aud": []string{"x", "other"}}},
		{name: "wrong issuer", opt: strict, claims: jwt.MapClaims{"sub": "u", "iss": "https://issuer/", "aud": "push"}, want: errIssuer},
		{name: "no issuer", opt: strict, claims: jwt.MapClaims{"sub": "u", "aud": "push"}, want: ErrInvalid},
		{name: "wrong audience", opt: strict, claims: jwt.MapClaims{"sub": "u", "iss": "https://issuer", "aud": "pus"}, want: errAudience},
		{name: "no audience", opt: strict, claims: jwt.MapClaims{"sub": "u", "iss": "https://issuer"}, want: ErrInvalid},
		{name: "empty audience", opt: strict, claims: jwt.MapClaims{"sub": "u", "iss": "https://issuer", "aud": []string{}}, want: ErrInvalid},
		{name: "expired for another audience", opt: strict, claims: jwt.MapClaims{"sub": "u", "iss": "https://issuer", "aud": "x", "exp": 1}, want: errAudience},
		{name: "user claim", opt: id, claims: jwt.MapClaims{"sub": "other", "uid": "u"}},
		{name: "no user claim", opt: id, claims: jwt.MapClaims{"sub": "u"}, want: errUser},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			id, err := newJWT(t, c.opt).Verify(sign(t, "HS256", secret, c.claims))
			if c.want != nil {
				if !errors.Is(err, c.want) || id != (Identity{}) {
					t.Fatalf("Verify = %+v, %v, want nobody and %q", id, err, c.want)
				}
				if errors.Is(err, ErrExpired) != (c.want == ErrExpired) {
					t.Fatalf("Verify error = %v, want %v", err, c.want)
				}
				return
			}
			if err != nil || id.User != "u" || !id.Expires.Equal(c.expires) {
				t.Fatalf("Verify = %+v, %v, want user u until %v", id, err, c.expires)
			}
		})
	}
}

// TestJWTExpiryIsTheFirstRefusedMoment keeps the session's end and the token's end at the same moment.
func TestJWTExpiryIsTheFirstRefusedMoment(t *testing.T) {
	t.Parallel()
	clock := now
	v := newJWT(t, JWTOptions{Secret: secret, Leeway: 5 * time.Second, Now: func() time.Time { return clock }})
	token := sign(t, "HS256", secret, jwt.MapClaims{"sub": "u", "exp": now.Add(time.Minute).Unix()})
	id, err := v.Verify(token)
	if err != nil {
		t.Fatal(err)
	}
	clock = id.Expires.Add(-1)
	if _, err := v.Verify(token); err != nil {
		t.Errorf("a nanosecond before Expires: %v, want none", err)
	}
	clock = id.Expires
	if _, err := v.Verify(token); !errors.Is(err, ErrExpired) {
		t.Errorf("at Expires: %v, want ErrExpired", err)
	}
}

func TestJWTUser(t *testing.T) {
	t.Parallel()
	v := newJWT(t, JWTOptions{Secret: secret})
	for claim, want := range map[string]string{
		`"u1"`:                               "u1",
		`" u1"`:                              " u1",
		`"张三"`:                               "张三",
		`"10001"`:                            "10001",
		`10001`:                              "10001",
		`0`:                                  "0",
		`-7`:                                 "-7",
		`9007199254740993`:                   "9007199254740993",
		`18446744073709551616`:               "18446744073709551616",
		`100000000000000000000000000000`:     "100000000000000000000000000000",
		`"` + strings.Repeat("u", 256) + `"`: strings.Repeat("u", 256),
		`"` + strings.Repeat("u", 257) + `"`: "",
		`1` + strings.Repeat("0", 256):       "",
		`1.0`:                                "",
		`1e3`:                                "",
		`1E3`:                                "",
		`-0`:                                 "",
		`""`:                                 "",
		`" "`:                                "",
		`"\t\n"`:                             "",
		`null`:                               "",
		`true`:                               "",
		`["u1"]`:                             "",
		`{"u1":1}`:                           "",
	} {
		id, err := v.Verify(rawHS256(secret, hs256, `{"sub":`+claim+`}`))
		if want == "" && !errors.Is(err, ErrInvalid) || want != "" && err != nil || id.User != want {
			t.Errorf("sub %.40s: %q, %v, want %q", claim, id.User, err, want)
		}
	}
	for _, claims := range []string{`{}`, `null`, `[]`, `"u1"`, `{"Sub":"u1"}`, `{"sub":"u1"`} {
		if id, err := v.Verify(rawHS256(secret, hs256, claims)); !errors.Is(err, ErrInvalid) {
			t.Errorf("claims %s: %+v, %v, want ErrInvalid", claims, id, err)
		}
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
