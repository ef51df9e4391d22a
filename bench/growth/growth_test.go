package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"carillon/cluster/services/crowd/crowdtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestMeasure measures some hundreds, as the command does a million.
func TestMeasure(t *testing.T) {
	dir := t.TempDir()
	o := options{carillon: crowdtest.Build(t), rate: 500, heartbeats: 8000, window: time.Second, quiet: time.Second, margin: time.Second}
	if err := run(t.Context(), o, []int{200}, dir); err != nil {
		t.Fatal(err)
	}
	data, err := read(filepath.Join(dir, "growth.json"), machine())
	if err != nil || len(data.Points) != 1 {
		t.Fatalf("got %+v, %v", data, err)
	}
	p := data.Points[0]
	if p.Connections != 200 || p.Gateways != 2 || p.KernelBytes < 1000 || p.Broadcast <= 0 || p.FrameCPU <= 0 || p.HeartbeatCPU <= 0 || p.IdleCPU <= 0 || p.LiveCPU <= p.IdleCPU {
		t.Errorf("got %+v", p)
	}
	if _, err := os.Stat(filepath.Join(dir, "growth.svg")); err != nil {
		t.Error(err)
	}
}

// TestBeats is by connection where that is asked for.
func TestBeats(t *testing.T) {
	if got := (options{heartbeats: 5000}).beats(200); got != 5000 {
		t.Errorf("got %v a second, want 5000", got)
	}
	if got := (options{heartbeats: 5000, every: 25 * time.Second}).beats(200); got != 8 {
		t.Errorf("got %v a second of 200 connections every 25 s, want 8", got)
	}
}

// TestCannotStart says why.
func TestCannotStart(t *testing.T) {
	if err := run(t.Context(), options{carillon: filepath.Join(t.TempDir(), "missing")}, []int{1}, t.TempDir()); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("without the program: %v", err)
	}
	for _, args := range [][]string{{"--counts", "0"}, {"--counts", "1,x"}, {"--counts", ""}, {"--every", "-1s"}} {
		if code := command(args); code != 2 {
			t.Errorf("%q: exit code %d", args, code)
		}
	}
}

// TestData keeps what is of the same machine, in order, one point of a count.
func TestData(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "growth.json")
	d, err := read(path, "one")
	if err != nil || len(d.Points) != 0 {
		t.Fatalf("of no file: %+v, %v", d, err)
	}
	for _, p := range []Point{{Connections: 1000}, {Connections: 10}, {Connections: 1000, UserBytes: 7}} {
		d.put(p)
	}
	if err := d.save(dir); err != nil {
		t.Fatal(err)
	}
	again, err := read(path, "one")
	if err != nil || len(again.Points) != 2 || again.Points[0].Connections != 10 || again.Points[1].UserBytes != 7 {
		t.Errorf("got %+v, %v", again, err)
	}
	if other, err := read(path, "another"); err != nil || len(other.Points) != 0 || other.Machine != "another" {
		t.Errorf("of another machine: %+v, %v", other, err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	var syntax *json.SyntaxError
	if _, err := read(path, "one"); !errors.As(err, &syntax) {
		t.Errorf("of a broken file: %v", err)
	}
}

// TestChart draws every value where it belongs, as XML.
func TestChart(t *testing.T) {
	d := Data{Machine: "a & b <c>", Points: []Point{
		{Connections: 1000, UserBytes: 400, KernelBytes: 9000, HeartbeatCPU: 12.34, Broadcast: 8},
		{Connections: 100_000, UserBytes: 800, KernelBytes: 10_300, HeartbeatCPU: 20, Broadcast: 0},
	}}
	var b bytes.Buffer
	d.draw(&b)
	texts := make(map[string]int)
	var dots []string
	for dec := xml.NewDecoder(&b); ; {
		token, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.CharData:
			texts[string(token)]++
		case xml.StartElement:
			if token.Name.Local == "circle" {
				dots = append(dots, token.Attr[1].Value+" "+token.Attr[2].Value)
			}
		}
	}
	for _, want := range []string{"400", "800", "9000", "10.3k", "12.3", "By the number of connections. a & b <c>"} {
		if texts[want] == 0 {
			t.Errorf("no text %q", want)
		}
	}
	if texts["1k"] != 4 || texts["10k"] < 4 || texts["100k"] != 4 {
		t.Errorf("the axes have %d, %d and %d labels of the decades", texts["1k"], texts["10k"], texts["100k"])
	}
	if len(dots) != 8 {
		t.Fatalf("%d dots", len(dots))
	}
	// 1,000 is at the left end, 100,000 at the right one; 800 is twice as high as 400.
	if left, right := dots[0], dots[1]; left != "54.0 123.2" || right != "336.0 70.4" {
		t.Errorf("the dots of the first panel are at %s and %s", left, right)
	}
	d.Points = nil
	d.draw(io.Discard)
}

// TestCeiling has room above the highest value, and few lines.
func TestCeiling(t *testing.T) {
	for _, most := range []float64{0, 0.3, 1, 9, 86, 100, 1234, 10_309, 99_999} {
		top, step := ceiling(most)
		if top < most || top > 2*max(most, 1) || top/step > 5 {
			t.Errorf("%g: up to %g in steps of %g", most, top, step)
		}
	}
}
