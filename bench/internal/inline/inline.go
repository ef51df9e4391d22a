// Package inline puts styles and scripts into a page that needs no other file,
// with what a Content-Security-Policy needs to allow these and nothing else.
package inline

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"io/fs"
	"strings"
)

// File is the text of an embedded file, which has to be there.
func File(files fs.FS, name string) string {
	b, err := fs.ReadFile(files, name)
	if err != nil {
		panic(fmt.Sprintf("BUG: embedded file: %v", err))
	}
	return string(b)
}

// Elements makes an element of each text, in their order, and the list of
// sources that a policy has to allow for them. Texts stand as they are: they
// must not have the end tag of the element in them.
func Elements(element string, texts ...string) (template.HTML, string) {
	var out strings.Builder
	var sources []string
	for _, text := range texts {
		sum := sha256.Sum256([]byte(text))
		sources = append(sources, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
		fmt.Fprintf(&out, "<%s>%s</%s>\n", element, text, element)
	}
	return template.HTML(out.String()), strings.Join(sources, " ")
}
