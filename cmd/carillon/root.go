package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"carillon/server/config"
)

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "carillon",
		Short:         "A WebSocket push gateway",
		Long:          "carillon holds many WebSocket connections and lets back ends push to one user,\nmany users, one session or everyone.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       buildVersion(),
	}
	root.SetVersionTemplate("carillon {{.Version}}\n")
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped 80"))
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(newServe(), newCheck(), newConfig(), newToken(), newVersion(), newBench(), newWorker())
	return root
}

// flagError says where help is, and which flag may have been meant.
func flagError(cmd *cobra.Command, err error) error {
	hint := "run '" + cmd.CommandPath() + " --help' for the flags"
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		name := unknown.GetSpecifiedName()
		shown, near := config.UnknownKey(name)
		if shown != name {
			err = fmt.Errorf("unknown flag: --%s", shown)
		}
		if near != "" && cmd.Flags().Lookup(near) != nil {
			hint = "did you mean --" + near + "?"
		}
	}
	return fmt.Errorf("%w; %s", err, hint)
}

// run gives every error of a command's work a code: exitFailure, unless it has one already.
func run(work func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := work(cmd, args)
		if _, ok := errors.AsType[*exitError](err); ok || err == nil {
			return err
		}
		return fail(exitFailure, err)
	}
}

// addSettings gives a command the flags of all settings without showing them in its help.
func addSettings(cmd *cobra.Command) {
	config.AddFlags(cmd.Flags())
	cmd.Flags().VisitAll(func(f *pflag.Flag) { f.Hidden = f.Name != config.FileFlag })
	cmd.Long += "\n\nThe flags of all settings are allowed as well: see 'carillon serve --help'."
}

// load reads the configuration that the flags of cmd and the environment name.
func load(cmd *cobra.Command) (*config.Loaded, error) {
	loaded, err := config.Load(config.LoadOptions{Flags: cmd.Flags(), Environ: os.Environ()})
	return loaded, configError(err)
}

// configError makes err end the process as an invalid configuration, with one line for each thing that is wrong.
func configError(err error) error {
	if err == nil {
		return nil
	}
	return fail(exitConfig, fmt.Errorf("the configuration is invalid:\n  %s", strings.ReplaceAll(err.Error(), "\n", "\n  ")))
}

// printNotes writes the warnings and ignored keys of a configuration for a person.
func printNotes(w io.Writer, loaded *config.Loaded) {
	for _, text := range loaded.Warnings {
		fmt.Fprintln(w, "warning: "+text)
	}
	if len(loaded.Ignored) > 0 {
		fmt.Fprintln(w, "ignored, because it means nothing here: "+strings.Join(loaded.Ignored, ", "))
	}
}
