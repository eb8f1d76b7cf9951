/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bodies, one after the other, as messages to a node with a source: no more comes out than went
 * in, besides its own questions; and what decodes has one encoding.
 */
#include <stdlib.h>

#include "mesh/dirsync.h"
#include "mesh/dirsync_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define WALL_S 1800000000ull

static void check_canonical(const uint8_t *body)
{
	uint8_t again[CELL_BODY_LEN];
	struct dirsync_msg m;

	if (dirsync_decode(&m, body) != 0)
		return;
	dirsync_encode(&m, again);
	if (memcmp(again, body, CELL_BODY_LEN) != 0)
		abort();
}

static unsigned drain(struct dirsync *ds, const struct now *now)
{
	uint8_t body[CELL_BODY_LEN];
	unsigned replies = 0;
	uint32_t link_id;

	while (dirsync_next_out(ds, &link_id, body, now))
		replies += body[0] == DIRSYNC_DATA || body[0] == DIRSYNC_PUSHED;
	return replies;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rng rng = rng_seeded(1);
	const struct directory_params dp = {.rng = &rng, .max_entries = 16};
	struct directory *dir = directory_create(&dp);
	const struct dirsync_params sp = {.dir = dir, .rng = &rng, .is_node = true};
	struct dirsync *ds = dirsync_create(&sp);
	struct now now = {.mono_ns = NS_PER_S, .wall_ns = WALL_S * NS_PER_S};

	if (dirsync_peer_up(ds, 1, DIRSYNC_SOURCE, &now) != 0)
		abort();
	dirsync_tick(ds, &now);
	drain(ds, &now);
	while (len > 0) { /* the last body filled up with zeros */
		uint8_t body[CELL_BODY_LEN] = {0};
		const size_t n = MIN(len, sizeof(body));

		memcpy(body, data, n);
		data += n;
		len -= n;
		check_canonical(body);
		(void)dirsync_recv(ds, 1, body, &now);
		if (drain(ds, &now) > 1)
			abort();
		now.mono_ns += NS_PER_MS;
		now.wall_ns += NS_PER_MS;
		dirsync_tick(ds, &now);
	}
	dirsync_free(ds);
	directory_free(dir);
	rng_seeded_free(&rng);
	return 0;
}
