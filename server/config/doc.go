// Package config holds every setting of carillon and reads it from a YAML file, the environment and the command line.
//
// The struct [Config] is the single source: the tags of a field carry its key, default, help text, allowed values and
// whether it is a secret. The YAML reader, the environment reader, the flags, the help text, the commented default file
// and the reference page are all made from these tags, so a new setting is one new field.
//
// Keys are those of the Spring Boot application that carillon replaces, and they are compared by Spring's relaxed rule:
// websocket.heartbeat-timeout, websocket.heartbeatTimeout and websocket.heartbeat_timeout are one key, and
// WEBSOCKET_HEARTBEAT_TIMEOUT or WEBSOCKET_HEARTBEATTIMEOUT is its environment variable.
//
//	loaded, err := config.Load(config.LoadOptions{File: "application.yml", Environ: os.Environ()})
//	if err != nil {
//		return err // a config.Errors: each with file, line, key and what is allowed
//	}
//	serve(loaded.Config)
//
// Sources, in rising priority: defaults, file, environment, flags. A source replaces a whole list or map of a lower one.
package config
