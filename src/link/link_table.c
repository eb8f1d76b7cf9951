/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of peers: by static key and by id, bounded, with room made at idle strangers' cost. */
#include "link/link_int.h"
#include "util/xalloc.h"

/* Peers choose their keys, so the hash is keyed; 64 bits of it do not collide by chance. */
static uint64_t hash_of(const struct links *ls, const uint8_t key[static DH_LEN])
{
	uint8_t hash[crypto_shorthash_BYTES];

	crypto_shorthash(hash, key, DH_LEN, ls->hash_key);
	return get_le64(hash);
}

struct peer *peer_find(const struct links *ls, const uint8_t key[static DH_LEN])
{
	struct peer *p = map_get(&ls->by_key, hash_of(ls, key));

	return p != NULL && memcmp(p->pub.peer, key, DH_LEN) == 0 ? p : NULL;
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
		ls->last_id++;
	} while (ls->last_id == 0 || map_get(&ls->by_id, ls->last_id) != NULL);
	return ls->last_id;
}

struct peer *peer_create(struct links *ls, const uint8_t key[static DH_LEN])
{
	const uint64_t hash = hash_of(ls, key);
	struct peer *p;

	if (map_get(&ls->by_key, hash) != NULL)
		return NULL; /* a collision after all: the one who was first stays */
	if (ls->by_key.count >= ls->params.max_links && !evict_one(ls))
		return NULL;
	p = xcalloc(1, sizeof(*p));
	memcpy(p->pub.peer, key, DH_LEN);
	p->pub.id = next_id(ls);
	p->pub.circ_id_high = memcmp(ls->params.identity->public, key, DH_LEN) < 0;
	p->deadline_ns = NEVER;
	list_init(&p->event_node);
	list_add_tail(&ls->peers, &p->node);
	list_add_tail(&ls->idle, &p->idle_node);
	map_put(&ls->by_key, hash, p);
	map_put(&ls->by_id, p->pub.id, p);
	return p;
}

void peer_free(struct links *ls, struct peer *p)
{
	attempt_end(ls, p);
	key_free(ls, p->pub.send_key);
	key_free(ls, p->previous);
	key_free(ls, p->next);
	timer_set(ls, p, NEVER);
	list_del(&p->node);
	list_del(&p->idle_node);
	list_del(&p->event_node);
	map_del(&ls->by_key, hash_of(ls, p->pub.peer));
	map_del(&ls->by_id, p->pub.id);
	secret_wipe(p, sizeof(*p));
	free(p);
}
