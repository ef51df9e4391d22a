package config

import (
	"fmt"
	"io"
	"strings"
)

// WriteHelp writes every setting as a flag with its help, grouped by section and wrapped at 80 columns.
func WriteHelp(w io.Writer) error {
	var b strings.Builder
	b.WriteString(wrap("Every setting below is a flag, a key of the YAML file (server.port), and an environment variable (SERVER_PORT, or CARILLON_SERVER_PORT, which wins). Flags win over the environment, the environment over the file. Durations are written 500ms, 60s or 1m30s, and a plain number is milliseconds; sizes are written 64KiB or 1MiB, and a plain number is bytes; lists are separated by commas.", ""))
	fmt.Fprintf(&b, "\n  --%s file\n", FileFlag)
	b.WriteString(wrap("The YAML file; without it "+defaultFileNames()+" in the current directory, if there is one. Also: the variable "+configVar+".", helpIndent))
	for _, sec := range sections {
		b.WriteString("\n" + wrap(sec.key+" - "+sec.help, ""))
		for _, s := range sec.settings {
			b.WriteString("\n  --" + s.key + " " + s.kind())
			if s.preset != "" {
				b.WriteString(" (default " + s.preset + ")")
			}
			b.WriteString("\n" + wrap(s.description(), helpIndent))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const helpIndent = "        "
