package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes.
type Size int

// The binary multiples of a byte.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
)

var (
	errSize      = errors.New("not a size: want bytes as in 65536, or with a unit as in 64KiB, 64KB, 1MiB, 1MB or 1GiB")
	errSizeRange = errors.New("size out of range")
)

// sizeUnits lists the longest names first, so that the first that fits is the right one. KB, MB and GB count by 1024, as
// Spring's DataSize has them.
var sizeUnits = []struct {
	name string
	unit Size
}{
	{"KIB", KiB}, {"MIB", MiB}, {"GIB", GiB},
	{"KB", KiB}, {"MB", MiB}, {"GB", GiB},
	{"K", KiB}, {"M", MiB}, {"G", GiB},
	{"B", 1},
}

// ParseSize reads a size: plain bytes (65536) or a whole number with a unit of bytes (64KiB, 64KB, 1MiB, 1MB, 1GiB, 1GB;
// a KB is 1024 bytes), in any case, with or without a blank before the unit.
func ParseSize(s string) (Size, error) {
	number, unit := strings.ToUpper(strings.TrimSpace(s)), Size(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimRight(rest, " "), u.unit
			break
		}
	}
	if number == "" || strings.Trim(number, "0123456789") != "" {
		return 0, errSize
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n > math.MaxInt/int64(unit) {
		return 0, errSizeRange
	}
	return Size(n) * unit, nil
}

// String is the shortest form that [ParseSize] reads back to the same size: 64KiB, 1MiB, 100B.
func (s Size) String() string {
	for _, u := range []struct {
		name string
		unit Size
	}{{"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}} {
		if s != 0 && s%u.unit == 0 {
			return strconv.Itoa(int(s/u.unit)) + u.name
		}
	}
	return strconv.Itoa(int(s)) + "B"
}
