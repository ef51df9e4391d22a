package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// windowBytes is how many bytes may be under way, or one message: what the
	// sockets hold between here and the broker. More would wait in a write while the
	// broker says that it takes nothing.
	windowBytes = 1 << 20
	// burst is how many messages are sent before looking at confirms again.
	burst = 64
	// refusedPause is how long a message that the broker could not store waits.
	refusedPause = 200 * time.Millisecond
)

var errStalled = errors.New("the broker confirms nothing")

// stream is one connection for publishing, used by the publisher's goroutine alone.
type stream struct {
	p        *publisher
	link     *link
	channel  *amqp.Channel
	confirms chan amqp.Confirmation
	returns  chan amqp.Return
	lost     chan *amqp.Error // of the channel, which ends with the connection
	alarms   chan amqp.Blocking

	underWay []*message // in the order sent; the driver brings confirms into that order
	bytes    int        // of those
	// warm is set by the first confirm. Before it only one message is sent: a broker
	// in alarm says so when it gets something, and then reads nothing more.
	warm    bool
	blocked bool
	// refused are messages that the broker could not store, to be sent again before
	// any other, after pause.
	refused []*message
	pause   *time.Timer
	paused  bool

	moved time.Time   // when there was progress
	stall *time.Timer // looks whether there is any
	body  []byte
}

func newStream(p *publisher, l *link) (*stream, error) {
	ch, err := l.Channel()
	if err != nil {
		return nil, err
	}
	// Something may be published before any node has declared the exchange.
	if err := declareExchange(ch); err != nil {
		return nil, err
	}
	if err := ch.Confirm(false); err != nil {
		return nil, err
	}
	return &stream{
		p:       p,
		link:    l,
		channel: ch,
		// Room for all that can come: the driver drops what waits for longer than 5 s.
		confirms: ch.NotifyPublish(make(chan amqp.Confirmation, windowSize)),
		returns:  ch.NotifyReturn(make(chan amqp.Return, windowSize)),
		lost:     ch.NotifyClose(make(chan *amqp.Error, 1)),
		alarms:   l.NotifyBlocked(make(chan amqp.Blocking, 16)),
	}, nil
}

// run sends until ctx ends or the connection is lost.
func (s *stream) run(ctx context.Context) error {
	s.p.outbox.rewind()
	s.moved = time.Now()
	s.stall = time.NewTimer(s.p.confirmTimeout)
	defer s.stall.Stop()
	s.pause = time.NewTimer(refusedPause)
	defer s.pause.Stop()
	for {
		more, err := s.send()
		if err != nil {
			return err
		}
		if err := s.wait(ctx, more); err != nil {
			return err
		}
	}
}

// send sends what may be sent now; more tells that it has stopped for a look at
// what came in.
func (s *stream) send() (more bool, err error) {
	for range burst {
		if !s.maySend() {
			return false, nil
		}
		m := s.nextMessage()
		if m == nil {
			return false, nil
		}
		if err := s.publish(m); err != nil {
			return false, err
		}
	}
	return true, nil
}

func (s *stream) maySend() bool {
	switch {
	case s.blocked || s.paused:
		return false
	case len(s.underWay) == 0:
		return true
	}
	return s.warm && len(s.underWay) < windowSize && s.bytes < windowBytes
}

func (s *stream) nextMessage() *message {
	if len(s.refused) == 0 {
		return s.p.outbox.next()
	}
	m := s.refused[0]
	s.refused = s.refused[1:]
	return m
}

// referenceHeaders name the Java class that nodes of the reference read.
var referenceHeaders = amqp.Table{"__TypeId__": "io.github.atengk.entity.WebSocketBroadcastMessage"}

func (s *stream) publish(m *message) error {
	if m.sent {
		s.p.resent.Add(1)
	}
	m.sent, m.returned = true, false
	if len(s.underWay) == 0 {
		s.moved = time.Now()
	}
	s.underWay = append(s.underWay, m)
	s.bytes += m.length()

	s.body = m.appendTo(append(s.body[:0], s.p.senders[m.form]...))
	p := amqp.Publishing{
		DeliveryMode: amqp.Persistent,
		MessageId:    messageID(s.p.id, m.number),
		Body:         s.body,
	}
	if m.form == formJSON {
		p.ContentType, p.ContentEncoding, p.Headers = "application/json", "UTF-8", referenceHeaders
	} else {
		// Without a content type, which lets a node of the reference try to read it
		// as JSON: what it does then is known.
		p.Type = "carillon.operation"
	}
	err := s.channel.Publish(exchange, m.key, m.mandatory, false, p)
	if cap(s.body) > windowBytes {
		s.body = nil
	}
	return err
}

// wait handles what comes in; unless more is to be sent, it waits for something first.
func (s *stream) wait(ctx context.Context, more bool) error {
	if more {
		select {
		case c, ok := <-s.confirms:
			return s.confirm(c, ok)
		case <-ctx.Done():
			return ctx.Err()
		default:
			return nil
		}
	}
	select {
	case c, ok := <-s.confirms:
		return s.confirm(c, ok)
	case <-s.p.outbox.wake:
	case b, ok := <-s.alarms:
		if !ok {
			return s.loss()
		}
		s.blocked = b.Active
		s.moved = time.Now()
		s.p.status.setAlarm(b.Active, b.Reason)
	case <-s.pause.C:
		s.paused = false
	case <-s.stall.C:
		if len(s.underWay) == 0 || s.blocked {
			s.stall.Reset(s.p.confirmTimeout)
			break
		}
		left := s.p.confirmTimeout - time.Since(s.moved)
		if left <= 0 {
			return errStalled
		}
		s.stall.Reset(left)
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// loss returns the reason of a channel that has ended.
func (s *stream) loss() error { return lossOf(<-s.lost) }

// confirm handles a confirm, and those that have come after it.
func (s *stream) confirm(c amqp.Confirmation, ok bool) error {
	s.moved = time.Now()
	for {
		if !ok {
			return s.loss()
		}
		if len(s.underWay) == 0 {
			return errors.New("the broker confirms what was not sent")
		}
		s.takeReturns()
		m := s.underWay[0]
		s.underWay[0] = nil
		s.underWay = s.underWay[1:]
		s.bytes -= m.length()
		if c.Ack {
			s.warm = true
			s.p.settle(m)
		} else {
			s.refuse(m)
		}
		select {
		case c, ok = <-s.confirms:
		default:
			return nil
		}
	}
}

// tooLarge returns the message over which the broker has ended the channel, if it
// was for the size of one.
func (s *stream) tooLarge(why error) *message {
	var e *amqp.Error
	var size int
	if !errors.As(why, &e) || e.Code != amqp.PreconditionFailed {
		return nil
	}
	if _, err := fmt.Sscanf(e.Reason, "PRECONDITION_FAILED - message size %d is larger", &size); err != nil {
		return nil
	}
	for _, m := range s.underWay {
		if len(s.p.senders[m.form])+m.length() == size {
			return m
		}
	}
	return nil
}

// refuse keeps a message that the broker could not store for another attempt.
// Receivers find it if some of them got it.
func (s *stream) refuse(m *message) {
	s.refused = append(s.refused, m)
	s.paused = true
	s.pause.Reset(refusedPause)
}

// takeReturns marks what the broker has returned. It does so before it confirms.
func (s *stream) takeReturns() {
	for {
		select {
		case r, ok := <-s.returns:
			if !ok {
				s.returns = nil
				return
			}
			_, number, _ := parseMessageID(r.MessageId)
			for _, m := range s.underWay {
				if m.number == number {
					m.returned = true
				}
			}
		default:
			return
		}
	}
}
