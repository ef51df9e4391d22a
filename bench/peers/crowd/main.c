// The command line, and the commands that come on the standard input.
#define _GNU_SOURCE
#include "crowd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 512, STEADY_MOST = 48 };
static const uint32_t STDIN = UINT32_MAX; // the number of its events

struct settings settings = {.path = "/ws?token=u{{.ID}}", .beat = "{\"type\":\"HEARTBEAT\"}", .size = 128, .rate = 2500, .rest = 4000};
struct conn *conns;

static const char usage[] =
	"usage: crowd --port P [flags]\n"
	"\n"
	"Opens WebSocket connections to a server, says how many and how\n"
	"long it took, and then takes commands, one a line:\n"
	"\n"
	"  beat 0 WARMUP SECONDS         heartbeats on the bystanders\n"
	"  flood WINDOW WARMUP SECONDS   and broadcasts, always WINDOW of them under way:\n"
	"                                not yet with all of the audience\n"
	"  steady RATE WARMUP SECONDS    and broadcasts, so many a second\n"
	"\n"
	"For each it prints \"begin\" after the warm-up, and at the end what was measured.\n"
	"0 SECONDS last for ever. A line ends a measurement early and is used up; the\n"
	"program ends with its input.\n"
	"\n"
	"  --address A     of the server (127.0.0.1)\n"
	"  --from A        to connect from; the next for each 6000 more (127.0.0.2)\n"
	"  --path P        with the number of each connection for {{.ID}} (/ws?token=u{{.ID}})\n"
	"  --first N       of those numbers (0)\n"
	"  --audience N    connections that get broadcasts and are counted (0)\n"
	"  --bystanders N  connections with heartbeats (0)\n"
	"  --rate R        heartbeats a second, of all bystanders together (2500)\n"
	"  --beat TEXT     a heartbeat; its answer ends in BEAT_ACK and what closes it\n"
	"  --size N        bytes of a broadcast (128)\n"
	"  --rest MS       a connection that has not published for so long does not any more (4000)\n"
	"  --joined        messages may have several broadcasts in them, and more\n";

uint64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void die(const char *what) {
	perror(what);
	exit(1);
}

void fail(const char *what) {
	fprintf(stderr, "%s\n", what);
	exit(1);
}

// turn serves the audience for a while, at most some ms, and reports whether a
// line is waiting.
static bool turn(int ep, int ms) {
	static struct epoll_event events[EVENTS];
	bool line = false;
	int n = epoll_wait(ep, events, EVENTS, ms);
	if (n < 0 && errno != EINTR) die("epoll_wait");
	for (int i = 0; i < n; i++) {
		if (events[i].data.u32 == STDIN) line = true;
		else heard(events[i].data.u32);
	}
	return line;
}

static int until_due(uint64_t time) {
	uint64_t t = now();
	return time <= t ? 0 : (int)((time - t) / 1000000) + 1;
}

// measure carries out a command. Broadcasts that are not delivered some time
// after the last was published are not counted as frames.
static void measure(int ep, int window, uint64_t every, double warmup, double seconds) {
	uint64_t start = now(), begin = start + (uint64_t)(warmup * 1e9), end = seconds > 0 ? begin + (uint64_t)(seconds * 1e9) : UINT64_MAX;
	uint64_t due = start;
	bool begun = false;
	struct counted before = counted, after;
	beats_start();
	for (;;) {
		uint64_t t = now();
		if (!begun && t >= begin) {
			begun = true;
			begin = t;
			before = counted;
			beats_from(begin);
			puts("begin");
			fflush(stdout);
		}
		if (t >= end) break;
		if (window > 0) publish(ep, window, &due, every);
		uint64_t next = begun ? end : begin;
		if (every > 0 && due < next) next = due;
		int ms = next == UINT64_MAX ? -1 : until_due(next);
		if (turn(ep, ms)) {
			char line[16];
			if (!fgets(line, sizeof line, stdin)) exit(0);
			break;
		}
	}
	after = counted;
	end = now();
	printf("end\n");
	fflush(stdout);
	struct result r = beats_end();
	for (uint64_t last = now() + 20000000000; counted.delivered < counted.published && now() < last;) turn(ep, 100);
	printf("{\"seconds\":%.6f,\"frames\":%llu,\"published\":%llu,\"undelivered\":%llu,\"wrong\":%llu,"
	       "\"beats\":%llu,\"missing\":%llu,\"p50_ms\":%.4f,\"p99_ms\":%.4f,\"p999_ms\":%.4f,\"max_ms\":%.4f,"
	       "\"late_ms\":%.4f,\"realtime\":%s}\n",
	       (double)(end - begin) / 1e9, (unsigned long long)(after.frames - before.frames), (unsigned long long)(after.published - before.published),
	       (unsigned long long)(counted.published - counted.delivered), (unsigned long long)counted.wrong, (unsigned long long)r.beats,
	       (unsigned long long)r.missing, r.p50, r.p99, r.p999, r.max, r.late, r.realtime ? "true" : "false");
	fflush(stdout);
}

static void obey(int ep) {
	char kind[16];
	double amount, warmup, seconds;
	int n;
	while ((n = scanf("%15s %lf %lf %lf", kind, &amount, &warmup, &seconds)) == 4) {
		while (getchar() != '\n' && !feof(stdin)) {}
		if (strcmp(kind, "beat") == 0) measure(ep, 0, 0, warmup, seconds);
		else if (strcmp(kind, "flood") == 0 && amount >= 1 && amount <= 16) measure(ep, (int)amount, 0, warmup, seconds);
		else if (strcmp(kind, "steady") == 0 && amount > 0) measure(ep, STEADY_MOST, (uint64_t)(1e9 / amount), warmup, seconds);
		else fail("unknown command");
	}
	if (n != EOF) fail("unknown command");
}

static int number_of(const char *name, const char *s, int least, int most) {
	char *end;
	errno = 0;
	long n = strtol(s, &end, 10);
	if (errno == 0 && end != s && *end == 0 && n >= least && n <= most) return (int)n;
	fprintf(stderr, "--%s: want %d to %d, got \"%s\"\n", name, least, most, s);
	exit(2);
}

static struct in_addr address_of(const char *name, const char *s) {
	struct in_addr a;
	if (inet_pton(AF_INET, s, &a) == 1) return a;
	fprintf(stderr, "--%s: want an IPv4 address, got \"%s\"\n", name, s);
	exit(2);
}

int main(int argc, char **argv) {
	static const struct option options[] = {{"port", required_argument, 0, 'p'},       {"path", required_argument, 0, 'u'},
	                                        {"address", required_argument, 0, 'd'},    {"from", required_argument, 0, 'o'},
	                                        {"first", required_argument, 0, 'f'},      {"audience", required_argument, 0, 'a'},
	                                        {"bystanders", required_argument, 0, 'b'}, {"rate", required_argument, 0, 'r'},
	                                        {"beat", required_argument, 0, 't'},       {"size", required_argument, 0, 's'},
	                                        {"rest", required_argument, 0, 'i'},       {"joined", no_argument, 0, 'j'},
	                                        {"help", no_argument, 0, 'h'},             {0}};
	settings.address.s_addr = htonl(INADDR_LOOPBACK);
	settings.from.s_addr = htonl(INADDR_LOOPBACK + 1);
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
		switch (option) {
		case 'p': settings.port = optarg, number_of("port", optarg, 1, 65535); break;
		case 'd': settings.address = address_of("address", optarg); break;
		case 'o': settings.from = address_of("from", optarg); break;
		case 'u': settings.path = optarg; break;
		case 'f': settings.first = number_of("first", optarg, 0, 1 << 30); break;
		case 'a': settings.audience = number_of("audience", optarg, 0, 60000); break;
		case 'b': settings.bystanders = number_of("bystanders", optarg, 0, 60000); break;
		case 'r': settings.rate = number_of("rate", optarg, 1, 1000000); break;
		case 't': settings.beat = optarg; break;
		case 's': settings.size = number_of("size", optarg, 1, 65535); break;
		case 'i': settings.rest = number_of("rest", optarg, 1, 3600000); break;
		case 'j': settings.joined = true; break;
		case 'h': fputs(usage, stdout); return 0;
		default: fputs(usage, stderr); return 2;
		}
	}
	if (optind < argc || !settings.port || strlen(settings.beat) > 125) {
		fputs(usage, stderr);
		return 2;
	}
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0) die("getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0) die("setrlimit");
	int ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0) die("epoll_create1");
	conns = calloc((size_t)(settings.audience + settings.bystanders + 1), sizeof *conns);
	if (!conns) die("calloc");
	double seconds = connect_all(ep);
	if (settings.audience > 0) make_request();
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = STDIN};
	setvbuf(stdin, NULL, _IONBF, 0); // what is read ahead wakes nobody
	if (epoll_ctl(ep, EPOLL_CTL_ADD, 0, &e) < 0) die("epoll_ctl");
	printf("{\"connected\":%d,\"seconds\":%.6f}\n", settings.audience + settings.bystanders, seconds);
	fflush(stdout);
	obey(ep);
	return 0;
}
