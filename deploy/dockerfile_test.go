package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestDockerfile checks what can be without a network: that the sources are there,
// the toolchain is new enough, and the image runs a static binary as nobody.
func TestDockerfile(t *testing.T) {
	text := read(t, "Dockerfile")
	for _, m := range regexp.MustCompile(`(?m)^COPY (.+)$`).FindAllStringSubmatch(text, -1) {
		words := strings.Fields(m[1])
		if strings.HasPrefix(words[0], "--from=") {
			continue
		}
		for _, source := range words[:len(words)-1] {
			if _, err := os.Stat(filepath.Join("..", source)); err != nil {
				t.Error(err)
			}
		}
	}
	image := regexp.MustCompile(`FROM golang:1\.(\d+)-`).FindStringSubmatch(text)
	wanted := regexp.MustCompile(`(?m)^go 1\.(\d+)`).FindStringSubmatch(read(t, "../go.mod"))
	if image == nil || wanted == nil {
		t.Fatal("no version of Go in the Dockerfile or in go.mod")
	}
	if have, want := atoi(t, image[1]), atoi(t, wanted[1]); have < want {
		t.Errorf("builds with Go 1.%d, go.mod wants 1.%d", have, want)
	}
	run := regexp.MustCompile(`(?m)^RUN (.*go build.*)$`).FindStringSubmatch(text)
	if run == nil || !strings.Contains(run[1], "CGO_ENABLED=0 ") {
		t.Errorf("builds with %q, which is not static", run)
	} else if _, err := os.Stat(filepath.Join("..", regexp.MustCompile(`\S+$`).FindString(run[1]), "main.go")); err != nil {
		t.Error(err)
	}
	_, last, _ := strings.Cut(text, "FROM scratch")
	user := regexp.MustCompile(`(?m)^USER (\d+)`).FindStringSubmatch(last)
	if user == nil || atoi(t, user[1]) == 0 {
		t.Errorf("runs as %v, want a number other than 0", user)
	}
	if !strings.Contains(last, `ENTRYPOINT ["/carillon"]`) {
		t.Error("the entry point is not the binary")
	}
	for _, line := range strings.Split(read(t, "Dockerfile.dockerignore"), "\n") {
		if needed := []string{"cmd", "server", "codec", "netpoll", "cluster", "bench", "go.mod", "go.sum", "docs"}; strings.HasPrefix(line, "!") {
			t.Errorf("%q brings something back", line)
		} else {
			for _, n := range needed {
				if strings.Trim(line, "/*") == n {
					t.Errorf("leaves out %s", n)
				}
			}
		}
	}
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
