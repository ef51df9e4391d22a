package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bounds of the file, far beyond any real one: aliases can make a small file unfold without end.
const (
	maxFileBytes = 8 << 20
	maxNodes     = 1_000_000
	maxDepth     = 64
)

// document is one YAML document of a file: its values in order, and the profiles it is for.
type document struct {
	entries  []entry
	profiles string // of spring.config.activate.on-profile; empty means always
	at       Origin
}

// entry is one value of a document.
type entry struct {
	path     string   // as spelled
	setting  *setting // nil when the key is not one of ours
	mapEntry string   // the name within a setting that is a map and was given entry by entry
	raw      any      // string, []string, map[string]string; nil when nothing stands there
	problem  error    // what is wrong with the value's shape
	merged   bool     // taken over by a <<
	at       Origin
}

// readDocuments reads the documents of a file.
func readDocuments(name string) ([]document, Errors) {
	text, err := readFile(name)
	if err != nil {
		return nil, Errors{{Origin: Origin{Source: SourceFile, File: name}, Problem: err.Error()}}
	}
	return parseDocuments(name, text)
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, reason(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	switch {
	case err != nil:
		return nil, reason(err)
	case len(text) > maxFileBytes:
		return nil, fmt.Errorf("the file is longer than %v", Size(maxFileBytes))
	}
	return text, nil
}

// reason is err without the path, which stands in front of the message already.
func reason(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err
	}
	return err
}

// profileFile is the file beside name for a profile (application-prod.yml), which Spring reads too, or "" when there is
// none.
func profileFile(name, profile string) string {
	if profile == "" || strings.ContainsRune(profile, filepath.Separator) {
		return ""
	}
	ext := filepath.Ext(name)
	beside := strings.TrimSuffix(name, ext) + "-" + profile + ext
	if _, err := os.Stat(beside); err != nil {
		return ""
	}
	return beside
}

var yamlErrorLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// quotesAlias tells the one error by which the library quotes from the file: maybe a password that begins with *.
func quotesAlias(err error) bool { return strings.HasPrefix(err.Error(), "yaml: unknown anchor ") }

// parseDocuments splits text into its documents. Those that could be read are there beside the errors.
func parseDocuments(file string, text []byte) ([]document, Errors) {
	var docs []document
	var errs Errors
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	for {
		var root yaml.Node
		err := dec.Decode(&root)
		if errors.Is(err, io.EOF) {
			return docs, errs
		}
		r := reader{file: file}
		if err != nil {
			line, problem := yamlProblem(text, err)
			r.fail(line, "", "not YAML: "+problem)
			return docs, append(errs, r.errs...)
		}
		r.document(&root)
		docs, errs = append(docs, r.doc), append(errs, r.errs...)
	}
}

// yamlProblem is what the library says about text, without anything that stands there, and the line it means, or 0.
func yamlProblem(text []byte, err error) (line int, problem string) {
	if quotesAlias(err) {
		return aliasLine(text), "an alias (*name) has no anchor; a text that begins with * needs quotes"
	}
	if m := yamlErrorLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ = strconv.Atoi(m[1])
	}
	return line, yamlErrorLine.ReplaceAllString(err.Error(), "")
}

// aliasLine is the line of the alias that has no anchor, which the library does not tell: the first line that text can end
// with and still have this error.
func aliasLine(text []byte) int {
	lines := bytes.SplitAfter(text, []byte("\n"))
	return 1 + sort.Search(len(lines)-1, func(i int) bool {
		dec := yaml.NewDecoder(bytes.NewReader(bytes.Join(lines[:i+1], nil)))
		var err error
		for err == nil {
			err = dec.Decode(new(yaml.Node))
		}
		return quotesAlias(err)
	})
}

// reader turns the nodes of one document into entries.
type reader struct {
	file    string
	nodes   int
	merging int // how many << are around the node at hand
	doc     document
	errs    Errors
}

func (r *reader) at(line int) Origin { return Origin{Source: SourceFile, File: r.file, Line: line} }

func (r *reader) fail(line int, key, problem string) {
	r.errs = append(r.errs, &Error{Origin: r.at(line), Key: key, Problem: problem})
}

// failBelow notes an error in a section, which may be one that is not known.
func (r *reader) failBelow(line int, section, problem string) {
	shown, _ := UnknownKey(section)
	r.fail(line, shown, problem)
}

// document fills r.doc from a document node.
func (r *reader) document(root *yaml.Node) {
	r.doc.at = r.at(root.Line)
	for _, n := range root.Content {
		if n = r.follow(n, 0); n == nil {
			break
		}
		switch {
		case n.Kind == yaml.MappingNode:
			r.mapping(n, "", 0)
		case !isNull(n):
			r.fail(n.Line, "", "the document is not a map of keys to values")
		}
	}
	r.dropDuplicates()
}

// follow is the node that n stands for, or nil, with an error noted, when the document is beyond its bounds.
func (r *reader) follow(n *yaml.Node, depth int) *yaml.Node {
	if r.nodes++; r.nodes > maxNodes || depth > maxDepth {
		if r.errs == nil {
			r.fail(n.Line, "", "the document is too large or too deep")
		}
		return nil
	}
	if n.Kind == yaml.AliasNode {
		return r.follow(n.Alias, depth+1)
	}
	return n
}

func (r *reader) mapping(n *yaml.Node, prefix string, depth int) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := r.follow(n.Content[i], depth+1), r.follow(n.Content[i+1], depth+1)
		switch {
		case name == nil || value == nil:
			return
		case name.Kind != yaml.ScalarNode:
			r.failBelow(name.Line, prefix, "a key is not text")
		case name.Tag == "!!merge":
			r.merge(value, prefix, depth+1)
		default:
			path := name.Value
			if prefix != "" {
				path = prefix + "." + path
			}
			r.value(path, name.Line, value, depth+1)
		}
	}
}

// merge takes over the keys of the maps that a << refers to; keys of the map itself win.
func (r *reader) merge(n *yaml.Node, prefix string, depth int) {
	sources := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		sources = n.Content
	}
	r.merging++
	defer func() { r.merging-- }()
	for _, s := range sources {
		if s = r.follow(s, depth+1); s == nil {
			return
		}
		if s.Kind != yaml.MappingNode {
			r.failBelow(s.Line, prefix, "<< wants a map")
			return
		}
		r.mapping(s, prefix, depth+1)
	}
}

func (r *reader) value(path string, line int, n *yaml.Node, depth int) {
	e := entry{path: path, setting: lookup(path), merged: r.merging > 0, at: r.at(line)}
	if e.setting == nil {
		e.setting, e.mapEntry = lookupMapEntry(path)
	}
	switch {
	case e.setting == nil && n.Kind == yaml.MappingNode:
		r.mapping(n, path, depth)
		return
	case isNull(n):
		if e.setting == nil {
			return // a section, or a key of somebody else, with nothing in it
		}
	case n.Kind == yaml.ScalarNode:
		e.raw = n.Value
	case n.Kind == yaml.SequenceNode:
		e.raw, e.problem = r.list(n, depth)
	case e.setting.typ == typeMap && e.mapEntry == "":
		e.raw, e.problem = r.texts(n, depth)
	case e.setting.typ == typeList:
		e.problem = errList
	default:
		e.problem = errOneValue
	}
	r.doc.entries = append(r.doc.entries, e)
	if e.setting == nil && e.raw != nil && isProfileKey(path) {
		r.doc.profiles = onProfile(e.raw)
	}
}

func (r *reader) list(n *yaml.Node, depth int) ([]string, error) {
	list := make([]string, 0, len(n.Content))
	for _, item := range n.Content {
		item = r.follow(item, depth+1)
		if item == nil || item.Kind != yaml.ScalarNode {
			return nil, errListItem
		}
		list = append(list, item.Value)
	}
	return list, nil
}

func (r *reader) texts(n *yaml.Node, depth int) (map[string]string, error) {
	m := make(map[string]string, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := r.follow(n.Content[i], depth+1), r.follow(n.Content[i+1], depth+1)
		if k == nil || v == nil || k.Kind != yaml.ScalarNode || v.Kind != yaml.ScalarNode {
			return nil, errMapItem
		}
		if _, twice := m[k.Value]; twice {
			return nil, errMapTwice
		}
		m[k.Value] = v.Value
	}
	return m, nil
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// dropDuplicates leaves one entry for each setting: an own key wins over one that << took over, the canonical key over an
// alias. The same key twice is an error.
func (r *reader) dropDuplicates() {
	type id struct{ key, mapEntry string }
	kept, where := r.doc.entries[:0], map[id]int{}
	for _, e := range r.doc.entries {
		if e.setting == nil {
			kept = append(kept, e)
			continue
		}
		i, twice := where[id{e.setting.key, e.mapEntry}]
		if !twice {
			where[id{e.setting.key, e.mapEntry}] = len(kept)
			kept = append(kept, e)
			continue
		}
		old := kept[i]
		switch {
		case old.merged != e.merged:
			if old.merged {
				kept[i] = e
			}
		case old.merged:
		case uniform(old.path) == uniform(e.path):
			r.fail(e.at.Line, e.setting.key, fmt.Sprintf("the key stands here for the second time, after line %d", old.at.Line))
		case uniform(e.path) == uniform(e.setting.key):
			kept[i] = e
		}
	}
	r.doc.entries = kept
}
