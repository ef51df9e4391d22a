package scaling

// Basis is what a figure stands on.
type Basis uint8

const (
	// Measured on the machine that docs/scaling.md names.
	Measured Basis = iota
	// Derived from measured figures, or from the layout of a format.
	Derived
	// Assumed: nobody has measured it here.
	Assumed
)

func (b Basis) String() string {
	switch b {
	case Measured:
		return "measured"
	case Derived:
		return "derived"
	default:
		return "assumed"
	}
}

// Figure is one number that the model starts from, and where it is from.
type Figure struct {
	What   string
	Value  float64
	Unit   Unit
	Basis  Basis
	Source string
}

// Unit is what a figure counts.
type Unit uint8

// The units.
const (
	Microseconds Unit = iota // of CPU time, of latency where the figure says so
	Bytes
	Pieces
)

func (u Unit) String() string {
	switch u {
	case Microseconds:
		return "µs"
	case Bytes:
		return "B"
	default:
		return ""
	}
}

// seconds is the figure as seconds, of one that is a time.
func (f Figure) seconds() float64 { return f.Value / 1e6 }
