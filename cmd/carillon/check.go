package main

import (
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"carillon/server"
)

func newCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Validate the configuration and show where each value is from",
		Long: `Validate the configuration and print it: each value with the place it comes
from, secrets masked. Nothing is started. An invalid configuration gives exit
code 3 and one line for everything that is wrong.`,
		Args: cobra.NoArgs,
		RunE: run(check),
	}
	addSettings(cmd)
	return cmd
}

func check(cmd *cobra.Command, _ []string) error {
	loaded, err := load(cmd)
	printNotes(cmd.ErrOrStderr(), loaded)
	if err != nil {
		return err
	}
	// What only the server can judge, such as the content of a key file.
	if _, err := server.New(loaded.Config, server.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}); err != nil {
		return configError(err)
	}
	return loaded.WriteEffective(cmd.OutOrStdout())
}
