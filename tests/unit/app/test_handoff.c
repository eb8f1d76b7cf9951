/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/handoff.h"

#include "tests/lib/test.h"
#include "wire/limits.h"

#include <pthread.h>
#include <sched.h>

static struct rx_dgram dgram(uint8_t *data, size_t len, const struct endpoint *from)
{
	return (struct rx_dgram){.data = data, .len = (uint16_t)len, .from = from};
}

static void test_keeps_all_of_it(void)
{
	struct handoff *h = handoff_create();
	struct endpoint from = {.ip = {[15] = 9}, .port = 4600};
	struct rx_dgram got[HANDOFF_BATCH], d;
	uint8_t data[CELL_LEN + 1];

	memset(data, 0x5a, sizeof(data));
	d = dgram(data, CELL_LEN, &from);
	d.ce = true;
	CHECK(handoff_put(h, &d));
	data[0] = 1;
	from.port = 1; /* the ring has copies */
	d = dgram(data, 1, &from);
	CHECK(handoff_put(h, &d));
	d = dgram(data, sizeof(data), &from);
	CHECK(!handoff_put(h, &d)); /* none of ours is so long */
	NEED(handoff_get(h, got) == 2);
	CHECK(got[0].len == CELL_LEN && got[0].ce && got[0].data[0] == 0x5a);
	CHECK(got[0].from->port == 4600 && got[0].from->ip[15] == 9);
	CHECK(got[1].len == 1 && !got[1].ce && got[1].data[0] == 1 && got[1].from->port == 1);
	handoff_done(h, 2);
	CHECK_INT(handoff_get(h, got), 0);
	handoff_free(h);
	handoff_free(NULL);
}

static void test_full(void)
{
	struct handoff *h = handoff_create();
	const struct endpoint from = {0};
	struct rx_dgram got[HANDOFF_BATCH], d;
	uint8_t data[4] = {0};
	unsigned put = 0;
	size_t n;

	d = dgram(data, sizeof(data), &from);
	while (handoff_put(h, &d))
		data[0] = (uint8_t)++put;
	CHECK(put >= HANDOFF_BATCH && put < 100000);
	n = handoff_get(h, got);
	CHECK_INT(n, HANDOFF_BATCH);
	CHECK(!handoff_put(h, &d)); /* not before they are given back */
	handoff_done(h, n);
	CHECK(handoff_put(h, &d));
	for (n = 0; n < put - HANDOFF_BATCH + 1;) {
		const size_t k = handoff_get(h, got);

		NEED(k > 0);
		for (size_t i = 0; i < k; i++)
			CHECK_INT(got[i].data[0], (uint8_t)(HANDOFF_BATCH + n + i));
		n += k;
		handoff_done(h, k);
	}
	CHECK_INT(handoff_get(h, got), 0);
	handoff_free(h);
}

enum {
	NUMBERS = 50000,
};

static void *write_all(void *arg)
{
	const struct endpoint from = {0};
	uint8_t data[4];

	for (uint32_t i = 0; i < NUMBERS; i++) {
		const struct rx_dgram d = dgram(data, sizeof(data), &from);

		put_le32(data, i);
		while (!handoff_put(arg, &d))
			sched_yield();
	}
	return NULL;
}

static void test_two_threads(void)
{
	struct handoff *h = handoff_create();
	struct rx_dgram got[HANDOFF_BATCH];
	pthread_t writer;
	uint32_t next = 0;

	NEED(pthread_create(&writer, NULL, write_all, h) == 0);
	while (next < NUMBERS) {
		const size_t n = handoff_get(h, got);

		for (size_t i = 0; i < n; i++)
			CHECK_INT(get_le32(got[i].data), next++);
		handoff_done(h, n);
		if (n == 0)
			sched_yield();
	}
	pthread_join(writer, NULL);
	handoff_free(h);
}

int main(void)
{
	RUN(test_keeps_all_of_it);
	RUN(test_full);
	RUN(test_two_threads);
	return test_done();
}
