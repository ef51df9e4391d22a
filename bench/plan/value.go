package plan

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// parseValue reads a scalar of a file or flag into a value of the given type,
// one of those that members of a plan have.
func parseValue(typ reflect.Type, text string) (reflect.Value, error) {
	v := reflect.New(typ).Elem()
	if typ == reflect.TypeFor[time.Duration]() {
		span, err := time.ParseDuration(text)
		if err != nil {
			return v, fmt.Errorf("it must be a duration such as 500ms, 10s or 2h")
		}
		v.SetInt(int64(span))
		return v, nil
	}
	switch typ.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return v, fmt.Errorf("it must be true or false")
		}
		v.SetBool(text == "true")
	case reflect.Float64:
		n, err := parseNumber(text)
		if err != nil {
			return v, fmt.Errorf("it must be a number such as 1000, 0.5, 10k or 1M")
		}
		v.SetFloat(n)
	case reflect.Int:
		n, err := parseWhole(text)
		if err != nil {
			return v, fmt.Errorf("it must be a whole number such as 1000, 10k or 1M")
		}
		v.SetInt(n)
	case reflect.Uint64:
		n, err := strconv.ParseUint(strings.ReplaceAll(text, "_", ""), 10, 64)
		if err != nil {
			return v, fmt.Errorf("it must be a whole number from 0 to %d", uint64(math.MaxUint64))
		}
		v.SetUint(n)
	default:
		panic("BUG: a member has type " + typ.String())
	}
	return v, nil
}

// parseNumber reads 1000, 1_000, 1e3, 1k and 0.001M.
func parseNumber(text string) (float64, error) {
	factor := 1.0
	switch {
	case strings.HasSuffix(text, "k"):
		factor, text = 1e3, text[:len(text)-1]
	case strings.HasSuffix(text, "M"):
		factor, text = 1e6, text[:len(text)-1]
	}
	if strings.Trim(text, "0123456789_.eE+-") != "" { // neither infinite, nor not a number, nor hexadecimal
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
	return n * factor, err
}

// parseWhole reads the same as long as it is a whole number.
func parseWhole(text string) (int64, error) {
	if n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 64); err == nil {
		return n, nil
	}
	n, err := parseNumber(text)
	n = math.Round(n*1e3) / 1e3 // 1.001k is 1000.9999999999999
	if err != nil || n != math.Trunc(n) || math.Abs(n) >= 1<<53 {
		return 0, strconv.ErrSyntax
	}
	return int64(n), nil
}
