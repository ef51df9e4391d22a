// The C half of the fan-out benchmarks: what a plain C program does with the
// same sockets, and the clients of both sides.
//
//   fanout reader PORT N WS SHM   N clients that read and throw away; bytes are
//                                 counted in the shared file SHM, and who waits there for
//                                 a count is woken. WS 1 upgrades first.
//   fanout sender N THREADS SHM   accepts N clients, then takes commands:
//                                 "BROADCASTS WINDOW SIZE" sends frames of SIZE bytes
//                                 with one send() each, at most WINDOW broadcasts not
//                                 yet read; answers "ELAPSED_NS CPU_NS".
//   fanout sender N 1 SHM BATCH [deferred] [files] [ring]
//                                 the same through io_uring, BATCH sends at a time,
//                                 with IORING_SETUP_DEFER_TASKRUN, with registered
//                                 descriptors, with a registered ring.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) {
	perror(what);
	exit(1);
}

// What the processes share. Who waits for a count notes the lowest that anybody
// waits for, and sleeps on turn, which changes when it is reached.
struct shared {
	_Atomic uint64_t count, wanted;
	_Atomic uint32_t turn;
};

static void add(struct shared *s, uint64_t bytes) {
	uint64_t have = atomic_fetch_add(&s->count, bytes) + bytes, wanted = atomic_load(&s->wanted);
	if (wanted && have >= wanted && atomic_compare_exchange_strong(&s->wanted, &wanted, 0)) {
		atomic_fetch_add(&s->turn, 1);
		syscall(SYS_futex, &s->turn, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	}
}

static void wait_for(struct shared *s, uint64_t bytes) {
	for (;;) {
		uint32_t turn = atomic_load(&s->turn);
		uint64_t wanted = atomic_load(&s->wanted);
		while ((!wanted || wanted > bytes) && !atomic_compare_exchange_weak(&s->wanted, &wanted, bytes)) {
		}
		if (atomic_load(&s->count) >= bytes) return;
		syscall(SYS_futex, &s->turn, FUTEX_WAIT, turn, NULL, NULL, 0);
	}
}

static struct shared *map(const char *path) {
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, 4096) < 0) die(path);
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) die("mmap");
	close(fd);
	return p;
}

static uint64_t now(clockid_t c) {
	struct timespec t;
	clock_gettime(c, &t);
	return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

// dial connects to the server and, with ws, upgrades.
static int dial(int port, int ws) {
	static const char request[] =
		"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (fd < 0 || connect(fd, (void *)&a, sizeof a) < 0) die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (ws) {
		char buf[1024];
		if (write(fd, request, sizeof request - 1) < 0) die("write");
		int at = 0;
		while (at < 4 || memcmp(buf + at - 4, "\r\n\r\n", 4)) {
			int r = at < (int)sizeof buf ? read(fd, buf + at, 1) : 0;
			if (r <= 0) die("handshake");
			at += r;
		}
		if (memcmp(buf, "HTTP/1.1 101", 12)) die("status");
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void watch(int ep, int fd, uint64_t data) {
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = data};
	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) < 0) die("epoll_ctl");
}

static char buf[256 << 10];

static int reader(int port, int n, int ws, struct shared *count) {
	int ep = epoll_create1(0);
	for (int i = 0; i < n; i++) {
		int fd = dial(port, ws);
		watch(ep, fd, fd);
	}
	watch(ep, 0, 0);
	printf("ready\n");
	fflush(stdout);
	static struct epoll_event ev[1024];
	for (;;) {
		int k = epoll_wait(ep, ev, 1024, -1);
		uint64_t sum = 0;
		for (int i = 0; i < k; i++) {
			if (ev[i].data.u64 == 0) return 0;
			int r = read(ev[i].data.u64, buf, sizeof buf);
			if (r > 0) sum += r;
			if (r == 0) {
				fprintf(stderr, "reader: the server closed a connection\n");
				return 1;
			}
		}
		if (sum) add(count, sum);
	}
}

// A bystander: when its next heartbeat is due, when the one under way was (0:
// none is), and how far its stream is into a frame.
struct bystander {
	int fd;
	uint64_t due, asked;
	unsigned head, skip;
	int small;
};

static uint64_t *beats;
static size_t beatCount, beatRoom, missed;

static void record(uint64_t ns) {
	if (beatCount == beatRoom) {
		beatRoom = beatRoom ? 2 * beatRoom : 1 << 16;
		if (!(beats = realloc(beats, beatRoom * sizeof *beats))) die("realloc");
	}
	beats[beatCount++] = ns;
}

static int less(const void *a, const void *b) {
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

// hear takes the server's bytes: frames with lengths below 64 KiB. A short one is
// a reply.
static void hear(struct bystander *w) {
	int r = read(w->fd, buf, sizeof buf);
	if (r == 0) {
		fprintf(stderr, "watcher: the server closed a connection\n");
		exit(1);
	}
	for (int i = 0; i < r; i++) {
		if (w->skip) {
			unsigned k = w->skip < (unsigned)(r - i) ? w->skip : (unsigned)(r - i);
			w->skip -= k;
			i += k - 1;
		} else if (w->head == 0) {
			w->head = 1;
		} else if (w->head == 1) {
			unsigned char len = buf[i];
			w->small = len < 100;
			w->skip = len < 126 ? len : 0;
			w->head = len < 126 ? 0 : 2;
		} else if (w->head == 2) {
			w->skip = (unsigned char)buf[i] << 8;
			w->head = 3;
		} else {
			w->skip |= (unsigned char)buf[i];
			w->head = 0;
		}
		if (w->head == 0 && w->skip == 0 && w->small && w->asked) {
			record(now(CLOCK_MONOTONIC) - w->asked);
			w->asked = 0;
		}
	}
}

static int watcher(int port, int n, int ms, int fifo) {
	// A masked {"type":"HEARTBEAT"} with the mask 0.
	static const char beat[] = "\x81\x94\0\0\0\0{\"type\":\"HEARTBEAT\"}";
	int ep = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), running = 0;
	struct bystander *all = calloc(n, sizeof *all);
	for (int i = 0; i < n; i++) {
		all[i].fd = dial(port, 1);
		watch(ep, all[i].fd, i + 2);
	}
	watch(ep, 0, 0);
	watch(ep, timer, 1);
	if (fifo) {
		struct sched_param p = {.sched_priority = 1};
		if (sched_setscheduler(0, SCHED_FIFO, &p) < 0) die("sched_setscheduler");
	}
	printf("ready\n");
	fflush(stdout);
	static struct epoll_event ev[64];
	for (;;) {
		int k = epoll_wait(ep, ev, 64, -1);
		for (int i = 0; i < k; i++) {
			uint64_t who = ev[i].data.u64, t = now(CLOCK_MONOTONIC), expirations;
			if (who > 1) {
				hear(&all[who - 2]);
			} else if (who == 1) {
				if (read(timer, &expirations, sizeof expirations) < 0) continue;
				for (int j = 0; j < n; j++) {
					struct bystander *w = &all[j];
					if (w->due > t) continue;
					if (w->asked) {
						missed++;
					} else {
						w->asked = w->due;
						if (write(w->fd, beat, sizeof beat - 1) < 0) die("write");
					}
					w->due += ms * 1000000ull;
				}
			} else {
				char line[16];
				if (read(0, line, sizeof line) <= 0) return 0;
				running = !running;
				struct itimerspec every = {{0, running * 200000}, {0, running * 200000}};
				timerfd_settime(timer, 0, &every, NULL);
				if (running) {
					beatCount = missed = 0;
					for (int j = 0; j < n; j++) all[j].due = t + (uint64_t)(j + 1) * ms * 1000000 / n;
					continue;
				}
				qsort(beats, beatCount, sizeof *beats, less);
				printf("%zu %zu", beatCount, missed);
				for (int q = 0; q < 4; q++) {
					static const double rank[] = {.5, .99, .999, 1};
					printf(" %llu", beatCount ? (unsigned long long)beats[(size_t)(rank[q] * (beatCount - 1))] : 0);
				}
				printf("\n");
				fflush(stdout);
			}
		}
	}
}

static int *fds;
static int total, threads;
static char frame[1 << 20];
static int size, broadcasts, window;
static uint64_t base;
static struct shared *count;

static void send_all(int fd, int at) {
	while (at < size) {
		ssize_t r = send(fd, frame + at, size - at, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (r < 0 && errno == EAGAIN) {
			struct pollfd p = {fd, POLLOUT, 0};
			poll(&p, 1, -1);
			continue;
		}
		if (r < 0) die("send");
		at += r;
	}
}

// The way through io_uring: batch sends at a time, 0 for the other way.
static int batch, ring, entered, queued;
static unsigned enter_flags = IORING_ENTER_GETEVENTS;
static unsigned char sqe_flags;
static struct io_uring_sqe *sqes;
static struct io_uring_cqe *cqes;
static _Atomic unsigned *sq_tail, *cq_head, *cq_tail;
static unsigned sq_mask, cq_mask;

static char *map_ring(size_t length, off_t what) {
	void *p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, what);
	if (p == MAP_FAILED) die("mmap");
	return p;
}

static void register_ring(unsigned what, void *arg, unsigned n) {
	if (syscall(SYS_io_uring_register, ring, what, arg, n) < 0) die("io_uring_register");
}

static void make_ring(int n, char **ways) {
	struct io_uring_params p = {0};
	int with_files = 0, with_ring = 0;
	for (int i = 0; i < n; i++) {
		if (!strcmp(ways[i], "deferred")) p.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
		with_files |= !strcmp(ways[i], "files");
		with_ring |= !strcmp(ways[i], "ring");
	}
	if ((ring = entered = (int)syscall(SYS_io_uring_setup, batch, &p)) < 0) die("io_uring_setup");
	char *sq = map_ring(p.sq_off.array + p.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
	char *cq = map_ring(p.cq_off.cqes + p.cq_entries * sizeof *cqes, IORING_OFF_CQ_RING);
	sqes = (void *)map_ring(p.sq_entries * sizeof *sqes, IORING_OFF_SQES);
	cqes = (void *)(cq + p.cq_off.cqes);
	sq_tail = (void *)(sq + p.sq_off.tail);
	cq_head = (void *)(cq + p.cq_off.head);
	cq_tail = (void *)(cq + p.cq_off.tail);
	sq_mask = p.sq_entries - 1;
	cq_mask = p.cq_entries - 1;
	for (unsigned i = 0; i < p.sq_entries; i++) ((unsigned *)(sq + p.sq_off.array))[i] = i;
	if (with_files) {
		register_ring(IORING_REGISTER_FILES, fds, total);
		sqe_flags = IOSQE_FIXED_FILE;
	}
	if (with_ring) {
		struct io_uring_rsrc_update u = {.offset = -1U, .data = ring};
		register_ring(IORING_REGISTER_RING_FDS, &u, 1);
		entered = u.offset;
		enter_flags |= IORING_ENTER_REGISTERED_RING;
	}
}

static void submit(void) {
	if (syscall(SYS_io_uring_enter, entered, queued, queued, enter_flags, NULL, 0) != queued) die("io_uring_enter");
	queued = 0;
	unsigned head = *cq_head, tail = *cq_tail;
	for (; head != tail; head++) {
		struct io_uring_cqe *c = &cqes[head & cq_mask];
		if (c->res < 0 && c->res != -EAGAIN) die("a send through io_uring");
		if (c->res != size) send_all(fds[c->user_data], c->res < 0 ? 0 : c->res);
	}
	*cq_head = head;
}

static void send_by_ring(int i) {
	unsigned tail = *sq_tail;
	sqes[tail & sq_mask] = (struct io_uring_sqe){
		.opcode = IORING_OP_SEND, .flags = sqe_flags, .fd = sqe_flags ? i : fds[i], .addr = (uintptr_t)frame,
		.len = size, .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL, .user_data = i};
	*sq_tail = tail + 1;
	if (++queued == batch) submit();
}

static void *send_share(void *arg) {
	int me = (int)(intptr_t)arg, from = (int64_t)total * me / threads, to = (int64_t)total * (me + 1) / threads;
	for (int b = 0; b < broadcasts; b++) {
		int64_t need = b - window + 1;
		if (need > 0) wait_for(count, base + (uint64_t)need * total * size);
		for (int i = from; i < to; i++) {
			if (batch) send_by_ring(i);
			else send_all(fds[i], 0);
		}
		if (queued) submit();
	}
	return NULL;
}

static int sender(int n, int nthreads, int nways, char **ways) {
	int ln = socket(AF_INET, SOCK_STREAM, 0), one = 1, buf = 64 << 10;
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	setsockopt(ln, SOL_SOCKET, SO_SNDBUF, &buf, sizeof buf);
	if (bind(ln, (void *)&a, sizeof a) < 0 || listen(ln, 1024) < 0 || getsockname(ln, (void *)&a, &len) < 0) die("listen");
	printf("port %d\n", ntohs(a.sin_port));
	fflush(stdout);
	int ep = epoll_create1(0);
	fds = malloc(n * sizeof *fds);
	for (int i = 0; i < n; i++) {
		int fd = accept4(ln, NULL, NULL, SOCK_NONBLOCK);
		if (fd < 0) die("accept");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
		epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
		fds[i] = fd;
	}
	total = n;
	threads = nthreads;
	if (batch) make_ring(nways, ways);
	memset(frame, 'x', sizeof frame);
	while (scanf("%d %d %d", &broadcasts, &window, &size) == 3) {
		base = atomic_load(&count->count);
		uint64_t t = now(CLOCK_MONOTONIC), c = now(CLOCK_PROCESS_CPUTIME_ID);
		pthread_t th[64];
		for (int i = 1; i < threads; i++) pthread_create(&th[i], NULL, send_share, (void *)(intptr_t)i);
		send_share(0);
		for (int i = 1; i < threads; i++) pthread_join(th[i], NULL);
		wait_for(count, base + (uint64_t)broadcasts * total * size);
		printf("%llu %llu\n", (unsigned long long)(now(CLOCK_MONOTONIC) - t), (unsigned long long)(now(CLOCK_PROCESS_CPUTIME_ID) - c));
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv) {
	if (argc == 6 && !strcmp(argv[1], "reader")) return reader(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), map(argv[5]));
	if (argc == 6 && !strcmp(argv[1], "watcher")) return watcher(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
	if (argc >= 5 && !strcmp(argv[1], "sender")) {
		count = map(argv[4]);
		if (argc > 5) batch = atoi(argv[5]);
		return sender(atoi(argv[2]), atoi(argv[3]), argc - 5, argv + 5);
	}
	fprintf(stderr, "usage: see the top of fanout.c\n");
	return 2;
}
