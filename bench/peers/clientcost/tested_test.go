//go:build !k6

package main

// tested are the tools that TestAll measures.
const tested = "carillon,gorilla"
