package local

import (
	"fmt"
	"slices"

	"carillon/cluster"
)

// reach returns nil while the buses are not away.
func (h *Hub) reach() error {
	h.busMu.RLock()
	defer h.busMu.RUnlock()
	if h.busAway {
		return fmt.Errorf("bus: %w", cluster.ErrAway)
	}
	return nil
}

// receivers returns the members, but for self, and the nodes of the reference that
// a publication is for.
func (h *Hub) receivers(p *publication, self string) ([]*Bus, []*Foreign, error) {
	h.busMu.RLock()
	defer h.busMu.RUnlock()
	if p.route == toNode {
		b := h.buses[p.node]
		switch {
		case b == nil:
			return nil, nil, cluster.ErrUnroutable
		case p.node == self:
			return nil, nil, nil
		}
		return []*Bus{b}, nil, nil
	}
	members := make([]*Bus, 0, len(h.buses))
	for id, b := range h.buses {
		if id != self {
			members = append(members, b)
		}
	}
	if p.route == toEveryone {
		return members, h.foreign, nil
	}
	return members, nil, nil
}

// addForeign adds a node of the reference.
func (h *Hub) addForeign(f *Foreign) {
	h.busMu.Lock()
	defer h.busMu.Unlock()
	h.foreign = append(slices.Clip(h.foreign), f)
}

// dropForeign removes a node of the reference.
func (h *Hub) dropForeign(f *Foreign) {
	h.busMu.Lock()
	defer h.busMu.Unlock()
	h.foreign = slices.DeleteFunc(slices.Clone(h.foreign), func(o *Foreign) bool { return o == f })
}
