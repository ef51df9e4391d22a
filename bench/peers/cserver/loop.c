// The connections of a process: one thread, epoll, and a table by descriptor.
#define _GNU_SOURCE
#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	EVENTS = 512,
	ACCEPTS = 256, // in a row, before others get their turn
	// What may wait for a peer to read: a message of full length and the
	// answers to what came behind it in one read.
	OUT_MAX = FRAME_MAX + READ_MAX + SLACK,
	RETRY_MS = 100, // when there are no descriptors to accept with
	SLICE = 512,    // members that a sweep sends to before others get their turn
};

// buffer holds the bytes from start to end.
struct buffer {
	size_t start, end, size;
	char data[];
};

static struct conn *conns;
static int highest;     // descriptor that was ever a connection
static int *users;      // hash to first descriptor; 0, which the process had first, is none
static uint32_t hashes; // a power of two, less one
static int epoll;
static bool full; // there are no descriptors to accept with
enum fanout fanout = SEND;
// Of LOG: by descriptor, what of the log each member was sent, always whole
// frames. Positions before swept were sent to all that take bytes.
static uint64_t *sent_up_to, swept;
// The sweep under way: where the log ended when it began, and the next
// descriptor. Next to none: there is no sweep.
static uint64_t sweep_from;
static int sweep_next;
static char input[READ_MAX + SLACK];

static int descriptor(const struct conn *c) { return (int)(c - conns); }

static bool watch(int fd, uint32_t events) {
	struct epoll_event e = {.events = events, .data.fd = fd};
	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

static void rewatch(int fd, uint32_t events) {
	struct epoll_event e = {.events = events, .data.fd = fd};
	if (epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &e) < 0) die("epoll_ctl");
}

static bool append(struct buffer **b, const void *data, size_t n) {
	struct buffer *old = *b;
	size_t length = old ? old->end - old->start : 0;
	if (old && old->start > 0 && old->end + n > old->size) {
		memmove(old->data, old->data + old->start, length);
		old->start = 0, old->end = length;
	}
	if (!old || old->end + n > old->size) {
		// What is known to be there decides, not what a head promises.
		size_t size = length == 0 ? n : 2 * length > length + n ? 2 * length : length + n;
		struct buffer *grown = realloc(old, sizeof *grown + size + SLACK);
		if (!grown) return false;
		if (!old) grown->start = grown->end = 0;
		grown->size = size;
		*b = old = grown;
	}
	memcpy(old->data + old->end, data, n);
	old->end += n;
	return true;
}

// ---- users

static uint32_t hash_of(struct text t) { // FNV-1a
	uint32_t h = 2166136261;
	for (size_t i = 0; i < t.n; i++) h = (h ^ (uint8_t)t.p[i]) * 16777619;
	return h;
}

void conn_join(struct conn *c, struct text user) {
	c->state = MEMBER;
	if (fanout == LOG) sent_up_to[descriptor(c)] = log_head();
	if (user.n == 0 || !(c->user = malloc(user.n))) return;
	memcpy(c->user, user.p, user.n);
	c->user_length = (uint16_t)user.n;
	c->hash = hash_of(user);
	int *first = &users[c->hash & hashes];
	c->prev = 0;
	c->next = *first;
	if (c->next) conns[c->next].prev = descriptor(c);
	*first = descriptor(c);
}

static void leave(struct conn *c) {
	if (!c->user) return;
	if (c->prev) conns[c->prev].next = c->next;
	else users[c->hash & hashes] = c->next;
	if (c->next) conns[c->next].prev = c->prev;
	free(c->user);
	c->user = NULL;
}

// ---- output and end

static void conn_close(struct conn *c) {
	leave(c);
	free(c->in);
	free(c->out);
	*c = (struct conn){0};
	close(descriptor(c)); // which ends that epoll watches it
}

// finish does what is left of the end when all output is sent. Closing a
// socket with unread input resets it, and the peer may never read the last
// answer: one that may still send has to close first.
static void finish(struct conn *c) {
	if (c->state == CLOSING) conn_close(c);
	else if (c->state == DRAINING) shutdown(descriptor(c), SHUT_WR);
}

void conn_end(struct conn *c, enum state how) {
	if (c->state == FREE) return;
	leave(c);
	c->state = (uint8_t)how;
	if (!c->out) finish(c);
}

// conn_keep keeps what the socket did not take.
static void conn_keep(struct conn *c, const void *data, size_t n) {
	// Nothing is read from a peer that does not read.
	if (!c->out) rewatch(descriptor(c), EPOLLOUT);
	if ((c->out && c->out->end - c->out->start + n > OUT_MAX) || !append(&c->out, data, n)) conn_close(c);
}

void conn_send(struct conn *c, const void *data, size_t n) {
	if (!c->out) {
		ssize_t sent = send(descriptor(c), data, n, MSG_DONTWAIT);
		if (sent == (ssize_t)n) return;
		if (sent < 0 && errno != EAGAIN && errno != EINTR) {
			conn_close(c);
			return;
		}
		if (sent > 0) data = (const char *)data + sent, n -= (size_t)sent;
	}
	conn_keep(c, data, n);
}

// ---- broadcasts

// catch_up sends a member all that it has not got of the log. Of a frame that the
// socket took a part of the rest is kept, so that the position stays between two
// frames; what is behind it stays in the log.
static void catch_up(struct conn *c) {
	struct text rest;
	uint64_t *at = &sent_up_to[descriptor(c)];
	if (!log_since(*at, &rest)) {
		conn_close(c); // it does not read: others have taken the place of what it waits for
		return;
	}
	if (c->out || rest.n == 0) return;
	ssize_t sent = send(descriptor(c), rest.p, rest.n, MSG_DONTWAIT);
	if (sent < 0 && errno != EAGAIN && errno != EINTR) {
		conn_close(c);
		return;
	}
	if (sent < 0) sent = 0;
	*at += (size_t)sent;
	if ((size_t)sent == rest.n) return;
	size_t end = log_frame_end(rest, (size_t)sent);
	*at += end - (size_t)sent;
	conn_keep(c, rest.p + sent, end - (size_t)sent);
}

// sweep sends to the next SLICE members.
static void sweep(void) {
	if (sweep_next == 0) sweep_from = log_head();
	for (int i = 0; i < SLICE && sweep_next <= highest; sweep_next++) {
		if (conns[sweep_next].state != MEMBER) continue;
		catch_up(&conns[sweep_next]);
		i++;
	}
	if (sweep_next <= highest) return;
	swept = sweep_from;
	sweep_next = 0;
}

// uring_sent does with a result what conn_send does.
static void uring_sent(int fd, struct text frame, int result) {
	struct conn *c = &conns[fd];
	if (result == (int)frame.n) return;
	if (result < 0 && result != -EAGAIN && result != -EINTR) {
		conn_close(c);
		return;
	}
	if (result > 0) frame.p += result, frame.n -= (size_t)result;
	conn_keep(c, frame.p, frame.n);
}

static bool sweeping(void) { return fanout == LOG && swept < log_head(); }

void deliver(struct text user, struct text frame) {
	if (user.n == 0 && fanout == LOG) {
		while (!log_has_room(swept, frame.n)) sweep();
		log_append(frame);
		return;
	}
	if (user.n == 0 && fanout == URING) {
		for (int fd = 1; fd <= highest; fd++) {
			if (conns[fd].state != MEMBER) continue;
			if (conns[fd].out) conn_keep(&conns[fd], frame.p, frame.n);
			else uring_send(fd, uring_sent, frame);
		}
		uring_flush(uring_sent, frame);
		return;
	}
	if (user.n == 0) {
		for (struct conn *c = conns; c <= conns + highest; c++) {
			if (c->state == MEMBER) conn_send(c, frame.p, frame.n);
		}
		return;
	}
	uint32_t hash = hash_of(user);
	for (int fd = users[hash & hashes], next; fd; fd = next) {
		struct conn *c = &conns[fd];
		next = c->next; // c may be gone when it is sent to
		if (c->hash != hash || !same(user, c->user, c->user_length)) continue;
		if (fanout == LOG) catch_up(c); // the order is the same for all
		if (c->state != FREE) conn_send(c, frame.p, frame.n);
	}
}


static void flush(struct conn *c) {
	ssize_t sent = send(descriptor(c), c->out->data + c->out->start, c->out->end - c->out->start, MSG_DONTWAIT);
	if (sent < 0) {
		if (errno != EAGAIN && errno != EINTR) conn_close(c);
		return;
	}
	c->out->start += (size_t)sent;
	if (c->out->start < c->out->end) return;
	free(c->out);
	c->out = NULL;
	rewatch(descriptor(c), EPOLLIN);
	if (fanout == LOG && c->state == MEMBER) catch_up(c);
	else finish(c);
}

// ---- input

static void receive(struct conn *c) {
	ssize_t n = recv(descriptor(c), input, READ_MAX, MSG_DONTWAIT);
	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR)) conn_close(c);
		return;
	}
	if (c->state >= CLOSING) return;
	struct buffer *held = c->in;
	c->in = NULL; // so that a connection closed by what comes next does not free it
	char *data = input;
	size_t length = (size_t)n;
	if (held) {
		if (!append(&held, input, length)) {
			free(held);
			conn_close(c);
			return;
		}
		data = held->data + held->start, length = held->end - held->start;
	}
	size_t used = handle(c, data, length);
	if (c->state == FREE || c->state >= CLOSING || used == length) {
		free(held);
	} else if (held) {
		held->start += used;
		c->in = held;
	} else if (!append(&c->in, input + used, length - used)) {
		conn_close(c);
	}
}

// accept_some returns false when there are no descriptors to accept with.
static bool accept_some(int listener) {
	for (int i = 0; i < ACCEPTS; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			if (fd > highest) highest = fd;
			conns[fd].state = HTTP;
			if (!watch(fd, EPOLLIN)) conn_close(&conns[fd]); // as many as the kernel watches for a user
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			return false;
		} else if (errno != ECONNABORTED && errno != EINTR) {
			break;
		}
	}
	return true;
}

static void make_tables(void) {
	struct rlimit limit; // descriptors are below it
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0) die("getrlimit");
	for (hashes = 1; hashes < limit.rlim_cur; hashes *= 2) {}
	conns = calloc(limit.rlim_cur, sizeof *conns); // pages that no descriptor reaches cost nothing
	users = calloc(hashes, sizeof *users);
	sent_up_to = calloc(fanout == LOG ? limit.rlim_cur : 1, sizeof *sent_up_to);
	if (!conns || !users || !sent_up_to) die("calloc");
	hashes--;
	if (fanout == LOG) log_make();
	if (fanout == URING && !uring_make()) {
		perror("io_uring is not there, so send() is what sends");
		fanout = SEND;
	}
}

void loop(int listener, int wake) {
	static struct epoll_event events[EVENTS];
	make_tables();
	if ((epoll = epoll_create1(EPOLL_CLOEXEC)) < 0) die("epoll_create1");
	if (!watch(listener, EPOLLIN) || !watch(wake, EPOLLIN)) die("epoll_ctl");
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, sweeping() ? 0 : full ? RETRY_MS : -1);
		if (n < 0 && errno != EINTR) die("epoll_wait");
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == wake) {
				deliver_published();
			} else if (fd == listener) {
				if (accept_some(listener)) continue;
				full = true;
				rewatch(listener, 0);
			} else { // an event of a connection that is FREE, or of one before it, does no harm
				struct conn *c = &conns[fd];
				if (c->out) flush(c);
				else if (c->state != FREE) receive(c);
			}
		}
		if (sweeping()) sweep();
		if (full && accept_some(listener)) {
			full = false;
			rewatch(listener, EPOLLIN);
		}
	}
}
