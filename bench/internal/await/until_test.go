package await

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// failing is a test that ends as the real one does, and is looked at afterwards.
type failing struct {
	testing.TB
	said []string
}

func (f *failing) Helper() {}

func (f *failing) Logf(format string, args ...any) {
	f.said = append(f.said, fmt.Sprintf(format, args...))
}

func (f *failing) Fatalf(format string, args ...any) {
	f.Logf(format, args...)
	runtime.Goexit()
}

// waiting says what Until said of a condition that holds after a time, and how
// long it took.
func waiting(after time.Duration, states ...func() any) (said []string, took time.Duration) {
	start := time.Now()
	f := new(failing)
	done := make(chan struct{})
	go func() {
		defer close(done)
		Until(f, "it holds", func() bool { return time.Since(start) >= after }, states...)
	}()
	<-done
	return f.said, time.Since(start)
}

func TestUntil(t *testing.T) {
	for _, after := range []time.Duration{0, time.Second, Patience} {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				said, took := waiting(after)
				if len(said) > 0 || took < after || took > after+time.Second {
					t.Errorf("after %v: %q", took, said)
				}
			})
		})
	}
}

func TestUntilFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said, took := waiting(time.Hour, func() any { return "red" }, func() any { return 7 })
		if took < Patience || took > Patience+time.Second {
			t.Errorf("took %v", took)
		}
		if len(said) != 3 || !slices.Equal(said[:2], []string{"red", "7"}) || !strings.Contains(said[2], "it holds") {
			t.Errorf("said %q", said)
		}
	})
}
