// Package watch looks at the machines of a load run: where it takes place
// ([Environment]), what would cap it ([Preflight], [PlanWorkers]), what the
// server's processes cost ([WatchPID], [WatchTree], [WatchMetrics]), what the
// load generator itself costs ([Self]) and whether it, not the server, was the
// bottleneck ([Judge]); and the line through a series that shows a leak
// ([Slope]).
//
// All of it reads /proc, /sys and URLs, and writes nothing. What can not be
// read is named, with the reason, and left out; on systems without /proc that
// is most of it.
package watch
