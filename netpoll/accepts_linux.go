package netpoll

// listenersPerLoop returns how many listeners each of so many loops has, all on one
// port, among which the kernel spreads who connects. gnet accepts one connection
// from each that is ready in a round of epoll, and a round serves up to 1,024
// others. A single loop with one listener let in 1,900 a second beside 50,000
// heartbeats a second, with eight 11,600 (a C server that drains its queue: 14,800).
// The rounds of two loops are shorter: beside 70,000 heartbeats a second either
// number let in as many as that C server, some 9,000.
func listenersPerLoop(loops int) int {
	if loops > 1 {
		return 1
	}
	return 8
}
