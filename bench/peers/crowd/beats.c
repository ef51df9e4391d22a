// Heartbeats at given times, one after the other on the bystanders. The latency
// of each counts from when it was due. One that is due while an answer is waited
// for is not sent, which would only lengthen a queue: it counts as answered then,
// as another client's would have been at best. The thread has the priority of a real-time one, if the system allows: how long it
// would wait for a core is not the server's doing.
#define _GNU_SOURCE
#include "crowd.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256 };
static const uint64_t patience = 20000000000; // for the last answers, ns

// bystander: the next heartbeat is due at due, the one under way was so at asked.
struct bystander {
	uint64_t due, asked;
	bool waits;
	uint8_t matched; // of the end of the answer
};

// latencies grow by doubling, in ns.
struct latencies {
	uint64_t *ns;
	size_t count, size;
};

static struct bystander *all;
static struct latencies answers, delays;
static pthread_t thread;
static _Atomic uint64_t from, until;
static char frame[256];
static size_t frame_size;
static uint64_t every; // of one bystander
static int waiting;
static bool realtime;

static void record(struct latencies *l, uint64_t ns) {
	if (l->count == l->size) {
		l->size = l->size ? 2 * l->size : 4096;
		if (!(l->ns = realloc(l->ns, l->size * sizeof *l->ns))) die("realloc");
	}
	l->ns[l->count++] = ns;
}

static void ask(int i) {
	struct bystander *b = &all[i];
	b->asked = b->due;
	b->waits = true;
	waiting++;
	if (send(conns[settings.audience + i].fd, frame, frame_size, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)frame_size) die("send a heartbeat");
}

// listen_to takes what came. Broadcasts are in between; no byte of them is in the
// end of an answer.
static void listen_to(int i) {
	static const char end[] = "BEAT_ACK";
	static char buf[64 << 10];
	struct bystander *b = &all[i];
	ssize_t n = recv(conns[settings.audience + i].fd, buf, sizeof buf, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN) return;
	if (n <= 0) fail("the server closed a connection with heartbeats");
	for (ssize_t at = 0; at < n; at++) {
		b->matched = buf[at] == end[b->matched] ? b->matched + 1 : buf[at] == end[0];
		if (b->matched < sizeof end - 1) continue;
		b->matched = 0;
		if (!b->waits) fail("the server answered a heartbeat that was not sent");
		uint64_t t = now(), first = from, last = until;
		for (uint64_t due = b->asked; due <= t; due += every) {
			if (first > 0 && due >= first && due <= last) record(&answers, t - due);
			b->due = due + every;
		}
		b->waits = false;
		waiting--;
	}
}

static void *run(void *arg) {
	struct sched_param high = {.sched_priority = 1};
	realtime = pthread_setschedparam(pthread_self(), SCHED_FIFO, &high) == 0;
	int ep = *(int *)arg, n = settings.bystanders, next = 0;
	uint64_t start = now(), step = every / (uint64_t)n, at = start;
	for (int i = 0; i < n; i++) all[i].due = start + (uint64_t)i * step;
	for (;;) {
		uint64_t t = now(), end = until;
		for (; at <= t && at <= end; at += step, next = (next + 1) % n) {
			if (all[next].waits || all[next].due > t) continue;
			if (from > 0) record(&delays, t - at);
			ask(next);
		}
		if (at > end && (waiting == 0 || t > end + patience)) return NULL;
		struct epoll_event events[EVENTS];
		uint64_t rest = at > end ? 10000000 : at - t;
		struct timespec wait = {.tv_sec = (time_t)(rest / 1000000000), .tv_nsec = (long)(rest % 1000000000)};
		int k = epoll_pwait2(ep, events, EVENTS, &wait, NULL);
		if (k < 0 && errno != EINTR) die("epoll_pwait2");
		for (int i = 0; i < k; i++) listen_to((int)events[i].data.u32);
	}
}

void beats_start(void) {
	static int ep;
	int n = settings.bystanders;
	if (n == 0) return;
	if (!all) { // the first time
		frame_size = strlen(settings.beat) + 6;
		frame[0] = (char)0x81, frame[1] = (char)(0x80 | strlen(settings.beat)); // a mask of zeroes
		memcpy(frame + 6, settings.beat, strlen(settings.beat));
		every = (uint64_t)(n / settings.rate * 1e9);
		if (!(all = calloc((size_t)n, sizeof *all)) || (ep = epoll_create1(EPOLL_CLOEXEC)) < 0) die("bystanders");
		for (int i = 0; i < n; i++) {
			struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
			if (epoll_ctl(ep, EPOLL_CTL_ADD, conns[settings.audience + i].fd, &e) < 0) die("epoll_ctl");
		}
	}
	from = 0;
	until = UINT64_MAX;
	answers.count = delays.count = 0;
	if ((errno = pthread_create(&thread, NULL, run, &ep)) != 0) die("pthread_create");
}

void beats_from(uint64_t time) { from = time; }

static int compare(const void *a, const void *b) {
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

// quantile returns ms.
static double quantile(struct latencies *l, double q) { return l->count ? (double)l->ns[(size_t)(q * (double)(l->count - 1))] / 1e6 : 0; }

struct result beats_end(void) {
	if (settings.bystanders == 0) return (struct result){0};
	until = now();
	pthread_join(thread, NULL);
	qsort(answers.ns, answers.count, sizeof *answers.ns, compare);
	qsort(delays.ns, delays.count, sizeof *delays.ns, compare);
	return (struct result){.beats = answers.count, .missing = (uint64_t)waiting, .realtime = realtime,
	                       .p50 = quantile(&answers, .5), .p99 = quantile(&answers, .99), .p999 = quantile(&answers, .999),
	                       .max = quantile(&answers, 1), .late = quantile(&delays, .99)};
}
