package services

import (
	"strings"
	"testing"
)

func TestStartOfNothing(t *testing.T) {
	log := &logFile{path: t.TempDir() + "/log"}
	if _, err := spawn(command{path: "/no/such/program", log: log}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v", err)
	}
	if _, err := spawn(command{path: "/bin/true", log: &logFile{path: "/no/such/dir/log"}}); err == nil {
		t.Error("started without a log")
	}
}
