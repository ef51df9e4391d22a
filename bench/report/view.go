package report

import "fmt"

// What the text and the page show is built once, as sections of facts and
// tables; the renderings only lay it out.

// mood is how a reader should take a figure.
type mood uint8

const (
	neutral mood = iota
	faint
	good
	warning
	bad
)

// String is the name of the mood's class on the page.
func (m mood) String() string { return [...]string{"", "soft", "good", "warn", "bad"}[m] }

// section is a part of a report.
type section struct {
	ID     string // for links and charts
	Title  string
	Facts  []fact
	Tables []table
	Notes  []note
}

// fact is a figure with its name.
type fact struct {
	Name, Value string
	Mood        mood
	Brief       bool // one line has to do where room is short; the page shows all of it
}

// note is a sentence.
type note struct {
	Text string
	Mood mood
}

// table is a table of figures. The first cell of a row is its heading.
type table struct {
	Title   string
	Columns []column
	Rows    []row
	Note    string
}

type column struct {
	Name  string
	Words bool // aligned left, and cut where there is no room
	Extra int  // left out where there is no room, the highest first; 0: never
}

type row struct {
	Cells []string
	Mood  mood
}

// figureColumns are right-aligned columns.
func figureColumns(names ...string) []column {
	var all []column
	for _, name := range names {
		all = append(all, column{Name: name})
	}
	return all
}

// fact adds a figure, unless there is none.
func (s *section) fact(name, value string) {
	if value != "" && value != none {
		s.Facts = append(s.Facts, fact{Name: name, Value: value})
	}
}

func (s *section) add(t table) {
	if len(t.Rows) > 0 {
		s.Tables = append(s.Tables, t)
	}
}

// sections are what there is to show, in order.
func (r *Report) sections() []section {
	var all []section
	for i := range r.Scenarios {
		all = append(all, scenarioSection(&r.Scenarios[i], i))
	}
	if r.Search != nil {
		all = append(all, searchSection(r.Search))
	}
	for i := range r.Servers {
		all = append(all, serverSection(&r.Servers[i], i))
	}
	if r.Client.Workers > 0 { // else nothing was started
		all = append(all, clientSection(&r.Client))
	}
	if e := environmentSection(&r.Environment); len(e.Facts) > 0 {
		all = append(all, e)
	}
	if len(r.Checks) > 0 {
		all = append(all, checkSection(r.Checks))
	}
	return all
}

// title says the verdict to people.
func (v Verdict) title() string {
	switch v {
	case Passed:
		return "PASSED"
	case Interrupted:
		return "INTERRUPTED"
	case Failed:
		return "FAILED"
	case NoResult:
		return "NO RESULT"
	case Errored:
		return "ERROR"
	default:
		return "NO VERDICT"
	}
}

func (v Verdict) mood() mood {
	switch v {
	case Passed:
		return good
	case Interrupted, NoResult:
		return warning
	default:
		return bad
	}
}

// when says when the run was and which it was.
func (r *Report) when() string {
	s := fmt.Sprintf("%s, seed %d", inSeconds(r.Seconds), r.Seed)
	if !r.Started.IsZero() {
		s = r.Started.UTC().Format("2006-01-02 15:04:05 UTC") + ", " + s
	}
	if r.ID != "" {
		s += ", run " + r.ID
	}
	return s
}
