package config

import (
	"io"
	"strings"
)

// WriteYAML writes a file with every setting, its help and its default. The settings of Redis and RabbitMQ stand in
// comments, because giving them means to want them.
func WriteYAML(w io.Writer) error {
	var b strings.Builder
	b.WriteString(wrap("Settings of carillon, all at their defaults. Each can be given as an environment variable (SERVER_PORT) and as a flag (--server.port=18001) as well; flags win over the environment, and the environment over this file.", "# "))
	var open []string
	for _, sec := range sections {
		lead := ""
		if strings.HasPrefix(sec.key, "spring.") {
			lead = "# "
		}
		b.WriteString("\n" + wrap(sec.help, lead+"# "))
		for _, s := range sec.settings {
			path := strings.Split(s.key, ".")
			name := path[len(path)-1]
			open = openMaps(&b, lead, open, path[:len(path)-1])
			indent := strings.Repeat("  ", len(open))
			b.WriteString(wrap(s.description(), lead+indent+"# "))
			b.WriteString(lead + indent + name + ": " + s.yamlDefault() + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// openMaps writes the lines that lead from the maps that are open to those of path.
func openMaps(b *strings.Builder, lead string, open, path []string) []string {
	same := 0
	for same < len(open) && same < len(path) && open[same] == path[same] {
		same++
	}
	for i := same; i < len(path); i++ {
		b.WriteString(lead + strings.Repeat("  ", i) + path[i] + ":\n")
	}
	return path
}
