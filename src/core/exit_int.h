/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the exit share: exit.c (sessions) and exit_tunnel.c (their packets). */
#ifndef CORE_EXIT_INT_H
#define CORE_EXIT_INT_H

#include "core/engine_int.h"
#include "core/exit_pool.h"

struct exit_session {
	uint8_t sid[SESSION_ID_LEN];
	uint8_t root[KEY_LEN];
	uint32_t host; /* number within the pools */
	uint8_t v4[4], v6[16];
	uint64_t expires_ns, last_ns;
	uint32_t path_id_max; /* a path id is used once, and ids rise */
	struct exit_path *path[SESSION_PATHS_MAX];
	struct steer steer;     /* its lanes are the paths */
	uint32_t paths_version; /* of what the client has told of them */
	struct bucket up, down;
	struct list in_exit;
};

struct exit_node {
	struct exit_params params;
	struct exit_pool pool;
	struct map by_sid;
	struct list sessions;
	uint32_t count;
	struct timers timers; /* of paths: acknowledgements, and watching them */
	uint64_t expiry_ns;   /* when sessions are looked at next */
};

static inline bool exit_has_v4(const struct exit_node *x)
{
	return x->params.pool_v4_bits != 0;
}

/* ---- exit.c ---- */
/* exit_expire: end the sessions whose time is over. */
void exit_expire(struct engine *e, const struct now *now);
/* ---- exit_tunnel.c ---- */
void exit_flush(struct engine *e, const struct now *now);

#endif
