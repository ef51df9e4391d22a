package codec

import (
	"testing"
)

// Pools keep what they may and no more.
func TestBufferPool(t *testing.T) {
	t.Parallel()
	var p bufferPool
	for n := range 5000 {
		if b := p.get(n); cap(b) < n || len(b) != 0 {
			t.Fatalf("get(%d): len %d cap %d", n, len(b), cap(b))
		}
	}
	for bits := range 20 {
		for range 1000 {
			p.put(make([]byte, 0, 1<<bits))
			p.put(make([]byte, 0, 1<<bits+1))
		}
	}
	for c, l := range p.free {
		size := 0
		for _, b := range l {
			if cap(b) != 1<<(c+minClassBits) {
				t.Fatalf("class %d holds a buffer of %d", c, cap(b))
			}
			size += cap(b)
		}
		if size != maxClassBytes {
			t.Errorf("class %d holds %d bytes, want %d", c, size, maxClassBytes)
		}
	}
	b := p.get(1000)
	p.put(b[:3])
	if c := p.get(600); &b[:1][0] != &c[:1][0] {
		t.Error("the buffer did not come back")
	}
	d := NewDecoder(DecoderOptions{})
	for range 3 * maxFreePartials {
		d.freePartial(new(Partial))
	}
	if len(d.partial) != maxFreePartials {
		t.Errorf("%d free partials", len(d.partial))
	}
}
