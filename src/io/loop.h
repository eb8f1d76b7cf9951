/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The event loop of one thread: ready descriptors, one absolute deadline, wake-ups by others. */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include <sys/epoll.h>

#include "util/bytes.h"
#include "util/now.h"

enum {
	LOOP_EVENTS_MAX = 16
};

/* A watched descriptor; embedded by its owner, who keeps it alive from loop_add to loop_del. */
struct loop_fd {
	int fd;
	void (*ready)(struct loop_fd *f, uint32_t events); /* EPOLLIN, EPOLLOUT, EPOLLERR, ... */
};

struct loop {
	int epoll_fd;
	struct loop_fd timer, waker;
	void (*woken)(struct loop *l);
	uint64_t armed_ns; /* what the timer is set to; NEVER when it is not */
	struct epoll_event events[LOOP_EVENTS_MAX];
	int event_count, event_next; /* being delivered: loop_del takes its descriptor out */
};

/*
 * loop_open(l, woken): woken (may be NULL) is called in the loop's thread after loop_wake, once for
 * any number of wakes since the last.  0 or -errno.
 */
MUST_USE int loop_open(struct loop *l, void (*woken)(struct loop *l));
void loop_close(struct loop *l);

/* loop_add(l, f, events): calls f->ready while any of the events (level triggered) holds. */
MUST_USE int loop_add(struct loop *l, struct loop_fd *f, uint32_t events);
MUST_USE int loop_change(struct loop *l, struct loop_fd *f, uint32_t events);

/* loop_del(l, f): f is not called any more, not even for an event that is already fetched. */
void loop_del(struct loop *l, struct loop_fd *f);

/*
 * loop_turn(l, deadline_ns): waits until a descriptor is ready, loop_wake was called or the clock
 * (struct now's mono_ns) reaches the deadline, runs the callbacks, and returns: the number of
 * callbacks run (0 is possible before the deadline), or -errno.
 */
MUST_USE int loop_turn(struct loop *l, uint64_t deadline_ns);

/* loop_wake(l): ends the current or the next loop_turn; from any thread or signal handler. */
void loop_wake(struct loop *l);

#endif
