package services

import (
	"fmt"
	"os/exec"
	"path/filepath"
)

// installHint ends errors about missing programs.
const installHint = "install the packages redis-server and rabbitmq-server"

// findRabbit looks for the script that runs a broker as the current user: not for
// the one in the PATH of Debian, which becomes the user rabbitmq.
func findRabbit() (rabbitHome, error) {
	var h rabbitHome
	scripts, _ := filepath.Glob("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server")
	if len(scripts) == 0 {
		path, err := exec.LookPath("rabbitmq-server")
		if err != nil {
			return h, fmt.Errorf("%w; %s", err, installHint)
		}
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return h, err
		}
		scripts = []string{path}
	}
	h.script = scripts[len(scripts)-1]
	plugins := filepath.Join(filepath.Dir(h.script), "..", "plugins")
	if found, _ := filepath.Glob(filepath.Join(plugins, "rabbit-*")); len(found) > 0 {
		h.plugins = filepath.Clean(plugins)
	}
	var err error
	if h.epmd, err = exec.LookPath("epmd"); err != nil {
		return h, fmt.Errorf("%w; %s", err, installHint)
	}
	return h, nil
}
