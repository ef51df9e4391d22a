package config

import (
	"regexp"
	"strconv"
	"strings"
)

// lineWidth is where texts for people are broken.
const lineWidth = 80

// wrap breaks text into lines of at most lineWidth, each with indent in front.
func wrap(text, indent string) string {
	var b strings.Builder
	used := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case used == 0:
			b.WriteString(indent)
			used = len(indent)
		case used+1+len(word) > lineWidth:
			b.WriteString("\n" + indent)
			used = len(indent)
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += len(word)
	}
	b.WriteByte('\n')
	return b.String()
}

// plainYAML matches texts that are themselves in YAML without quotes, in a flow list too.
var plainYAML = regexp.MustCompile(`^[A-Za-z0-9/][A-Za-z0-9/._:@+-]*[A-Za-z0-9/._@+-]$|^[A-Za-z0-9/]$`)

// yamlText is text as a YAML scalar that [Load] reads back to the same text.
func yamlText(text string) string {
	if plainYAML.MatchString(text) && !strings.EqualFold(text, "null") {
		return text
	}
	return strconv.Quote(strings.ReplaceAll(text, "${", `\${`))
}

// yamlValue is the value of s in c on one line of YAML, with what is secret masked if mask is true.
func (s *setting) yamlValue(c *Config, mask bool) string {
	texts := s.texts(c)
	shown := make([]string, len(texts))
	for i, text := range texts {
		if mask {
			text = s.mask(text)
		}
		switch {
		case s.typ == typeMap:
			j := strings.LastIndexByte(text, '=')
			shown[i] = yamlText(text[:j]) + ": " + yamlText(text[j+1:])
		case s.kind() == "string":
			shown[i] = quoteNumber(text)
		default:
			shown[i] = yamlText(text)
		}
	}
	all := strings.Join(shown, ", ")
	switch s.typ {
	case typeList:
		return "[" + all + "]"
	case typeMap:
		return "{" + all + "}"
	}
	return all
}

// yamlDefault is the default as it is written in a file.
func (s *setting) yamlDefault() string {
	switch {
	case s.typ == typeList:
		return "[" + s.preset + "]"
	case s.typ == typeMap:
		return "{" + s.preset + "}"
	case s.kind() == "string":
		return quoteNumber(s.preset)
	}
	return s.preset
}

// quoteNumber is text as YAML, quoted also when another YAML reader would take it for a number.
func quoteNumber(text string) string {
	if text != "" && text[0] >= '0' && text[0] <= '9' {
		return strconv.Quote(text)
	}
	return yamlText(text)
}

// also lists the further names of the setting in prose.
func (s *setting) also(quote string) []string {
	var names []string
	for _, a := range s.aliases {
		names = append(names, quote+a+quote)
	}
	if s.flag != "" {
		names = append(names, "the flag "+quote+"--"+s.flag+quote)
	}
	if s.env != "" {
		names = append(names, "the variable "+quote+s.env+quote)
	}
	return names
}

// description is help, what is allowed, and further names, as prose.
func (s *setting) description() string {
	text := s.help
	switch {
	case s.allowed != nil:
		text += " Allowed: " + strings.Join(s.allowed, ", ") + "."
	case s.min != "":
		text += " From " + s.min + " to " + s.max + "."
	}
	if names := s.also(""); names != nil {
		text += " Also: " + strings.Join(names, ", ") + "."
	}
	return text
}
