package main

import (
	"bytes"
	"testing"
	"time"

	"carillon/cluster/services/crowd"
)

// TestJudgeEarlyGrowth has memory grow by more than 50 B a connection, most of it at first.
func TestJudgeEarlyGrowth(t *testing.T) {
	o := options{connections: 10_000, growth: 50}
	good := crowd.Result{Setup: crowd.Counts{Connected: 10_000}, Measured: crowd.Counts{Expected: 9, OK: 9}}
	for _, early := range []float64{60, 100, 150, 400} {
		var samples []sample
		for at := time.Duration(0); at < time.Hour; at += 10 * time.Second {
			h := at.Hours()
			grown := early * min(h/0.4, 1)
			if h > 0.4 {
				grown += 20 * (h - 0.4) / 0.6
			}
			breath := float64(at / time.Second % 60 * 100)
			samples = append(samples, sample{at: at, sessions: 10_000, memory: crowd.Resident{All: 60e6, Own: int64(30e6 + grown*10_000 + breath)}})
		}
		var out bytes.Buffer
		err := o.judge(samples, good, &out)
		if err == nil {
			t.Errorf("%v B early: passed\n%s", early, &out)
		}
	}
}
