package deploy

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"carillon/server/config"
)

const unitFile = "systemd/carillon.service"

// unit is a unit file: the values of each directive, by section.
type unit map[string]map[string][]string

// directives are those that the unit may have, by section, and whether one may stand
// there several times.
var directives = map[string]map[string]bool{
	"Unit": {"Description": false, "Wants": true, "After": true, "StartLimitIntervalSec": false},
	"Service": {
		"Type": false, "ExecStart": false, "EnvironmentFile": true, "Environment": true, "KillMode": false,
		"KillSignal": false, "TimeoutStopSec": false, "Restart": false, "RestartSec": false,
		"RestartPreventExitStatus": false, "OOMPolicy": false, "LimitNOFILE": false, "LimitCORE": false,
		"DynamicUser": false, "ConfigurationDirectory": false, "RuntimeDirectory": false, "NoNewPrivileges": false,
		"CapabilityBoundingSet": false, "AmbientCapabilities": false, "ProtectSystem": false, "ProtectHome": false,
		"PrivateTmp": false, "PrivateDevices": false, "PrivateUsers": false, "ProtectHostname": false,
		"ProtectClock": false, "ProtectControlGroups": false, "ProtectKernelLogs": false,
		"ProtectKernelModules": false, "ProtectKernelTunables": false, "ProtectProc": false,
		"LockPersonality": false, "MemoryDenyWriteExecute": false, "RemoveIPC": false, "RestrictNamespaces": false,
		"RestrictRealtime": false, "RestrictSUIDSGID": false, "RestrictAddressFamilies": false,
		"SystemCallArchitectures": false, "SystemCallFilter": true, "SystemCallErrorNumber": false, "UMask": false,
	},
	"Install": {"WantedBy": false},
}

func readUnit(t *testing.T) unit {
	t.Helper()
	u := unit{}
	var section string
	lines := bufio.NewScanner(strings.NewReader(read(t, unitFile)))
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[' && line[len(line)-1] == ']':
			section = line[1 : len(line)-1]
			if u[section] != nil || directives[section] == nil {
				t.Errorf("line %d: section %q is unknown or there twice", n, section)
			}
			u[section] = map[string][]string{}
		default:
			name, value, ok := strings.Cut(line, "=")
			repeats, known := directives[section][name]
			if !ok || !known {
				t.Fatalf("line %d: %q is no directive of [%s]", n, line, section)
			}
			if len(u[section][name]) > 0 && !repeats {
				t.Errorf("line %d: %s is there twice", n, name)
			}
			u[section][name] = append(u[section][name], value)
		}
	}
	return u
}

// one is the value of a directive that stands there once.
func (u unit) one(t *testing.T, section, name string) string {
	t.Helper()
	values := u[section][name]
	if len(values) != 1 {
		t.Fatalf("%s of [%s] is %q, want one", name, section, values)
	}
	return values[0]
}

// TestUnitSettings has the gateway read what the unit gives it.
func TestUnitSettings(t *testing.T) {
	u := readUnit(t)
	command := strings.Fields(u.one(t, "Service", "ExecStart"))
	if !filepath.IsAbs(command[0]) || filepath.Base(command[0]) != "carillon" {
		t.Errorf("runs %s", command[0])
	}
	dir := "/etc/" + u.one(t, "Service", "ConfigurationDirectory")
	checkServe(t, unitFile, command[1:], dir+"/carillon.yml")
	if got := u.one(t, "Service", "EnvironmentFile"); got != "-"+dir+"/carillon.env" {
		t.Errorf("the environment is read from %s", got)
	}
	var environ []string
	for _, m := range regexp.MustCompile(`(?m)^# {3}([A-Z_]+)=\.\.\.$`).FindAllStringSubmatch(read(t, unitFile), -1) {
		environ = append(environ, m[1]+"="+strings.Repeat("s3cret-", 8))
	}
	if len(environ) < 4 {
		t.Fatalf("the unit tells of the variables %q only", environ)
	}
	load(t, unitFile, append(environ, u["Service"]["Environment"]...), "auth:\n  mode: jwt\nspring:\n  data.redis.host: redis\n  rabbitmq.host: rabbit\n")
}

// TestUnitStop checks that a drain has the time and the signal that it needs.
func TestUnitStop(t *testing.T) {
	u := readUnit(t)
	least := config.Default().Server.ShutdownTimeout + supervisorPatience(t)
	if d, err := config.ParseDuration(u.one(t, "Service", "TimeoutStopSec")); err != nil || d <= least {
		t.Errorf("TimeoutStopSec is %v, %v, want above %v", d, err, least)
	}
	for name, want := range map[string]string{"KillMode": "mixed", "KillSignal": "SIGTERM", "OOMPolicy": "continue", "LimitCORE": "0"} {
		if got := u.one(t, "Service", name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// TestUnitRestart checks the exit codes in the unit against those of the program.
func TestUnitRestart(t *testing.T) {
	u, codes := readUnit(t), exitCodes(t)
	if got := u.one(t, "Service", "Restart"); got != "on-failure" {
		t.Errorf("Restart is %s", got)
	}
	var got, want []int
	for _, word := range strings.Fields(u.one(t, "Service", "RestartPreventExitStatus")) {
		got = append(got, atoi(t, word))
	}
	for _, name := range []string{"exitUsage", "exitConfig", "exitTaken"} {
		want = append(want, codes[name])
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("RestartPreventExitStatus is %v, want %v", got, want)
	}
}

// TestUnitVerify asks systemd, where it is there, what it thinks of the unit.
func TestUnitVerify(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("no systemd here: directives are checked against a list alone")
		readUnit(t)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := strings.Fields(readUnit(t).one(t, "Service", "ExecStart"))[0]
	path := filepath.Join(t.TempDir(), "carillon.service")
	// It looks whether the program is there.
	text := strings.Replace(read(t, unitFile), "ExecStart="+command, "ExecStart="+self, 1)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	// A wrong value is a line about the unit and no error.
	cmd := exec.Command(analyze, "verify", "--man=no", path)
	out, err := cmd.CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("carillon.service")) {
		t.Errorf("verify: %v\n%s", err, out)
	}
	// 20 is an exposure of 2.0 of 10; a service without any protection has 9.6.
	out, err = exec.Command(analyze, "security", "--offline=true", "--threshold=20", path).CombinedOutput()
	if err != nil {
		t.Errorf("security: %v\n%s", err, out)
	}
}
