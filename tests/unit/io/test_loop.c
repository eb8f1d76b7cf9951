/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/lib/test.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "io/loop.h"

enum {
	PIPES = 4
};

struct end {
	struct loop_fd f;
	int write_fd;
	int calls;
	uint32_t events;
};

static struct loop loop;
static struct end ends[PIPES];
static int wakes;

static void count_wake(struct loop *l)
{
	CHECK(l == &loop);
	wakes++;
}

static void take_byte(struct loop_fd *f, uint32_t events)
{
	struct end *e = container_of(f, struct end, f);
	char c;

	CHECK_INT(read(f->fd, &c, 1), 1);
	e->calls++;
	e->events = events;
}

static void only_count(struct loop_fd *f, uint32_t events)
{
	struct end *e = container_of(f, struct end, f);

	e->calls++;
	e->events = events;
}

static void delete_all(struct loop_fd *f, uint32_t events)
{
	only_count(f, events);
	for (int i = 0; i < PIPES; i++)
		loop_del(&loop, &ends[i].f);
}

static void begin(void (*ready)(struct loop_fd *f, uint32_t events))
{
	wakes = 0;
	CHECK_INT(loop_open(&loop, count_wake), 0);
	for (int i = 0; i < PIPES; i++) {
		int fds[2];

		CHECK_INT(pipe(fds), 0);
		ends[i] = (struct end){.f = {fds[0], ready}, .write_fd = fds[1]};
		CHECK_INT(loop_add(&loop, &ends[i].f, EPOLLIN), 0);
	}
}

static void end(void)
{
	for (int i = 0; i < PIPES; i++) {
		close(ends[i].f.fd);
		close(ends[i].write_fd);
	}
	loop_close(&loop);
}

static void put_byte(int i)
{
	CHECK_INT(write(ends[i].write_fd, "x", 1), 1);
}

/* Turns until the deadline or a callback; returns how long that took. */
static uint64_t turn_until(uint64_t deadline_ns, int *ran)
{
	const uint64_t start_ns = now_read().mono_ns;

	do
		*ran = loop_turn(&loop, deadline_ns);
	while (*ran == 0 && now_read().mono_ns < deadline_ns);
	return now_read().mono_ns - start_ns;
}

static void test_ready_descriptors_are_called(void)
{
	begin(take_byte);
	CHECK_INT(loop_turn(&loop, 0), 0);
	put_byte(1);
	put_byte(3);
	put_byte(3);
	CHECK_INT(loop_turn(&loop, NEVER), 2);
	CHECK_INT(ends[1].calls, 1);
	CHECK_INT(ends[1].events, EPOLLIN);
	CHECK_INT(ends[3].calls, 1);
	CHECK_INT(loop_turn(&loop, NEVER), 1); /* level triggered: the second byte */
	CHECK_INT(ends[3].calls, 2);
	CHECK_INT(loop_turn(&loop, 0), 0);
	close(ends[0].write_fd);
	ends[0].write_fd = -1;
	ends[0].f.ready = only_count;
	CHECK_INT(loop_turn(&loop, NEVER), 1);
	CHECK_INT(ends[0].events, EPOLLHUP);
	end();
}

static void test_events_can_be_changed(void)
{
	struct end w;

	begin(take_byte);
	w = (struct end){.f = {ends[0].write_fd, only_count}};
	CHECK_INT(loop_add(&loop, &w.f, 0), 0);
	CHECK_INT(loop_turn(&loop, 0), 0);
	CHECK_INT(loop_change(&loop, &w.f, EPOLLOUT), 0);
	CHECK_INT(loop_turn(&loop, NEVER), 1);
	CHECK_INT(w.events, EPOLLOUT);
	CHECK_INT(loop_change(&loop, &w.f, 0), 0);
	CHECK_INT(loop_turn(&loop, 0), 0);
	loop_del(&loop, &w.f);
	CHECK_INT(loop_change(&loop, &w.f, EPOLLOUT), -ENOENT);
	CHECK_INT(loop_add(&loop, &ends[0].f, EPOLLIN), -EEXIST);
	end();
}

/* All four are ready in one turn; the first to be called takes the others away. */
static void test_deleted_descriptors_are_not_called(void)
{
	int calls = 0;

	begin(delete_all);
	for (int i = 0; i < PIPES; i++)
		put_byte(i);
	CHECK_INT(loop_turn(&loop, NEVER), 1);
	for (int i = 0; i < PIPES; i++)
		calls += ends[i].calls;
	CHECK_INT(calls, 1);
	CHECK_INT(loop_turn(&loop, 0), 0);
	end();
}

static void test_deadline_ends_the_turn(void)
{
	const uint64_t start_ns = now_read().mono_ns;
	uint64_t took_ns;
	int ran;

	begin(take_byte);
	took_ns = turn_until(start_ns + 20 * NS_PER_MS, &ran);
	CHECK_INT(ran, 0);
	CHECK(took_ns < 10 * NS_PER_S);
	CHECK_INT(loop_turn(&loop, 1), 0); /* long ago */
	/* A later deadline, then an earlier one, although the timer was set to the later. */
	put_byte(0);
	CHECK_INT(loop_turn(&loop, now_read().mono_ns + 3600 * NS_PER_S), 1);
	took_ns = turn_until(now_read().mono_ns + 20 * NS_PER_MS, &ran);
	CHECK_INT(ran, 0);
	CHECK(took_ns >= 19 * NS_PER_MS && took_ns < 10 * NS_PER_S);
	/* An earlier one, not waited for, then a later. */
	put_byte(0);
	CHECK_INT(loop_turn(&loop, now_read().mono_ns + 5 * NS_PER_MS), 1);
	took_ns = turn_until(now_read().mono_ns + 40 * NS_PER_MS, &ran);
	CHECK_INT(ran, 0);
	CHECK(took_ns >= 39 * NS_PER_MS && took_ns < 10 * NS_PER_S);
	end();
}

static void test_wakes_are_counted_once(void)
{
	begin(take_byte);
	loop_wake(&loop);
	loop_wake(&loop);
	CHECK_INT(loop_turn(&loop, NEVER), 1);
	CHECK_INT(wakes, 1);
	CHECK_INT(loop_turn(&loop, 0), 0);
	loop.woken = NULL;
	loop_wake(&loop);
	CHECK_INT(loop_turn(&loop, NEVER), 1);
	CHECK_INT(wakes, 1);
	end();
}

static void *wake_many_times(void *arg)
{
	(void)arg;
	for (int i = 0; i < 1000; i++)
		loop_wake(&loop);
	put_byte(0); /* the last word */
	return NULL;
}

static void test_other_threads_wake_it(void)
{
	pthread_t thread;

	begin(take_byte);
	NEED(pthread_create(&thread, NULL, wake_many_times, NULL) == 0);
	while (ends[0].calls == 0)
		NEED(loop_turn(&loop, NEVER) > 0);
	pthread_join(thread, NULL);
	(void)!loop_turn(&loop, 0);
	CHECK(wakes >= 1 && wakes <= 1000);
	end();
}

int main(void)
{
	RUN(test_ready_descriptors_are_called);
	RUN(test_events_can_be_changed);
	RUN(test_deleted_descriptors_are_not_called);
	RUN(test_deadline_ends_the_turn);
	RUN(test_wakes_are_counted_once);
	RUN(test_other_threads_wake_it);
	return test_done();
}
