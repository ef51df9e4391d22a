package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"carillon/bench/report"
)

func newBenchCompare() *cobra.Command {
	var tolerance float64
	var asJSON, strict bool
	cmd := &cobra.Command{
		Use:   "compare BEFORE.json AFTER.json",
		Short: "Compare two reports",
		Args:  cobra.ExactArgs(2),
		RunE: run(func(cmd *cobra.Command, args []string) error {
			var both [2]*report.Report
			for i, path := range args {
				f, err := os.Open(path)
				if err != nil {
					return fail(exitUsage, err)
				}
				both[i], err = report.Read(f)
				_ = f.Close()
				if err != nil {
					return fail(exitUsage, fmt.Errorf("%s: %w", path, err))
				}
			}
			opt := report.CompareOptions{Tolerance: tolerance / 100}
			if tolerance == 0 {
				opt.Tolerance = -1 // what 0 means to a person; to Compare it means the default
			}
			c, err := report.Compare(both[0], both[1], opt)
			if err != nil {
				return fail(exitUsage, err)
			}
			if asJSON {
				err = c.JSON(cmd.OutOrStdout())
			} else {
				err = c.Text(cmd.OutOrStdout(), textOptions(cmd.OutOrStdout(), ""))
			}
			if code := c.ExitCode(); err == nil && strict && code != report.ExitPassed {
				err = fail(exitCode(code), errors.New(code.String()))
			}
			return err
		}),
	}
	cmd.Flags().Float64Var(&tolerance, "tolerance", 5, "changes of up to this many percent count as none")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&strict, "fail-on-regression", false, fmt.Sprintf("exit with %d when something got worse, with %d when that can not be judged",
		report.ExitRegression, report.ExitNoResult))
	return cmd
}
