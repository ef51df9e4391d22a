package report

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"testing"
	"time"

	"carillon/bench/stats"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestJSONSchema makes the schema from the types and their comments, so that it
// cannot fall behind them.
func TestJSONSchema(t *testing.T) {
	g := &schemaMaker{docs: map[string]string{}, defs: map[string]any{}}
	g.readDocs(t, "report.go")
	for _, file := range []string{"counts.go", "sample.go", "hist.go"} {
		g.readDocs(t, "../stats/"+file)
	}
	root := g.object(reflect.TypeFor[Report]())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Report of carillon bench"
	root["$defs"] = g.defs
	root["properties"].(map[string]any)["schema"] = map[string]any{"const": Schema}
	root["properties"].(map[string]any)["verdict"].(map[string]any)["enum"] = []Verdict{Passed, Interrupted, Failed, NoResult, Errored}
	b, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	compareFile(t, "schema.json", append(b, '\n'))
}

// schemaMaker turns types into JSON Schema.
type schemaMaker struct {
	docs map[string]string // "Type" and "Type.Field"
	defs map[string]any
}

func (g *schemaMaker) readDocs(t *testing.T, path string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		d, ok := n.(*ast.GenDecl)
		if !ok || d.Tok != token.TYPE {
			return true
		}
		for _, spec := range d.Specs {
			typ := spec.(*ast.TypeSpec)
			g.docs[typ.Name.Name] = docText(d.Doc)
			s, ok := typ.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, f := range s.Fields.List {
				for _, name := range f.Names {
					g.docs[typ.Name.Name+"."+name.Name] = strings.TrimSpace(docText(f.Doc) + " " + docText(f.Comment))
				}
			}
		}
		return true
	})
}

func docText(c *ast.CommentGroup) string {
	return strings.NewReplacer("[", "", "]", "").Replace(strings.Join(strings.Fields(c.Text()), " "))
}

func (g *schemaMaker) object(t reflect.Type) map[string]any {
	properties := map[string]any{}
	var required []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			continue
		}
		p := g.of(f.Type)
		if doc := g.docs[t.Name()+"."+f.Name]; doc != "" {
			p["description"] = doc
		}
		properties[name] = p
		if options != "omitempty" {
			required = append(required, name)
		}
	}
	o := map[string]any{"type": "object", "properties": properties, "required": required}
	if doc := g.docs[t.Name()]; doc != "" {
		o["description"] = doc
	}
	return o
}

func (g *schemaMaker) of(t reflect.Type) map[string]any {
	switch t {
	case reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case reflect.TypeFor[json.RawMessage]():
		return map[string]any{}
	case reflect.TypeFor[*stats.Hist]():
		return map[string]any{
			"type": []string{"object", "null"},
			"properties": map[string]any{
				"hdr":    map[string]any{"type": "string", "description": "HdrHistogram V2 compressed, base64; values in nanoseconds"},
				"min_ns": map[string]any{"type": "integer"}, "max_ns": map[string]any{"type": "integer"}, "sum_ns": map[string]any{"type": "number"},
			},
			"required": []string{"hdr", "min_ns", "max_ns", "sum_ns"},
		}
	}
	switch t.Kind() {
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	case reflect.Pointer:
		return g.of(t.Elem())
	case reflect.Slice: // a nil one is null
		return map[string]any{"type": []string{"array", "null"}, "items": g.of(t.Elem())}
	case reflect.Map:
		m := map[string]any{"type": []string{"object", "null"}, "additionalProperties": g.of(t.Elem())}
		if t.Key() == reflect.TypeFor[stats.Metric]() {
			var names []string
			for _, metric := range stats.Metrics() {
				names = append(names, metric.String())
			}
			m["propertyNames"] = map[string]any{"enum": names}
		}
		return m
	case reflect.Struct:
		if _, ok := g.defs[t.Name()]; !ok {
			g.defs[t.Name()] = nil // ends the recursion of Environment
			g.defs[t.Name()] = g.object(t)
		}
		return map[string]any{"$ref": "#/$defs/" + t.Name()}
	}
	panic("BUG: no schema for " + t.String())
}

// validate checks a written report against the schema.
func validate(t *testing.T, written []byte) error {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(JSONSchema()))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.AddResource("report.json", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("report.json")
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(written))
	if err != nil {
		t.Fatal(err)
	}
	return compiled.Validate(instance)
}

func TestSchemaHolds(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*Report{
		"full":  sample(1, 1),
		"small": small(),
		"empty": {Schema: Schema, Verdict: Errored},
	} {
		var b bytes.Buffer
		if err := Write(&b, r); err != nil {
			t.Fatal(err)
		}
		if err := validate(t, b.Bytes()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var b bytes.Buffer
	if err := Write(&b, sample(1, 1)); err != nil {
		t.Fatal(err)
	}
	for old, changed := range map[string]string{
		`"verdict": "failed"`: `"verdict": "fine"`,
		`"schema": "`:         `"schema": "x`,
		`"kind": "echo"`:      `"kind": 7`,
		`"late": {`:           `"later": {`,
		`"upgrade": {`:        `"upgraded": {`,
	} {
		bad := strings.Replace(b.String(), old, changed, 1)
		if bad == b.String() {
			t.Fatalf("the report has no %s", old)
		}
		if err := validate(t, []byte(bad)); err == nil {
			t.Errorf("%s in the place of %s passes", changed, old)
		}
	}
}
