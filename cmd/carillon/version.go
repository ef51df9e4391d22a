package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker: -ldflags "-X main.version=v1.2.3".
var version string

// mainModules are the dependencies whose version matters when a fault is looked for.
var mainModules = []string{
	"github.com/panjf2000/gnet/v2",
	"github.com/gobwas/ws",
	"github.com/valyala/fasthttp",
	"github.com/fasthttp/router",
	"github.com/golang-jwt/jwt/v5",
	"github.com/knadh/koanf/v2",
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print what this binary was built from",
		Args:  cobra.NoArgs,
		RunE: run(func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), buildDetails())
			return err
		}),
	}
}

// buildVersion is the version given to the linker, else that of the module.
func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

// buildDetails is one line each for the version, the commit, Go and the main dependencies.
func buildDetails() string {
	text := fmt.Sprintf("carillon %s\n", buildVersion())
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return text
	}
	set := map[string]string{}
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	commit := "unknown"
	if set["vcs.revision"] != "" {
		commit = set["vcs.revision"] + " " + set["vcs.time"]
		if set["vcs.modified"] == "true" {
			commit += " with local changes"
		}
	}
	text += fmt.Sprintf("commit %s\ngo %s %s/%s\n", commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	versions := map[string]string{}
	for _, m := range info.Deps {
		versions[m.Path] = m.Version
	}
	for _, path := range mainModules {
		if v := versions[path]; v != "" {
			text += path + " " + v + "\n"
		}
	}
	return text
}
