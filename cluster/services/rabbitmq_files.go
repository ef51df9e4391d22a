package services

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// environment is what the broker and its port mapper get: nothing that others have
// set for another broker.
func (r *RabbitMQ) environment() []string {
	env := os.Environ()[:0:0]
	for _, kv := range os.Environ() {
		switch name, _, _ := strings.Cut(kv, "="); {
		case strings.HasPrefix(name, "RABBITMQ_"), strings.HasPrefix(name, "ERL_"), name == "HOME", name == "NOTIFY_SOCKET":
		default:
			env = append(env, kv)
		}
	}
	set := func(name, value string) { env = append(env, name+"="+value) }
	w := r.work
	set("HOME", w.file("home")) // for the cookie
	set("ERL_EPMD_PORT", strconv.Itoa(r.mapperPort))
	set("ERL_EPMD_ADDRESS", Host)
	set("ERL_CRASH_DUMP", os.DevNull)
	set("RUNNING_UNDER_SYSTEMD", "true") // the script becomes the broker
	set("RABBITMQ_NODENAME", "rabbit@localhost")
	set("RABBITMQ_DIST_PORT", strconv.Itoa(r.distribution))
	set("RABBITMQ_CONF_ENV_FILE", os.DevNull)
	set("RABBITMQ_CONFIG_FILE", w.file("none"))
	set("RABBITMQ_ADVANCED_CONFIG_FILE", w.file("rabbitmq.config"))
	set("RABBITMQ_ENABLED_PLUGINS_FILE", w.file("enabled_plugins"))
	set("RABBITMQ_MNESIA_BASE", w.file("mnesia"))
	set("RABBITMQ_LOG_BASE", w.file("log"))
	set("RABBITMQ_LOGS", "-")
	// Few schedulers and small tables: less to set up at the start.
	set("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", fmt.Sprintf(
		"+S %[1]d:%[1]d +P 65536 +t 1048576 +zdbbl 1024 -kernel inet_dist_use_interface {127,0,0,1}", r.options.Schedulers))
	if r.home.plugins != "" {
		set("RABBITMQ_PLUGINS_DIR", w.file("plugins"))
	}
	set(controlVariable, r.controlPath())
	return env
}

// writeFiles writes the broker's configuration. It is in Erlang's terms, because the
// translation of a rabbitmq.conf takes a second.
func (r *RabbitMQ) writeFiles() error {
	w := r.work
	for _, dir := range []string{"home", "log", "mnesia"} {
		if err := os.Mkdir(w.file(dir), 0o700); err != nil {
			return err
		}
	}
	listener := fmt.Sprintf("{tcp_listeners, [{%q, %d}]}", Host, r.port)
	if r.tls != nil {
		listener = fmt.Sprintf("{tcp_listeners, []}, {ssl_listeners, [{%q, %d}]}, {ssl_options, [{cacertfile, %q}, {certfile, %q}, {keyfile, %q}, {verify, verify_none}]}",
			Host, r.port, w.file(caFile), w.file(certificateFile), w.file(keyFile))
	}
	config := fmt.Sprintf("[{rabbit, [%s, {default_user, %s}, {default_pass, %s}, {loopback_users, []}, {disk_free_limit, 1000000}]}",
		listener, erlangBinary(r.options.User), erlangBinary(r.options.Password))
	plugins := "[]."
	if r.management != 0 {
		plugins = "[rabbitmq_management]."
		config += fmt.Sprintf(", {rabbitmq_management, [{tcp_config, [{port, %d}, {ip, %q}]}]}", r.management, Host)
	}
	if err := errors.Join(
		os.WriteFile(w.file("rabbitmq.config"), []byte(config+"].\n"), 0o600),
		os.WriteFile(w.file("enabled_plugins"), []byte(plugins+"\n"), 0o600),
	); err != nil || r.home.plugins == "" {
		return err
	}
	return r.linkPlugins()
}

// linkPlugins makes a directory with the plugins that are used and what they stand
// on: a broker reads all those that it finds, which takes a second.
func (r *RabbitMQ) linkPlugins() error {
	dir := r.work.file("plugins")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	all, err := os.ReadDir(r.home.plugins)
	if err != nil {
		return err
	}
	for _, e := range all {
		name, _, _ := strings.Cut(e.Name(), "-")
		switch {
		case !strings.HasPrefix(name, "rabbitmq_"), name == "rabbitmq_prelaunch":
		case r.management != 0 && (name == "rabbitmq_management" || name == "rabbitmq_management_agent" || name == "rabbitmq_web_dispatch"):
		default:
			continue
		}
		if err := os.Symlink(filepath.Join(r.home.plugins, e.Name()), filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
