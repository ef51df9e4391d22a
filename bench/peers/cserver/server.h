// The six parts of the server: text.c knows encodings and no sockets, log.c
// keeps broadcasts, uring.c sends many at once, loop.c owns the connections of a
// process, protocol.c says what requests and frames do, and server.c starts
// processes and passes messages between them.
#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FRAME_MAX = 1 << 20,             // bytes of payload
	HEAD_MAX = 8 << 10,              // bytes of a request before its body
	BODY_MAX = 6 * FRAME_MAX + 1024, // JSON may need six bytes for one
	READ_MAX = 64 << 10,             // bytes of one read
	SLACK = 16,                      // bytes that may be written behind what was read
};

// text is bytes that belong to somebody else.
struct text {
	char *p;
	size_t n;
};

static inline bool same(struct text a, const void *p, size_t n) {
	return a.n == n && __builtin_memcmp(a.p, p, n) == 0;
}

// ---- text.c

// accept_key writes the Sec-WebSocket-Accept of a key of 24 characters
// (RFC 6455, 4.2.2): 28 characters.
void accept_key(const char *key, char *accept);

// json_message finds the string "message" of a JSON object and unescapes it
// in place. False: the body is not JSON, has no such string, or the string is
// not UTF-8.
bool json_message(char *body, size_t n, struct text *message);

// percent_decode decodes a part of a URL in place; in a query + is a space.
struct text percent_decode(struct text t, bool query);

// ---- log.c

// map_twice returns size bytes of memory that is there a second time behind
// itself. size is a multiple of the size of a page.
char *map_twice(size_t size);

void log_make(void);

// log_head is the position behind the last frame.
uint64_t log_head(void);

// log_has_room reports whether n more bytes leave all from a position on.
bool log_has_room(uint64_t from, size_t n);

// log_append appends a frame of a server, whose bytes are in the log until
// others take their place.
void log_append(struct text frame);

// log_since finds the frames from a position on. False: their place is taken.
bool log_since(uint64_t at, struct text *rest);

// log_frame_end is the end of the frame that has the byte at.
size_t log_frame_end(struct text frames, size_t at);

// ---- uring.c

// uring_make returns false where the kernel does not offer it.
bool uring_make(void);

// uring_send queues a frame for a socket. What has become of each is told to done,
// by itself or by uring_flush, which has to come before the frame is gone: result
// is how many bytes were sent, or less than 0 and an errno.
void uring_send(int fd, void (*done)(int fd, struct text frame, int result), struct text frame);

// uring_flush sends all that is queued.
void uring_flush(void (*done)(int fd, struct text frame, int result), struct text frame);

// ---- loop.c

// How broadcasts leave.
enum fanout {
	SEND, // each at once, by one send() for each member
	LOG,  // from the log, where each member has its own position
	URING, // each at once, for many members by one system call
};
extern enum fanout fanout;

enum state {
	FREE,     // no connection has this descriptor
	HTTP,     // requests
	ECHO,     // frames that go back
	MEMBER,   // a user: heartbeats, broadcasts and pushes
	CLOSING,  // closed when its output is sent
	DRAINING, // as CLOSING, but the peer may still send: it closes first
};

// conn is a connection, at the index of its descriptor. It is all that an idle
// one costs beside the name of its user: 40 bytes.
struct conn {
	struct buffer *in;  // the beginning of a request or frame, or null
	struct buffer *out; // what the socket did not take yet, or null
	char *user;         // null: nobody pushes to it
	uint32_t hash;      // of the user
	int next, prev;     // in the chain of the hash; 0 is none
	uint16_t user_length;
	uint8_t state;
	uint8_t fragmented; // in a message of several frames, not 0: what protocol.c knows of it
};

// conn_send sends or keeps bytes. The connection may be FREE afterwards: its
// peer is gone, or has too much to read already.
void conn_send(struct conn *c, const void *data, size_t n);

// conn_end makes a connection CLOSING or DRAINING. Nothing may be sent after.
void conn_end(struct conn *c, enum state how);

// conn_join makes a connection a MEMBER that pushes to the user reach.
void conn_join(struct conn *c, struct text user);

// deliver sends a frame to the members of this process, all or, with a user,
// those of the user.
void deliver(struct text user, struct text frame);

// loop serves the connections of a listener for ever. When wake becomes
// readable, messages of other processes are to be delivered.
_Noreturn void loop(int listener, int wake);

// ---- protocol.c

// handle does what requests or frames say and returns how many bytes it used;
// the rest is not complete. It may write over all bytes, and SLACK behind them.
size_t handle(struct conn *c, char *data, size_t n);

// ---- server.c

// publish delivers a frame, its head and its payload, in all processes; a user
// of no bytes is everyone.
void publish(struct text user, struct text head, struct text payload);

// deliver_published delivers what any process published and this one has not
// delivered yet, in the order that is the same for all.
void deliver_published(void);

_Noreturn void die(const char *what);

#endif
