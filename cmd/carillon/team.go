package main

import (
	"bytes"
	"crypto/rand"
	"encoding/gob"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"

	"carillon/cmd/carillon/internal/supervise"
	"carillon/server/config"
)

// workerAttr is what log lines name their worker by.
const workerAttr = "worker"

// team is the workers of a supervisor.
type team struct {
	names   []string
	configs []config.Config
	owner   string
	key     []byte // of tokens, see assignment
	out     *supervise.Output
	address atomic.Pointer[string] // the line that one of them has printed
}

// newTeam gives every worker its share of the configuration.
func newTeam(cfg config.Config, key []byte, out *supervise.Output) *team {
	t := &team{owner: rand.Text(), key: key, out: out}
	n := cfg.Server.Processes
	for i := range n {
		c := cfg
		c.Server.Processes = 1
		c.Server.NodeID += "-" + strconv.Itoa(i+1)
		if c.Server.EventLoops == 0 {
			c.Server.EventLoops = max(1, runtime.GOMAXPROCS(0)/n)
		}
		c.Admin.Listen = countUp(cfg.Admin.Listen, i)
		t.configs, t.names = append(t.configs, c), append(t.names, c.Server.NodeID)
	}
	return t
}

// countUp is a listener's address with i added to its port, if it has one of its own.
func countUp(address string, i int) string {
	host, text, err := net.SplitHostPort(address)
	port, _ := strconv.Atoi(text)
	if err != nil || port == 0 {
		return address
	}
	return net.JoinHostPort(host, strconv.Itoa(port+i))
}

// start starts worker i.
func (t *team) start(i int) (supervise.Process, error) {
	var input bytes.Buffer
	if err := gob.NewEncoder(&input).Encode(assignment{t.configs[i], t.owner, string(t.key)}); err != nil {
		return nil, err
	}
	path, err := program()
	if err != nil {
		return nil, err
	}
	return supervise.Spawn{
		Path: path, Args: []string{os.Args[0], workerCommand, t.names[i]}, Input: input.Bytes(),
		Address: func(line string) { t.address.Store(&line) },
		Log:     t.out.Put,
		Text:    func(text []byte) { t.out.Put(t.told(i, text)) },
	}.Start()
}

// told is what a worker wrote to its standard error, such as the trace of a panic, in the format of the log: as one
// record, or each line behind the name of the worker.
func (t *team) told(i int, text []byte) []byte {
	if cfg := t.configs[i].Log; cfg.Format == config.LogJSON {
		var b bytes.Buffer
		newLogger(&b, cfg).Error("written to standard error", workerAttr, t.names[i], "text", string(text))
		return b.Bytes()
	}
	return supervise.Prefix(workerAttr+"="+t.names[i]+" ", text)
}

// program is this executable. On Linux it is the file that runs, also after another version was put in its place: the
// workers have to understand what they are given.
func program() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}
