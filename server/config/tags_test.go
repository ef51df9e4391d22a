package config

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// TestEveryFieldIsDescribed looks at the struct itself, so that a field cannot escape the table of settings.
func TestEveryFieldIsDescribed(t *testing.T) {
	t.Parallel()
	key := regexp.MustCompile(`^[a-z]+(-[a-z]+)*(\.[a-z]+(-[a-z]+)*)*$`)
	var walk func(typ reflect.Type, path string)
	walk = func(typ reflect.Type, path string) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			name := path + "." + f.Name
			if !key.MatchString(f.Tag.Get("key")) {
				t.Errorf("%s: key %q is not lower case with dashes", name, f.Tag.Get("key"))
			}
			if f.Type.Kind() == reflect.Struct {
				walk(f.Type, name)
				continue
			}
			help := f.Tag.Get("help")
			switch {
			case len(help) < 8:
				t.Errorf("%s has no description", name)
			case !strings.HasSuffix(help, "."):
				t.Errorf("%s: the description is no sentence: %q", name, help)
			case strings.ContainsFunc(help, func(r rune) bool { return r > unicode.MaxASCII }):
				t.Errorf("%s: the description is not ASCII, which the line breaking counts on", name)
			}
			if (f.Tag.Get("min") == "") != (f.Tag.Get("max") == "") {
				t.Errorf("%s: min and max belong together", name)
			}
		}
	}
	walk(reflect.TypeFor[Config](), "Config")
	for _, s := range sections {
		if s.help == "" {
			t.Errorf("section %s has no description", s.key)
		}
	}
}

// TestNumbersAreBounded makes sure that no number is taken without a sane limit.
func TestNumbersAreBounded(t *testing.T) {
	t.Parallel()
	for _, s := range settings {
		switch s.kind() {
		case "number", "size", "duration":
			if s.min == "" || s.bound(s.min) > s.bound(s.max) {
				t.Errorf("%s: bounds %q to %q", s.key, s.min, s.max)
			}
		}
	}
}

func TestNamesAreUnique(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, s := range settings {
		for _, k := range append([]string{s.key}, s.aliases...) {
			names := append(envNames(k), uniform(k))
			if s.env != "" && k == s.key {
				names = append(names, s.env)
			}
			for _, n := range names {
				if other, ok := seen[n]; ok {
					t.Errorf("%s belongs to %s and %s", n, other, k)
				}
				seen[n] = k
			}
		}
	}
}

// TestSecretsAreMarked finds settings that sound secret and are not.
func TestSecretsAreMarked(t *testing.T) {
	t.Parallel()
	for _, s := range settings {
		last := s.key[strings.LastIndexByte(s.key, '.')+1:]
		if (last == "password" || last == "secret" || last == "tokens" || last == "url" || last == "addresses" || last == "nodes") && s.secret == "" {
			t.Errorf("%s is not marked as secret", s.key)
		}
	}
}

func TestDefaultIsValid(t *testing.T) {
	t.Parallel()
	c := Default()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if got := (Config{}).Default(); !reflect.DeepEqual(got, c) {
		t.Errorf("Config.Default: got %+v, want %+v", got, c)
	}
}
