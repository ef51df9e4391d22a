package watch

import "fmt"

// Level is how much a finding matters.
type Level uint8

// The levels.
const (
	Note    Level = iota // what a reader of the figures may want to know
	Warning              // it can distort the figures or fail late
	Blocks               // the run can not work as asked
)

// String returns the level's name.
func (l Level) String() string {
	if int(l) < len(levels) {
		return levels[l]
	}
	return "level?"
}

var levels = [...]string{"note", "warning", "blocks"}

// MarshalText writes the level's name.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (l *Level) UnmarshalText(b []byte) error {
	for i, name := range levels {
		if name == string(b) {
			*l = Level(i)
			return nil
		}
	}
	return fmt.Errorf("unknown level %q", b)
}

// Finding is one thing that caps a run or can distort it.
type Finding struct {
	What  string `json:"what"` // "descriptors", "file table", "ports", "memory", …
	Level Level  `json:"level"`
	Have  int64  `json:"have"` // in the unit that Text names
	Want  int64  `json:"want"`
	Most  int64  `json:"most,omitempty"` // level blocks: the most connections that would work
	Text  string `json:"text"`           // one sentence, with the arithmetic
	Fix   string `json:"fix,omitempty"`  // what to do about it
}
