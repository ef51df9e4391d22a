//go:build !race

package auth

import "testing"

func TestTokensVerifyWithoutAllocation(t *testing.T) {
	static, err := NewStatic(map[string]string{DemoToken: "1"})
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]Verifier{"demo": NewDemo(), "static": static} {
		for _, token := range [][]byte{[]byte(DemoToken), []byte("wrong")} {
			if n := testing.AllocsPerRun(100, func() { _, _ = v.Verify(token) }); n != 0 {
				t.Errorf("%s: %v allocations for %q, want none", name, n, token)
			}
		}
	}
}
