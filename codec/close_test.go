package codec

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

func closePayload(code int, reason string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
}

func TestParseCloseEveryCode(t *testing.T) {
	t.Parallel()
	legal := func(c int) bool {
		switch {
		case c >= 1000 && c <= 1003, c >= 1007 && c <= 1014, c >= 3000 && c <= 4999:
			return true
		}
		return false
	}
	for c := 0; c <= 65535; c++ {
		code, reason, err := ParseClose(closePayload(c, "why"))
		if int(code) != c || string(reason) != "why" {
			t.Fatalf("code %d: got %d %q", c, code, reason)
		}
		if (err == nil) != legal(c) {
			t.Fatalf("code %d: got error %v, legal is %v", c, err, legal(c))
		}
		if err != nil && err != ErrCloseCode {
			t.Fatalf("code %d: got %v, want %v", c, err, ErrCloseCode)
		}
	}
}

func TestParseClose(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		payload []byte
		code    CloseCode
		reason  string
		err     *CloseError
	}{
		{"empty", nil, CloseNoStatus, "", nil},
		{"one byte", []byte{3}, CloseNoStatus, "", ErrCloseTooShort},
		{"code alone", closePayload(1000, ""), 1000, "", nil},
		{"longest reason", closePayload(1000, strings.Repeat("x", MaxCloseReason)), 1000, strings.Repeat("x", MaxCloseReason), nil},
		{"reason of several scripts", closePayload(4999, "bye κόσμε 😀"), 4999, "bye κόσμε 😀", nil},
		{"reason not utf-8", closePayload(1000, "\xce\xba\xed\xa0\x80"), 1000, "\xce\xba\xed\xa0\x80", ErrCloseReason},
		{"reason cut in a character", closePayload(1000, "\xf0\x9f\x98"), 1000, "\xf0\x9f\x98", ErrCloseReason},
		{"both wrong", closePayload(1005, "\xff"), 1005, "\xff", ErrCloseCode},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			code, reason, err := ParseClose(tt.payload)
			if code != tt.code || string(reason) != tt.reason || err != tt.err {
				t.Errorf("got %d %q %v, want %d %q %v", code, reason, err, tt.code, tt.reason, tt.err)
			}
		})
	}
}

func TestAppendClose(t *testing.T) {
	t.Parallel()
	if got := AppendClose(nil, CloseNoStatus, "ignored"); !bytes.Equal(got, []byte{0x88, 0}) {
		t.Errorf("no status: got % x, want 88 00", got)
	}
	if got := AppendClose([]byte("x"), 1000, "bye"); string(got) != "x\x88\x05\x03\xe8bye" {
		t.Errorf("got %q", got)
	}
	if got := AppendClose(nil, 1000, "\xff"); !bytes.Equal(got, []byte{0x88, 2, 3, 0xe8}) {
		t.Errorf("reason not utf-8: got % x, want 88 02 03 e8", got)
	}
	// Every length, with the cut falling on every byte of characters of 1 to 4 bytes.
	for _, char := range []string{"a", "é", "中", "😀"} {
		for pad := range 5 {
			for n := range 140 {
				reason := strings.Repeat("p", pad) + strings.Repeat(char, n)
				b := AppendClose(nil, 1001, reason)
				if len(b) > 127 || int(b[1]) != len(b)-2 {
					t.Fatalf("%q: frame of %d bytes says %d", reason, len(b), b[1])
				}
				code, got, err := ParseClose(b[2:])
				if code != 1001 || err != nil {
					t.Fatalf("%q: got %v %v", reason, code, err)
				}
				if !strings.HasPrefix(reason, string(got)) || len(reason) <= MaxCloseReason && string(got) != reason ||
					len(reason) > MaxCloseReason && len(got) <= MaxCloseReason-len(char) {
					t.Fatalf("%q: got %q", reason, got)
				}
			}
		}
	}
}

func TestCloseTable(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	last := CloseCode(0)
	for _, row := range CloseTable() {
		if row.Name == "" || row.Meaning == "" {
			t.Errorf("%d: name %q, meaning %q", row.Code, row.Name, row.Meaning)
		}
		if row.Code < last {
			t.Errorf("%d after %d", row.Code, last)
		}
		last = row.Code
		key := row.Code.String() + row.Reason
		if seen[key] {
			t.Errorf("%s twice", key)
		}
		seen[key] = true
		if !validCloseCode(row.Code) {
			t.Errorf("%d can not be sent", row.Code)
		}
		if len(row.Reason) > MaxCloseReason || !utf8.ValidString(row.Reason) {
			t.Errorf("%d: reason %q", row.Code, row.Reason)
		}
	}
	for _, want := range []struct {
		code   CloseCode
		reason string
		advice Advice
	}{
		{1003, "binary messages not supported", ReconnectNever},
		{1013, "slow consumer", ReconnectLater},
		{1013, "overloaded", ReconnectLater},
		{1001, "server shutting down", ReconnectLater},
		{4401, "token expired", ReconnectNow},
		{4500, "heartbeat timeout", ReconnectNow},
	} {
		found := false
		for _, row := range CloseTable() {
			found = found || row.Code == want.code && row.Reason == want.reason && row.Advice == want.advice
		}
		if !found {
			t.Errorf("no row %d %q %v", want.code, want.reason, want.advice)
		}
	}
	// Every fault that the decoder reports has a row for its code.
	for _, e := range []*CloseError{
		ErrUnmasked, ErrReservedBits, ErrReservedOpcode, ErrLengthOverflow, ErrControlTooLong, ErrControlFragmented,
		ErrOrphanContinuation, ErrExpectedContinuation, ErrCloseTooShort, ErrCloseCode, ErrCloseReason, ErrInvalidUTF8,
		ErrBadDeflate, ErrTooBig, ErrBinary,
	} {
		found := false
		for _, row := range CloseTable() {
			found = found || row.Code == e.Code && (row.Reason == "" || row.Reason == e.Reason)
		}
		if !found {
			t.Errorf("no row for %v", e)
		}
	}
	CloseTable()[0].Code = 1
	if CloseTable()[0].Code != CloseNormal {
		t.Error("the table is shared with its callers")
	}
}

func TestCloseStrings(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		CloseGoingAway.String():           "1001 going away",
		CloseCode(3999).String():          "3999",
		ErrReservedOpcode.Error():         "close 1002: reserved opcode",
		(&CloseError{Code: 1000}).Error(): "close 1000",
		ReconnectNow.String():             "now",
		ReconnectLater.String():           "later",
		ReconnectNever.String():           "never",
		Advice(9).String():                "advice(9)",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for _, c := range []CloseCode{CloseNormal, CloseGoingAway, CloseProtocolError, CloseUnsupportedData, CloseNoStatus,
		CloseAbnormal, CloseInvalidPayload, ClosePolicyViolation, CloseTooBig, CloseInternalError, CloseServiceRestart,
		CloseTryAgainLater, CloseTokenExpired, CloseHeartbeatTimeout} {
		if c.name() == "" {
			t.Errorf("%d has no name", c)
		}
	}
}

func FuzzClose(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{3})
	f.Add(closePayload(1000, "bye"))
	f.Add(closePayload(4500, "heartbeat timeout"))
	f.Add(closePayload(1005, ""))
	f.Add(closePayload(1000, "\xed\xa0\x80"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		code, reason, err := ParseClose(payload)
		if err != nil {
			return
		}
		// What was accepted comes out of AppendClose as it went in.
		b := AppendClose(nil, code, string(reason))
		if n, ok := FrameLen(b); !ok || n != len(b) {
			t.Fatalf("frame of %d bytes says %d %v", len(b), n, ok)
		}
		if b[0] != bitFin|byte(ws.OpClose) || len(payload) <= MaxControl && !bytes.Equal(b[2:], payload) {
			t.Fatalf("got % x for % x", b, payload)
		}
	})
}
