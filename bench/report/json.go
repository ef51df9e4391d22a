package report

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
)

// Write writes the report's JSON form, indented, with a newline at its end.
// Figures that JSON cannot hold (infinities and what came of 0/0) are written
// as 0 and become a warning of r: one bad figure must not cost the report.
func Write(w io.Writer, r *Report) error {
	if bad := replaceNonFinite(reflect.ValueOf(r).Elem(), ""); len(bad) > 0 {
		r.Warnings = append(r.Warnings, "not a number, shown as 0: "+strings.Join(bad, ", "))
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// replaceNonFinite sets infinities and NaN in what v holds to 0 and returns
// where they were.
func replaceNonFinite(v reflect.Value, path string) (bad []string) {
	switch v.Kind() {
	case reflect.Float64:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			v.SetFloat(0)
			return []string{path}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			return replaceNonFinite(v.Elem(), path)
		}
	case reflect.Slice:
		for i := range v.Len() {
			bad = append(bad, replaceNonFinite(v.Index(i), fmt.Sprintf("%s[%d]", path, i))...)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			// A member of a map is changed by putting a changed copy in its place.
			c := reflect.New(v.Type().Elem()).Elem()
			c.Set(v.MapIndex(key))
			if found := replaceNonFinite(c, fmt.Sprintf("%s[%v]", path, key)); len(found) > 0 {
				v.SetMapIndex(key, c)
				bad = append(bad, found...)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); f.IsExported() && name != "" {
				bad = append(bad, replaceNonFinite(v.Field(i), strings.TrimPrefix(path+"."+name, "."))...)
			}
		}
	}
	return bad
}

// maxReport bounds what Read takes in: a week with a point a second is about
// 200 MB.
const maxReport = 1 << 30

// errTooLong says that a report exceeds maxReport.
var errTooLong = errors.New("longer than 1 GiB: not a report")

// Read reads what Write wrote, by this or a later version that kept the schema:
// members it does not know are left out.
func Read(r io.Reader) (*Report, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxReport+1))
	if err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	if len(b) > maxReport {
		return nil, fmt.Errorf("read report: %w", errTooLong)
	}
	var head struct {
		Schema *string `json:"schema"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("read report: %w", where(b, err))
	}
	switch {
	case head.Schema == nil:
		return nil, fmt.Errorf("read report: no member \"schema\": not a report of carillon bench")
	case *head.Schema != Schema:
		return nil, fmt.Errorf("read report: schema %q, this version reads %q", *head.Schema, Schema)
	}
	out, err := decode(b)
	if err != nil {
		return nil, fmt.Errorf("read report: %w", where(b, err))
	}
	if out.Verdict.rank() < Passed.rank() {
		return nil, fmt.Errorf("read report: unknown verdict %q", out.Verdict)
	}
	return out, nil
}

// decode turns the panic with which the HDR decoder meets a damaged histogram
// into an error.
func decode(b []byte) (r *Report, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("damaged histogram: %v", p)
		}
	}()
	r = new(Report)
	return r, json.Unmarshal(b, r)
}

// where adds the line to an error of encoding/json that knows its offset.
func where(b []byte, err error) error {
	var syntax *json.SyntaxError
	var typed *json.UnmarshalTypeError
	switch {
	case len(bytes.TrimSpace(b)) == 0:
		return errors.New("the file is empty")
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d: %s", line(b, syntax.Offset), err)
	case errors.As(err, &typed):
		return fmt.Errorf("line %d: %s: want %s, got %s", line(b, typed.Offset), typed.Field, typed.Type, typed.Value)
	default:
		return err
	}
}

func line(b []byte, offset int64) int {
	return bytes.Count(b[:min(max(offset, 0), int64(len(b)))], []byte("\n")) + 1
}

//go:embed schema.json
var schema []byte

// JSONSchema is the JSON Schema (draft 2020-12) of what [Write] writes.
func JSONSchema() []byte { return bytes.Clone(schema) }
