package admin

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/valyala/fasthttp"

	"carillon/server/config"
)

const (
	// confirmation is what the member confirm must be: nothing that a program fills in by itself.
	confirmation = "kick all"
	// maxReason is what a close frame has room for behind its code (RFC 6455 section 5.5).
	maxReason = 123
	// maxSpread bounds how long one call keeps nodes busy.
	maxSpread = 10 * time.Minute
)

// What is wrong with the members of a kick of everyone.
var (
	errConfirm = errors.New(`"confirm" must be "` + confirmation + `"`)
	errNode    = errors.New(`"node" must be the id of a node; leave it out to kick the sessions of all nodes`)
	errCode    = errors.New(`"code" must be 1000, 1001, 1008, 1012, 1013 or a number from 3000 to 4999`)
	errReason  = fmt.Errorf(`"reason" must be a text of at most %d bytes in UTF-8`, maxReason)
	errSpread  = fmt.Errorf(`"spread" must be a duration such as "10s", or a number of milliseconds, from 0 to %v`, maxSpread)
)

func (a *API) kickAll(ctx *fasthttp.RequestCtx) {
	body, ok := a.jsonBody(ctx)
	if !ok {
		return
	}
	kick, err := parseKickAll(body)
	if err != nil {
		Problem(ctx, fasthttp.StatusBadRequest, err.Error())
		return
	}
	a.call(ctx, func(c context.Context, wait bool) (Delivery, error) { return a.gateway.KickAll(c, kick, wait) })
}

// parseKickAll reads the body of a kick of everyone. Here a member that is unknown, null or given twice is an error: a
// filter by node with a slip of the pen in it would close every session there is.
func parseKickAll(body []byte) (KickAll, error) {
	kick := KickAll{Code: 1000}
	seen := map[string]bool{}
	err := readObject(body, func(name string, value jsontext.Value) error {
		if seen[name] {
			return fmt.Errorf("%q is there twice", name)
		}
		seen[name] = true
		ok, err := true, error(nil)
		switch name {
		case "confirm":
			ok, err = memberText(value) == confirmation, errConfirm
		case "node":
			kick.Node = memberText(value)
			ok, err = kick.Node != "", errNode
		case "code":
			kick.Code, ok = closeCode(value)
			err = errCode
		case "reason":
			kick.Reason = memberText(value)
			ok, err = value.Kind() == '"' && len(kick.Reason) <= maxReason, errReason
		case "spread":
			kick.Spread, ok = duration(value)
			err = errSpread
		default:
			ok, err = false, fmt.Errorf("%.40q is not a member of this call: it has confirm, node, code, reason and spread", name)
		}
		if ok {
			return nil
		}
		return err
	})
	switch {
	case err != nil:
		return KickAll{}, err
	case !seen["confirm"]:
		return KickAll{}, errConfirm
	}
	return kick, nil
}

// memberText is the text of a string, "" of anything else. A copy.
func memberText(value jsontext.Value) string {
	if value.Kind() != '"' {
		return ""
	}
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		panic("BUG: a string that was read cannot be read: " + err.Error())
	}
	return string(text)
}

// closeCode reads a close code that a server may choose and a client understands (RFC 6455 section 7.4.2).
func closeCode(value jsontext.Value) (uint16, bool) {
	n, err := strconv.ParseUint(string(value), 10, 16)
	code := uint16(n)
	switch {
	case err != nil:
		return 0, false
	case code >= 3000 && code <= 4999:
		return code, true
	}
	switch code {
	case 1000, 1001, 1008, 1012, 1013:
		return code, true
	}
	return 0, false
}

// duration reads a duration as the settings have them.
func duration(value jsontext.Value) (time.Duration, bool) {
	text := memberText(value)
	if value.Kind() == '0' {
		text = string(value)
	}
	d, err := config.ParseDuration(text)
	return d, err == nil && d <= maxSpread
}
