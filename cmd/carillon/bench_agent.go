package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"carillon/bench/fleet"
)

// agentTokenVariable may hold the agent's token.
const agentTokenVariable = "CARILLON_BENCH_AGENT_TOKEN"

func newBenchAgent() *cobra.Command {
	var listen, token string
	var most int
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Lend this machine to runs of another one (bench --agents)",
		Long: `Wait for runs of other machines (carillon bench ... --agents host,host) and
start workers for them. Who has the token can make this machine open
connections to any address; what is said is not encrypted. Use a private
network.`,
		Args: cobra.NoArgs,
		RunE: run(func(cmd *cobra.Command, _ []string) error {
			if token == "" {
				token = os.Getenv(agentTokenVariable)
			}
			if token == "" {
				token = rand.Text()
				fmt.Fprintln(cmd.OutOrStdout(), "token: "+token)
			}
			ln, err := net.Listen("tcp", listen)
			if err != nil {
				return fail(exitListen, err)
			}
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			ctx, stop := withSignals(context.Background(), log, func() {})
			defer stop()
			fmt.Fprintln(cmd.OutOrStdout(), "listening on "+ln.Addr().String())
			a := &fleet.Agent{Token: token, Spawn: fleet.Spawn{Args: workerArgs}, Most: most, Log: log}
			return a.Serve(ctx, ln)
		}),
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:"+strconv.Itoa(fleet.AgentPort), "address to listen on")
	cmd.Flags().StringVar(&token, "token", "", "what coordinators have to know (or "+agentTokenVariable+"); empty: one is made and printed")
	cmd.Flags().IntVar(&most, "max-workers", 256, "worker processes at once")
	return cmd
}
