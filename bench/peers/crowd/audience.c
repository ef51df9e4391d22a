// Publishing to an audience, and counting what it gets. Each broadcast ends in
// one '#', which is nowhere else; the k-th that a connection gets is taken for
// the k-th that was published.
#define _GNU_SOURCE
#include "crowd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	PUBLISHERS = 16, // each has a request under way at a time
	UNDER_WAY = 64,  // broadcasts that somebody has not got, at most
};

struct counted counted;
// publisher: fd 0 is none, before the first broadcast and when the server has
// closed one that was idle.
static struct publisher {
	int fd;
	bool busy;
	uint64_t used; // when it was sent a request, in ns
	char answer[1024];
	size_t have;
} publishers[PUBLISHERS];
static char *request;
static size_t request_size;
static uint32_t arrived[UNDER_WAY]; // of those under way, at how many connections

static void got(struct conn *c) {
	uint64_t k = c->got++;
	counted.frames++;
	if (k >= counted.published) {
		counted.wrong++; // nobody published it
		return;
	}
	arrived[k % UNDER_WAY]++;
	while (counted.delivered < counted.published && arrived[counted.delivered % UNDER_WAY] == (uint32_t)settings.audience) {
		arrived[counted.delivered++ % UNDER_WAY] = 0;
	}
}

// begin reads the head of a frame, once it is all there.
static void begin(struct conn *c) {
	int more = c->head[1] == 126 ? 2 : c->head[1] == 127 ? 8 : 0;
	if (c->have < 2 || c->have < 2 + more) return;
	if (c->head[0] != 0x81) fail("the server sent something else than a text message");
	c->left = more == 0 ? c->head[1] : 0;
	for (int i = 0; i < more; i++) c->left = c->left << 8 | c->head[2 + i];
	if (!settings.joined && c->left != (uint64_t)settings.size) counted.wrong++;
	c->have = 0;
}

void take(struct conn *c, const uint8_t *p, size_t n) {
	const uint8_t *end = p + n;
	while (p < end) {
		if (c->left == 0) {
			c->head[c->have++] = *p++;
			begin(c);
			continue;
		}
		size_t part = c->left < (uint64_t)(end - p) ? (size_t)c->left : (size_t)(end - p);
		for (const uint8_t *at = p; (at = memchr(at, '#', (size_t)(p + part - at))); at++) got(c);
		p += part;
		c->left -= part;
	}
}

void make_request(void) {
	request = malloc((size_t)settings.size + 512);
	char *body = malloc((size_t)settings.size + 1);
	if (!request || !body) die("malloc");
	memset(body, 'x', (size_t)settings.size);
	body[settings.size - 1] = '#', body[settings.size] = 0;
	request_size = (size_t)sprintf(request,
	                               "POST /websocket/broadcast HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nContent-Type: application/json\r\n"
	                               "Content-Length: %zu\r\n\r\n{\"message\":\"%s\"}",
	                               settings.port, strlen("{\"message\":\"\"}") + (size_t)settings.size, body);
	free(body);
}

static void open_publisher(int ep, int i) {
	publishers[i].fd = socket_to(0, 0);
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)(settings.audience + settings.bystanders + i)};
	if (epoll_ctl(ep, EPOLL_CTL_ADD, publishers[i].fd, &e) < 0) die("epoll_ctl");
}

static void leave(struct publisher *p) {
	close(p->fd); // which ends that epoll watches it
	p->fd = 0;
	p->have = 0;
}

void publish(int ep, int window, uint64_t *due, uint64_t every) {
	for (int i = 0; i < PUBLISHERS && counted.published - counted.delivered < (uint64_t)window; i++) {
		struct publisher *p = &publishers[i];
		if (p->busy) continue;
		if (every > 0) {
			if (now() < *due) return;
			*due += every;
		}
		uint64_t at = now();
		// Servers close a connection that was idle for ten seconds or so, some without
		// looking whether a request has come meanwhile.
		if (p->fd != 0 && (double)(at - p->used) > settings.rest * 1e6) leave(p);
		if (p->fd == 0) open_publisher(ep, i);
		p->used = at;
		counted.published++;
		p->busy = true;
		if (send(p->fd, request, request_size, MSG_NOSIGNAL) != (ssize_t)request_size) die("publish");
	}
}

static void accepted(struct publisher *p) {
	static const char status[] = "HTTP/1.1 20"; // some say 201
	ssize_t n = recv(p->fd, p->answer + p->have, sizeof p->answer - p->have, 0);
	if (n <= 0 && p->busy) fail("the server closed a connection that publishes");
	if (n <= 0) {
		leave(p);
		return;
	}
	p->have += (size_t)n;
	if (!memmem(p->answer, p->have, "\r\n\r\n", 4)) {
		if (p->have == sizeof p->answer) fail("the answer to a broadcast is too long");
		return;
	}
	if (memcmp(p->answer, status, sizeof status - 1) != 0) fail("the server refused a broadcast");
	p->have = 0;
	p->busy = false;
}

void heard(uint32_t number) {
	static uint8_t buf[256 << 10];
	uint32_t clients = (uint32_t)(settings.audience + settings.bystanders);
	if (number >= clients) {
		accepted(&publishers[number - clients]);
		return;
	}
	ssize_t n = recv(conns[number].fd, buf, sizeof buf, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN) return;
	if (n <= 0) fail("the server closed a connection of the audience");
	take(&conns[number], buf, (size_t)n);
}
