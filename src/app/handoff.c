/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/handoff.h"

#include "util/xalloc.h"
#include "wire/limits.h"

enum {
	SLOTS = 256, /* some batches; a reader that is further behind has more to worry about */
};

struct slot {
	struct endpoint from;
	uint16_t len;
	bool ce;
	uint8_t data[CELL_LEN];
};

/* Both count up for ever; the difference is what waits. */
struct handoff {
	uint32_t written __attribute__((aligned(64)));
	uint32_t read __attribute__((aligned(64)));
	struct slot slots[SLOTS];
};

struct handoff *handoff_create(void)
{
	return xcalloc_lines(sizeof(struct handoff));
}

void handoff_free(struct handoff *h)
{
	free(h);
}

bool handoff_put(struct handoff *h, const struct rx_dgram *d)
{
	const uint32_t at = h->written;
	struct slot *s = &h->slots[at % SLOTS];

	if (d->len > sizeof(s->data) || at - __atomic_load_n(&h->read, __ATOMIC_ACQUIRE) == SLOTS)
		return false;
	s->from = *d->from;
	s->len = d->len;
	s->ce = d->ce;
	memcpy(s->data, d->data, d->len);
	__atomic_store_n(&h->written, at + 1, __ATOMIC_RELEASE);
	return true;
}

size_t handoff_get(struct handoff *h, struct rx_dgram d[static HANDOFF_BATCH])
{
	const uint32_t at = h->read;
	const uint32_t waiting = __atomic_load_n(&h->written, __ATOMIC_ACQUIRE) - at;
	const size_t n = MIN((size_t)waiting, (size_t)HANDOFF_BATCH);

	for (size_t i = 0; i < n; i++) {
		struct slot *s = &h->slots[(at + i) % SLOTS];

		d[i] = (struct rx_dgram){
		    .data = s->data, .len = s->len, .ce = s->ce, .from = &s->from};
	}
	return n;
}

void handoff_done(struct handoff *h, size_t n)
{
	__atomic_store_n(&h->read, h->read + (uint32_t)n, __ATOMIC_RELEASE);
}
