// Opening connections: as many handshakes under way as the server may have
// pending.
#define _GNU_SOURCE
#include "crowd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	UNDER_WAY = 256,
	PER_ADDRESS = 6000, // more from one address have the kernel look long for a free port
	EVENTS = 256,
};

int socket_to(int number, int flags) {
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), on = 1;
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(ntohl(settings.from.s_addr) + (uint32_t)(number / PER_ADDRESS))};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(settings.port)), .sin_addr = settings.address};
	if (fd < 0) die("socket");
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
		die("setsockopt");
	if (bind(fd, (void *)&from, sizeof from) < 0) die("bind");
	if (connect(fd, (void *)&to, sizeof to) < 0 && errno != EINPROGRESS) die("connect");
	return fd;
}

// request writes the handshake of a connection; {{.ID}} in the path is its number.
static void request(int number) {
	static const char id[] = "{{.ID}}";
	char text[1024];
	const char *at = strstr(settings.path, id);
	int before = at ? (int)(at - settings.path) : (int)strlen(settings.path);
	char own[16] = "";
	if (at) snprintf(own, sizeof own, "%d", settings.first + number);
	int n = snprintf(text, sizeof text,
	                 "GET %.*s%s%s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
	                 before, settings.path, own, at ? at + sizeof id - 1 : "", settings.port);
	if (n >= (int)sizeof text) fail("the path is too long");
	if (send(conns[number].fd, text, (size_t)n, MSG_NOSIGNAL) != n) die("send a handshake");
}

// answered reads of a handshake what came, and returns how much of it that was.
static size_t answered(struct conn *c, const uint8_t *p, size_t n) {
	static const char end[] = "\r\n\r\n", status[] = "HTTP/1.1 101";
	for (size_t i = 0; i < n; i++) {
		if (c->have < sizeof c->head) c->head[c->have++] = p[i];
		c->ends = p[i] == (uint8_t)end[c->ends] ? c->ends + 1 : p[i] == '\r';
		if (c->ends < 4) continue;
		if (memcmp(c->head, status, sizeof status - 1) != 0) fail("the server refused a handshake");
		c->upgraded = true;
		c->have = 0;
		return i + 1;
	}
	return n;
}

double connect_all(int ep) {
	int total = settings.audience + settings.bystanders, begun = 0, done = 0;
	uint64_t start = now();
	struct epoll_event events[EVENTS];
	static uint8_t buf[64 << 10];
	while (done < total) {
		for (; begun < total && begun - done < UNDER_WAY; begun++) {
			conns[begun].fd = socket_to(begun, SOCK_NONBLOCK);
			struct epoll_event e = {.events = EPOLLOUT, .data.u32 = (uint32_t)begun};
			if (epoll_ctl(ep, EPOLL_CTL_ADD, conns[begun].fd, &e) < 0) die("epoll_ctl");
		}
		int k = epoll_wait(ep, events, EVENTS, -1);
		for (int i = 0; i < k; i++) {
			struct conn *c = &conns[events[i].data.u32];
			if (events[i].events & EPOLLOUT) {
				int err = 0;
				socklen_t size = sizeof err;
				if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &size) < 0 || (errno = err)) die("connect");
				request((int)events[i].data.u32);
				struct epoll_event e = {.events = EPOLLIN, .data = events[i].data};
				if (epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e) < 0) die("epoll_ctl");
				continue;
			}
			ssize_t n = recv(c->fd, buf, sizeof buf, 0);
			if (n <= 0) fail("the server closed a connection in the handshake");
			bool before = c->upgraded;
			size_t used = before ? 0 : answered(c, buf, (size_t)n);
			if (c->upgraded && !before) done++;
			bool listens = events[i].data.u32 < (uint32_t)settings.audience;
			if (c->upgraded && listens) take(c, buf + used, (size_t)n - used);
			if (c->upgraded && !listens && epoll_ctl(ep, EPOLL_CTL_DEL, c->fd, NULL) < 0) die("epoll_ctl");
		}
	}
	return (double)(now() - start) / 1e9;
}
