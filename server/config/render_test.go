package config

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestYAMLLoadsBackToTheDefaults also with its comments taken away, so that the settings in comments are checked too.
func TestYAMLLoadsBackToTheDefaults(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := WriteYAML(&out); err != nil {
		t.Fatal(err)
	}
	whole := regexp.MustCompile(`(?m)^# ((#| )|(spring:$))`).ReplaceAllString(out.String(), "$2$3")
	for name, text := range map[string]string{"as printed": out.String(), "with the commented part": whole} {
		file := filepath.Join(t.TempDir(), "carillon.yml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Load(LoadOptions{File: file})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(l.Config, Default()) {
			t.Errorf("%s: got %+v\nwant %+v", name, l.Config, Default())
		}
		for _, s := range settings {
			inComment := strings.HasPrefix(s.key, "spring.")
			if got, want := l.Origins[s.key].Source, SourceFile; got != want && (!inComment || text == whole) {
				t.Errorf("%s: %s is from the %v, want the %v", name, s.key, got, want)
			}
		}
		if text != whole && (len(l.Warnings) > 0 || len(l.Ignored) > 0) {
			t.Errorf("%s: warnings %q, ignored %q", name, l.Warnings, l.Ignored)
		}
	}
}

// TestTextsWrap also proves that help and file speak of every setting.
func TestTextsWrap(t *testing.T) {
	t.Parallel()
	var help, file bytes.Buffer
	if err := WriteHelp(&help); err != nil {
		t.Fatal(err)
	}
	if err := WriteYAML(&file); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"help": help.String(), "file": file.String()} {
		for line := range strings.Lines(text) {
			if len(strings.TrimSuffix(line, "\n")) > lineWidth {
				t.Errorf("%s: %d columns: %s", name, len(line)-1, line)
			}
		}
	}
	for _, s := range settings {
		if !strings.Contains(help.String(), "\n  --"+s.key+" "+s.kind()) {
			t.Errorf("the help does not have --%s", s.key)
		}
	}
}

// TestReferencePage fails when docs/configuration.md is not what the program prints.
func TestReferencePage(t *testing.T) {
	t.Parallel()
	var want bytes.Buffer
	if err := WriteMarkdown(&want); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("docs/configuration.md is out of date: go run ./cmd/carillon config --markdown > docs/configuration.md")
	}
	for _, s := range settings {
		if !strings.Contains(want.String(), "\n| `"+s.key+"` |") {
			t.Errorf("the page does not have %s", s.key)
		}
	}
}

func TestMask(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ key, in, want string }{
		{"auth.jwt.secret", "hunter2", "******"},
		{"auth.jwt.secret", "", ""},
		{"auth.tokens", "tok==user", "******=user"},
		{"admin.tokens", "tok", "******"},
		{"spring.data.redis.url", "redis://u:p@h:1/0", "redis://******@h:1/0"},
		{"spring.data.redis.url", "redis://u:p@ss@h", "redis://******@h"},
		{"spring.data.redis.url", "rediss://h:1", "rediss://h:1"},
		{"spring.rabbitmq.addresses", "u:p@h:5672", "******@h:5672"},
		{"spring.rabbitmq.addresses", "h:5672", "h:5672"},
		{"spring.rabbitmq.addresses", "amqp://h:5672/v:w", "amqp://h:5672/v:w"},
		{"spring.rabbitmq.addresses", "amqp://h/v:w", "amqp://h/v:w"},
		{"spring.rabbitmq.addresses", "amqp://h:", "amqp://h:"},
		{"spring.rabbitmq.addresses", "amqp://[::1]:5672", "amqp://[::1]:5672"},
		{"spring.rabbitmq.addresses", "::1", "::1"},
		{"spring.rabbitmq.addresses", "amqp://u:p", "amqp://u:******"},
		{"spring.rabbitmq.addresses", "amqp://u:1p", "amqp://u:******"},
		{"spring.rabbitmq.addresses", "amqp://u:p]/q", "amqp://u:******"},
		{"spring.rabbitmq.addresses", "amqp://[::1]:p", "amqp://[::1]:******"},
		{"spring.rabbitmq.addresses", "amqp:/u:p", "amqp:******"},
		{"spring.rabbitmq.addresses", "u:p", "u:******"},
		{"spring.data.redis.url", "redis://:p", "redis://:******"},
		{"server.port", "1", "1"},
	} {
		if got := lookup(tt.key).mask(tt.in); got != tt.want {
			t.Errorf("%s: mask(%q): got %q, want %q", tt.key, tt.in, got, tt.want)
		}
	}
}
