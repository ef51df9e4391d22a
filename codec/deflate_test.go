package codec

import (
	"bytes"
	"compress/flate"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
)

func inflate(t *testing.T, f *inflater, z string, limit int) (string, *CloseError) {
	t.Helper()
	var pool bufferPool
	out, err := f.run(&pool, []byte(z), limit)
	return string(out), err
}

func TestDeflateRoundTrip(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	var f inflater
	for _, size := range edgeSizes {
		random := make([]byte, size)
		for i := range random {
			random[i] = byte(rng.Uint32())
		}
		for name, s := range map[string]string{"random": string(random), "same": strings.Repeat("s", size), "text": strings.Repeat("the quick brown fox ", size/20+1)[:size]} {
			for level := -1; level <= 10; level++ {
				frame := AppendDeflated([]byte("before"), ws.OpBinary, []byte(s), level)
				if !bytes.HasPrefix(frame, []byte("before")) {
					t.Fatal("what was in dst is gone")
				}
				frame = frame[len("before"):]
				if n, ok := FrameLen(frame); !ok || n != len(frame) {
					t.Fatalf("frame of %d says %d", len(frame), n)
				}
				if got := inflateFrame(t, frame); got != s {
					t.Fatalf("%s %d level %d: the standard library reads something else", name, size, level)
				}
				h, _ := ws.ReadHeader(bytes.NewReader(frame))
				z := string(frame[len(frame)-int(h.Length):])
				if got, err := inflate(t, &f, z, max(size, 1)); err != nil || got != s {
					t.Fatalf("%s %d level %d: got %d bytes, %v", name, size, level, len(got), err)
				}
				if size > 1 {
					if _, err := inflate(t, &f, z, size-1); err != ErrTooBig {
						t.Fatalf("%s %d level %d: one byte over the limit: got %v", name, size, level, err)
					}
				}
			}
		}
	}
}

func TestDeflateEmptyIsOneOctet(t *testing.T) {
	t.Parallel()
	if got := AppendDeflated(nil, ws.OpText, nil, 6); string(got) != "\xc1\x01\x00" {
		t.Errorf("got % x, want c1 01 00 (RFC 7692 section 7.2.3.6)", got)
	}
}

// The examples of RFC 7692 section 7.2.3.
func TestInflateExamplesOfTheRFC(t *testing.T) {
	t.Parallel()
	var f inflater
	for name, z := range map[string]string{
		"7.2.3.1 one block":      "\xf2\x48\xcd\xc9\xc9\x07\x00",
		"7.2.3.3 no compression": "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
		"7.2.3.4 BFINAL":         "\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
		"7.2.3.5 two blocks":     "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
	} {
		if got, err := inflate(t, &f, z, 100); got != "Hello" || err != nil {
			t.Errorf("%s: got %q %v", name, got, err)
		}
	}
	// 7.2.3.2 needs the window of the message before: never negotiated, so damaged.
	if got, err := inflate(t, &f, "\xf2\x00\x11\x00\x00", 100); err != ErrBadDeflate {
		t.Errorf("context takeover: got %q %v", got, err)
	}
}

// A block after BFINAL may refer to what came before it.
func TestInflateKeepsTheWindowOverBFINAL(t *testing.T) {
	t.Parallel()
	var f inflater
	first := strings.Repeat("0123456789", 5000)
	const phrase = "the quick brown fox jumps over the lazy dog"
	var second bytes.Buffer
	w, err := flate.NewWriterDict(&second, 9, []byte(first+phrase))
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(phrase + "tail"))
	w.Flush()
	if second.Len() > len(phrase) {
		t.Fatalf("%d bytes: no reference to the window", second.Len())
	}
	first += phrase
	z := chop(stdDeflateFinal(first)) + strings.TrimSuffix(second.String(), flushTail)
	if got, err := inflate(t, &f, z, 1<<20); got != first+phrase+"tail" || err != nil {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

func TestInflateRestartsAreBounded(t *testing.T) {
	t.Parallel()
	var f inflater
	const empty = "\x03\x00" // a BFINAL block of nothing
	for n, want := range map[int]*CloseError{0: nil, 1: nil, maxRestarts: nil, maxRestarts + 1: ErrBadDeflate, 30_000: ErrBadDeflate} {
		if got, err := inflate(t, &f, strings.Repeat(empty, n)+stdDeflate("x"), 100); err != want || err == nil && got != "x" {
			t.Errorf("%d restarts: got %q %v, want %v", n, got, err, want)
		}
	}
}

// A cut message is never taken for a whole one of other content.
func TestInflateCut(t *testing.T) {
	t.Parallel()
	var f inflater
	want := "Hello, hello, hello: the quick brown fox jumps over the lazy dog"
	z := stdDeflate(want)
	for i := range len(z) - 1 {
		if got, err := inflate(t, &f, z[:i], 1000); err == nil && !strings.HasPrefix(want, got) {
			t.Errorf("cut to %d of %d: got %q", i, len(z), got)
		}
	}
	if got, err := inflate(t, &f, z, 1000); got != want || err != nil {
		t.Errorf("after all the damage: got %q %v", got, err)
	}
}

// A last block that takes its data out of the trailer we put back is damaged,
// whether or not something that reads as a block is left of it.
func TestInflateReachesIntoTheTrailer(t *testing.T) {
	t.Parallel()
	var f inflater
	for n := 1; n < len(streamEnd); n++ {
		z := string([]byte{1, byte(n), 0, ^byte(n), 0xff}) // BFINAL, n bytes follow
		if got, err := inflate(t, &f, z, 100); err != ErrBadDeflate {
			t.Errorf("%d bytes missing: got %q %v", n, got, err)
		}
	}
}

// A bomb is given up at the limit: the output never holds more.
func TestInflateBomb(t *testing.T) {
	var f inflater
	z := stdDeflate(strings.Repeat("\x00", 50<<20))
	var pool bufferPool
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := f.run(&pool, []byte(z), 1<<16); err != ErrTooBig {
		t.Fatalf("got %v", err)
	}
	runtime.ReadMemStats(&after)
	// The input is copied (about 50 KB), the output doubles up to 64 KiB, the reader is 40 KB.
	if n := after.TotalAlloc - before.TotalAlloc; n > 512<<10 {
		t.Errorf("%d bytes that become 50 MiB: %d bytes allocated", len(z), n)
	}
	for c, l := range pool.free {
		for _, b := range l {
			if cap(b) > 1<<16 {
				t.Errorf("class %d: buffer of %d", c, cap(b))
			}
		}
	}
	if cap(f.in) > 0 && cap(f.in) > 2*maxDeflaterBuffer {
		t.Errorf("%d bytes of input kept", cap(f.in))
	}
}

func TestDeflateFromManyGoroutines(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			s := strings.Repeat(string(rune('a'+g))+"-text ", 300)
			for range 50 {
				f := NewTextString(s)
				f.Compress(1+g, 0)
				if string(f.Payload()) != s || inflateFrame(t, f.Deflated()) != s {
					t.Errorf("goroutine %d: got another one's text", g)
					return
				}
			}
		})
	}
	wg.Wait()
}

// What comes in by compression agrees with the standard library's reading.
func FuzzInflate(f *testing.F) {
	for _, s := range []string{"", "a", "hello hello hello", strings.Repeat("x", 2000)} {
		f.Add([]byte(stdDeflate(s)))
		f.Add([]byte(stdDeflateFinal(s)))
	}
	f.Add([]byte("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"))
	f.Fuzz(func(t *testing.T, z []byte) {
		var in inflater
		var pool bufferPool
		const limit = 5000
		out, err := in.run(&pool, z, limit)
		if len(out) > limit {
			t.Fatalf("%d bytes, limit %d", len(out), limit)
		}
		if err != nil {
			return
		}
		// The same reader again, after a reset.
		copied := string(out)
		again, err := in.run(&pool, z, limit)
		if err != nil || string(again) != copied {
			t.Fatalf("second run: %d bytes %v, first %d", len(again), err, len(copied))
		}
		// Compressed by us it comes back.
		frame := AppendDeflated(nil, ws.OpBinary, []byte(copied), 6)
		if got := inflateFrame(t, frame); got != copied {
			t.Fatalf("round trip: got %d bytes of %d", len(got), len(copied))
		}
	})
}
