// Package report holds what a load run comes to: the [Report], its versioned
// JSON form, and its renderings as text, as one self-contained HTML page and
// as JUnit for CI; the thresholds that decide whether a run passed; and the
// comparison of two reports.
package report
