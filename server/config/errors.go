package config

import (
	"strconv"
	"strings"
)

// Error is one thing that is wrong with the configuration.
type Error struct {
	Origin  Origin // where the value was given, or else the one it does not go with
	Key     string // the setting; empty when the file as a whole is wrong
	Value   string // as given, masked when it is secret; empty when there is none
	Problem string // what is wrong with it
	Allowed string // what may stand there; empty when Problem says it
}

// Error is one line: place (unless it is the default), key, problem, value, what is allowed.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Origin.Source != SourceDefault {
		b.WriteString(e.Origin.String() + ": ")
	}
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.Problem)
	if e.Value != "" {
		b.WriteString(", got " + strconv.Quote(e.Value))
	}
	if e.Allowed != "" {
		b.WriteString("; allowed: " + e.Allowed)
	}
	return b.String()
}

// Errors is everything that is wrong with the configuration, in the order of the settings. It is never empty as an error.
type Errors []*Error

// Error is one line for each error.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives errors.As and errors.Is each single error.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}
