package live

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"carillon/bench/report"
)

const (
	// keepAlive is how often a stream says something when there is no news, so
	// that one whose reader is gone ends.
	keepAlive = 15 * time.Second
	// writeWait is how long a viewer may take to take what is sent.
	writeWait = 10 * time.Second
	// retry is when a page comes back after its stream ended, in milliseconds.
	retry = 1000
)

// news is what a stream tells at once.
type news struct {
	Full    bool             `json:"full"` // the moments are all there are, not those since the last news
	Moments []moment         `json:"moments"`
	Now     *report.Progress `json:"now"` // nil: nothing yet
	Strain  []string         `json:"strain"`
	Ending  bool             `json:"ending"`
}

// reader is how far a stream has got. It owns no queue: one that is slow gets
// what there is when it comes back.
type reader struct {
	version  int64
	seq      int64 // of the last moment
	told     bool  // of anything
	finished bool
}

// next returns what r has not got yet, and what to wait for when that is
// nothing; closed says that nothing more will come.
func (u *UI) next(r *reader) (n *news, f *finish, wait <-chan struct{}, closed bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !r.told || r.version != u.version {
		n = &news{Full: r.seq == 0, Moments: u.line.since(r.seq), Now: u.now, Ending: u.ending}
		if u.now != nil {
			n.Strain = strain(u.now.Client)
		}
		r.told, r.version, r.seq = true, u.version, u.line.seq
	}
	if !r.finished && u.finished != nil {
		f, r.finished = u.finished, true
	}
	return n, f, u.changed, u.closed
}

// events is a stream of server-sent events: "news", and "finish" once at the end.
func (u *UI) events(w http.ResponseWriter, req *http.Request) {
	if !u.enter() {
		http.Error(w, "too many viewers", http.StatusServiceUnavailable)
		return
	}
	defer u.leave()
	w.Header().Set("Content-Type", "text/event-stream")
	s := &stream{w: w, control: http.NewResponseController(w)}
	// The server's limit on reading is for requests; this one is read.
	if s.control.SetReadDeadline(time.Time{}) != nil || s.write(fmt.Appendf(nil, "retry: %d\n\n", retry)) != nil {
		return
	}
	r := &reader{seq: u.resume(req.Header.Get("Last-Event-ID"))}
	ticker := time.NewTicker(keepAlive)
	defer ticker.Stop()
	for {
		n, f, wait, closed := u.next(r)
		if n != nil && s.event("news", u.run+"-"+strconv.FormatInt(r.seq, 10), n) != nil {
			return
		}
		if f != nil && s.event("finish", "", f) != nil {
			return
		}
		if closed {
			return
		}
		select {
		case <-wait:
		case <-ticker.C:
			if s.write([]byte(":\n\n")) != nil {
				return
			}
		case <-req.Context().Done():
			return
		}
	}
}

// resume is the number of the last moment that a page has from an earlier
// stream of this run; 0: none.
func (u *UI) resume(id string) int64 {
	run, number, _ := strings.Cut(id, "-")
	seq, err := strconv.ParseInt(number, 10, 64)
	if run != u.run || err != nil || seq < 0 {
		return 0
	}
	return seq
}

func (u *UI) enter() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.viewers == maxViewers {
		return false
	}
	u.viewers++
	return true
}

func (u *UI) leave() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.viewers--
}

// stream writes events.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (s *stream) event(name, id string, data any) error {
	b, err := json.Marshal(data) // on one line
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if id != "" {
		fmt.Fprintf(&out, "id: %s\n", id)
	}
	fmt.Fprintf(&out, "event: %s\ndata: %s\n\n", name, b)
	return s.write(out.Bytes())
}

func (s *stream) write(b []byte) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(writeWait)); err != nil {
		return err
	}
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	return s.control.Flush()
}
