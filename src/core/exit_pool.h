/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Numbers of hosts within an exit's address pools.  One that was given back rests a while: what the
 * world still sends to its last user must not reach the next.
 */
#ifndef CORE_EXIT_POOL_H
#define CORE_EXIT_POOL_H

#include "util/list.h"
#include "util/map.h"
#include "util/now.h"

enum {
	POOL_FIRST = 2 /* .0 is the network, .1 the exit itself */
};

#define POOL_REST_NS (600 * NS_PER_S)

struct exit_pool {
	uint32_t hosts, next;
	uint32_t taken;
	struct map users;   /* host -> whoever has it */
	struct map resting; /* host -> struct rest */
	struct list by_age; /* of rests */
};

void pool_init(struct exit_pool *p, uint32_t hosts, const struct rng *rng);
void pool_fini(struct exit_pool *p);

static inline bool pool_is_empty(const struct exit_pool *p)
{
	return p->taken == p->hosts;
}

/* pool_take: a host for user; the pool is not empty.  Rest is cut short only when all others are
 * taken. */
uint32_t pool_take(struct exit_pool *p, void *user, const struct now *now);
void pool_give_back(struct exit_pool *p, uint32_t host, uint64_t mono_ns);

static inline void *pool_user(const struct exit_pool *p, uint32_t host)
{
	return map_get(&p->users, host);
}

#endif
