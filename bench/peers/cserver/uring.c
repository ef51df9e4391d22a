// Sends through io_uring: many by one system call, which returns when all are
// done. Nothing waits for a peer (MSG_DONTWAIT), so none is under way after it.
#define _GNU_SOURCE
#include "server.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BATCH = 512 };

static int ring = -1;
static struct io_uring_sqe *entries;
static struct io_uring_cqe *completions;
static _Atomic uint32_t *tail, *completed_head, *completed_tail;
static uint32_t mask, completed_mask, queued;

static void *map(size_t size, off_t what) {
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, what);
	if (p == MAP_FAILED) die("mmap");
	return p;
}

bool uring_make(void) {
	struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
	ring = (int)syscall(SYS_io_uring_setup, BATCH, &params);
	if (ring < 0) return false;
	size_t submissions = params.sq_off.array + params.sq_entries * sizeof(uint32_t);
	char *sq = map(submissions, IORING_OFF_SQ_RING);
	char *cq = map(params.cq_off.cqes + params.cq_entries * sizeof *completions, IORING_OFF_CQ_RING);
	entries = map(params.sq_entries * sizeof *entries, IORING_OFF_SQES);
	tail = (void *)(sq + params.sq_off.tail);
	mask = params.sq_entries - 1;
	uint32_t *order = (void *)(sq + params.sq_off.array);
	for (uint32_t i = 0; i < params.sq_entries; i++) order[i] = i;
	completions = (void *)(cq + params.cq_off.cqes);
	completed_head = (void *)(cq + params.cq_off.head);
	completed_tail = (void *)(cq + params.cq_off.tail);
	completed_mask = params.cq_entries - 1;
	return true;
}

void uring_flush(void (*done)(int fd, struct text frame, int result), struct text frame) {
	uint32_t left = queued, submit = queued;
	queued = 0;
	while (left > 0) {
		int n = (int)syscall(SYS_io_uring_enter, ring, submit, left, IORING_ENTER_GETEVENTS, NULL, 0);
		if (n < 0 && errno != EINTR) die("io_uring_enter");
		if (n > 0) submit -= (uint32_t)n;
		uint32_t head = *completed_head, end = *completed_tail;
		left -= end - head;
		for (; head != end; head++) {
			struct io_uring_cqe *c = &completions[head & completed_mask];
			done((int)c->user_data, frame, c->res);
		}
		*completed_head = head;
	}
}

void uring_send(int fd, void (*done)(int fd, struct text frame, int result), struct text frame) {
	struct io_uring_sqe *e = &entries[*tail & mask];
	*e = (struct io_uring_sqe){.opcode = IORING_OP_SEND, .fd = fd, .addr = (uint64_t)(uintptr_t)frame.p, .len = (uint32_t)frame.n,
	                           .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL, .user_data = (uint64_t)fd};
	*tail = *tail + 1;
	if (++queued == BATCH) uring_flush(done, frame);
}
