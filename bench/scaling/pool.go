package scaling

import "container/heap"

// pool is cores that take whatever comes first: a heap of when each is free.
type pool struct{ free times }

func newPool(cores int) pool { return pool{make(times, cores)} }

// run gives work that is ready at a time to the core that is free first, and returns
// when it is done.
func (p *pool) run(ready, work float64) (done float64) {
	done = max(ready, p.free[0]) + work
	p.free[0] = done
	heap.Fix(&p.free, 0)
	return done
}

// times is a heap.
type times []float64

func (t times) Len() int           { return len(t) }
func (t times) Less(i, k int) bool { return t[i] < t[k] }
func (t times) Swap(i, k int)      { t[i], t[k] = t[k], t[i] }
func (t *times) Push(x any)        { *t = append(*t, x.(float64)) }
func (t *times) Pop() any {
	old := *t
	x := old[len(old)-1]
	*t = old[:len(old)-1]
	return x
}
