// What requests and frames do: RFC 6455 and as much of HTTP/1.1 as it needs.
#define _GNU_SOURCE
#include "server.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { CONTINUATION, TEXT, BINARY, CLOSE = 8, PING, PONG };
enum { PROTOCOL_ERROR = 1002, TOO_BIG = 1009 };

static const char heartbeat[] = "{\"type\":\"HEARTBEAT\"}";
static const char heartbeat_ack[] = "\x81\x18{\"type\":\"HEARTBEAT_ACK\"}"; // as it is framed

// ---- frames

// unmask moves a payload to the left, or leaves it where it is.
static void unmask(uint8_t *to, const uint8_t *from, size_t n, const uint8_t *mask) {
	uint8_t key[8]; // a copy, as what is moved covers the mask
	memcpy(key, mask, 4);
	memcpy(key + 4, mask, 4);
	uint64_t wide, chunk;
	memcpy(&wide, key, 8);
	size_t i = 0;
	for (; i + 8 <= n; i += 8) {
		memcpy(&chunk, from + i, 8);
		chunk ^= wide;
		memcpy(to + i, &chunk, 8);
	}
	for (; i < n; i++) to[i] = from[i] ^ key[i & 3];
}

static bool is_close_code(int code) {
	return (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)) || (code >= 3000 && code < 5000);
}

static uint8_t *put_close(uint8_t *out, int code) {
	*out++ = 0x80 | CLOSE;
	*out++ = 2;
	*out++ = (uint8_t)(code >> 8);
	*out++ = (uint8_t)code;
	return out;
}

// head_of returns how long the head of a frame is, 0 if it is not all there,
// or -1 and the code to close with.
static int head_of(const uint8_t *in, size_t left, bool fragmented, size_t *length, int *code) {
	if (left < 2) return 0;
	int opcode = in[0] & 15;
	bool final = in[0] & 0x80, control = opcode & 8;
	*code = PROTOCOL_ERROR;
	*length = in[1] & 127;
	if (in[0] & 0x70 || !(in[1] & 0x80)) return -1; // extensions; no mask
	if (control ? opcode > PONG || !final || *length > 125 : opcode > BINARY || fragmented != (opcode == CONTINUATION)) return -1;
	int more = *length == 126 ? 2 : *length == 127 ? 8 : 0;
	if (left < (size_t)(2 + more + 4)) return 0;
	if (more > 0) {
		uint64_t n = 0;
		for (int i = 0; i < more; i++) n = n << 8 | in[2 + i];
		if (n < 126 || (more == 8 && n <= 0xffff)) return -1; // not the shortest form
		*code = TOO_BIG;
		if (n > FRAME_MAX) return -1;
		*length = n;
	}
	return 2 + more + 4;
}

// heard returns 1 and how much of a heartbeat a message has been so far, or
// OTHER, from what it was before a part of it.
enum { OTHER = 255 };

static uint8_t heard(uint8_t before, uint8_t *part, size_t length, const uint8_t *mask) {
	if (before == OTHER || length > sizeof heartbeat - before) return OTHER;
	unmask(part, part, length, mask);
	return memcmp(part, heartbeat + before - 1, length) == 0 ? (uint8_t)(before + length) : OTHER;
}

// frames handles complete frames. No answer to a frame is longer than it, as it
// has no mask: answers are written over the input, and one call sends those of
// one read. Messages of several frames are echoed as such; a heartbeat of several
// is longer than its last frame, and its answer is sent by itself.
static size_t frames(struct conn *c, char *data, size_t n) {
	uint8_t *start = (uint8_t *)data, *in = start, *out = start, *end = start + n;
	enum state then = FREE;
	while (then == FREE) {
		size_t length;
		int code;
		int head = head_of(in, (size_t)(end - in), c->fragmented, &length, &code);
		if (head < 0) {
			out = put_close(out, code);
			then = DRAINING;
			break;
		}
		if (head == 0 || (size_t)(end - in) < (size_t)head + length) break;
		uint8_t *payload = in + head;
		const uint8_t *mask = payload - 4;
		int opcode = in[0] & 15;
		bool final = in[0] & 0x80;
		uint8_t before = opcode == TEXT ? 1 : opcode == CONTINUATION ? c->fragmented : OTHER;
		if (opcode <= BINARY) c->fragmented = final ? 0 : OTHER;
		if (opcode == CLOSE) {
			unmask(payload, payload, length, mask);
			code = length >= 2 ? payload[0] << 8 | payload[1] : 1000;
			if (length == 1 || !is_close_code(code)) code = PROTOCOL_ERROR;
			out = put_close(out, code);
			if (length == 0) out -= 2, out[-1] = 0;
			then = CLOSING;
		} else if (opcode == PING || (c->state == ECHO && opcode <= BINARY)) {
			uint8_t first = opcode == PING ? 0x80 | PONG : in[0];
			memmove(out, in, (size_t)head - 4);
			out[0] = first;
			out[1] &= 127;
			out += head - 4;
			unmask(out, payload, length, mask);
			out += length;
		} else if (opcode <= BINARY) {
			uint8_t so_far = heard(before, payload, length, mask);
			if (!final) {
				c->fragmented = so_far;
			} else if (so_far == sizeof heartbeat && opcode == TEXT) {
				memcpy(out, heartbeat_ack, sizeof heartbeat_ack - 1);
				out += sizeof heartbeat_ack - 1;
			} else if (so_far == sizeof heartbeat) {
				if (out > start) conn_send(c, start, (size_t)(out - start));
				if (c->state != FREE) conn_send(c, heartbeat_ack, sizeof heartbeat_ack - 1);
				if (c->state == FREE) return n;
				out = start;
			}
		}
		in = payload + length;
	}
	if (out > start) conn_send(c, start, (size_t)(out - start));
	if (then != FREE) conn_end(c, then);
	return (size_t)(in - start);
}

// ---- requests

static bool is_word(struct text t, const char *word) { return t.n == strlen(word) && strncasecmp(t.p, word, t.n) == 0; }

// cut returns what is before a separator, and leaves what is behind it.
static struct text cut(struct text *t, const char *separator) {
	size_t n = strlen(separator);
	char *at = memmem(t->p, t->n, separator, n);
	struct text before = {t->p, at ? (size_t)(at - t->p) : t->n};
	size_t taken = at ? before.n + n : t->n;
	t->p += taken;
	t->n -= taken;
	return before;
}

static struct text trim(struct text t) {
	while (t.n > 0 && (*t.p == ' ' || *t.p == '\t')) t.p++, t.n--;
	while (t.n > 0 && (t.p[t.n - 1] == ' ' || t.p[t.n - 1] == '\t')) t.n--;
	return t;
}

// header returns the value of a header, of no bytes if it is not there.
static struct text header(struct text headers, const char *name) {
	while (headers.n > 0) {
		struct text value = cut(&headers, "\r\n");
		if (is_word(cut(&value, ":"), name)) return trim(value);
	}
	return (struct text){0};
}

static bool header_has(struct text headers, const char *name, const char *word) {
	struct text list = header(headers, name);
	while (list.n > 0) {
		if (is_word(trim(cut(&list, ",")), word)) return true;
	}
	return false;
}

static void answer(struct conn *c, const char *status, bool keep) {
	char response[200];
	int n = snprintf(response, sizeof response, "HTTP/1.1 %s\r\nContent-Length: 0\r\n%s\r\n", status, keep ? "" : "Connection: close\r\n");
	conn_send(c, response, (size_t)n);
	if (!keep) conn_end(c, DRAINING);
}

static void upgrade(struct conn *c, struct text path, struct text query, struct text headers) {
	struct text key = header(headers, "Sec-WebSocket-Key");
	if (!header_has(headers, "Upgrade", "websocket") || !header_has(headers, "Connection", "upgrade") ||
	    !is_word(header(headers, "Sec-WebSocket-Version"), "13")) {
		answer(c, "426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13", false);
		return;
	}
	if (key.n != 24) {
		answer(c, "400 Bad Request", false);
		return;
	}
	char response[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	                  "Sec-WebSocket-Accept: 0123456789012345678901234567\r\n\r\n";
	accept_key(key.p, response + sizeof response - 1 - 4 - 28);
	if (same(path, "/echo", 5)) {
		c->state = ECHO;
	} else {
		struct text user = {0};
		while (query.n > 0) {
			struct text value = cut(&query, "&");
			if (same(cut(&value, "="), "token", 5)) user = percent_decode(value, true);
		}
		conn_join(c, user);
	}
	conn_send(c, response, sizeof response - 1);
}

static void post(struct conn *c, struct text path, struct text body, bool keep) {
	static const char to_user[] = "/websocket/send/user/";
	struct text user = {0}, message;
	if (path.n >= sizeof to_user && memcmp(path.p, to_user, sizeof to_user - 1) == 0) {
		user = percent_decode((struct text){path.p + sizeof to_user - 1, path.n - (sizeof to_user - 1)}, false);
	} else if (!same(path, "/websocket/broadcast", 20)) {
		answer(c, "404 Not Found", keep);
		return;
	}
	if (!json_message(body.p, body.n, &message)) {
		answer(c, "400 Bad Request", keep);
		return;
	}
	if (message.n > FRAME_MAX) {
		answer(c, "413 Content Too Large", keep);
		return;
	}
	char head[10] = {(char)(0x80 | TEXT)};
	int more = message.n < 126 ? 0 : message.n <= 0xffff ? 2 : 8;
	head[1] = (char)(more == 0 ? message.n : more == 2 ? 126 : 127);
	for (int i = 0; i < more; i++) head[2 + i] = (char)(message.n >> 8 * (size_t)(more - 1 - i));
	publish(user, (struct text){head, (size_t)(2 + more)}, message);
	answer(c, "200 OK", keep);
}

// content_length returns -1 for what is not a number of bytes that we take.
static long content_length(struct text t) {
	long n = t.n > 0 ? 0 : -1;
	for (size_t i = 0; i < t.n && n >= 0; i++) n = t.p[i] >= '0' && t.p[i] <= '9' && n <= BODY_MAX ? n * 10 + t.p[i] - '0' : -1;
	return n <= BODY_MAX ? n : -1;
}

// request handles one request and returns its length, 0 if it is not complete.
static size_t request(struct conn *c, char *data, size_t n) {
	char *blank = memmem(data, n < HEAD_MAX ? n : HEAD_MAX, "\r\n\r\n", 4);
	if (!blank) {
		if (n >= HEAD_MAX) answer(c, "431 Request Header Fields Too Large", false);
		return 0;
	}
	size_t head = (size_t)(blank + 4 - data);
	struct text headers = {data, head - 4}, line = cut(&headers, "\r\n");
	struct text method = cut(&line, " "), query = cut(&line, " "), path = cut(&query, "?"), version = line;
	bool old = same(version, "HTTP/1.0", 8);
	if ((!old && !same(version, "HTTP/1.1", 8)) || path.n == 0 || path.p[0] != '/') {
		answer(c, "400 Bad Request", false);
	} else if (same(method, "GET", 3)) {
		upgrade(c, path, query, headers);
	} else if (!same(method, "POST", 4)) {
		answer(c, "405 Method Not Allowed\r\nAllow: GET, POST", false);
	} else if (header(headers, "Content-Length").n == 0) {
		answer(c, "411 Length Required", false);
	} else {
		long length = content_length(header(headers, "Content-Length"));
		if (length < 0) {
			answer(c, "413 Content Too Large", false);
		} else if (n - head < (size_t)length) {
			return 0;
		} else {
			post(c, path, (struct text){data + head, (size_t)length}, !old && !header_has(headers, "Connection", "close"));
			head += (size_t)length;
		}
	}
	return head;
}

size_t handle(struct conn *c, char *data, size_t n) {
	size_t used = 0;
	while (c->state == HTTP && used < n) {
		size_t more = request(c, data + used, n - used);
		if (more == 0) return used;
		used += more;
	}
	if (c->state == ECHO || c->state == MEMBER) used += frames(c, data + used, n - used);
	return used;
}
