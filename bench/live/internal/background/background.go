// Package background keeps bubbletea from talking to the terminal before there
// is a display. As it is initialised it asks the terminal on stdout for its
// background colour, in every program it is linked into and whatever that
// program does, and waits up to five seconds for the answer. It does not ask
// when the answer is set already.
//
// Packages are initialised in the order of their paths once what they import
// is (Go specification, "Program initialization"), and "carillon/…" sorts
// before bubbletea.
package background

import "github.com/charmbracelet/lipgloss"

func init() { lipgloss.SetHasDarkBackground(true) }
