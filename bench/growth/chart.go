package main

import (
	"fmt"
	"html"
	"io"
	"math"
	"strconv"
)

// The chart in pixels: four panels in two rows.
const (
	panelWidth, panelHeight = 360, 210
	plotLeft, plotRight     = 54, 24 // margins of a panel
	plotTop, plotBottom     = 44, 34
	footHeight              = 26
)

// panel is one of the charts.
type panel struct {
	title, unit string
	of          func(Point) float64
}

var panels = [4]panel{
	{"Gateway, user space", "bytes a connection", func(p Point) float64 { return p.UserBytes }},
	{"Kernel, both ends", "bytes a connection", func(p Point) float64 { return p.KernelBytes }},
	{"CPU of a heartbeat", "µs, gateways alone", func(p Point) float64 { return p.HeartbeatCPU }},
	{"Broadcast until 99 % have it", "µs a connection, both ends on the same cores", func(p Point) float64 { return p.Broadcast }},
}

// style is for light and dark.
const style = `<style>
.ground{fill:#ffffff}.title{fill:#1f2328;font-weight:600;font-size:13px}.value{fill:#1f2328;font-size:11px}
.note{fill:#59636e;font-size:11px}.grid{stroke:#d1d9e0}.line{stroke:#0969da;fill:none;stroke-width:2}.dot{fill:#0969da}
@media (prefers-color-scheme:dark){.ground{fill:#0d1117}.title,.value{fill:#f0f6fc}.note{fill:#9198a1}.grid{stroke:#3d444d}
.line{stroke:#4493f8}.dot{fill:#4493f8}}
</style>
`

// draw writes the chart as SVG.
func (d *Data) draw(w io.Writer) {
	width, height := 2*panelWidth, 2*panelHeight+footHeight
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" `+
		`aria-label="What a connection costs, by the number of connections" font-family="system-ui,sans-serif">`+"\n", width, height, width, height)
	fmt.Fprint(w, style)
	fmt.Fprintf(w, `<rect class="ground" width="%d" height="%d"/>`+"\n", width, height)
	for i, p := range panels {
		fmt.Fprintf(w, `<g transform="translate(%d %d)">`+"\n", i%2*panelWidth, i/2*panelHeight)
		p.draw(w, d.Points)
		fmt.Fprint(w, "</g>\n")
	}
	fmt.Fprintf(w, `<text class="note" x="%d" y="%d">By the number of connections. %s</text>`+"\n</svg>\n", 16, height-10, html.EscapeString(d.Machine))
}

func (p panel) draw(w io.Writer, points []Point) {
	fmt.Fprintf(w, `<text class="title" x="16" y="20">%s</text><text class="note" x="16" y="35">%s</text>`+"\n", p.title, p.unit)
	if len(points) == 0 {
		return
	}
	most := 0.0
	for _, q := range points {
		most = max(most, p.of(q))
	}
	top, step := ceiling(most)
	low, high := decades(points)
	x := func(n int) float64 {
		return plotLeft + (math.Log10(float64(n))-low)/(high-low)*(panelWidth-plotLeft-plotRight)
	}
	y := func(v float64) float64 {
		return panelHeight - plotBottom - max(v, 0)/top*(panelHeight-plotTop-plotBottom)
	}
	for v := 0.0; v <= top*1.001; v += step {
		fmt.Fprintf(w, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text class="note" x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			plotLeft, panelWidth-plotRight, y(v), y(v), plotLeft-6, y(v)+4, short(v))
	}
	for e := math.Ceil(low); e <= high; e++ {
		n := int(math.Pow(10, e))
		fmt.Fprintf(w, `<text class="note" x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x(n), panelHeight-plotBottom+16, axisLabel(n))
	}
	line := ""
	for i, q := range points {
		line += fmt.Sprintf("%c%.1f %.1f", "ML"[min(i, 1)], x(q.Connections), y(p.of(q)))
	}
	fmt.Fprintf(w, `<path class="line" d="%s"/>`+"\n", line)
	for _, q := range points {
		fmt.Fprintf(w, `<circle class="dot" cx="%.1f" cy="%.1f" r="3.5"/><text class="value" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n",
			x(q.Connections), y(p.of(q)), x(q.Connections), y(p.of(q))-8, short(p.of(q)))
	}
}

// ceiling returns a round number above most, and the distance of the lines below it.
func ceiling(most float64) (top, step float64) {
	if most <= 0 {
		return 1, 1
	}
	most *= 1.15 // room for the highest value's label
	unit := math.Pow(10, math.Floor(math.Log10(most)))
	for _, s := range []float64{0.25, 0.5, 1, 2, 2.5} {
		if step = s * unit; most <= 4*step {
			break
		}
	}
	return math.Ceil(most/step) * step, step
}

// decades returns the range of the horizontal axis as powers of ten.
func decades(points []Point) (low, high float64) {
	low = math.Floor(math.Log10(float64(points[0].Connections)))
	high = math.Ceil(math.Log10(float64(points[len(points)-1].Connections)))
	return low, max(high, low+1)
}

// axisLabel writes a power of ten.
func axisLabel(n int) string {
	if n >= 1000 && n < 1_000_000 {
		return strconv.Itoa(n/1000) + "k"
	}
	return short(float64(n))
}

// short writes a number with few characters.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return strconv.FormatFloat(v/1e6, 'g', 3, 64) + "M"
	case v >= 1e4:
		return strconv.FormatFloat(v/1e3, 'f', trailing(v/1e3), 64) + "k"
	case v >= 100 || v == math.Trunc(v):
		return strconv.FormatFloat(v, 'f', 0, 64)
	default:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
}

// trailing returns how many decimals a number needs.
func trailing(v float64) int {
	if v >= 100 || math.Abs(v-math.Round(v)) < 0.05 {
		return 0
	}
	return 1
}
