// A crowd of WebSocket clients: connect.c opens the connections, audience.c
// publishes and counts what those in the audience get, beats.c sends heartbeats
// on the others and measures the answers, and main.c takes commands.
#ifndef CROWD_H
#define CROWD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct settings {
	const char *port, *path, *beat;
	struct in_addr address, from;
	int first, audience, bystanders, size;
	double rate; // of heartbeats, a second
	double rest; // after which a connection publishes no more, in ms
	bool joined; // a WebSocket message may have several broadcasts in it, and more
};
extern struct settings settings;

// conn is a connection. What came of a head, of the handshake or of a frame, is
// in head, and have says how much it is.
struct conn {
	int fd;
	bool upgraded;
	uint8_t have, ends; // ends: how much of the empty line behind a handshake
	uint8_t head[12];
	uint64_t left; // of the payload of the frame under way
	uint32_t got;  // broadcasts
};

// conns are those of the audience and, behind them, the bystanders.
extern struct conn *conns;

// connect_all opens all connections and returns how long that took, in seconds.
// Those of the audience are watched by ep, with their number as data, and take
// what comes behind the handshake.
double connect_all(int ep);

// socket_to connects to the server, at once or by and by.
int socket_to(int number, int flags);

// counted is what an audience got since the program began.
struct counted {
	uint64_t published, delivered, frames, wrong;
};
extern struct counted counted;

// take counts what a connection of the audience received.
void take(struct conn *c, const uint8_t *p, size_t n);

// make_request makes what publishes a broadcast.
void make_request(void);

// publish begins with as many broadcasts as are missing to window under way; with
// every, only with those that are due, and counts due up. ep watches the
// connections that publish.
void publish(int ep, int window, uint64_t *due, uint64_t every);

// heard is what an event of the audience's epoll is about: a connection or a
// publisher that can be read.
void heard(uint32_t number);

// result is what came of the heartbeats that were due in a time.
struct result {
	uint64_t beats, missing;
	double p50, p99, p999, max; // ms, from when each was due
	double late;                // ms, p99 of how late they were sent by this program's own fault
	bool realtime;              // the thread that measures waited for no other
};

// beats_start begins to send heartbeats, beats_from says which of them count
// and beats_end waits for the answers.
void beats_start(void);
void beats_from(uint64_t time);
struct result beats_end(void);

uint64_t now(void); // ns
_Noreturn void die(const char *what);
_Noreturn void fail(const char *what);

#endif
