package redis

import (
	"encoding/json"
	"time"

	"carillon/cluster"
)

// nodeRecord is what {carillon}:nodes holds of a node. The script that registers a
// node puts the incarnation in front.
type nodeRecord struct {
	Incarnation uint64    `json:"incarnation,omitempty"`
	Token       string    `json:"token"`
	Tag         uint32    `json:"tag"`
	Version     string    `json:"version"`
	Address     string    `json:"address"`
	Started     time.Time `json:"started"`
}

func encodeNode(n cluster.Node, token string) string {
	text, err := json.Marshal(nodeRecord{Token: token, Tag: n.Tag, Version: n.Version, Address: n.Address, Started: n.Started})
	if err != nil {
		panic("BUG: a node has no JSON: " + err.Error())
	}
	return string(text)
}

// decodeNode reads a record; what cannot be read is a node of which only the id is
// known.
func decodeNode(id, text string) cluster.Node {
	var r nodeRecord
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return cluster.Node{ID: id}
	}
	return cluster.Node{ID: id, Tag: r.Tag, Incarnation: r.Incarnation, Version: r.Version, Address: r.Address, Started: r.Started}
}
