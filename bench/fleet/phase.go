package fleet

// phase is where a run is. The values stand in reports and on displays.
type phase string

const (
	preflight  phase = "preflight"
	connect    phase = "connect"
	warmup     phase = "warmup"
	measure    phase = "measure"
	settle     phase = "settle"
	disconnect phase = "disconnect"
	done       phase = "done"
)
