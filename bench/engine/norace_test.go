//go:build !race

package engine

// atOnce is how many tests run at once: they wait far more than they compute.
const atOnce = "16"
