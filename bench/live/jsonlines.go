package live

import (
	"encoding/json"
	"io"

	"carillon/bench/report"
)

// jsonWriter writes each state as one line of JSON.
func jsonWriter(out io.Writer) func(report.Progress) error {
	enc := json.NewEncoder(out) // ends every value with a newline
	return func(p report.Progress) error { return enc.Encode(p) }
}
