package main

import (
	"github.com/spf13/cobra"

	"carillon/server/config"
)

func newConfig() *cobra.Command {
	markdown := false
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print a commented configuration file with all defaults",
		Long:  "Print a commented YAML file with every setting at its default, or, with\n--markdown, the reference page of all settings (docs/configuration.md).",
		Args:  cobra.NoArgs,
		RunE: run(func(cmd *cobra.Command, _ []string) error {
			if markdown {
				return config.WriteMarkdown(cmd.OutOrStdout())
			}
			return config.WriteYAML(cmd.OutOrStdout())
		}),
	}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "print the reference page instead")
	return cmd
}
