package auth

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

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
