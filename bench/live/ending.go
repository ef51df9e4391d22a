package live

// Ender is a display that can say that the run is about to end, when that was
// asked for elsewhere: a screen, a page, and Multi of such.
type Ender interface {
	// Ending has the display say so. Any goroutine.
	Ending()
}

var (
	_ Ender = (*screen)(nil)
	_ Ender = (*UI)(nil)
	_ Ender = multi(nil)
)

// Ending tells a display that the run is about to end, when it can say so.
func Ending(d Display) {
	if e, ok := d.(Ender); ok {
		e.Ending()
	}
}

func (m multi) Ending() {
	for _, d := range m {
		Ending(d)
	}
}
