/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bodies, one after the other, as messages to a node that pulls from their sender: no more
 * comes out than was granted, besides its own questions; and what decodes has one encoding.
 */
#include <stdlib.h>

#include "mesh/dirsync.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define WALL_S 1800000000ull

static unsigned granted(const uint8_t *body)
{
	uint8_t again[CELL_BODY_LEN];
	struct sync_msg m;

	if (sync_decode(&m, body) != 0)
		return 0;
	sync_encode(&m, again);
	if (memcmp(again, body, CELL_BODY_LEN) != 0)
		abort();
	return MAX(m.credit, 1);
}

static unsigned drain(struct dirsync *ds, const struct now *now)
{
	unsigned answers = 0;
	struct sync_out out;

	while (dirsync_next_out(ds, &out, now))
		answers += out.body[0] == SYNC_COUNTS || out.body[0] == SYNC_DATA ||
			   out.body[0] == SYNC_PUSHED;
	return answers;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rng rng = rng_seeded(1);
	struct directory *dir =
	    directory_create(&(struct directory_params){.rng = &rng, .max_entries = 16});
	struct dirsync *ds =
	    dirsync_create(&(struct dirsync_params){.dir = dir, .rng = &rng, .is_node = true});
	struct now now = {.mono_ns = NS_PER_S, .wall_ns = WALL_S * NS_PER_S};
	struct dirsync_event ev;
	unsigned credit = 0;

	while (len > 0) { /* the last body filled up with zeros */
		uint8_t body[CELL_BODY_LEN] = {0};
		const size_t n = MIN(len, sizeof(body));
		unsigned answers;

		if (dirsync_pull(ds, 1, &now) == 0)
			drain(ds, &now);
		memcpy(body, data, n);
		data += n;
		len -= n;
		credit += granted(body);
		if (body[0] == SYNC_PUSH || len % 2 == 0)
			(void)dirsync_recv(ds, 1, true, body, &now);
		else
			(void)dirsync_asked(ds, 1ull << 40 | 1, 1000, body, &now);
		answers = drain(ds, &now);
		if (answers > credit)
			abort();
		credit -= answers;
		now.mono_ns += NS_PER_MS;
		now.wall_ns += NS_PER_MS;
		dirsync_tick(ds, &now);
		while (dirsync_next_event(ds, &ev))
			;
	}
	dirsync_free(ds);
	directory_free(dir);
	rng_seeded_free(&rng);
	return 0;
}
