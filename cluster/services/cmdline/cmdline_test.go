package cmdline

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestMainCodes tells what went wrong by the exit code.
func TestMainCodes(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		err  error
		want int
	}{
		"all well":        {[]string{"--n", "7"}, nil, 0},
		"failed":          {nil, errors.New("no"), 1},
		"a wrong value":   {[]string{"--n", "x"}, nil, 2},
		"wrong to run":    {nil, fmt.Errorf("at once: %w", Wrong("n is odd")), 2},
		"an unknown flag": {[]string{"--m"}, nil, 2},
	} {
		flags := flag.NewFlagSet("test", flag.ContinueOnError)
		flags.Int("n", 0, "")
		if code := Main(flags, c.args, func(context.Context) error { return c.err }); code != c.want {
			t.Errorf("%s: exit code %d, want %d", name, code, c.want)
		}
	}
}

// TestMainInterrupted ends what is carried out.
func TestMainInterrupted(t *testing.T) {
	code := Main(flag.NewFlagSet("test", flag.ContinueOnError), nil, func(ctx context.Context) error {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.Context().Done():
			return t.Context().Err()
		}
	})
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
}
