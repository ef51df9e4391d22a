package deploy

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// dashboard is what the tests read of a Grafana dashboard.
type dashboard struct {
	UID        string  `json:"uid"`
	Panels     []panel `json:"panels"`
	Templating struct {
		List []struct {
			Name string `json:"name"`
		} `json:"list"`
	} `json:"templating"`
}

type panel struct {
	ID          int     `json:"id"`
	Type        string  `json:"type"`
	Title       string  `json:"title"`
	Description string  `json:"description"`
	Panels      []panel `json:"panels"`
	GridPos     struct {
		X, Y, W, H int
	} `json:"gridPos"`
	Targets []struct {
		RefID        string `json:"refId"`
		Expr         string `json:"expr"`
		LegendFormat string `json:"legendFormat"`
	} `json:"targets"`
}

const dashboardFile = "grafana/carillon.json"

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), &d); err != nil {
		t.Fatal(err)
	}
	if d.UID == "" || len(d.Panels) == 0 {
		t.Fatalf("uid %q, %d panels", d.UID, len(d.Panels))
	}
	return d
}

// TestDashboardLayout checks that panels have ids of their own and room of their own.
func TestDashboardLayout(t *testing.T) {
	const width = 24
	d := readDashboard(t)
	ids := map[int]bool{}
	room := map[[2]int]string{}
	var rows []string
	for _, p := range d.Panels {
		if p.ID <= 0 || ids[p.ID] {
			t.Errorf("%s: the id %d is taken", p.Title, p.ID)
		}
		ids[p.ID] = true
		g := p.GridPos
		if g.X < 0 || g.Y < 0 || g.W <= 0 || g.H <= 0 || g.X+g.W > width {
			t.Errorf("%s: is at %+v", p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, ok := room[[2]int{x, y}]; ok {
					t.Fatalf("%s lies over %s", p.Title, other)
				}
				room[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			rows = append(rows, p.Title)
			if len(p.Panels) > 0 {
				t.Errorf("row %s is folded", p.Title)
			}
		} else if p.Title == "" || p.Description == "" || len(p.Targets) == 0 {
			t.Errorf("panel %d: title %q, description %q, %d queries", p.ID, p.Title, p.Description, len(p.Targets))
		}
	}
	if want := []string{"Clients", "Event loops", "Pushes", "Cluster: presence", "Cluster: bus", "Process"}; !slices.Equal(rows, want) {
		t.Errorf("rows are %q, want %q", rows, want)
	}
}

// TestDashboardQueries checks each query: what it asks for is exported, and its legend
// names labels that the result has.
func TestDashboardQueries(t *testing.T) {
	e := scrape(t)
	for _, p := range readDashboard(t).Panels {
		refs := map[string]bool{}
		for _, q := range p.Targets {
			if q.RefID == "" || refs[q.RefID] {
				t.Errorf("%s: the ref %q is taken", p.Title, q.RefID)
			}
			refs[q.RefID] = true
			labels, names, faults := checkQuery(e, q.Expr)
			for _, f := range faults {
				t.Errorf("%s: %s", p.Title, f)
			}
			if n := strings.Count(q.Expr, `{job=~"$job", instance=~"$instance"`); n != len(names) {
				t.Errorf("%s: %s: %d of %d metrics are those of the nodes chosen", p.Title, q.Expr, n, len(names))
			}
			for _, m := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(q.LegendFormat, -1) {
				if !slices.Contains(labels, m[1]) {
					t.Errorf("%s: the legend %q of %s, the labels are %v", p.Title, q.LegendFormat, q.Expr, labels)
				}
			}
		}
	}
}

// TestDashboardVariables checks that each variable that stands anywhere is declared.
func TestDashboardVariables(t *testing.T) {
	d := readDashboard(t)
	declared := map[string]bool{"__rate_interval": true, "__all": true}
	for _, v := range d.Templating.List {
		declared[v.Name] = true
	}
	text := []byte(read(t, dashboardFile))
	for _, m := range regexp.MustCompile(`\$\{?(\w+)\}?`).FindAllSubmatch(text, -1) {
		if !declared[string(m[1])] {
			t.Errorf("%s is not declared", m[0])
		}
	}
	if n := bytes.Count(text, []byte(`"uid": "`)); n != 1+bytes.Count(text, []byte(`"uid": "${datasource}"`)) {
		t.Error("a panel names a data source other than the one chosen")
	}
}
