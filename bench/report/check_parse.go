package report

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// SyntaxError is a condition that cannot be read.
type SyntaxError struct {
	Expression string
	Column     int // of the first character at fault, from 1
	Reason     string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%q, column %d: %s", e.Expression, e.Column, e.Reason)
}

// maxExpr bounds a condition; nobody writes one this long.
const maxExpr = 1000

// ParseCheck reads a condition; see [Expr] for the grammar. An error is a
// [*SyntaxError].
func ParseCheck(expr string) (*Expr, error) {
	p := &checkParser{text: expr}
	e := &Expr{text: strings.TrimSpace(expr)}
	if len(expr) > maxExpr {
		return nil, &SyntaxError{expr[:20] + "…", maxExpr, fmt.Sprintf("longer than %d bytes", maxExpr)}
	}
	steps := []func(*Expr) error{p.scenario, p.quantity, p.op, p.value}
	for _, step := range steps {
		if err := step(e); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// checkParser reads a condition from left to right.
type checkParser struct {
	text string
	pos  int
	terms
}

// terms is what the left side said, until the value tells whether it is a count
// or a share.
type terms struct {
	names []string
	at    []int
}

func (p *checkParser) errorf(pos int, format string, args ...any) error {
	column := utf8.RuneCountInString(p.text[:min(pos, len(p.text))]) + 1
	return &SyntaxError{p.text, column, fmt.Sprintf(format, args...)}
}

func (p *checkParser) rest() string { return p.text[p.pos:] }

func (p *checkParser) blanks() {
	p.pos = len(p.text) - len(strings.TrimLeft(p.rest(), " \t"))
}

// scenario reads the name before the colon. What follows an operator is not
// looked at.
func (p *checkParser) scenario(e *Expr) error {
	p.blanks()
	if strings.HasPrefix(p.rest(), `"`) {
		quoted, err := strconv.QuotedPrefix(p.rest())
		if err != nil {
			return p.errorf(p.pos, "scenario name without closing quote")
		}
		start := p.pos
		e.scenario, _ = strconv.Unquote(quoted)
		if e.scenario == "" {
			return p.errorf(start, "empty scenario name")
		}
		p.pos += len(quoted)
		p.blanks()
		if !strings.HasPrefix(p.rest(), ":") {
			return p.errorf(p.pos, "want ':' after the scenario name")
		}
		p.pos++
		return nil
	}
	end := strings.IndexAny(p.rest(), ":<>=!")
	if end < 0 || p.rest()[end] != ':' {
		return nil
	}
	name := strings.TrimSpace(p.rest()[:end])
	if !plainName(name) {
		return p.errorf(p.pos, "scenario name %q: put it in double quotes", name)
	}
	e.scenario = name
	p.pos += end + 1
	return nil
}

// quantity reads the names of metrics, joined by +. What they mean is settled
// by value.
func (p *checkParser) quantity(*Expr) error {
	for {
		p.blanks()
		start := p.pos
		for p.pos < len(p.text) && nameByte(p.text[p.pos]) {
			p.pos++
		}
		if p.pos == start {
			return p.errorf(start, "want a metric, such as p99 or lost")
		}
		p.names, p.at = append(p.names, p.text[start:p.pos]), append(p.at, start)
		p.blanks()
		if !strings.HasPrefix(p.rest(), "+") {
			return nil
		}
		p.pos++
	}
}

func nameByte(c byte) bool {
	return c == '_' || c == '.' || c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func (p *checkParser) op(e *Expr) error {
	p.blanks()
	for _, o := range []op{"<=", ">=", "==", "!=", "<", ">"} {
		if strings.HasPrefix(p.rest(), string(o)) {
			e.op = o
			p.pos += len(o)
			return nil
		}
	}
	if strings.HasPrefix(p.rest(), "=") {
		return p.errorf(p.pos, "want == for equality")
	}
	return p.errorf(p.pos, "want one of < <= > >= == !=")
}

func (p *checkParser) value(e *Expr) error {
	p.blanks()
	start := p.pos
	p.pos += numberLen(p.rest())
	v, err := strconv.ParseFloat(p.text[start:p.pos], 64)
	if err != nil {
		return p.errorf(start, "want a number, got %q", p.text[start:])
	}
	e.value = v
	p.blanks()
	at, name := p.pos, strings.TrimSpace(p.rest())
	for i, n := range p.names {
		q, reason := quantityOf(n, name == "%")
		if reason != "" {
			return p.errorf(p.at[i], "%s", reason)
		}
		if i == 0 {
			e.quantity = q
		} else if e.quantity, reason = sum(e.quantity, q); reason != "" {
			return p.errorf(p.at[i], "%s", reason)
		}
	}
	if e.scenario != "" && e.quantity.ofServer() {
		return p.errorf(p.at[0], "%s is the server's, not of one scenario: leave %q out", e.quantity.name(), e.scenario+":")
	}
	d := e.quantity.dimension()
	u, ok := unitOf(d, name)
	switch {
	case ok:
		e.unit = u
	case name == "" && v == 0:
		e.unit = units[d][0]
	case name == "":
		return p.errorf(at, "%s needs a unit: %s", e.quantity.name(), unitNames(d))
	default:
		return p.errorf(at, "unknown unit %q for %s: use %s", name, e.quantity.name(), unitNames(d))
	}
	return nil
}

// numberLen is the length of the unsigned decimal number that s begins with.
func numberLen(s string) int {
	digits := func(i int) int {
		for i < len(s) && '0' <= s[i] && s[i] <= '9' {
			i++
		}
		return i
	}
	n := digits(0)
	if n < len(s) && s[n] == '.' {
		n = digits(n + 1)
	}
	if n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		exp := n + 1
		if exp < len(s) && (s[exp] == '+' || s[exp] == '-') {
			exp++
		}
		if end := digits(exp); end > exp {
			n = end
		}
	}
	return n
}
