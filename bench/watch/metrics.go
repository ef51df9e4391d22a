package watch

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// The process metrics that Prometheus client libraries export.
const (
	metricCPU  = "process_cpu_seconds_total"
	metricUser = "process_cpu_user_seconds_total"
	metricSys  = "process_cpu_system_seconds_total"
	metricRSS  = "process_resident_memory_bytes"
	metricFDs  = "process_open_fds"
)

// metricThreads are the names under which libraries export threads.
var metricThreads = []string{"go_threads", "process_num_threads", "jvm_threads_current"}

// Bounds of one scrape.
const (
	scrapeTimeout = 2 * time.Second
	maxScrape     = 32 << 20
	maxLine       = 64 << 10
)

// metricsProbe looks at a server through its Prometheus endpoint.
type metricsProbe struct {
	url     string
	shown   string // without secrets
	client  *http.Client
	scrapes int
	failed  int
	notes   notes

	last    map[string]float64 // counters, as scraped
	carried map[string]float64 // what counters had reached before the server restarted
}

func newMetricsProbe(address string) *metricsProbe {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns = 1
	return &metricsProbe{
		url: address, shown: maskURL(address),
		client:  &http.Client{Transport: transport, Timeout: scrapeTimeout},
		last:    make(map[string]float64),
		carried: make(map[string]float64),
	}
}

// maskURL leaves out what may be a secret: user, password, and the values of
// the query.
func maskURL(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "metrics URL that can not be parsed"
	}
	masked := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	s := masked.String()
	for i, pair := range strings.FieldsFunc(u.RawQuery, func(r rune) bool { return r == '&' }) {
		if i == 0 {
			s += "?"
		} else {
			s += "&"
		}
		if key, _, ok := strings.Cut(pair, "="); ok {
			s += key + "="
		}
		s += "***"
	}
	return s
}

func (p *metricsProbe) source() string    { return p.shown }
func (p *metricsProbe) missing() []string { return p.notes.texts }
func (p *metricsProbe) close()            { p.client.CloseIdleConnections() }

// look scrapes the endpoint. Nothing of it is expensive for us, and what it
// costs the server does not depend on deep.
func (p *metricsProbe) look(bool) reading {
	r := blank(time.Now())
	p.scrapes++
	values, err := p.scrape()
	if err != nil {
		p.failed++
		p.notes.set("scrape", fmt.Sprintf("%d of %s failed, the last one: %s", p.failed, plural(int64(p.scrapes), "scrape", "scrapes"), scrapeError(err)))
		return r
	}
	r.cpu = p.counter(values, metricCPU)
	r.user = p.counter(values, metricUser)
	r.sys = p.counter(values, metricSys)
	if r.cpu == unknown && r.user != unknown && r.sys != unknown {
		r.cpu = r.user + r.sys
	}
	whole := func(names ...string) int64 {
		for _, name := range names {
			if v, ok := values[name]; ok && v >= 0 && v < 1<<62 {
				return int64(v)
			}
		}
		return unknown
	}
	r.rss = whole(metricRSS)
	r.fds = int(whole(metricFDs))
	r.threads = int(whole(metricThreads...))
	for name, known := range map[string]bool{metricCPU: r.cpu != unknown, metricRSS: r.rss != unknown, metricFDs: r.fds != unknown} {
		if !known {
			p.notes.set(name, name+" is not exported")
		}
	}
	return r
}

// counter returns a counter that does not fall when the server restarts.
func (p *metricsProbe) counter(values map[string]float64, name string) float64 {
	v, ok := values[name]
	if !ok || !(v >= 0) {
		return unknown
	}
	if v < p.last[name] {
		p.carried[name] += p.last[name]
		p.notes.set("restart", fmt.Sprintf("%s fell from %.2f to %.2f: the server restarted, or several answer under this address", name, p.last[name], v))
	}
	p.last[name] = v
	return p.carried[name] + v
}

// scrape reads the endpoint once.
func (p *metricsProbe) scrape() (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", string(expfmt.NewFormat(expfmt.TypeTextPlain)))
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP %d", resp.StatusCode)
	}
	return parseMetrics(resp.Body)
}

var errLargeScrape = fmt.Errorf("the answer is larger than %s", size(maxScrape))

// parseMetrics reads a Prometheus text answer and returns the metrics we know,
// added up over their labels. Only their lines are parsed: answers of servers
// can be megabytes.
func parseMetrics(body io.Reader) (map[string]float64, error) {
	limited := &io.LimitedReader{R: body, N: maxScrape + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, maxLine)
	var known bytes.Buffer
	for lines.Scan() {
		if name := metricName(lines.Bytes()); wanted(name) {
			known.Write(lines.Bytes())
			known.WriteByte('\n')
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if limited.N <= 0 {
		return nil, errLargeScrape
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(&known)
	if err != nil {
		return nil, err
	}
	values := make(map[string]float64)
	for name, family := range families {
		for _, m := range family.Metric {
			values[name] += m.GetUntyped().GetValue()
		}
	}
	return values, nil
}

// metricName is the name at the beginning of a line of samples.
func metricName(line []byte) string {
	if i := bytes.IndexAny(line, "{ \t"); i > 0 && line[0] != '#' {
		return string(line[:i])
	}
	return ""
}

func wanted(name string) bool {
	switch name {
	case metricCPU, metricUser, metricSys, metricRSS, metricFDs:
		return true
	}
	for _, n := range metricThreads {
		if n == name {
			return true
		}
	}
	return false
}

// scrapeError says what went wrong without the URL, which may hold secrets.
func scrapeError(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer within " + scrapeTimeout.String()
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}
