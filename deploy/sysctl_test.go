package deploy

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"carillon/server/config"
)

// TestSysctl checks the form of each setting, that it has a reason, and, where this
// machine has the key, that it takes as many numbers.
func TestSysctl(t *testing.T) {
	const file = "systemd/60-carillon.conf"
	form := regexp.MustCompile(`^-?((?:net|fs|vm)(?:\.\w+)+) = (\d+(?:[ -]\d+)*)$`)
	settings := map[string]string{}
	before := ""
	for line := range strings.Lines(read(t, file)) {
		line = strings.TrimSuffix(line, "\n")
		if line != "" && line[0] != '#' {
			m := form.FindStringSubmatch(line)
			switch {
			case m == nil:
				t.Errorf("%q is no setting", line)
			case settings[m[1]] != "":
				t.Errorf("%s is there twice", m[1])
			case !strings.HasPrefix(before, "#"):
				t.Errorf("%s has no reason above it", m[1])
			default:
				settings[m[1]] = m[2]
			}
		}
		before = line
	}
	if len(settings) < 5 {
		t.Fatalf("only %v", settings)
	}
	for key, value := range settings {
		// Containers do not have all of them.
		now, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(key, ".", "/"))
		if err != nil || key == "net.ipv4.ip_local_reserved_ports" {
			continue
		}
		if got, want := len(strings.Fields(value)), len(strings.Fields(string(now))); got != want {
			t.Errorf("%s = %s: %d numbers, the kernel has %d", key, value, got, want)
		}
	}
	first, last, _ := strings.Cut(settings["net.ipv4.ip_local_reserved_ports"], "-")
	if port := config.Default().Server.Port; port < atoi(t, first) || port > atoi(t, last) {
		t.Errorf("port %d is not reserved", port)
	}
}
