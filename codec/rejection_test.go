package codec

import (
	"encoding/json"
	"io"
	"testing"
)

func TestRejectionAppend(t *testing.T) {
	t.Parallel()
	got := string(RejectUnauthorized.Append([]byte("before"), []byte("Tue, 24 Nov 2026 08:00:00 GMT")))
	want := "beforeHTTP/1.1 401 Unauthorized\r\nContent-Type: application/problem+json\r\nContent-Length: 84\r\nConnection: close\r\n" +
		"Date: Tue, 24 Nov 2026 08:00:00 GMT\r\nWWW-Authenticate: Bearer\r\n\r\n" +
		`{"type":"about:blank","title":"Unauthorized","status":401,"detail":"no valid token"}`
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, r := range []*Rejection{RejectNotHTTP, RejectRequestLine, RejectTarget, RejectLineEnd, RejectField, RejectFieldValue, RejectFolding, RejectHost,
		RejectBody, RejectUpgrade, RejectConnection, RejectKey, RejectUnauthorized, RejectOrigin, RejectNotFound, RejectMethod, RejectVersion,
		RejectHeaderTooLarge, RejectUnavailable, RejectTooMany, RejectHTTPVersion, NewRejection(400, "quote \" and \\ and \n")} {
		b := r.Append(nil, nil)
		resp := parseResponse(t, b)
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != r.Status || r.Title == "" || !resp.Close || resp.Header.Get("Content-Type") != "application/problem+json" || resp.Header.Get("Date") != "" {
			t.Errorf("%v: got %q", r, b)
		}
		for _, h := range r.Header {
			if resp.Header.Get(h[0]) != h[1] {
				t.Errorf("%v: no %s", r, h[0])
			}
		}
		var doc struct {
			Type, Title, Detail string
			Status              int
		}
		if err := json.Unmarshal(body, &doc); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if doc.Type != "about:blank" || doc.Title != r.Title || doc.Status != r.Status || doc.Detail != r.Detail {
			t.Errorf("%v: got %+v", r, doc)
		}
	}
	for r, want := range map[*Rejection]string{RejectOrigin: "403 Forbidden: origin not allowed", RejectNotFound: "404 Not Found"} {
		if r.Error() != want {
			t.Errorf("got %q, want %q", r.Error(), want)
		}
	}
}
