package main

import (
	"carillon/bench/peers/internal/gateway"

	"github.com/lxzan/gws"
)

// userKey is where the session of a connection has its user.
const userKey = "user"

var members = gateway.NewMembers[*gws.Conn]()

var ack = []byte(gateway.HeartbeatAck)

// gatewayEvents answers heartbeats and knows who is there.
type gatewayEvents struct{}

func userOf(ws *gws.Conn) string {
	user, _ := ws.Session().Load(userKey)
	name, _ := user.(string)
	return name
}

func (gatewayEvents) OnOpen(ws *gws.Conn)           { members.Join(userOf(ws), ws) }
func (gatewayEvents) OnClose(ws *gws.Conn, _ error) { members.Leave(userOf(ws), ws) }
func (gatewayEvents) OnPing(ws *gws.Conn, p []byte) { _ = ws.WritePong(p) }
func (gatewayEvents) OnPong(*gws.Conn, []byte)      {}

func (gatewayEvents) OnMessage(ws *gws.Conn, m *gws.Message) {
	defer m.Close()
	if m.Opcode == gws.OpcodeText && string(m.Bytes()) == gateway.Heartbeat {
		_ = ws.WriteMessage(gws.OpcodeText, ack)
	}
}

// broadcast frames a message once and has the queue of each connection write it.
func broadcast(message string) {
	b := gws.NewBroadcaster(gws.OpcodeText, []byte(message))
	defer b.Close()
	members.Each(func(ws *gws.Conn) { _ = b.Broadcast(ws) })
}

func push(user, message string) {
	b := gws.NewBroadcaster(gws.OpcodeText, []byte(message))
	defer b.Close()
	members.Of(user, func(ws *gws.Conn) { _ = b.Broadcast(ws) })
}
