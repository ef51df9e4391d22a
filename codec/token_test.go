package codec

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestToken(t *testing.T) {
	t.Parallel()
	b64 := base64.RawURLEncoding.EncodeToString
	for _, tt := range []struct {
		name   string
		query  string
		fields []string
		want   string // "" is refused
	}{
		{"query", "token=Admin@123", nil, "Admin@123"},
		{"query escaped", "token=Admin%40123", nil, "Admin@123"},
		{"query escaped, both cases of hex", "token=%4a%4A", nil, "JJ"},
		{"query, other parameters before", "userId=77&token=Admin@123", nil, "Admin@123"},
		{"query, other parameters after", "token=Admin@123&userId=77", nil, "Admin@123"},
		{"query plus", "token=a+b", nil, "a b"},
		{"query padded is not trimmed", "token=%20Admin@123", nil, " Admin@123"},
		{"query with an equals sign", "token=a=b", nil, "a=b"},
		{"query escaped name", "%74oke%6e=x", nil, "x"},
		{"query first counts", "token=x&token=Admin@123", nil, "x"},
		{"query first blank", "token=&token=Admin@123", nil, ""},
		{"query empty", "token=", nil, ""},
		{"query no value", "token", nil, ""},
		{"query blank", "token=%20%09", nil, ""},
		{"query plus only", "token=+", nil, ""},
		{"query broken escape", "token=%zz", nil, ""},
		{"query cut escape", "token=a%4", nil, ""},
		{"query cut escape 2", "token=a%", nil, ""},
		{"query broken escape does not fall through", "token=%zz&token=ok", []string{"Authorization: Bearer ok"}, ""},
		{"query blank does not fall through", "token=", []string{"Authorization: Bearer ok"}, ""},
		{"query other case", "Token=x", nil, ""},
		{"query longer name", "tokens=x&atoken=y", nil, ""},
		{"query broken name elsewhere", "%zz=1&token=x", nil, "x"},
		{"query semicolon is no separator", "a=1;token=x", nil, ""},
		{"none", "", nil, ""},
		{"bearer", "", []string{"Authorization: Bearer abc"}, "abc"},
		{"bearer any case", "", []string{"authorization: bEARER abc"}, "abc"},
		{"bearer more spaces", "", []string{"Authorization: Bearer   abc"}, "abc"},
		{"bearer jwt", "", []string{"Authorization: Bearer eyJ.eyJ-_.sig~+/="}, "eyJ.eyJ-_.sig~+/="},
		{"bearer alone", "", []string{"Authorization: Bearer"}, ""},
		{"bearer two words", "", []string{"Authorization: Bearer a b"}, ""},
		{"bearer glued", "", []string{"Authorization: Bearerabc"}, ""},
		{"bearer twice", "", []string{"Authorization: Bearer abc", "Authorization: Bearer abc"}, ""},
		{"basic falls through", "", []string{"Authorization: Basic abc", "Sec-WebSocket-Protocol: bearer, p"}, "p"},
		{"query before bearer", "token=q", []string{"Authorization: Bearer b"}, "q"},
		{"other query, bearer", "x=1", []string{"Authorization: Bearer b"}, "b"},
		{"bearer before protocol", "", []string{"Sec-WebSocket-Protocol: bearer, p", "Authorization: Bearer b"}, "b"},
		{"protocol", "", []string{"Sec-WebSocket-Protocol: bearer, abc"}, "abc"},
		{"protocol among others", "", []string{"Sec-WebSocket-Protocol: v1,bearer ,abc, v2"}, "abc"},
		{"protocol in two lines", "", []string{"Sec-WebSocket-Protocol: v1, bearer", "X: y", "sec-websocket-protocol: abc"}, "abc"},
		{"protocol without token", "", []string{"Sec-WebSocket-Protocol: abc, bearer"}, ""},
		{"protocol bearer alone", "", []string{"Sec-WebSocket-Protocol: bearer"}, ""},
		{"protocol other case", "", []string{"Sec-WebSocket-Protocol: Bearer, abc"}, ""},
		{"protocol not bearer", "", []string{"Sec-WebSocket-Protocol: v1, v2"}, ""},
		{"protocol base64url", "", []string{"Sec-WebSocket-Protocol: bearer, base64url." + b64([]byte("Admin@123"))}, "Admin@123"},
		{"protocol base64url of what escapes need", "", []string{"Sec-WebSocket-Protocol: bearer, base64url." + b64([]byte("ÿ?>~"))}, "ÿ?>~"},
		{"protocol base64url padded", "", []string{"Sec-WebSocket-Protocol: bearer, base64url.QQ=="}, ""},
		{"protocol base64url broken", "", []string{"Sec-WebSocket-Protocol: bearer, base64url.!!"}, ""},
		{"protocol base64url loose bits", "", []string{"Sec-WebSocket-Protocol: bearer, base64url.QR"}, ""},
		{"protocol base64url empty", "", []string{"Sec-WebSocket-Protocol: bearer, base64url."}, ""},
		{"protocol base64url blank", "", []string{"Sec-WebSocket-Protocol: bearer, base64url." + b64([]byte(" "))}, ""},
		{"protocol twice bearer", "", []string{"Sec-WebSocket-Protocol: bearer, bearer"}, "bearer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			target := "/ws"
			if tt.query != "" {
				target += "?" + tt.query
			}
			r := mustScan(t, upgradeRequest(target, tt.fields...))
			for _, buf := range [][]byte{nil, make([]byte, 0, 4), make([]byte, 200)} {
				got, ok := r.Token(buf)
				if ok != (tt.want != "") || ok && string(got) != tt.want {
					t.Errorf("got %q %v, want %q", got, ok, tt.want)
				}
			}
		})
	}
}

func TestTokenAliasesOrUsesBuffer(t *testing.T) {
	t.Parallel()
	in := []byte(upgradeRequest("/ws?token=abc"))
	r, _, _ := ScanRequest(in, 0)
	got, _ := r.Token(nil)
	if &got[0] != &in[strings.Index(string(in), "abc")] {
		t.Error("a plain token was copied")
	}
	buf := make([]byte, 0, 64)
	r = *mustScan(t, upgradeRequest("/ws?token=a%62c"))
	if got, _ := r.Token(buf); &got[0] != &buf[:1][0] {
		t.Error("a decoded token is not in the buffer")
	}
}
