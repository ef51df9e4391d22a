package plan

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template/parse"
)

// MaxMessage is the longest text a template may give, its values left out.
const MaxMessage = 16 << 20

// Compile compiles text, in the syntax of text/template, of which fields,
// literal strings, comments and trimmed spaces are known: nothing branches or
// loops. A field that is not among those given is an error.
func Compile(text string, fields ...Field) (*Template, error) {
	if len(text) > MaxMessage {
		return nil, fmt.Errorf("the text has %d bytes, more than %d", len(text), MaxMessage)
	}
	t := &Template{text: text}
	if !strings.Contains(text, "{{") { // what nearly every text is, and the parser refuses none of it
		if text != "" {
			t.segments = []segment{{literal: text}}
		}
		return t, nil
	}
	trees, err := parse.Parse("", text, "", "")
	if err != nil {
		return nil, errors.New(templatePlace.ReplaceAllString(err.Error(), ""))
	}
	if len(trees) != 1 || trees[""] == nil {
		return nil, errors.New("a template cannot define others")
	}
	c := compiler{t: t, allowed: fieldsOf(fields)}
	for _, n := range trees[""].Root.Nodes {
		if err := c.node(n); err != nil {
			return nil, err
		}
	}
	c.flush()
	return t, nil
}

// CompileURL is [Compile] for a URL or a part of one: values are
// percent-encoded, for path and query alike.
func CompileURL(text string, fields ...Field) (*Template, error) {
	t, err := Compile(text, fields...)
	if t != nil {
		t.escape = true
	}
	return t, err
}

// templatePlace is what text/template/parse puts before a problem: a name, which ours do not have, and the line.
var templatePlace = regexp.MustCompile(`^template: :\d+: `)

// compiler adds the nodes of a parsed text to a template.
type compiler struct {
	t       *Template
	allowed fieldSet
	literal strings.Builder // what stands since the last field
	total   int             // bytes of all literals
}

func (c *compiler) node(n parse.Node) error {
	switch n := n.(type) {
	case *parse.TextNode:
		c.add(string(n.Text))
	case *parse.CommentNode:
	case *parse.ActionNode:
		if len(n.Pipe.Decl) > 0 || len(n.Pipe.Cmds) != 1 {
			return c.unknown(n)
		}
		if err := c.command(n.Pipe.Cmds[0].Args, n); err != nil {
			return err
		}
	default:
		return c.unknown(n)
	}
	if c.total > MaxMessage {
		return fmt.Errorf("the text comes to more than %d bytes", MaxMessage)
	}
	return nil
}

func (c *compiler) command(args []parse.Node, whole parse.Node) error {
	switch first := args[0].(type) {
	case *parse.StringNode:
		if len(args) != 1 {
			return c.unknown(whole)
		}
		c.add(first.Text)
		return nil
	case *parse.FieldNode:
		if len(first.Ident) != 1 {
			return c.unknown(whole)
		}
		return c.field(first.Ident[0], args[1:], whole)
	}
	return c.unknown(whole)
}

func (c *compiler) field(name string, args []parse.Node, whole parse.Node) error {
	f := fieldNamed(name)
	if f == 0 || !c.allowed.has(f) {
		return c.unknown(whole)
	}
	switch {
	case f == FieldPad:
		n, err := padLength(args)
		if err != nil {
			return fmt.Errorf("%v: %w", whole, err)
		}
		c.add(pad(n))
	case len(args) > 0:
		return fmt.Errorf("%v: the field takes nothing after its name", whole)
	default:
		c.flush()
		c.t.segments = append(c.t.segments, segment{field: f})
	}
	c.t.uses |= 1 << f
	return nil
}

func padLength(args []parse.Node) (int, error) {
	if len(args) == 1 {
		if n, ok := args[0].(*parse.NumberNode); ok && n.IsInt && n.Int64 >= 0 && n.Int64 <= MaxMessage {
			return int(n.Int64), nil
		}
	}
	return 0, fmt.Errorf("the field takes one number of bytes, 0 to %d", MaxMessage)
}

// pad is n bytes that need no escaping in JSON, URLs and headers.
func pad(n int) string {
	const filler = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
	return strings.Repeat(filler, n/len(filler)) + filler[:n%len(filler)]
}

// unknown is the error of an action that cannot stand here.
func (c *compiler) unknown(n parse.Node) error {
	text := n.String()
	if len(text) > maxQuoted {
		text = text[:maxQuoted] + "…"
	}
	return fmt.Errorf("%s cannot stand here; allowed: %v", text, c.allowed)
}

// maxQuoted bounds how much of a text an error repeats.
const maxQuoted = 80

// add adds a literal.
func (c *compiler) add(text string) {
	c.literal.WriteString(text)
	c.total += len(text)
}

// flush makes one segment of the literals since the last field.
func (c *compiler) flush() {
	if c.literal.Len() > 0 {
		c.t.segments = append(c.t.segments, segment{literal: c.literal.String()})
		c.literal.Reset()
	}
}
