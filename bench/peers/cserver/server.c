// Processes that share a port, and the messages that each publishes to all.
#define _GNU_SOURCE
#include "server.h"

#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	PROCESSES_MAX = 256,
	DESCRIPTORS_MAX = 1 << 20,
	RING_SIZE = 4 << 20, // at least some messages of full length
};

void die(const char *what) {
	perror(what);
	exit(1);
}

// ---- messages

// The processes share a ring of messages. Publishing appends one under a lock
// and wakes the others; each delivers at its own pace, straight from the ring.
// Positions only grow.
static char *ring;

static struct shared {
	pthread_mutex_t lock;  // of appending; survives the death of who holds it
	_Atomic uint64_t head; // the end of the last message
	struct {
		_Alignas(64) _Atomic uint64_t tail; // the end of what it has delivered, or GONE
		_Atomic bool woken;
	} process[PROCESSES_MAX];
} *shared;

static const uint64_t GONE = UINT64_MAX;

// message is followed by the bytes of the user and the frame.
struct message {
	uint32_t size, user, frame; // size is of all, a multiple of 8
};

static int processes = 1, self, wake[PROCESSES_MAX];

static void make_ring(void) {
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) die("mmap");
	ring = map_twice(RING_SIZE);
	pthread_mutexattr_t a;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&shared->lock, &a);
	for (int i = 0; i < processes; i++) {
		if ((wake[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) < 0) die("eventfd");
	}
}

static void copy(char **to, struct text t) {
	if (t.n > 0) memcpy(*to, t.p, t.n);
	*to += t.n;
}

// append_message returns false while there is no room.
static bool append_message(struct text user, struct text head, struct text payload) {
	size_t size = (sizeof(struct message) + user.n + head.n + payload.n + 7) & ~(size_t)7;
	if (pthread_mutex_lock(&shared->lock) == EOWNERDEAD) pthread_mutex_consistent(&shared->lock);
	uint64_t at = shared->head;
	bool room = true;
	for (int i = 0; i < processes && room; i++) {
		uint64_t tail = shared->process[i].tail;
		room = tail == GONE || at + size - tail <= RING_SIZE;
	}
	if (room) {
		struct message *m = (struct message *)(ring + at % RING_SIZE);
		*m = (struct message){(uint32_t)size, (uint32_t)user.n, (uint32_t)(head.n + payload.n)};
		char *p = (char *)(m + 1);
		copy(&p, user);
		copy(&p, head);
		copy(&p, payload);
		shared->head = at + size;
	}
	pthread_mutex_unlock(&shared->lock);
	return room;
}

void publish(struct text user, struct text head, struct text payload) {
	while (!append_message(user, head, payload)) {
		deliver_published(); // who waits for others makes room for them: no two wait for each other
		nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
	}
	for (int i = 0; i < processes; i++) {
		if (i == self || atomic_exchange(&shared->process[i].woken, true)) continue;
		if (eventfd_write(wake[i], 1) < 0) die("eventfd_write");
	}
	deliver_published();
}

void deliver_published(void) {
	eventfd_t ignored;
	(void)eventfd_read(wake[self], &ignored);
	shared->process[self].woken = false; // before the head is read, so that what comes later wakes again
	uint64_t head = shared->head, at = shared->process[self].tail;
	while (at < head) {
		struct message *m = (struct message *)(ring + at % RING_SIZE);
		char *user = (char *)(m + 1);
		deliver((struct text){user, m->user}, (struct text){user + m->user, m->frame});
		at += m->size;
		shared->process[self].tail = at;
	}
}

// ---- processes

static struct addrinfo *address_of(const char *address, const char *port) {
	struct addrinfo want = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *found;
	int err = getaddrinfo(address, port, &want, &found);
	if (err == 0) return found;
	fprintf(stderr, "--address %s: %s\n", address, gai_strerror(err));
	exit(2);
}

// bound_socket may share its port with other sockets that do. One that does
// not tells whether another server is there.
static int bound_socket(const struct addrinfo *a, bool share) {
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
	if (fd < 0) die("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	    (share && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) // connections inherit it
		die("setsockopt");
	if (bind(fd, a->ai_addr, a->ai_addrlen) == 0) return fd;
	char address[NI_MAXHOST], port[NI_MAXSERV];
	int err = errno;
	getnameinfo(a->ai_addr, a->ai_addrlen, address, sizeof address, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
	fprintf(stderr, "listen on %s port %s: %s\n", address, port, strerror(err));
	exit(1);
}

static int listening_socket(const struct addrinfo *a, int backlog) {
	int fd = bound_socket(a, processes > 1);
	if (listen(fd, backlog) < 0) die("listen");
	return fd;
}

static void raise_limit(void) {
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) < 0) die("getrlimit");
	r.rlim_cur = r.rlim_max < DESCRIPTORS_MAX ? r.rlim_max : DESCRIPTORS_MAX;
	if (setrlimit(RLIMIT_NOFILE, &r) < 0) die("setrlimit");
}

static void ready(void) {
	puts("ready");
	fflush(stdout);
}

static void reap(pid_t *pids, bool expected) {
	int status;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		int i = 0;
		while (i < processes && pids[i] != pid) i++;
		if (i == processes) continue; // a child of the program that became this one
		pids[i] = 0;
		shared->process[i].tail = GONE; // nobody waits for it any more
		if (expected) continue;
		if (WIFSIGNALED(status)) fprintf(stderr, "process %d (pid %d) died: %s\n", i, pid, strsignal(WTERMSIG(status)));
		else fprintf(stderr, "process %d (pid %d) ended with %d\n", i, pid, WEXITSTATUS(status));
	}
}

// supervise returns when all processes have ended: 0 if it was told to end them.
static int supervise(pid_t *pids, const sigset_t *signals) {
	bool ending = false;
	for (int alive = processes; alive > 0;) {
		if (sigwaitinfo(signals, NULL) != SIGCHLD) ending = true;
		reap(pids, ending);
		alive = 0;
		for (int i = 0; i < processes; i++) {
			if (pids[i] == 0) continue;
			alive++;
			if (ending) kill(pids[i], SIGTERM);
		}
	}
	return ending ? 0 : 1;
}

static int start(const struct addrinfo *a, int backlog) {
	pid_t pids[PROCESSES_MAX], parent = getpid();
	sigset_t signals, before;
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, &before);
	close(bound_socket(a, false));
	for (self = 0; self < processes; self++) {
		// In no other process: it would get connections when its own is dead.
		int listener = listening_socket(a, backlog);
		pids[self] = fork();
		if (pids[self] < 0) die("fork");
		if (pids[self] > 0) {
			close(listener);
			continue;
		}
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent) exit(1);
		signal(SIGINT, SIG_IGN); // a terminal sends it to all, and the parent says what to do
		sigprocmask(SIG_SETMASK, &before, NULL);
		loop(listener, wake[self]);
	}
	ready();
	return supervise(pids, &signals);
}

// ---- command line

static const char usage[] =
	"usage: cserver [--port P] [--processes N] [--address A] [--backlog N]\n"
	"               [--fanout send|log|uring]\n"
	"\n"
	"A WebSocket server in plain C: /echo sends back what comes; at any other\n"
	"path, ?token=USER answers heartbeats and gets what is pushed through HTTP.\n"
	"\n"
	"  --port P       to listen on (9004, or $PORT)\n"
	"  --processes N  that share the port; each holds as many connections as it\n"
	"                 may open files, so plan a tenth more than are needed (1)\n"
	"  --address A    to listen on (127.0.0.1)\n"
	"  --backlog N    of connections not accepted yet (4096)\n"
	"  --fanout HOW   broadcasts leave: send: each by one send() for each member;\n"
	"                 log: from a shared log, in slices of 512 members, so that\n"
	"                 what waits for a member leaves in one send(); uring: each,\n"
	"                 for 512 members by one system call (send)\n";

static enum fanout fanout_of(const char *s) {
	if (strcmp(s, "send") == 0) return SEND;
	if (strcmp(s, "log") == 0) return LOG;
	if (strcmp(s, "uring") == 0) return URING;
	fprintf(stderr, "--fanout: want send, log or uring, got \"%s\"\n", s);
	exit(2);
}

static int number_of(const char *name, const char *s, int most) {
	char *end;
	errno = 0;
	long n = strtol(s, &end, 10);
	if (errno == 0 && end != s && *end == 0 && n >= 1 && n <= most) return (int)n;
	fprintf(stderr, "--%s: want 1 to %d, got \"%s\"\n", name, most, s);
	exit(2);
}

int main(int argc, char **argv) {
	static const struct option options[] = {{"port", required_argument, 0, 'p'},    {"processes", required_argument, 0, 'n'},
	                                        {"address", required_argument, 0, 'a'}, {"backlog", required_argument, 0, 'b'},
	                                        {"fanout", required_argument, 0, 'f'},  {"help", no_argument, 0, 'h'},
	                                        {0}};
	const char *port = getenv("PORT"), *address = "127.0.0.1";
	int backlog = 4096;
	if (!port) port = "9004";
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
		switch (option) {
		case 'p': port = optarg; break;
		case 'n': processes = number_of("processes", optarg, PROCESSES_MAX); break;
		case 'a': address = optarg; break;
		case 'b': backlog = number_of("backlog", optarg, INT32_MAX); break;
		case 'f': fanout = fanout_of(optarg); break;
		case 'h': fputs(usage, stdout); return 0;
		default: fputs(usage, stderr); return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "unexpected argument \"%s\"\n%s", argv[optind], usage);
		return 2;
	}
	number_of("port", port, 65535);
	signal(SIGPIPE, SIG_IGN); // a write to a peer that is gone fails instead
	raise_limit();
	make_ring();
	struct addrinfo *a = address_of(address, port);
	int status = 0;
	if (processes > 1) {
		status = start(a, backlog);
	} else {
		int listener = listening_socket(a, backlog);
		ready();
		loop(listener, wake[0]);
	}
	freeaddrinfo(a);
	return status;
}
