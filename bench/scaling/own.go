package scaling

// Own returns what a cluster of one's own needs, and how near each limit is.
func Own(l Load, s Shape, c Costs) Table {
	u := UseOf(l, s, c)
	t := Table{Name: "own", Head: []string{"what", "needs", "of its limit"}}
	t.add("connections of a node", number(u.Node.Connections), "")
	t.add("cores of a node", number(u.Node.Cores), "")
	t.add("memory of a node", size(u.Node.Memory), "")
	t.add("network of a node, to clients", bits(u.Node.Net), "")
	t.add("messages published to RabbitMQ /s", number(u.Counts.In), "")
	t.add("copies delivered by RabbitMQ /s", number(u.Counts.Copies), "")
	t.add("of them back to their publishers", number(u.Counts.Own), "")
	t.add("cores of each broker", number(u.Broker.Cores), "")
	t.add("network of each broker, to nodes", bits(u.Broker.Net), "")
	t.add("commands of Redis for connects and leaves /s", number(u.Counts.Commands), "")
	t.add("leases read /s", number(u.Counts.LeaseReads), "")
	t.add("cores of Redis, all masters", number(u.Redis.Total), "")
	t.add("nodes wait for Redis", span(u.Redis.Wait), "")
	t.add("memory of Redis", size(u.Redis.Memory), "")
	if l.Broadcasts > 0 {
		got := Simulate(l, s, c, simulated, 1)
		t.add("a broadcast at the last node", span(got.Arrived), "")
		t.add("a broadcast at the clients, p50 and p99", span(got.P50)+", "+span(got.P99), "")
	}
	for _, limit := range append(NodeLimits(), Limits(s)...) {
		t.add("limit: "+limit.Part, "", percent(limit.Of(l, s, u)))
	}
	return t
}
