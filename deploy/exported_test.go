package deploy

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"carillon/cluster/local"
	"carillon/server"
)

// exported is what a gateway of a cluster exports: families by name.
type exported map[string]*dto.MetricFamily

// ownLabels are those that Prometheus adds to each metric.
var ownLabels = []string{"instance", "job"}

// scrape reads the metrics of a gateway in a cluster.
func scrape(t *testing.T) exported {
	t.Helper()
	hub := local.NewHub()
	g := startGateway(t, func(opt *server.Options) { opt.Presence, opt.Bus = hub.Presence(), hub.Bus() })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.addr+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+pushToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v", res.Status, err)
	}
	// Prometheus makes this one itself.
	families["up"] = &dto.MetricFamily{Type: dto.MetricType_GAUGE.Enum(), Metric: []*dto.Metric{{}}}
	return families
}

// labels are the names of a metric's labels, in order.
func (e exported) labels(name string) []string {
	all := map[string]bool{}
	for _, l := range ownLabels {
		all[l] = true
	}
	for _, m := range e[name].GetMetric() {
		for _, l := range m.GetLabel() {
			all[l.GetName()] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// values are those that a label of a metric has.
func (e exported) values(name, label string) (values []string) {
	for _, m := range e[name].GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == label {
				values = append(values, l.GetValue())
			}
		}
	}
	return values
}
