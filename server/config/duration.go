package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

var (
	errDuration      = errors.New("not a duration: want a unit as in 500ms, 60s, 1m30s or 2h, or a plain number of milliseconds")
	errDurationRange = errors.New("duration out of range")
)

// ParseDuration reads a duration: Go's form (500ms, 60s, 1m30s, 2h), days (1d, as Spring has them) or a plain whole number,
// which counts milliseconds, as the reference's heartbeat-check-interval does. Negative ones are refused.
func ParseDuration(s string) (time.Duration, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	number, unit := s, time.Millisecond
	if days, ok := strings.CutSuffix(s, "d"); ok {
		number, unit = days, 24*time.Hour
	}
	if number != "" && strings.Trim(number, "0123456789") == "" {
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n > math.MaxInt64/int64(unit) {
			return 0, errDurationRange
		}
		return time.Duration(n) * unit, nil
	}
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, errDuration
	case d < 0:
		return 0, errDurationRange
	}
	return d, nil
}

// FormatDuration is the shortest form that [ParseDuration] reads back to the same duration: 1m, not 1m0s.
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
