package live

import (
	"fmt"
	"strings"
)

// Mode is the form in which a run is shown.
type Mode int

// The modes.
const (
	// Auto is Screen when Out is a terminal that can move its cursor and this is
	// its foreground job, Lines otherwise.
	Auto Mode = iota
	// Screen is one screen of a terminal, redrawn in place.
	Screen
	// Lines is a line of text now and then, in the form key=value.
	Lines
	// Quiet is nothing at all.
	Quiet
	// JSONLines is each Progress as one line of JSON.
	JSONLines
)

var modeNames = [...]string{"auto", "screen", "lines", "quiet", "json"}

// String returns the name that ParseMode takes.
func (m Mode) String() string { return nameOf(modeNames[:], int(m)) }

// ParseMode returns the mode of a name: auto, screen, lines, quiet or json.
func ParseMode(name string) (Mode, error) {
	i, err := parseName("display", modeNames[:], name)
	return Mode(i), err
}

// Color says whether a screen has colours.
type Color int

// The choices of colour.
const (
	// ColorAuto is what the terminal can do, and none when NO_COLOR is set.
	ColorAuto Color = iota
	// ColorAlways is sixteen colours at least.
	ColorAlways
	// ColorNever is none.
	ColorNever
)

var colorNames = [...]string{"auto", "always", "never"}

// String returns the name that ParseColor takes.
func (c Color) String() string { return nameOf(colorNames[:], int(c)) }

// ParseColor returns the choice of a name: auto, always or never.
func ParseColor(name string) (Color, error) {
	i, err := parseName("color", colorNames[:], name)
	return Color(i), err
}

func nameOf(names []string, i int) string {
	if i < 0 || i >= len(names) {
		return fmt.Sprintf("unknown (%d)", i)
	}
	return names[i]
}

func parseName(what string, names []string, name string) (int, error) {
	for i, n := range names {
		if n == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%s %q: want one of %s", what, name, strings.Join(names, ", "))
}
