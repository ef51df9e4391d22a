package redis

import (
	"context"
	"slices"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// clusterWriter writes to a Redis Cluster, where the keys of a change live on
// several servers. It takes steps, each after the one before is done:
//
//  1. The fence is asked, and the sessions that have come join the node's set.
//  2. The users' counts are written, by one script each, which refuses an older
//     incarnation's and tells whether any node still holds the user; and the
//     mirrors of the sessions that have come.
//  3. ws:online:users follows what step 2 told.
//  4. It is verified (see below).
//  5. The mirrors of the sessions that have gone are removed.
//  6. They leave the node's set.
//
// The node's set is thus written before, and its members removed after, everything
// that is there on account of a session: whoever cleans up finds by that set what a
// crash between any two steps has left.
//
// Two nodes may write the same user at the same time. Let H be the user's hash and
// O the user's membership in ws:online:users, which is to agree with whether H is
// empty. Consider the last write of O after which H does not change any more.
//
//   - It is an SREM. The read that follows it sees H empty, or else O is written
//     again, and this was not the last write.
//   - It is an SADD of step 4. The same.
//   - It is an SADD of step 3 of a node A, which held the user in step 2. Only A
//     removes its own entry from H, in a later batch, as batches of A are one after the
//     other; whoever cleans up after A does it when A's lease has run out, and A does
//     not write when it knows that. So H is not empty when the SADD is done. Had H
//     become empty later, whoever emptied it would have written O in step 3 after that.
//
// So O agrees with H once the writers are done, however they interleave.
type clusterWriter struct {
	client  goredis.UniversalClient
	timeout time.Duration
	block   block
}

// clusterMost is how many changes the steps of one batch write at most.
const clusterMost = 1000

func (w *clusterWriter) most() int { return clusterMost }

func (w *clusterWriter) write(ctx context.Context, as holder, entries []entry, countOf func(string) int) (trips int, err error) {
	step := func(build func(ctx context.Context, pipe goredis.Pipeliner)) error {
		ctx, cancel := context.WithTimeout(ctx, w.timeout)
		defer cancel()
		trips++
		return pipelined(ctx, w.client, func(pipe goredis.Pipeliner) { build(ctx, pipe) })
	}
	b := &w.block
	b.fill(entries, countOf)

	var fence *goredis.Cmd
	err = step(func(ctx context.Context, pipe goredis.Pipeliner) {
		keys, args := as.fence(0, 0)
		fence = fenceScript.EvalSha(ctx, pipe, keys, args...)
		if len(b.come) > 0 {
			pipe.SAdd(ctx, keyNodeSessions+as.node, sessions(b.come)...)
		}
	})
	if err != nil {
		return trips, err
	}
	if held, err := fence.Int(); err != nil {
		return trips, err
	} else if held == 0 {
		return trips, errFenced
	}

	results := make([]*goredis.Cmd, len(b.users))
	err = step(func(ctx context.Context, pipe goredis.Pipeliner) {
		incarnation := strconv.FormatUint(as.incarnation, 10)
		for i, user := range b.users {
			results[i] = userScript.EvalSha(ctx, pipe, []string{keyUser + user}, as.node, incarnation, b.counts[i])
		}
		b.addMirrors(ctx, pipe, as)
	})
	if err != nil {
		return trips, err
	}
	var online, offline []string
	for i, user := range b.users {
		switch held, err := results[i].Int(); {
		case err != nil:
			return trips, err
		case held == 2 && !as.cleaning:
			return trips, errFenced
		case held == 0:
			offline = append(offline, user)
		case held == 1 && b.counts[i] > 0:
			online = append(online, user)
		}
		// Whom other nodes alone hold, they have put in: to put the user in once more
		// could come after they have taken the user out.
	}

	// Only what was taken out, or put in because of that, can disagree.
	for verify := offline; ; verify = slices.Concat(online, offline) {
		if len(online)+len(offline) > 0 {
			err = step(func(ctx context.Context, pipe goredis.Pipeliner) {
				if len(online) > 0 {
					pipe.SAdd(ctx, keyOnline, anys(online)...)
				}
				if len(offline) > 0 {
					pipe.SRem(ctx, keyOnline, anys(offline)...)
				}
			})
			if err != nil {
				return trips, err
			}
		}
		if len(verify) == 0 {
			break
		}
		if online, offline, err = w.disagreeing(step, verify, offline); err != nil {
			return trips, err
		}
	}

	if len(b.gone) == 0 {
		return trips, nil
	}
	err = step(func(ctx context.Context, pipe goredis.Pipeliner) {
		ids := make([]string, len(b.gone))
		for i, e := range b.gone {
			ids[i] = e.session
		}
		pipe.HDel(ctx, keySessionUser, ids...)
		pipe.HDel(ctx, keySessionNode, ids...)
		pipe.ZRem(ctx, keyHeartbeats+as.node, sessions(b.gone)...)
	})
	if err != nil {
		return trips, err
	}
	return trips, step(func(ctx context.Context, pipe goredis.Pipeliner) {
		pipe.SRem(ctx, keyNodeSessions+as.node, sessions(b.gone)...)
	})
}

// disagreeing reads the hashes of the users verify, of whom those in removed have
// just been taken out of the online set and the others put in, and returns who has
// to be put in and taken out instead.
func (w *clusterWriter) disagreeing(step func(func(context.Context, goredis.Pipeliner)) error, verify, removed []string) (online, offline []string, err error) {
	exist := make([]*goredis.IntCmd, len(verify))
	err = step(func(ctx context.Context, pipe goredis.Pipeliner) {
		for i, user := range verify {
			exist[i] = pipe.Exists(ctx, keyUser+user)
		}
	})
	if err != nil {
		return nil, nil, err
	}
	out := make(map[string]bool, len(removed))
	for _, user := range removed {
		out[user] = true
	}
	for i, user := range verify {
		switch held := exist[i].Val() > 0; {
		case held && out[user]:
			online = append(online, user)
		case !held && !out[user]:
			offline = append(offline, user)
		}
	}
	return online, offline, nil
}

func (b *block) addMirrors(ctx context.Context, pipe goredis.Pipeliner, as holder) {
	if len(b.come) == 0 {
		return
	}
	users, nodes := make([]any, 0, 2*len(b.come)), make([]any, 0, 2*len(b.come))
	beats := make([]goredis.Z, 0, len(b.come))
	for _, e := range b.come {
		users = append(users, e.session, e.user)
		nodes = append(nodes, e.session, as.node)
		beats = append(beats, goredis.Z{Score: float64(as.now), Member: e.session})
	}
	pipe.HSet(ctx, keySessionUser, users...)
	pipe.HSet(ctx, keySessionNode, nodes...)
	pipe.ZAdd(ctx, keyHeartbeats+as.node, beats...)
}

func sessions(entries []entry) []any {
	ids := make([]any, len(entries))
	for i, e := range entries {
		ids[i] = e.session
	}
	return ids
}

func anys(texts []string) []any {
	out := make([]any, len(texts))
	for i, s := range texts {
		out[i] = s
	}
	return out
}
