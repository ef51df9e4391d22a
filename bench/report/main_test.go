package report

import (
	"testing"

	"go.uber.org/goleak"

	"carillon/bench/internal/browsertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(browsertest.Main{M: m}) }
