package redis

import (
	"sync"
	"time"
)

// holding is how many sessions of a user a node has.
type holding struct {
	node        string
	sessions    int
	incarnation uint64 // of the node that wrote it; 0: not readable
}

// cache keeps where users are that were looked up. A user whose change Redis tells
// between the question and the answer is not kept.
type cache struct {
	ttl time.Duration
	max int
	mu  sync.Mutex
	m   map[string]*cached
}

// cached is an answer, or a question that is under way.
type cached struct {
	holdings []holding // not to be changed
	until    time.Time // zero while there is no answer
}

func newCache(ttl time.Duration, max int) *cache {
	return &cache{ttl: ttl, max: max, m: make(map[string]*cached)}
}

// get returns what is known of each user; the rest it notes as questions.
func (c *cache) get(users []string, known func(i int, h []holding), ask func(i int, question *cached)) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, user := range users {
		if e := c.m[user]; e != nil && now.Before(e.until) {
			known(i, e.holdings)
			continue
		}
		// The others' order is random: some user has to go.
		if _, there := c.m[user]; !there && len(c.m) >= c.max {
			for other := range c.m {
				delete(c.m, other)
				break
			}
		}
		e := &cached{}
		c.m[user] = e
		ask(i, e)
	}
}

// answer keeps an answer, unless the user has changed since the question. That nobody
// holds a user is not kept: Redis does not tell when a node of the reference changes that.
func (c *cache) answer(user string, question *cached, h []holding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(h) == 0 {
		if c.m[user] == question {
			delete(c.m, user)
		}
		return
	}
	// Nobody finds it any more when the user has changed since.
	question.holdings, question.until = h, time.Now().Add(c.ttl)
}

// forget drops a user.
func (c *cache) forget(user string) {
	c.mu.Lock()
	delete(c.m, user)
	c.mu.Unlock()
}
