/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * epoll, one timerfd, one eventfd.  The timer runs on CLOCK_BOOTTIME as struct now does, so that a
 * deadline that passed during suspend fires at the resume.  A deadline usually moves later with
 * every packet: the timer is set only to come earlier, and a turn that it ends too soon is
 * harmless.
 */
#include "io/loop.h"

#include <assert.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void drain_timer(struct loop_fd *f, uint32_t events)
{
	struct loop *l = container_of(f, struct loop, timer);
	uint64_t expirations;

	(void)events;
	if (read(f->fd, &expirations, sizeof(expirations)) > 0)
		l->armed_ns = NEVER;
}

static void drain_waker(struct loop_fd *f, uint32_t events)
{
	struct loop *l = container_of(f, struct loop, waker);
	uint64_t wakes;

	(void)events;
	if (read(f->fd, &wakes, sizeof(wakes)) > 0 && l->woken != NULL)
		l->woken(l);
}

static int open_own(struct loop *l, struct loop_fd *f, int fd)
{
	f->fd = fd;
	return fd >= 0 ? loop_add(l, f, EPOLLIN) : -errno;
}

int loop_open(struct loop *l, void (*woken)(struct loop *l))
{
	int err;

	*l = (struct loop){.timer = {.fd = -1, .ready = drain_timer},
			   .waker = {.fd = -1, .ready = drain_waker},
			   .woken = woken,
			   .armed_ns = NEVER};
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0)
		return -errno;
	err = open_own(l, &l->timer, timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC));
	if (err == 0)
		err = open_own(l, &l->waker, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	if (err < 0)
		loop_close(l);
	return err;
}

void loop_close(struct loop *l)
{
	const int fds[] = {l->waker.fd, l->timer.fd, l->epoll_fd};

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	l->waker.fd = l->timer.fd = l->epoll_fd = -1;
}

static int control(struct loop *l, int op, struct loop_fd *f, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = f};

	return epoll_ctl(l->epoll_fd, op, f->fd, &e) == 0 ? 0 : -errno;
}

int loop_add(struct loop *l, struct loop_fd *f, uint32_t events)
{
	return control(l, EPOLL_CTL_ADD, f, events);
}

int loop_change(struct loop *l, struct loop_fd *f, uint32_t events)
{
	return control(l, EPOLL_CTL_MOD, f, events);
}

void loop_del(struct loop *l, struct loop_fd *f)
{
	const int err = control(l, EPOLL_CTL_DEL, f, 0);

	assert(err == 0);
	(void)err;
	for (int i = l->event_next; i < l->event_count; i++)
		if (l->events[i].data.ptr == f)
			l->events[i].data.ptr = NULL;
}

static int arm(struct loop *l, uint64_t deadline_ns)
{
	const struct itimerspec at = {.it_value = {.tv_sec = (time_t)(deadline_ns / NS_PER_S),
						   .tv_nsec = (long)(deadline_ns % NS_PER_S)}};

	if (deadline_ns >= l->armed_ns)
		return 0;
	if (timerfd_settime(l->timer.fd, TFD_TIMER_ABSTIME, &at, NULL) < 0)
		return -errno;
	l->armed_ns = deadline_ns;
	return 0;
}

int loop_turn(struct loop *l, uint64_t deadline_ns)
{
	const bool due = deadline_ns <= now_read().mono_ns;
	int ran = 0, n, err;

	if (!due) {
		err = arm(l, deadline_ns);
		if (err < 0)
			return err;
	}
	n = epoll_wait(l->epoll_fd, l->events, LOOP_EVENTS_MAX, due ? 0 : -1);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	l->event_count = n;
	for (l->event_next = 0; l->event_next < n;) {
		const struct epoll_event *e = &l->events[l->event_next++];
		struct loop_fd *f = e->data.ptr;

		if (f == NULL)
			continue;
		f->ready(f, e->events);
		ran += f != &l->timer;
	}
	l->event_count = 0;
	return ran;
}

void loop_wake(struct loop *l)
{
	const int saved = errno; /* this may run in a signal handler */
	const uint64_t one = 1;

	/* The one way to fail is a full counter, and then the loop is about to wake anyway. */
	if (write(l->waker.fd, &one, sizeof(one)) < 0)
		errno = saved;
}
