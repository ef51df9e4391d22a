package netpoll

// listenersPerLoop returns how many listeners each of so many loops has, all on one
// port, among which the kernel spreads who connects. gnet accepts one connection
// from each that is ready in a round of epoll, and a round serves up to 1,024
// others. Beside 4,000 connections that send again as soon as they are answered, a
// single loop with one listener let in 110 a second, with eight 4,300. The rounds of
// two loops are shorter: beside as many, one listener and eight let in some 10,000,
// as a C server does.
func listenersPerLoop(loops int) int {
	if loops > 1 {
		return 1
	}
	return 8
}
