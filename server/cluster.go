package server

import (
	"carillon/cluster"
	"carillon/cluster/local"
)

// openCluster returns the Presence and the Bus that the configuration names. They
// connect to nothing before the server runs.
func (s *Server) openCluster() (cluster.Presence, cluster.Bus, error) {
	presence, bus := s.opt.Presence, s.opt.Bus
	lonePresence, loneBus := local.New()
	if presence == nil {
		presence = lonePresence
	}
	if bus == nil {
		bus = loneBus
	}
	return presence, bus, nil
}
