/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Transport keys: made by a handshake, confirmed by the first cell, superseded, expired, wiped.
 *
 * When both sides begin at once, two keys come into being.  The peer's becomes our sending key only
 * if it was made after our own (is_rx_only otherwise).  Without that rule both sides could end up
 * sending under the key that the other began, and then nobody would renew any.
 */
#include "link/link_int.h"
#include "util/xalloc.h"

static uint32_t free_index(const struct links *ls, uint8_t shard)
{
	const unsigned random_bits = 24 - INDEX_SHARD_BITS;
	uint32_t index;

	do {
		index = rng_u32(ls->params.rng) >> (32 - random_bits) << INDEX_SHARD_BITS | shard;
	} while (map_get(&ls->by_index, index) != NULL);
	return index;
}

struct link_key *key_create(struct links *ls, struct peer *p)
{
	struct link_key *k = xcalloc(1, sizeof(*k));

	k->peer = p;
	k->index = free_index(ls, p->pub.shard);
	list_init(&k->dead);
	map_put(&ls->by_index, k->index, k);
	return k;
}

static void wipe_and_free(struct link_key *k)
{
	secret_wipe(k, sizeof(*k));
	free(k);
}

void key_free(struct links *ls, struct link_key *k)
{
	if (k == NULL)
		return;
	map_del(&ls->by_index, k->index);
	wipe_and_free(k);
}

/* One direction: a key for the headers of cells, one for the bodies that the link seals. */
static void derive(const uint8_t k[static KEY_LEN], uint8_t *header, uint8_t *body)
{
	hkdf_expand(header, KEY_LEN, k, "macromesh/1 hdr", NULL, 0);
	hkdf_expand(body, KEY_LEN, k, "macromesh/1 body", NULL, 0);
}

void key_arm(struct link_key *k, bool is_initiator, const struct noise_sym *noise,
	     const struct now *now)
{
	uint8_t k1[KEY_LEN], k2[KEY_LEN]; /* initiator to responder, and back */

	noise_split(noise, k1, k2);
	derive(is_initiator ? k1 : k2, k->tx_header, k->tx_body);
	derive(is_initiator ? k2 : k1, k->rx_header, k->rx_body);
	secret_wipe(k1, sizeof(k1));
	secret_wipe(k2, sizeof(k2));
	k->is_ready = true;
	k->born_ns = now->mono_ns;
	/* By age only the initiator renews: else both would, again and again at the same time. */
	k->rekey_tx_ns = is_initiator ? now->mono_ns + LINK_REKEY_AFTER_NS : NEVER;
	k->rekey_rx_ns = is_initiator ? now->mono_ns + REKEY_RX_AFTER_NS : NEVER;
}

bool key_is_expired(const struct link_key *k, const struct now *now)
{
	return now->mono_ns >= k->born_ns + LINK_REJECT_AFTER_NS;
}

void key_use_initiated(struct links *ls, struct link_key *k)
{
	struct peer *p = k->peer;

	key_free(ls, p->previous);
	p->previous = p->pub.send_key;
	p->pub.send_key = k;
	k->is_confirmed = true;
	if (p->next != NULL)
		p->next->is_rx_only = true;
}

void key_use_responded(struct links *ls, struct link_key *k)
{
	key_free(ls, k->peer->next);
	k->peer->next = k;
}

void key_confirm(struct links *ls, struct link_key *k)
{
	struct peer *p = k->peer;
	struct link_key *old = p->previous;

	k->is_confirmed = true;
	p->next = NULL;
	if (k->is_rx_only) {
		p->previous = k;
	} else {
		p->previous = p->pub.send_key;
		p->pub.send_key = k;
		attempt_end(ls, p);
	}
	if (old != NULL) {
		map_del(&ls->by_index, old->index);
		list_add_tail(&ls->dead_keys, &old->dead);
	}
}

void key_stop_sending(struct links *ls, struct link_key *k)
{
	struct peer *p = k->peer;

	key_free(ls, p->previous);
	p->previous = k;
	p->pub.send_key = NULL;
}

static void expire(struct links *ls, struct link_key **slot, const struct now *now)
{
	if (*slot == NULL || !key_is_expired(*slot, now))
		return;
	key_free(ls, *slot);
	*slot = NULL;
}

void keys_expire(struct links *ls, struct peer *p, const struct now *now)
{
	expire(ls, &p->pub.send_key, now);
	expire(ls, &p->previous, now);
	expire(ls, &p->next, now);
}

void keys_free_dead(struct links *ls)
{
	for (struct list *it; (it = list_pop(&ls->dead_keys)) != NULL;)
		wipe_and_free(container_of(it, struct link_key, dead));
}
