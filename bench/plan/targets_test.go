package plan

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

// hosts is a resolver with a list of its own, which counts how often it was asked.
type hosts struct {
	list  map[string][]string
	asked map[string]int
}

func (h *hosts) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	if network != "ip" {
		return nil, fmt.Errorf("asked for %s", network)
	}
	if h.asked == nil {
		h.asked = map[string]int{}
	}
	h.asked[host]++
	if _, ok := h.list[host]; !ok {
		return nil, errors.New("no such host")
	}
	var addrs []netip.Addr
	for _, text := range h.list[host] {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	return addrs, nil
}

func TestCheckTargetsJudges(t *testing.T) {
	t.Parallel()
	r := &hosts{list: map[string][]string{
		"localhost": {"127.0.0.1", "::1"}, "lan": {"10.1.2.3"}, "mixed": {"10.1.2.3", "8.8.8.8"}, "mapped": {"::ffff:8.8.8.8"},
		"nothing": {}, "any": {"0.0.0.0"}, "metadata.example": {"169.254.1.1"},
	}}
	for _, tt := range []struct{ host, problem, own string }{
		{"127.0.0.1", "", ""},
		{"127.255.0.1", "", ""},
		{"[::1]", "", ""},
		{"10.0.0.1", "", ""},
		{"172.16.0.1", "", ""},
		{"172.32.0.1", "neither loopback nor private", ""},
		{"192.168.255.255", "", ""},
		{"192.169.0.1", "neither loopback nor private", ""},
		{"169.254.0.1", "", ""},
		{"100.64.0.1", "neither loopback nor private", ""},
		{"8.8.8.8", "8.8.8.8 is neither loopback nor private; say i-own-this-target if it is yours to load", ""},
		{"[fd12::1]", "", ""},
		{"[fe80::1%25eth0]", "", ""},
		{"[fec0::1]", "neither loopback nor private", ""},
		{"[2001:4860:4860::8888]", "neither loopback nor private", ""},
		{"[::ffff:127.0.0.1]", "", ""},
		{"[::ffff:8.8.8.8]", "neither loopback nor private", ""},
		{"[64:ff9b::7f00:1]", "neither loopback nor private", ""},
		{"[2002:7f00:1::1]", "neither loopback nor private", ""},
		{"0.0.0.0", "means no machine", "means no machine"},
		{"[::]", "means no machine", "means no machine"},
		{"[::ffff:0.0.0.0]", "means no machine", "means no machine"},
		{"224.0.0.1", "for many machines", "for many machines"},
		{"255.255.255.255", "for many machines", "for many machines"},
		{"[ff02::1]", "for many machines", "for many machines"},
		{"2130706433", "in its usual form", "in its usual form"},
		{"0177.0.0.1", "in its usual form", "in its usual form"},
		{"127.1", "in its usual form", "in its usual form"},
		{"0x7f000001", "in its usual form", "in its usual form"},
		{"0x7f.1", "in its usual form", "in its usual form"},
		{"127.0.0.1.", "in its usual form", "in its usual form"},
		{"localhost", "", ""},
		{"lan", "", ""},
		{"metadata.example", "", ""},
		{"mixed", `8.8.8.8, an address of "mixed", is neither`, ""},
		{"mapped", `8.8.8.8, an address of "mapped", is neither`, ""},
		{"any", "means no machine", "means no machine"},
		{"nothing", "no addresses", "no addresses"},
		{"missing", "no such host", "no such host"},
	} {
		for _, own := range []bool{false, true} {
			problem := tt.problem
			if own {
				problem = tt.own
			}
			p := Plan{OwnTarget: own, Scenarios: []Scenario{{Kind: Connect, URL: "ws://" + tt.host + ":80/{{.ID}}"}}}
			pins, err := CheckTargets(t.Context(), &p, r)
			switch {
			case problem == "" && (err != nil || len(pins) != 1):
				t.Errorf("%s, own %v: got %v, %v, want one host", tt.host, own, pins, err)
			case problem != "" && (err == nil || !strings.Contains(err.Error(), problem) || !strings.HasPrefix(err.Error(), "scenarios[0].url: ") || pins != nil):
				t.Errorf("%s, own %v: got %v, %v, want %q", tt.host, own, pins, err, problem)
			}
		}
	}
}

func TestCheckTargetsPins(t *testing.T) {
	t.Parallel()
	r := &hosts{list: map[string][]string{"localhost": {"127.0.0.1", "::ffff:127.0.0.1", "::1"}, "lan.example": {"10.0.0.9"}, "metrics": {"192.168.0.1"}}}
	p := Plan{
		Scenarios: []Scenario{
			{Kind: Push, URL: "ws://localhost/{{.ID}}", Publish: &Publish{URL: "http://lan.example:80/{{.User}}"}},
			{Kind: Connect, URL: "wss://localhost:444?x=1"},
			{Kind: Connect, URL: "wss://10.0.0.1:444"},
		},
		MetricsURL: []string{"http://user:pass@metrics:9090/metrics"},
		Agents:     []string{"agent.example:7000"},
	}
	got, err := CheckTargets(t.Context(), &p, r)
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr
	want := map[string][]netip.Addr{
		"localhost":   {addr("127.0.0.1"), addr("::1")},
		"lan.example": {addr("10.0.0.9")},
		"10.0.0.1":    {addr("10.0.0.1")},
		"metrics":     {addr("192.168.0.1")},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if r.asked["localhost"] != 1 || r.asked["agent.example"] != 0 {
		t.Errorf("the resolver was asked %v", r.asked)
	}
}

func TestCheckTargetsReportsAll(t *testing.T) {
	t.Parallel()
	p := Plan{
		Scenarios: []Scenario{
			{Kind: Push, URL: "ws://1.1.1.1/", Publish: &Publish{URL: "http://2.2.2.2/"}},
			{Kind: Connect, URL: "ws://1.1.1.1/again"},
			{Kind: Connect, URL: "nonsense"},
		},
		MetricsURL: []string{"http://3.3.3.3/"},
	}
	_, err := CheckTargets(t.Context(), &p, &hosts{})
	errs, ok := err.(Errors)
	if !ok {
		t.Fatalf("got %v", err)
	}
	var keys []string
	for _, e := range errs {
		keys = append(keys, e.Key)
	}
	if want := []string{"scenarios[0].url", "scenarios[0].publish.url", "scenarios[2].url", "metrics-urls[0]"}; !reflect.DeepEqual(keys, want) {
		t.Errorf("got errors of %v, want %v", keys, want)
	}
}

// TestCheckTargetsOfTheSystem asks the resolver that the command uses.
func TestCheckTargetsOfTheSystem(t *testing.T) {
	t.Parallel()
	p := Plan{Scenarios: []Scenario{{Kind: Connect, URL: "ws://localhost/"}}}
	pins, err := CheckTargets(t.Context(), &p, net.DefaultResolver)
	if err != nil || len(pins["localhost"]) == 0 {
		t.Fatalf("got %v, %v", pins, err)
	}
	for _, a := range pins["localhost"] {
		if !a.IsLoopback() {
			t.Errorf("localhost is %v", a)
		}
	}
}

func FuzzTargetHost(f *testing.F) {
	for _, seed := range []string{"localhost", "[::1]", "8.8.8.8", "0x7f.1", "a@8.8.8.8", `localhost\@8.8.8.8`, "127.0.0.1:80", "h{{.ID}}", "[::ffff:8.8.8.8]", "localhost#@8.8.8.8"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		p := Plan{Scenarios: []Scenario{{Kind: Connect, URL: "ws://" + host + "/"}}}
		if p.Complete() != nil {
			return
		}
		pins, err := CheckTargets(t.Context(), &p, &hosts{list: map[string][]string{"localhost": {"127.0.0.1"}}})
		if err != nil {
			return
		}
		for name, addrs := range pins {
			for _, a := range addrs {
				if !a.IsLoopback() && !a.IsPrivate() && !a.WithZone("").IsLinkLocalUnicast() {
					t.Fatalf("%s may be loaded: %v", name, a)
				}
			}
		}
	})
}
