package plan

import (
	"maps"
	"slices"
)

// Templates are the compiled templates of a scenario. Those that its kind does
// not use are nil.
type Templates struct {
	URL     *Template // values are percent-encoded
	Headers []Header
	User    *Template

	Message *Template
	Expect  *Template // Message itself when the reply or delivery is the message as it is; nil with ExpectAny
	// ExpectAny: any message is the reply, or any that has the mark in it.
	ExpectAny bool

	PublishURL     *Template // values are percent-encoded
	PublishHeaders []Header
	Body           *Template
}

// Header is a header whose value is a template.
type Header struct {
	Name  string
	Value *Template
}

// Templates compiles the templates of a complete scenario. An error is one of
// those that [Plan.Complete] reports.
func (s *Scenario) Templates() (*Templates, error) {
	var t Templates
	var err error
	compile := func(at **Template, with func(string, ...Field) (*Template, error), text string, fields []Field) {
		if err == nil {
			*at, err = with(text, fields...)
		}
	}
	headers := func(from map[string]string, fields []Field) []Header {
		var all []Header
		for _, name := range slices.Sorted(maps.Keys(from)) { // the same in every process
			h := Header{Name: name}
			compile(&h.Value, Compile, from[name], fields)
			all = append(all, h)
		}
		return all
	}
	compile(&t.URL, CompileURL, s.URL, handshakeFields)
	t.Headers = headers(s.Headers, handshakeFields)
	compile(&t.User, Compile, s.User, []Field{FieldID})
	if slices.Contains(messaging, s.Kind) {
		compile(&t.Message, Compile, s.Message, s.Kind.messageFields())
		switch s.Expect {
		case "":
			t.Expect = t.Message
		case AnyMessage:
			t.ExpectAny = true
		default:
			compile(&t.Expect, Compile, s.Expect, s.Kind.messageFields())
		}
	}
	if s.Kind.Publishes() && s.Publish != nil {
		compile(&t.PublishURL, CompileURL, s.Publish.URL, s.publishFields())
		t.PublishHeaders = headers(s.Publish.Headers, s.publishFields())
		compile(&t.Body, Compile, s.Publish.Body, s.bodyFields())
	}
	if err != nil {
		return nil, err
	}
	return &t, nil
}
