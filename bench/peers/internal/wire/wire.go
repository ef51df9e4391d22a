// Package wire joins two hosts in one: processes at either end of a pair of
// virtual devices, whose packets wait for a thread of the kernel at the end that
// they come to. Over loopback the sender's system call also carries a segment into
// the receiver's socket, and is charged for it; here it ends at the device, as it
// does where clients are elsewhere.
package wire

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"carillon/bench/peers/internal/proc"
)

// Wire is a wire with both its ends. It needs root, and the ip and ethtool commands.
type Wire struct {
	// Near is the address of the end that this process is at, Far the first of
	// those of the other end.
	Near, Far netip.Addr

	near, far string // devices
	space     string // network namespace of the far end
	laid      bool
	thread    int // that takes what comes to the near end
}

const (
	width = "/24"
	most  = 200 // addresses of the far end, in such a network
)

// Able tells why no wire can be laid: it takes root, a kernel with network
// namespaces, and the commands ip and ethtool.
func Able(ctx context.Context) error {
	if _, err := exec.LookPath("ethtool"); err != nil {
		return err
	}
	id := strconv.FormatInt(int64(os.Getpid()), 36)
	if err := command(ctx, "ip", "netns", "add", "able-"+id); err != nil {
		return err
	}
	return command(ctx, "ip", "netns", "del", "able-"+id)
}

// New lays a wire whose far end has so many addresses, from Far on, at most 200.
func New(ctx context.Context, addresses int) (*Wire, error) {
	if addresses > most {
		return nil, fmt.Errorf("%d addresses: want %d at most", addresses, most)
	}
	id := strconv.FormatInt(int64(os.Getpid()), 36)
	// Of the networks set apart for measurements (RFC 2544), so that wires laid at
	// the same time have one each.
	network := [4]byte{198, 18 + byte(os.Getpid()>>8&1), byte(os.Getpid()), 1}
	w := &Wire{Near: netip.AddrFrom4(network), near: "wn" + id, far: "wf" + id, space: "wire-" + id}
	w.Far = w.Near.Next()
	if err := command(ctx, "ip", "netns", "add", w.space); err != nil {
		return nil, err
	}
	if err := w.lay(ctx, addresses); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// lay lays the wire to the namespace.
func (w *Wire) lay(ctx context.Context, addresses int) (err error) {
	if err := command(ctx, "ip", "link", "add", w.near, "type", "veth", "peer", "name", w.far); err != nil {
		return err
	}
	w.laid = true
	within := func(args ...string) []string { return append([]string{"ip", "-n", w.space}, args...) }
	// Packets wait for the thread of the device that they come to if it may join
	// them and the sender leaves none to be split.
	steps := [][]string{
		{"ethtool", "-K", w.near, "gro", "on", "tso", "off"},
		{"ethtool", "-K", w.far, "gro", "on", "tso", "off"},
		{"ip", "link", "set", w.far, "netns", w.space},
		{"ip", "addr", "add", w.Near.String() + width, "dev", w.near},
	}
	far := w.Far
	for range addresses {
		steps = append(steps, within("addr", "add", far.String()+width, "dev", w.far))
		far = far.Next()
	}
	steps = append(steps,
		within("link", "set", w.far, "up"),
		[]string{"ip", "link", "set", w.near, "up"},
		[]string{"sh", "-c", "echo 1 > " + threaded(w.near)},
		[]string{"ip", "netns", "exec", w.space, "sh", "-c", "echo 1 > " + threaded(w.far)},
	)
	for _, step := range steps {
		if err := command(ctx, step[0], step[1:]...); err != nil {
			return err
		}
	}
	w.thread, err = threadOf(w.near)
	return err
}

// AtFarEnd returns what runs a command at the far end, with the same process ID.
func (w *Wire) AtFarEnd(path string, args []string) (string, []string) {
	return "ip", append([]string{"netns", "exec", w.space, path}, args...)
}

// ThreadCPU is what the thread has used that takes what comes to the near end.
func (w *Wire) ThreadCPU() (time.Duration, error) { return proc.CPUOf(w.thread) }

// Close takes the wire away.
func (w *Wire) Close() (err error) {
	if w.laid { // at once, with its other end: the kernel takes its time with a namespace
		err = command(context.Background(), "ip", "link", "del", w.near)
	}
	return errors.Join(err, command(context.Background(), "ip", "netns", "del", w.space))
}

func threaded(device string) string { return "/sys/class/net/" + device + "/threaded" }

// threadOf finds the thread that polls a device.
func threadOf(device string) (int, error) {
	names, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		comm, err := os.ReadFile(name)
		if err == nil && strings.HasPrefix(string(comm), "napi/"+device+"-") {
			return strconv.Atoi(filepath.Base(filepath.Dir(name)))
		}
	}
	return 0, fmt.Errorf("no thread polls %s", device)
}

func command(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
