/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of peers: by name and by id, bounded, with room made at idle strangers' cost. */
#include "link/link_int.h"
#include "util/xalloc.h"

_Static_assert(sizeof(struct peer_name) == DH_LEN + 2, "hashed and compared as bytes");

bool shard_is_ours(const struct links *ls, unsigned shard)
{
	return ls->params.workers == 0 || shard % ls->params.workers == ls->params.worker;
}

/* The first of our shards from here on, around the end. */
static uint8_t own_shard(const struct links *ls, unsigned from)
{
	while (!shard_is_ours(ls, from & SHARD_MASK))
		from++;
	return from & SHARD_MASK;
}

/*
 * Without a wish both ends have the same shard, so that two workers that call each other mean the
 * same link.  It begins at a number that both peers' keys make, which spreads a node's neighbours
 * over its workers however few workers these have.
 */
struct peer_name peer_name_of(const struct links *ls, const uint8_t key[static DH_LEN],
			      uint8_t wish)
{
	const unsigned pair = (ls->params.identity->public[0] ^ key[0]) & SHARD_MASK;
	const uint8_t shard = own_shard(ls, wish == SHARD_ANY ? pair : wish & SHARD_MASK);
	struct peer_name name = {
	    .shard = shard,
	    .peer_shard = wish == SHARD_ANY ? shard : wish & SHARD_MASK,
	};

	memcpy(name.key, key, DH_LEN);
	return name;
}

/* Peers choose their keys, so the hash is keyed; 64 bits of it do not collide by chance. */
static uint64_t hash_of(const struct links *ls, const struct peer_name *name)
{
	uint8_t hash[crypto_shorthash_BYTES];

	crypto_shorthash(hash, (const uint8_t *)name, sizeof(*name), ls->hash_key);
	return get_le64(hash);
}

static struct peer_name name_of(const struct link *l)
{
	struct peer_name name = {.shard = l->shard, .peer_shard = l->peer_shard};

	memcpy(name.key, l->peer, DH_LEN);
	return name;
}

struct peer *peer_find(const struct links *ls, const struct peer_name *name)
{
	struct peer *p = map_get(&ls->by_name, hash_of(ls, name));
	struct peer_name found;

	if (p == NULL)
		return NULL;
	found = name_of(&p->pub);
	return memcmp(&found, name, sizeof(found)) == 0 ? p : NULL;
}

/* A link that is up is never evicted, nor one that somebody here wants. */
static bool evict_one(struct links *ls)
{
	list_for_each (it, &ls->idle) {
		struct peer *p = container_of(it, struct peer, idle_node);

		if (p->is_stranger && p->pub.user == NULL) {
			peer_free(ls, p);
			return true;
		}
	}
	return false;
}

static uint32_t next_id(struct links *ls)
{
	do {
		ls->last_id += WORKERS_MAX;
	} while (ls->last_id < WORKERS_MAX || map_get(&ls->by_id, ls->last_id) != NULL);
	return ls->last_id;
}

struct peer *peer_create(struct links *ls, const struct peer_name *name)
{
	const uint64_t hash = hash_of(ls, name);
	struct peer *p;

	if (map_get(&ls->by_name, hash) != NULL)
		return NULL; /* a collision after all: the one who was first stays */
	if (ls->by_name.count >= ls->params.max_links && !evict_one(ls))
		return NULL;
	p = xcalloc(1, sizeof(*p));
	memcpy(p->pub.peer, name->key, DH_LEN);
	p->pub.shard = name->shard;
	p->pub.peer_shard = name->peer_shard;
	p->pub.id = next_id(ls);
	p->pub.circ_id_high = memcmp(ls->params.identity->public, name->key, DH_LEN) < 0;
	p->deadline_ns = NEVER;
	list_init(&p->event_node);
	list_add_tail(&ls->peers, &p->node);
	list_add_tail(&ls->idle, &p->idle_node);
	map_put(&ls->by_name, hash, p);
	map_put(&ls->by_id, p->pub.id, p);
	return p;
}

void peer_free(struct links *ls, struct peer *p)
{
	const struct peer_name name = name_of(&p->pub);

	attempt_end(ls, p);
	key_free(ls, p->pub.send_key);
	key_free(ls, p->previous);
	key_free(ls, p->next);
	timer_set(ls, p, NEVER);
	list_del(&p->node);
	list_del(&p->idle_node);
	list_del(&p->event_node);
	map_del(&ls->by_name, hash_of(ls, &name));
	map_del(&ls->by_id, p->pub.id);
	secret_wipe(p, sizeof(*p));
	free(p);
}
