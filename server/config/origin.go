package config

import (
	"fmt"
	"strconv"
)

// Source is the kind of place a value comes from, in rising priority.
type Source int

const (
	// SourceDefault is the value that is built in.
	SourceDefault Source = iota
	// SourceFile is the YAML file.
	SourceFile
	// SourceEnv is the environment.
	SourceEnv
	// SourceFlag is the command line.
	SourceFlag
)

// String is the word for the source: default, file, env or flag.
func (s Source) String() string {
	switch s {
	case SourceDefault:
		return "default"
	case SourceFile:
		return "file"
	case SourceEnv:
		return "env"
	case SourceFlag:
		return "flag"
	}
	return "Source(" + strconv.Itoa(int(s)) + ")"
}

// Origin is where a value comes from.
type Origin struct {
	Source Source
	Name   string // of the environment variable or the flag
	File   string // for SourceFile
	Line   int    // for SourceFile; 0 when it is the file as a whole
}

// String names the place as a person looks for it: application.yml:3, env SERVER_PORT, flag --server.port, default.
func (o Origin) String() string {
	switch o.Source {
	case SourceFile:
		if o.Line == 0 {
			return o.File
		}
		return fmt.Sprintf("%s:%d", o.File, o.Line)
	case SourceEnv:
		return "env " + o.Name
	case SourceFlag:
		return "flag --" + o.Name
	}
	return o.Source.String()
}
