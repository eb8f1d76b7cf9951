/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/exit_pool.h"

#include "util/xalloc.h"

struct rest {
	uint32_t host;
	uint64_t until_ns;
	struct list at;
};

void pool_init(struct exit_pool *p, uint32_t hosts, const struct rng *rng)
{
	*p = (struct exit_pool){.hosts = hosts, .next = (uint32_t)rng_below(rng, hosts)};
	map_init(&p->users, 64, rng);
	map_init(&p->resting, 64, rng);
	list_init(&p->by_age);
}

static void wake(struct exit_pool *p, struct rest *r)
{
	map_del(&p->resting, r->host);
	list_del(&r->at);
	free(r);
}

void pool_fini(struct exit_pool *p)
{
	while (!list_is_empty(&p->by_age))
		wake(p, container_of(p->by_age.next, struct rest, at));
	map_fini(&p->users);
	map_fini(&p->resting);
}

static bool is_free(const struct exit_pool *p, uint32_t host)
{
	return map_get(&p->users, host) == NULL && map_get(&p->resting, host) == NULL;
}

static uint32_t next_free(struct exit_pool *p)
{
	uint32_t host;

	do {
		host = POOL_FIRST + p->next;
		p->next = (p->next + 1) % p->hosts;
	} while (!is_free(p, host));
	return host;
}

uint32_t pool_take(struct exit_pool *p, void *user, const struct now *now)
{
	uint32_t host;

	while (!list_is_empty(&p->by_age)) {
		struct rest *oldest = container_of(p->by_age.next, struct rest, at);

		if (oldest->until_ns > now->mono_ns && p->taken + p->resting.count < p->hosts)
			break;
		wake(p, oldest);
	}
	host = next_free(p);
	map_put(&p->users, host, user);
	p->taken++;
	return host;
}

void pool_give_back(struct exit_pool *p, uint32_t host, uint64_t mono_ns)
{
	struct rest *r = xcalloc(1, sizeof(*r));

	*r = (struct rest){.host = host, .until_ns = mono_ns + POOL_REST_NS};
	map_del(&p->users, host);
	p->taken--;
	map_put(&p->resting, host, r);
	list_add_tail(&p->by_age, &r->at);
}
