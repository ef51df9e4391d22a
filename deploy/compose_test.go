package deploy

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"carillon/server/config"
)

// compose is what the tests read of a compose file.
type compose struct {
	Services map[string]service `yaml:"services"`
	Volumes  map[string]any     `yaml:"volumes"`
}

type service struct {
	Image       string            `yaml:"image"`
	Build       *build            `yaml:"build"`
	Environment map[string]string `yaml:"environment"`
	Volumes     []string          `yaml:"volumes"`
	Ports       []string          `yaml:"ports"`
	StopGrace   string            `yaml:"stop_grace_period"`
}

type build struct {
	Context    string `yaml:"context"`
	Dockerfile string `yaml:"dockerfile"`
}

// readCompose reads the file with the variables of the environment at their
// defaults.
func readCompose(t *testing.T) (c compose) {
	t.Helper()
	text := regexp.MustCompile(`\$\{\w+:-([^}]*)\}`).ReplaceAllString(read(t, "compose.yaml"), "$1")
	if strings.Contains(text, "${") {
		t.Error("a variable without a default")
	}
	if err := yaml.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Services) == 0 {
		t.Fatal("no services")
	}
	return c
}

func (c compose) gateways() (names []string) {
	for name, s := range c.Services {
		if s.Build != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// TestComposeSettings has the gateway read the environment that it is given.
func TestComposeSettings(t *testing.T) {
	c := readCompose(t)
	gateways := c.gateways()
	if len(gateways) != 2 {
		t.Fatalf("gateways are %v, want two", gateways)
	}
	ids := map[string]bool{}
	for _, name := range gateways {
		var environ []string
		for key, value := range c.Services[name].Environment {
			environ = append(environ, key+"="+value)
		}
		l := load(t, name, environ, "")
		ids[l.Config.Server.NodeID] = true
		for what, host := range map[string]string{"Redis": l.Config.Redis.Host, "RabbitMQ": l.Config.RabbitMQ.Host} {
			if _, ok := c.Services[host]; !ok {
				t.Errorf("%s: %s is at %q, which is no service", name, what, host)
			}
		}
		broker := c.Services[l.Config.RabbitMQ.Host].Environment
		if broker["RABBITMQ_DEFAULT_USER"] != l.Config.RabbitMQ.Username || broker["RABBITMQ_DEFAULT_PASS"] != l.Config.RabbitMQ.Password {
			t.Errorf("%s: the broker has another user or password", name)
		}
		if len(l.Config.Admin.Tokens) == 0 {
			t.Errorf("%s: no admin.tokens: HAProxy is not on its host, so no push would get through", name)
		}
		if grace, err := config.ParseDuration(c.Services[name].StopGrace); err != nil || grace <= l.Config.Server.ShutdownTimeout {
			t.Errorf("%s: stop_grace_period is %v, %v, want above %v", name, grace, err, l.Config.Server.ShutdownTimeout)
		}
	}
	if len(ids) != len(gateways) || ids[""] {
		t.Errorf("node ids are %v", ids)
	}
}

func TestComposeFiles(t *testing.T) {
	c := readCompose(t)
	for name, s := range c.Services {
		if s.Image == "" {
			t.Errorf("%s has no image", name)
		}
		if s.Build != nil {
			for _, path := range []string{s.Build.Context, filepath.Join(s.Build.Context, s.Build.Dockerfile), filepath.Join(s.Build.Context, "go.mod")} {
				if _, err := os.Stat(path); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		for _, v := range s.Volumes {
			source, _, _ := strings.Cut(v, ":")
			if strings.HasPrefix(source, ".") {
				if info, err := os.Stat(source); err != nil || !info.Mode().IsRegular() {
					t.Errorf("%s: volume %s: %v", name, v, err)
				}
			} else if _, ok := c.Volumes[source]; !ok {
				t.Errorf("%s: volume %s is not declared", name, v)
			}
		}
	}
}

// TestComposeAndHAProxy checks that the two files speak of the same hosts and ports.
func TestComposeAndHAProxy(t *testing.T) {
	c := readCompose(t)
	cfg := read(t, "haproxy.cfg")
	port := strconv.Itoa(config.Default().Server.Port)
	for _, name := range c.gateways() {
		if want := "server " + name + " " + net.JoinHostPort(name, port); strings.Count(cfg, want) != 2 {
			t.Errorf("haproxy.cfg has not twice %q", want)
		}
	}
	if n := len(regexp.MustCompile(`(?m)^\s+server `).FindAllString(cfg, -1)); n != 2*len(c.gateways()) {
		t.Errorf("haproxy.cfg has %d servers for %d gateways", n, len(c.gateways()))
	}
	var binds, ports []string
	for _, m := range regexp.MustCompile(`(?m)^\s+bind :(\d+)`).FindAllStringSubmatch(cfg, -1) {
		binds = append(binds, m[1])
	}
	for _, p := range c.Services["haproxy"].Ports {
		ports = append(ports, p[strings.LastIndexByte(p, ':')+1:])
	}
	if len(binds) == 0 || !slices.Equal(binds, ports) {
		t.Errorf("haproxy binds %v, compose has the ports %v", binds, ports)
	}
	if tunnel := regexp.MustCompile(`timeout tunnel (\S+)`).FindStringSubmatch(cfg); tunnel == nil {
		t.Error("no timeout tunnel")
	} else if d, err := config.ParseDuration(tunnel[1]); err != nil || d <= config.Default().WebSocket.HeartbeatTimeout {
		t.Errorf("timeout tunnel is %v, %v, want above the heartbeat timeout", d, err)
	}
}
