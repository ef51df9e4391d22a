package main

import (
	"fmt"
	"strings"

	"carillon/cluster/services"
)

// instructions returns what a newcomer needs to know.
func instructions(gateways []*gateway, redis *services.Redis, rabbit *services.RabbitMQ) string {
	first, last := gateways[0], gateways[len(gateways)-1]
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("")
	say("One cluster of %d gateways is up:", len(gateways))
	say("")
	for _, g := range gateways {
		say("  %-9s %s/", g.name, g.url())
	}
	say("  %-9s redis-cli -p %d", "Redis", redis.Port())
	say("  %-9s %s (%s, %s)", "RabbitMQ", rabbit.ManagementURL(), rabbit.User(), rabbit.Password())
	say("")
	say("Open %s/ and press Connect: you are user 10001, on %s.", first.url(), first.name)
	say("Push to that user through %s:", last.name)
	say("")
	say("  curl -X POST %s/websocket/send/user/10001 \\", last.url())
	say("    -H 'Content-Type: application/json' -H 'Prefer: return=representation' \\")
	say("    -d '{\"message\":\"hello\"}'")
	say("")
	say("Ask any of them who is where:")
	say("")
	say("  curl %s/websocket/online/users/10001", last.url())
	say("  curl %s/websocket/online/nodes", last.url())
	say("")
	say("Ctrl-C ends everything. The logs:")
	return b.String()
}
