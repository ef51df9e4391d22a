package server

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"carillon/codec"
)

// The business codes of the protocol.
const (
	CodeChatSend     = "CHAT_SEND"
	CodeChatReceive  = "CHAT_RECEIVE"
	CodeNoticePush   = "NOTICE_PUSH"
	CodeNoticeAck    = "NOTICE_ACK"
	CodeOrderCreate  = "ORDER_CREATE"
	CodeOrderCancel  = "ORDER_CANCEL"
	CodeTaskProgress = "TASK_PROGRESS"
)

// sampleHandlers are the handlers that are there without any code of the
// operator: those of the reference, which log, and a chat that delivers.
func (s *Server) sampleHandlers() {
	s.Handle(CodeChatSend, s.chatSend)
	s.Handle(CodeNoticeAck, s.logOnly("notice acknowledged"))
	s.Handle(CodeOrderCreate, s.logOnly("order created"))
}

// logOnly logs that a message came; its data only at level debug, since it is
// the users' own.
func (s *Server) logOnly(what string) HandlerFunc {
	return func(_ context.Context, m *Message) error {
		s.note(what, m)
		return nil
	}
}

func (s *Server) note(what string, m *Message, args ...any) {
	s.warn.biz.log(what, append(args, "code", m.Code, "session", m.Session.ID(), "user", m.Session.User(), "bytes", len(m.Data))...)
	s.log.Debug("message data", "code", m.Code, "session", m.Session.ID(), "data", string(m.Data))
}

// chatSend delivers a chat message to the sessions of the user named by
// data.toUserId as BIZ / CHAT_RECEIVE. The members of data are passed on, and
// fromUserId is set to who sent it, whatever the client wrote there. Without a
// target the message is only logged, as the reference does.
func (s *Server) chatSend(_ context.Context, m *Message) error {
	var data map[string]json.RawMessage
	if json.Unmarshal(m.Data, &data) != nil || data["toUserId"] == nil {
		s.note("chat message without a target", m)
		return nil
	}
	target, err := userID(data["toUserId"])
	if err != nil {
		s.note("chat message with a bad target", m, "err", err)
		return nil
	}
	from, err := json.Marshal(m.Session.User())
	if err != nil {
		return err
	}
	data["fromUserId"] = from
	out, err := json.Marshal(data)
	if err != nil {
		return err
	}
	n, err := s.PushUser(target, bizEnvelope(CodeChatReceive, out))
	if err != nil {
		return fmt.Errorf("deliver chat message: %w", err)
	}
	s.note("chat message", m, "to", target, "sessions", n)
	return nil
}

// userID reads a user id that is a JSON string or an integer.
func userID(raw json.RawMessage) (string, error) {
	var id string
	if err := json.Unmarshal(raw, &id); err == nil && id != "" {
		return id, nil
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return strconv.FormatInt(n, 10), nil
	}
	return "", fmt.Errorf("toUserId must be a string or an integer")
}

func bizEnvelope(code string, data []byte) []byte {
	return codec.AppendEnvelope(nil, codec.TypeBiz, code, data)
}
