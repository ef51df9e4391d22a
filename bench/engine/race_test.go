//go:build race

package engine

// atOnce is how many tests run at once: under the race detector they compute more
// than they wait.
const atOnce = "4"
