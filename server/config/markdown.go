package config

import (
	_ "embed"
	"fmt"
	"io"
	"strings"
)

//go:embed reference.md
var referenceIntro string

// WriteMarkdown writes the reference page, which is docs/configuration.md.
func WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString(referenceIntro)
	for _, sec := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", sec.key, escapeMarkdown(sec.help))
		b.WriteString("| Key | Type | Default | Meaning |\n|---|---|---|---|\n")
		for _, s := range sec.settings {
			preset := ""
			if s.preset != "" {
				preset = "`" + s.preset + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.key, s.kind(), preset, s.markdown())
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// markdown is the description of s for a cell of a table.
func (s *setting) markdown() string {
	text := escapeMarkdown(s.help)
	switch {
	case s.allowed != nil:
		text += " Allowed: `" + strings.Join(s.allowed, "`, `") + "`."
	case s.min != "":
		text += fmt.Sprintf(" From `%s` to `%s`.", s.min, s.max)
	}
	switch s.secret {
	case secretAll:
		text += " Secret: masked wherever it is shown."
	case secretURL:
		text += " A password in it is masked wherever it is shown."
	}
	if names := s.also("`"); names != nil {
		text += " Also: " + strings.Join(names, ", ") + "."
	}
	return text
}

func escapeMarkdown(text string) string {
	return strings.NewReplacer("*", `\*`, "_", `\_`, "<", `\<`, "|", `\|`, "[", `\[`).Replace(text)
}
