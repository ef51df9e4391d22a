package plan

import (
	"embed"
	"fmt"
	"io"
	"slices"
	"strings"
)

var (
	//go:embed reference.md
	referenceBegin string
	//go:embed reference_end.md
	referenceEnd string
	//go:embed examples
	examples embed.FS
)

// templatePlaces are the settings that are templates, and what they may name.
func templatePlaces() [][2]string {
	list := func(fields []Field) string {
		names := make([]string, len(fields))
		for i, f := range fields {
			names[i] = "`" + f.String() + "`"
		}
		return strings.Join(names, ", ")
	}
	of := func(k Kind, via string) *Scenario { return &Scenario{Kind: k, Publish: &Publish{Via: via}} }
	return [][2]string{
		{"`url`, `headers`", list(handshakeFields)},
		{"`user`", list([]Field{FieldID})},
		{"`message`, `expect` of heartbeat, churn, soak", list(Heartbeat.messageFields())},
		{"`message`, `expect` of echo, push", list(Echo.messageFields())},
		{"`message`, `expect` of broadcast, slow", list(Broadcast.messageFields())},
		{"`publish.url`, `publish.headers` of push", list(of(Push, ViaHTTP).publishFields())},
		{"`publish.url`, `publish.headers` via client", list(of(Broadcast, ViaClient).publishFields())},
		{"`publish.body`", list(of(Broadcast, ViaHTTP).bodyFields())},
		{"`publish.body` of push", list(of(Push, ViaHTTP).bodyFields())},
	}
}

// WriteMarkdown writes the reference page, which is docs/bench-scenarios.md.
func WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString(referenceBegin)
	for _, place := range templatePlaces() {
		fmt.Fprintf(&b, "| %s | %s |\n", place[0], place[1])
	}
	b.WriteString(referenceEnd)
	for _, s := range sections {
		s.markdown(&b)
	}
	b.WriteString("\n## Examples\n")
	for _, name := range []string{"gateway.yaml", "chat.yaml"} {
		text, err := examples.ReadFile("examples/" + name)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "\n`%s`:\n\n```yaml\n%s```\n", name, text)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// heading is the title of the section's table.
func (s *section) heading() string {
	switch {
	case s == planSection:
		return "The run"
	case s == scenarioSection:
		return "A scenario"
	}
	path := s.key
	for p := s.parent; p != scenarioSection && p != nil; p = p.parent {
		path = p.key + "." + path
	}
	return "`" + path + "` of a scenario"
}

func (s *section) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n## %s\n\n", s.heading())
	if s.kinds != nil {
		fmt.Fprintf(b, "Used by: %s.\n\n", kindList(s.kinds))
	}
	b.WriteString("| Key | Flag | Type | Default | Used by | Meaning |\n|---|---|---|---|---|---|\n")
	for _, one := range s.settings {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s | %s |\n", one.key, one.markdownFlag(), one.kind(), one.markdownPreset(), one.markdownKinds(), escapeMarkdown(one.help))
	}
}

func (one *setting) markdownFlag() string {
	if one.flagName() == "" {
		return ""
	}
	text := "`--" + one.flagName() + "`"
	if one.short != "" {
		text += ", `-" + one.short + "`"
	}
	if one.env != "" {
		text += ", `$" + one.env + "`"
	}
	return text
}

// markdownPreset is the default, with the kinds that have another.
func (one *setting) markdownPreset() string {
	var parts []string
	if one.preset != "" {
		parts = append(parts, presetMarkdown(one.preset))
	}
	var texts []string // in the order of the kinds, each once
	kinds := map[string][]Kind{}
	for _, k := range Kinds() {
		if text, ok := one.by[k]; ok {
			if kinds[text] == nil {
				texts = append(texts, text)
			}
			kinds[text] = append(kinds[text], k)
		}
	}
	for _, text := range texts {
		parts = append(parts, kindList(kinds[text])+": "+presetMarkdown(text))
	}
	return strings.Join(parts, "; ")
}

// presetMarkdown writes values as code and sentences as such.
func presetMarkdown(text string) string {
	if strings.ContainsAny(text, "{") && !strings.Contains(text, "; ") || !strings.Contains(text, " ") {
		return "`" + text + "`"
	}
	return escapeMarkdown(text)
}

func (one *setting) markdownKinds() string {
	kinds := one.usedBy()
	switch {
	case kinds == nil || slices.Equal(kinds, one.section.kinds):
		return "all"
	case len(kinds) > len(Kinds())/2:
		var not []Kind
		for _, k := range Kinds() {
			if !slices.Contains(kinds, k) {
				not = append(not, k)
			}
		}
		return "all but " + kindList(not)
	}
	return kindList(kinds)
}

func escapeMarkdown(text string) string {
	return strings.NewReplacer("*", `\*`, "_", `\_`, "<", `\<`, "|", `\|`, "[", `\[`).Replace(text)
}
