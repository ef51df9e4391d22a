// The log of broadcasts of a process: a ring of their frames, one behind the
// other. Positions only grow; two mappings behind each other make all that is
// between two of them one piece.
#define _GNU_SOURCE
#include "server.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LOG_SIZE = 4 << 20 }; // at least some frames of full length

static char *ring;
static uint64_t head; // the end of the last frame

char *map_twice(size_t size) {
	int fd = memfd_create("ring", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0) die("memfd_create");
	char *first = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (first == MAP_FAILED) die("mmap");
	for (size_t i = 0; i < 2; i++) {
		if (mmap(first + i * size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) die("mmap");
	}
	close(fd);
	return first;
}

void log_make(void) { ring = map_twice(LOG_SIZE); }

uint64_t log_head(void) { return head; }

bool log_has_room(uint64_t from, size_t n) { return head + n - from <= LOG_SIZE; }

void log_append(struct text frame) {
	memcpy(ring + head % LOG_SIZE, frame.p, frame.n);
	head += frame.n;
}

bool log_since(uint64_t at, struct text *rest) {
	if (head - at > LOG_SIZE) return false;
	*rest = (struct text){ring + at % LOG_SIZE, (size_t)(head - at)};
	return true;
}

size_t log_frame_end(struct text frames, size_t at) {
	size_t end = 0;
	while (end <= at) {
		const uint8_t *f = (const uint8_t *)frames.p + end;
		int more = f[1] == 126 ? 2 : f[1] == 127 ? 8 : 0;
		size_t n = more == 0 ? f[1] : 0;
		for (int i = 0; i < more; i++) n = n << 8 | f[2 + i];
		end += (size_t)(2 + more) + n;
	}
	return end;
}
