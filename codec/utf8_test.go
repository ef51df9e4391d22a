package codec

import (
	"testing"
	"unicode/utf8"
)

// badUTF8 are the classic bad sequences; good text may stand before and after them.
var badUTF8 = map[string]string{
	"lone continuation 80":           "\x80",
	"lone continuation bf":           "\xbf",
	"two continuations":              "\x80\xbf",
	"all continuations":              "\x80\x81\x82\x83\x84\x85",
	"lone start c2":                  "\xc2 ",
	"lone start e0":                  "\xe0 ",
	"lone start f0":                  "\xf0 ",
	"cut 2 of 3":                     "\xe4\xb8 ",
	"cut 3 of 4":                     "\xf0\x9f\x98 ",
	"overlong nul 2":                 "\xc0\x80",
	"overlong nul 3":                 "\xe0\x80\x80",
	"overlong nul 4":                 "\xf0\x80\x80\x80",
	"overlong slash 2":               "\xc0\xaf",
	"overlong slash 3":               "\xe0\x80\xaf",
	"overlong slash 4":               "\xf0\x80\x80\xaf",
	"overlong slash 5":               "\xf8\x80\x80\x80\xaf",
	"overlong slash 6":               "\xfc\x80\x80\x80\x80\xaf",
	"overlong max 2":                 "\xc1\xbf",
	"overlong max 3":                 "\xe0\x9f\xbf",
	"overlong max 4":                 "\xf0\x8f\xbf\xbf",
	"surrogate d800":                 "\xed\xa0\x80",
	"surrogate db7f":                 "\xed\xad\xbf",
	"surrogate dc00":                 "\xed\xb0\x80",
	"surrogate dfff":                 "\xed\xbf\xbf",
	"surrogate pair":                 "\xed\xa0\xbd\xed\xb8\x80",
	"over 10ffff":                    "\xf4\x90\x80\x80",
	"f5":                             "\xf5\x80\x80\x80",
	"five bytes":                     "\xf8\x88\x80\x80\x80",
	"six bytes":                      "\xfc\x84\x80\x80\x80\x80",
	"fe":                             "\xfe",
	"ff":                             "\xff",
	"fe fe ff ff":                    "\xfe\xfe\xff\xff",
	"autobahn 6.3.1 (κόσμε + sur)":   "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
	"autobahn 6.4.1 (κόσμε + f4 90)": "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited",
}

var goodUTF8 = map[string]string{
	"empty":        "",
	"ascii":        "The quick brown fox",
	"nul":          "a\x00b",
	"greek":        "κόσμε",
	"chinese":      "连接成功",
	"emoji":        "a😀b",
	"bom":          "\ufeffx",
	"noncharacter": "\ufffe\uffff\U0001ffff",
	"replacement":  "\ufffd",
	"edges 1":      "\u0000\u007f",
	"edges 2":      "\u0080\u07ff",
	"edges 3":      "\u0800\ud7ff\ue000\uffff",
	"edges 4":      "\U00010000\U0010ffff",
}

// canBeValid is the slow truth: some continuation of at most 3 bytes makes b valid.
func canBeValid(b []byte) bool {
	if utf8.Valid(b) {
		return true
	}
	edges := []byte{0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf}
	for _, x := range edges {
		if utf8.Valid(append(append([]byte{}, b...), x)) {
			return true
		}
		for _, y := range edges {
			if utf8.Valid(append(append([]byte{}, b...), x, y)) {
				return true
			}
			for _, z := range edges {
				if utf8.Valid(append(append([]byte{}, b...), x, y, z)) {
					return true
				}
			}
		}
	}
	return false
}

func TestUTF8Prefix(t *testing.T) {
	t.Parallel()
	check := func(name string, b []byte) {
		t.Helper()
		n, ok := utf8Prefix(b)
		if want := canBeValid(b); ok != want {
			t.Errorf("%s: % x: got %v, want %v", name, b, ok, want)
		}
		if ok && (!utf8.Valid(b[:n]) || len(b)-n > 3 || len(b) > n && utf8.FullRune(b[n:])) {
			t.Errorf("%s: % x: got %d whole bytes", name, b, n)
		}
	}
	for name, s := range goodUTF8 {
		for i := range len(s) + 1 {
			check(name, []byte(s[:i]))
		}
	}
	for name, s := range badUTF8 {
		for i := range len(s) + 1 {
			check(name, []byte(s[:i]))
		}
		if _, ok := utf8Prefix([]byte(s)); ok {
			t.Errorf("%s: not seen", name)
		}
	}
	// Every pair of bytes, and every third byte after the interesting pairs.
	for a := range 256 {
		check("one", []byte{byte(a)})
		for b := range 256 {
			check("two", []byte{byte(a), byte(b)})
		}
	}
}
