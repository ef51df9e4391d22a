package services

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"
)

// adminLimit bounds one question to the broker when ctx does not.
const adminLimit = 30 * time.Second

func (r *RabbitMQ) eval(ctx context.Context, expression string, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, adminLimit)
	defer cancel()
	if err := control(ctx, r.controlPath(), expression, answer); err != nil {
		return fmt.Errorf("rabbitmq: %w", err)
	}
	return nil
}

// NewVhost makes a virtual host that nobody else has, and returns its name.
func (r *RabbitMQ) NewVhost(ctx context.Context) (string, error) {
	name := "test-" + strings.ToLower(rand.Text()[:10])
	return name, r.AddVhost(ctx, name)
}

// AddVhost makes a virtual host, in which the administrator may do everything.
func (r *RabbitMQ) AddVhost(ctx context.Context, name string) error {
	vhost, user := erlangBinary(name), erlangBinary(r.options.User)
	return r.eval(ctx, fmt.Sprintf(
		`ok = rabbit_vhost:add(%s, %s), ok = rabbit_auth_backend_internal:set_permissions(%s, %s, <<".*">>, <<".*">>, <<".*">>, %s), true.`,
		vhost, user, user, vhost, user), nil)
}

// DeleteVhost removes a virtual host with everything in it, and closes its
// connections.
func (r *RabbitMQ) DeleteVhost(ctx context.Context, name string) error {
	return r.eval(ctx, fmt.Sprintf(`rabbit_vhost:delete(%s, %s), true.`, erlangBinary(name), erlangBinary(r.options.User)), nil)
}

// Queue is a queue as it is now.
type Queue struct {
	Name       string         `json:"name"`
	Durable    bool           `json:"durable"`
	AutoDelete bool           `json:"auto_delete"`
	Exclusive  bool           `json:"exclusive"`
	Messages   int            `json:"messages"` // Ready and Unacked together
	Ready      int            `json:"ready"`
	Unacked    int            `json:"unacked"`
	Consumers  int            `json:"consumers"`
	Arguments  map[string]any `json:"arguments"`
}

// Queues returns the queues of a virtual host.
func (r *RabbitMQ) Queues(ctx context.Context, vhost string) (queues []Queue, err error) {
	err = r.eval(ctx, fmt.Sprintf(`
		[#{name => N, durable => D, auto_delete => A, exclusive => E, messages => M, ready => R, unacked => U, consumers => C, arguments => rabbit_misc:amqp_table(T)}
		|| [{name, {resource, _, queue, N}}, {durable, D}, {auto_delete, A}, {exclusive, E}, {messages, M}, {messages_ready, R}, {messages_unacknowledged, U}, {consumers, C}, {arguments, T}]
		<- rabbit_amqqueue:info_all(%s, [name, durable, auto_delete, exclusive, messages, messages_ready, messages_unacknowledged, consumers, arguments])].`,
		erlangBinary(vhost)), &queues)
	return queues, err
}

// DeleteQueue removes a queue, whoever reads from it.
func (r *RabbitMQ) DeleteQueue(ctx context.Context, vhost, name string) error {
	return r.eval(ctx, fmt.Sprintf(`
		{ok, Q} = rabbit_amqqueue:lookup({resource, %s, queue, %s}), {ok, _} = rabbit_amqqueue:delete(Q, false, false, %s), true.`,
		erlangBinary(vhost), erlangBinary(name), erlangBinary(r.options.User)), nil)
}

// Exchange is an exchange.
type Exchange struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	Durable    bool   `json:"durable"`
	AutoDelete bool   `json:"auto_delete"`
}

// Exchanges returns the exchanges of a virtual host, without those that are in every
// one.
func (r *RabbitMQ) Exchanges(ctx context.Context, vhost string) (exchanges []Exchange, err error) {
	err = r.eval(ctx, fmt.Sprintf(`
		[#{name => N, type => T, durable => D, auto_delete => A}
		|| [{name, {resource, _, exchange, N}}, {type, T}, {durable, D}, {auto_delete, A}]
		<- rabbit_exchange:info_all(%s, [name, type, durable, auto_delete]), N =/= <<>>, binary:longest_common_prefix([N, <<"amq.">>]) < 4].`,
		erlangBinary(vhost)), &exchanges)
	return exchanges, err
}

// Binding is a binding of a queue or an exchange to an exchange.
type Binding struct {
	Exchange    string         `json:"exchange"`
	Key         string         `json:"key"`
	Destination string         `json:"destination"`
	Kind        string         `json:"kind"` // of the destination: queue or exchange
	Arguments   map[string]any `json:"arguments"`
}

// Bindings returns the bindings of a virtual host, without those of every queue to
// the default exchange.
func (r *RabbitMQ) Bindings(ctx context.Context, vhost string) (bindings []Binding, err error) {
	err = r.eval(ctx, fmt.Sprintf(`
		[#{exchange => S, key => K, destination => D, kind => Kind, arguments => rabbit_misc:amqp_table(A)}
		|| [{source_name, S}, {destination_name, D}, {destination_kind, Kind}, {routing_key, K}, {arguments, A}]
		<- rabbit_binding:info_all(%s, [source_name, destination_name, destination_kind, routing_key, arguments]), S =/= <<>>].`,
		erlangBinary(vhost)), &bindings)
	return bindings, err
}

// Connection is a client of the broker.
type Connection struct {
	// Name is what the client calls itself (connection_name), "" when it does not.
	Name string `json:"name"`
	User string `json:"user"`
	// State is running, or what holds the client back: flow, blocking, blocked.
	State    string `json:"state"`
	Channels int    `json:"channels"`
	// Port is the client's.
	Port int `json:"port"`
}

// Connections returns the connections to a virtual host.
func (r *RabbitMQ) Connections(ctx context.Context, vhost string) (connections []Connection, err error) {
	err = r.eval(ctx, fmt.Sprintf(`
		[#{name => case lists:keyfind(<<"connection_name">>, 1, P) of {_, _, N} -> N; false -> <<>> end, user => U, state => S, channels => C, port => Port}
		|| [{vhost, V}, {user, U}, {state, S}, {channels, C}, {peer_port, Port}, {client_properties, P}]
		<- rabbit_networking:connection_info_all([vhost, user, state, channels, peer_port, client_properties]), V =:= %s].`,
		erlangBinary(vhost)), &connections)
	return connections, err
}

// CloseConnections closes the connections to a virtual host, as an operator would,
// and returns how many there were.
func (r *RabbitMQ) CloseConnections(ctx context.Context, vhost string) (n int, err error) {
	err = r.eval(ctx, fmt.Sprintf(`
		length([rabbit_networking:close_connection(P, "closed by the operator")
		|| [{pid, P}, {vhost, V}] <- rabbit_networking:connection_info_all([pid, vhost]), V =:= %s]).`,
		erlangBinary(vhost)), &n)
	return n, err
}

// BlockPublishers raises the memory alarm: the broker stops reading from every
// connection that publishes. It returns when the alarm is on.
func (r *RabbitMQ) BlockPublishers(ctx context.Context) error {
	return r.setWatermark(ctx, "0", true)
}

// UnblockPublishers ends what BlockPublishers has begun.
func (r *RabbitMQ) UnblockPublishers(ctx context.Context) error {
	return r.setWatermark(ctx, "0.4", false)
}

func (r *RabbitMQ) setWatermark(ctx context.Context, fraction string, alarm bool) error {
	if err := r.eval(ctx, "vm_memory_monitor:set_vm_memory_high_watermark("+fraction+"), true.", nil); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, adminLimit)
	defer cancel()
	for {
		var on bool
		if err := r.eval(ctx, "lists:keymember({resource_limit, memory, node()}, 1, rabbit_alarm:get_alarms()).", &on); err != nil {
			return err
		}
		if on == alarm {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("rabbitmq: memory alarm is %v: %w", on, ctx.Err())
		case <-time.After(pollEvery):
		}
	}
}
