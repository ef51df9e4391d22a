package redis

import (
	"context"
	"errors"
	"sort"
	"strings"
	"sync"

	goredis "github.com/redis/go-redis/v9"
)

// whichServers returns something that differs when a server is not the process that
// it was. It is "" when the server is not allowed to tell.
func (p *Presence) whichServers(ctx context.Context) (string, error) {
	switch c := p.client.(type) {
	case *goredis.Client:
		return runID(c.Info(ctx, "server"))
	case *goredis.ClusterClient:
		var mu sync.Mutex
		var ids []string
		err := c.ForEachMaster(ctx, func(ctx context.Context, c *goredis.Client) error {
			id, err := runID(c.Info(ctx, "server"))
			mu.Lock()
			defer mu.Unlock()
			ids = append(ids, id)
			return err
		})
		sort.Strings(ids)
		if err != nil {
			return "", err
		}
		return strings.Join(ids, " "), nil
	}
	return "", nil
}

// runID reads which process a server is.
func runID(info *goredis.StringCmd) (string, error) {
	text, err := info.Result()
	var refused goredis.Error
	if errors.As(err, &refused) {
		return "", nil // not allowed to this user
	}
	_, after, _ := strings.Cut(text, "run_id:")
	id, _, _ := strings.Cut(after, "\r\n")
	return id, err
}
