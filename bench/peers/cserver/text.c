// Encodings: the key of a handshake, JSON, and parts of URLs.
#include "server.h"

#include <string.h>

static uint32_t rotate(uint32_t x, int by) { return x << by | x >> (32 - by); }

// sha1_block takes 64 bytes into a hash (FIPS 180-4, 6.1.2).
static void sha1_block(uint32_t hash[5], const uint8_t *block) {
	static const uint32_t constant[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
	uint32_t w[80], a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4];
	for (int i = 0; i < 16; i++, block += 4)
		w[i] = (uint32_t)block[0] << 24 | (uint32_t)block[1] << 16 | (uint32_t)block[2] << 8 | block[3];
	for (int i = 16; i < 80; i++) w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	for (int i = 0; i < 80; i++) {
		uint32_t mixed = i < 20   ? (b & c) | (~b & d)
		                 : i < 40 ? b ^ c ^ d
		                 : i < 60 ? (b & c) | (b & d) | (c & d)
		                          : b ^ c ^ d;
		uint32_t sum = rotate(a, 5) + mixed + e + constant[i / 20] + w[i];
		e = d, d = c, c = rotate(b, 30), b = a, a = sum;
	}
	hash[0] += a, hash[1] += b, hash[2] += c, hash[3] += d, hash[4] += e;
}

void accept_key(const char *key, char *accept) {
	static const char guid[36] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	// 60 bytes and the padding of SHA-1 are two blocks: always the same length.
	uint8_t input[128] = {0}, sum[21] = {0};
	memcpy(input, key, 24);
	memcpy(input + 24, guid, 36);
	input[60] = 0x80;
	input[126] = 60 * 8 >> 8, input[127] = 60 * 8 & 255;
	uint32_t hash[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
	sha1_block(hash, input);
	sha1_block(hash, input + 64);
	for (int i = 0; i < 20; i++) sum[i] = (uint8_t)(hash[i / 4] >> (24 - i % 4 * 8));
	for (int i = 0; i < 28; i++) { // 20 bytes and a zero are 28 digits, the last of which is padding
		uint32_t three = (uint32_t)sum[i / 4 * 3] << 16 | (uint32_t)sum[i / 4 * 3 + 1] << 8 | sum[i / 4 * 3 + 2];
		accept[i] = digits[three >> (18 - i % 4 * 6) & 63];
	}
	accept[27] = '=';
}

static int hex(char c) {
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

struct text percent_decode(struct text t, bool query) {
	char *out = t.p, *end = t.p + t.n;
	for (char *in = t.p; in < end; in++) {
		if (*in == '%' && end - in > 2 && hex(in[1]) >= 0 && hex(in[2]) >= 0) {
			*out++ = (char)(hex(in[1]) << 4 | hex(in[2]));
			in += 2;
		} else {
			*out++ = query && *in == '+' ? ' ' : *in;
		}
	}
	return (struct text){t.p, (size_t)(out - t.p)};
}

static bool utf8_valid(struct text t) {
	const uint8_t *p = (uint8_t *)t.p, *end = p + t.n;
	while (p < end) {
		if (*p < 0x80) {
			p++;
			continue;
		}
		int more = *p >= 0xc2 && *p < 0xe0 ? 1 : *p >= 0xe0 && *p < 0xf0 ? 2 : *p >= 0xf0 && *p < 0xf5 ? 3 : 0;
		if (more == 0 || end - p <= more) return false;
		uint32_t rune = *p & (0x3f >> more);
		for (int i = 1; i <= more; i++) {
			if ((p[i] & 0xc0) != 0x80) return false;
			rune = rune << 6 | (p[i] & 0x3f);
		}
		// Longer than needed, half of a surrogate pair, or behind the last.
		if ((more == 2 && rune < 0x800) || (more == 3 && (rune < 0x10000 || rune > 0x10ffff)) || rune >> 11 == 0x1b) return false;
		p += more + 1;
	}
	return true;
}

static char *utf8_put(char *out, uint32_t rune) {
	if (rune < 0x80) {
		*out++ = (char)rune;
		return out;
	}
	int more = rune < 0x800 ? 1 : rune < 0x10000 ? 2 : 3;
	*out++ = (char)(0xff00u >> (more + 1) | rune >> (6 * more));
	while (more-- > 0) *out++ = (char)(0x80 | (rune >> (6 * more) & 0x3f));
	return out;
}

// json is what is left of a JSON text.
struct json {
	char *p, *end;
};

static bool next_is(struct json *j, char want) {
	if (j->p == j->end || *j->p != want) return false;
	j->p++;
	return true;
}

static void skip_space(struct json *j) {
	while (next_is(j, ' ') || next_is(j, '\n') || next_is(j, '\r') || next_is(j, '\t')) {}
}

// take takes a character that may stand between spaces.
static bool take(struct json *j, char want) {
	skip_space(j);
	if (!next_is(j, want)) return false;
	skip_space(j);
	return true;
}

// code_unit reads the four digits after \u; -1 if they are not there.
static int code_unit(struct json *j) {
	int unit = 0;
	if (j->end - j->p < 4) return -1;
	for (int i = 0; i < 4; i++) {
		int digit = hex(*j->p++);
		if (digit < 0) return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

// string unescapes in place: no escape is shorter than what it means.
static bool string(struct json *j, struct text *s) {
	if (!next_is(j, '"')) return false;
	char *out = s->p = j->p;
	while (j->p < j->end) {
		char c = *j->p++;
		if ((uint8_t)c < 0x20) return false;
		if (c == '"') {
			s->n = (size_t)(out - s->p);
			return true;
		}
		if (c != '\\') {
			*out++ = c;
			continue;
		}
		static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
		if (j->p == j->end) return false;
		c = *j->p++;
		if (c != 'u') {
			const char *at = memchr(escapes, c, sizeof escapes - 1);
			if (!at) return false;
			*out++ = meanings[at - escapes];
			continue;
		}
		int unit = code_unit(j);
		if (unit < 0) return false;
		uint32_t rune = (uint32_t)unit;
		if (unit >> 11 == 0x1b) { // half of a surrogate pair; alone it is U+FFFD
			rune = 0xfffd;
			struct json ahead = *j;
			if (unit < 0xdc00 && next_is(&ahead, '\\') && next_is(&ahead, 'u')) {
				int low = code_unit(&ahead);
				if (low >> 10 == 0x37) {
					rune = 0x10000 + ((uint32_t)(unit & 0x3ff) << 10 | (uint32_t)(low & 0x3ff));
					*j = ahead;
				}
			}
		}
		out = utf8_put(out, rune);
	}
	return false;
}

static bool digits(struct json *j) {
	char *start = j->p;
	while (j->p < j->end && *j->p >= '0' && *j->p <= '9') j->p++;
	return j->p > start;
}

static bool number(struct json *j) {
	next_is(j, '-');
	if (!next_is(j, '0') && !digits(j)) return false;
	if (next_is(j, '.') && !digits(j)) return false;
	if (!next_is(j, 'e') && !next_is(j, 'E')) return true;
	if (!next_is(j, '+')) next_is(j, '-');
	return digits(j);
}

static bool word(struct json *j, const char *want) {
	size_t n = strlen(want);
	if ((size_t)(j->end - j->p) < n || memcmp(j->p, want, n) != 0) return false;
	j->p += n;
	return true;
}

static bool value(struct json *j, int depth);

// members reads an object or a list after its first bracket. With a message
// it looks for the member of that name.
static bool members(struct json *j, char last, int depth, struct text *message) {
	if (take(j, last)) return true;
	do {
		struct text name = {0};
		if (last == '}' && (skip_space(j), !string(j, &name) || !take(j, ':'))) return false;
		if (message && same(name, "message", 7) ? !string(j, message) : !value(j, depth)) return false;
	} while (take(j, ','));
	return take(j, last);
}

static bool value(struct json *j, int depth) {
	struct text ignored;
	skip_space(j);
	if (j->p == j->end || depth > 100) return false;
	switch (*j->p) {
	case '"': return string(j, &ignored);
	case '{': return take(j, '{') && members(j, '}', depth + 1, NULL);
	case '[': return take(j, '[') && members(j, ']', depth + 1, NULL);
	case 't': return word(j, "true");
	case 'f': return word(j, "false");
	case 'n': return word(j, "null");
	default: return number(j);
	}
}

bool json_message(char *body, size_t n, struct text *message) {
	struct json j = {body, body + n};
	*message = (struct text){0};
	if (!take(&j, '{') || !members(&j, '}', 0, message)) return false;
	skip_space(&j);
	return j.p == j.end && message->p && utf8_valid(*message);
}
