package plan

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds a scenario file, which may have a message of MaxMessage in it.
const maxFile = 32 << 20

// Load reads a scenario file and completes its plan. Relative paths in it are
// relative to it. All that is wrong comes back as [Errors], with lines.
func Load(path string) (*Plan, error) {
	d, err := loadDraft(path)
	if err != nil {
		return nil, err
	}
	return d.finish(path)
}

// Parse is [Load] for a file that has been read; name is its path.
func Parse(name string, b []byte) (*Plan, error) { return parseDraft(name, b).finish(name) }

func loadDraft(path string) (*draft, error) {
	b, err := readBounded(path, maxFile)
	if err != nil {
		return nil, Errors{{File: path, Problem: err.Error()}}
	}
	return parseDraft(path, b), nil
}

// origin is what gave a key: a line of the file, or a flag.
type origin struct {
	line int
	flag string
	void bool // it counts as not given
}

// finish completes the plan of a file and says where in it the errors are.
func (d *draft) finish(file string) (*Plan, error) {
	if d.Name == "" {
		base := filepath.Base(file)
		preset(d, "name", &d.Name, strings.TrimSuffix(base, filepath.Ext(base)))
	}
	for i := range d.Scenarios {
		s := &d.Scenarios[i]
		if s.TokenFile != "" && !filepath.IsAbs(s.TokenFile) {
			s.TokenFile = filepath.Join(filepath.Dir(file), s.TokenFile)
		}
	}
	if !d.unreadable {
		d.completeRead()
	}
	for _, e := range d.errs {
		if e.Line == 0 && e.Flag == "" {
			from := d.origin(e.Key)
			e.Line, e.Flag = from.line, from.flag
		}
		if e.Flag == "" {
			e.File = file
		}
	}
	slices.SortStableFunc(d.errs, func(a, b *Error) int { return a.Line - b.Line })
	if err := d.errs.err(); err != nil {
		return nil, err
	}
	return d.Plan, nil
}

// completeRead completes what was read from a file or from flags. Of a value that could not be read no more is said.
func (d *draft) completeRead() {
	read := len(d.errs)
	d.complete()
	d.checkFiles()
	found := slices.DeleteFunc(slices.Clone(d.errs[read:]), func(e *Error) bool { return d.isBad(e.Key) })
	d.errs = append(d.errs[:read], found...)
}

// checkFiles reports token files that are not there. Their lines are checked when they are read.
func (d *draft) checkFiles() {
	for i, s := range d.Scenarios {
		if s.TokenFile == "" {
			continue
		}
		info, err := os.Stat(s.TokenFile)
		switch {
		case err != nil:
			d.errs.add(scenarioKey(i)+".token-file", "%s: %v", s.TokenFile, plainError(err))
		case info.IsDir():
			d.errs.add(scenarioKey(i)+".token-file", "%s is a directory", s.TokenFile)
		}
	}
}

// isBad tells whether a key, or one that it is part of, could not be read.
func (d *draft) isBad(key string) bool {
	for ; key != ""; key = key[:max(strings.LastIndexAny(key, ".["), 0)] {
		if d.bad[key] {
			return true
		}
	}
	return false
}

// origin is where a key was given, or else the nearest that it is part of.
func (d *draft) origin(key string) origin {
	for key != "" {
		if from, ok := d.given[key]; ok {
			return from
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return origin{}
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// parseDraft reads a file into a plan without completing it.
func parseDraft(name string, b []byte) *draft {
	r := reader{draft: &draft{Plan: &Plan{}, given: map[string]origin{}, bad: map[string]bool{}}, inherited: map[*yaml.Node]bool{}, lookup: os.LookupEnv}
	dec := yaml.NewDecoder(strings.NewReader(string(b)))
	var root, more yaml.Node
	err := dec.Decode(&root)
	switch {
	case errors.Is(err, io.EOF):
		r.errs.add("", "the file is empty")
	case err != nil:
		r.notYAML(err)
	default:
		if err = dec.Decode(&more); err == nil {
			r.fail(more.Line, "", "a second document begins here; a file has one")
		} else if !errors.Is(err, io.EOF) {
			r.notYAML(err)
		}
	}
	if len(r.errs) > 0 {
		r.unreadable = true
		return r.draft
	}
	r.plan(root.Content[0])
	return r.draft
}

func (r *reader) notYAML(err error) {
	line := 0
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ = strconv.Atoi(m[1]) // no line stays 0
	}
	r.fail(line, "", "not YAML: "+yamlLine.ReplaceAllString(err.Error(), ""))
}
