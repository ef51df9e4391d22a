package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/valyala/fasthttp"

	"carillon/cluster"
)

const (
	// maxQueriedUsers bounds what one call asks presence for in one round trip.
	maxQueriedUsers = 10000
	// defaultPage and maxPage are the numbers of sessions on a page.
	defaultPage = 100
	maxPage     = 10000
)

var (
	errManyUsers = fmt.Errorf(`"userIds" has more than %d users`, maxQueriedUsers)
	errLimit     = fmt.Errorf("limit must be a whole number from 1 to %d", maxPage)
)

// onlineUser is where a user is.
type onlineUser struct {
	User     string          `json:"user"`
	Online   bool            `json:"online"`
	Sessions int             `json:"sessions"`
	Nodes    []cluster.Place `json:"nodes"`
	Foreign  bool            `json:"foreign"`
}

// onlineNode is a node of the cluster.
type onlineNode struct {
	Node         string    `json:"node"`
	Version      string    `json:"version"`
	Address      string    `json:"address"`
	Started      time.Time `json:"started,omitzero"`
	Users        int       `json:"users"`
	Sessions     int       `json:"sessions"`
	LeaseExpires time.Time `json:"leaseExpires,omitzero"`
	Self         bool      `json:"self"`
}

// sessionPage is one page of the sessions of the cluster.
type sessionPage struct {
	Sessions []cluster.Session `json:"sessions"`
	Cursor   string            `json:"cursor,omitempty"`
}

func (a *API) onlineCount(ctx *fasthttp.RequestCtx) {
	a.query(ctx, func(c context.Context) ([]byte, error) {
		n, err := a.gateway.OnlineUserCount(c)
		return strconv.AppendInt(nil, int64(n), 10), err
	})
}

func (a *API) sessionCount(ctx *fasthttp.RequestCtx) {
	answer(ctx, strconv.AppendInt(nil, int64(a.gateway.SessionCount()), 10))
}

func (a *API) onlineUsers(ctx *fasthttp.RequestCtx) {
	a.query(ctx, func(c context.Context) ([]byte, error) {
		users, err := a.gateway.OnlineUsers(c)
		body := make([]byte, 0, 2+16*len(users))
		body = append(body, '[')
		for i, user := range users {
			if i > 0 {
				body = append(body, ',')
			}
			// The error says that a user's id was no valid UTF-8; the replacement it then holds is all that JSON can show.
			body, _ = jsontext.AppendQuote(body, user)
		}
		return append(body, ']'), err
	})
}

func (a *API) onlineUser(ctx *fasthttp.RequestCtx) {
	user, ok := pathID(ctx)
	if !ok {
		return
	}
	a.query(ctx, func(c context.Context) ([]byte, error) {
		found, err := a.locate(c, []string{user})
		if err != nil {
			return nil, err
		}
		return encode(found[0]), nil
	})
}

func (a *API) queryUsers(ctx *fasthttp.RequestCtx) {
	body, ok := a.jsonBody(ctx)
	if !ok {
		return
	}
	users, err := parseUsers(body)
	if err != nil {
		Problem(ctx, fasthttp.StatusBadRequest, err.Error())
		return
	}
	a.query(ctx, func(c context.Context) ([]byte, error) {
		found, err := a.locate(c, users)
		return encode(struct {
			Users []onlineUser `json:"users"`
		}{found}), err
	})
}

// parseUsers reads a body that has userIds. Members of other names are ignored. The result may outlive body.
func parseUsers(body []byte) ([]string, error) {
	var users []string
	err := readObject(body, func(name string, value jsontext.Value) (err error) {
		if name == "userIds" {
			users, err = userList(value)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case users == nil:
		return nil, errNoUsers
	case len(users) > maxQueriedUsers:
		return nil, errManyUsers
	}
	return users, nil
}

// locate says where each of the users is, by index.
func (a *API) locate(ctx context.Context, users []string) ([]onlineUser, error) {
	found := make([]onlineUser, len(users))
	if len(users) == 0 {
		return found, nil
	}
	locations, err := a.gateway.Locate(ctx, users)
	if err != nil {
		return nil, err
	}
	for i, l := range locations {
		u := onlineUser{User: users[i], Online: l.Foreign || len(l.Places) > 0, Nodes: l.Places, Foreign: l.Foreign}
		if u.Nodes == nil {
			u.Nodes = []cluster.Place{}
		}
		for _, p := range l.Places {
			u.Sessions += p.Sessions
		}
		found[i] = u
	}
	return found, nil
}

func (a *API) onlineNodes(ctx *fasthttp.RequestCtx) {
	a.query(ctx, func(c context.Context) ([]byte, error) {
		nodes, err := a.gateway.Nodes(c)
		self := a.gateway.NodeID()
		found := make([]onlineNode, len(nodes))
		for i, n := range nodes {
			found[i] = onlineNode{
				Node: n.ID, Version: n.Version, Address: n.Address, Started: instant(n.Started),
				Users: n.Users, Sessions: n.Sessions, LeaseExpires: instant(n.Expires), Self: n.ID == self,
			}
		}
		return encode(found), err
	})
}

// instant is t in the form of RFC 3339 that every reader takes; a time that is unknown stays the zero one.
func instant(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Millisecond)
}

func (a *API) onlineSessions(ctx *fasthttp.RequestCtx) {
	args := ctx.QueryArgs()
	limit := defaultPage
	if args.Has("limit") {
		n, err := strconv.ParseUint(string(args.Peek("limit")), 10, 16)
		if err != nil || n < 1 || n > maxPage {
			Problem(ctx, fasthttp.StatusBadRequest, errLimit.Error())
			return
		}
		limit = int(n)
	}
	node, cursor := string(args.Peek("node")), string(args.Peek("cursor"))
	if !utf8.ValidString(node) || !utf8.ValidString(cursor) {
		Problem(ctx, fasthttp.StatusBadRequest, "the query is not percent-encoded UTF-8")
		return
	}
	a.query(ctx, func(c context.Context) ([]byte, error) {
		sessions, next, err := a.gateway.Sessions(c, node, cursor, limit)
		if sessions == nil {
			sessions = []cluster.Session{}
		}
		return encode(sessionPage{sessions, next}), err
	})
}

// query asks presence and answers with JSON.
func (a *API) query(ctx *fasthttp.RequestCtx, ask func(context.Context) ([]byte, error)) {
	if !accepted(ctx) {
		return
	}
	// The request's own context ends with the server, not with the request, and must not be used after it.
	c, cancel := context.WithTimeout(context.Background(), a.timeout)
	defer cancel()
	body, err := ask(c)
	switch {
	case err == nil:
		answer(ctx, body)
	case errors.Is(err, cluster.ErrBadCursor):
		Problem(ctx, fasthttp.StatusBadRequest, "the cursor is not one of this listing: begin again without one")
	case errors.Is(err, cluster.ErrAway):
		ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, awaySeconds)
		Problem(ctx, fasthttp.StatusServiceUnavailable, "presence is away: who is online on other nodes is not known now")
	default:
		a.fail(ctx, err)
	}
}

// encode is v as JSON without a line end. Text that is not valid UTF-8 is replaced in part.
func encode(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic("BUG: an answer cannot be encoded: " + err.Error())
	}
	return body
}
