/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Cells through the link layer, the packet path: batches in rounds of ROUND_LEN, so that the wide
 * header cipher has work and the jobs fit on the stack.
 */
#include "crypto/header_aead.h"
#include "link/link_int.h"

#include <assert.h>

#define ROUND_LEN 64

_Static_assert(LINK_COUNTER_MAX + LINK_SEAL_MAX <= UINT32_MAX, "no call wraps the counter");

/* Per cell of a round, by the same position. */
struct round {
	struct header_job headers[ROUND_LEN];
	struct link_key *keys[ROUND_LEN];
	struct link_rx *rx[ROUND_LEN];
	size_t n;
	struct aead_job bodies[ROUND_LEN]; /* only of cells that are not DATA */
	struct link_rx *body_rx[ROUND_LEN];
	size_t n_bodies;
};

static struct header_job header_job_of(const uint8_t *key, uint8_t *cell, uint32_t counter)
{
	struct header_job job = {
	    .key = key,
	    .nonce = counter,
	    .text = cell + CELL_HEADER_OFF,
	    .tag = cell + CELL_LINK_TAG_OFF,
	};

	memcpy(job.aad, cell, CELL_HEADER_OFF);
	memcpy(job.aad + CELL_HEADER_OFF, cell + CELL_TAG_OFF, TAG_LEN);
	return job;
}

static struct aead_job body_job_of(const uint8_t *key, uint8_t *cell, uint32_t counter)
{
	return (struct aead_job){
	    .key = key,
	    .nonce = counter,
	    .src = cell + CELL_BODY_OFF,
	    .dst = cell + CELL_BODY_OFF,
	    .tag = cell + CELL_TAG_OFF,
	    .len = CELL_BODY_LEN,
	};
}

/* ---- receiving ---- */

/* Whether the cell is worth its cipher.  k: the key of its index, or NULL. */
static enum drop admit_cell(const struct link_key *k, uint32_t counter, const struct now *now)
{
	if (k == NULL || !k->is_ready)
		return DROP_NO_LINK;
	if (counter >= LINK_COUNTER_MAX || key_is_expired(k, now))
		return DROP_LINK_EXPIRED;
	if (!window_is_fresh(&k->window, k->window_bits, LINK_WINDOW_WORDS, counter))
		return DROP_LINK_REPLAY;
	return DROP_NONE;
}

static void gather(struct links *ls, struct round *r, struct link_rx *rx, size_t n,
		   const struct now *now)
{
	struct link_key *k = NULL;
	uint32_t k_index = UINT32_MAX; /* not an index */

	for (size_t i = 0; i < n; i++) {
		const uint32_t index = cell_receiver_index(rx[i].cell);
		const uint32_t counter = cell_counter(rx[i].cell);

		if (index != k_index) {
			k = map_get(&ls->by_index, index);
			k_index = index;
		}
		rx[i].link = NULL;
		rx[i].drop = admit_cell(k, counter, now);
		if (rx[i].drop != DROP_NONE)
			continue;
		r->rx[r->n] = &rx[i];
		r->keys[r->n] = k;
		r->headers[r->n] = header_job_of(k->rx_header, rx[i].cell, counter);
		r->n++;
	}
}

/* What a verified cell says about its link: alive, key in use, endpoint, time to rekey. */
static void note_arrival(struct links *ls, struct link_key *k, const struct link_rx *rx,
			 bool is_newest, const struct now *now)
{
	struct peer *p = k->peer;

	if (!k->is_confirmed) {
		p->pub.bound_ns = now->mono_ns - k->born_ns;
		key_confirm(ls, k);
		peer_update(ls, p);
	}
	p->pub.last_rx_ns = now->mono_ns;
	if (k != p->pub.send_key)
		return;
	if (is_newest && !endpoint_equal(&p->pub.endpoint, rx->from))
		p->pub.endpoint = *rx->from;
	if (now->mono_ns >= k->rekey_rx_ns)
		peer_want_rekey(ls, p);
}

static enum drop accept_cell(struct links *ls, struct link_key *k, struct link_rx *rx,
			     const struct now *now)
{
	const uint32_t counter = cell_counter(rx->cell);
	const bool is_newest = counter >= k->window.end;

	/* Again: the same counter may come twice in one round. */
	if (!window_is_fresh(&k->window, k->window_bits, LINK_WINDOW_WORDS, counter))
		return DROP_LINK_REPLAY;
	window_set(&k->window, k->window_bits, LINK_WINDOW_WORDS, counter);
	note_arrival(ls, k, rx, is_newest, now);
	cell_get_header(rx->cell, &rx->header);
	if (rx->header.kind >= CELL_KIND_COUNT)
		return DROP_TYPE;
	rx->link = &k->peer->pub;
	return DROP_NONE;
}

static void open_bodies(struct links *ls, struct round *r)
{
	aead_unseal(ls->params.aead, r->bodies, r->n_bodies);
	for (size_t i = 0; i < r->n_bodies; i++) {
		if (!r->bodies[i].ok) {
			r->body_rx[i]->drop = DROP_LINK_BODY;
			r->body_rx[i]->link = NULL;
		}
	}
}

static void open_round(struct links *ls, struct link_rx *rx, size_t n, const struct now *now)
{
	struct round r;

	r.n = r.n_bodies = 0;
	gather(ls, &r, rx, n, now);
	header_open(r.headers, r.n);
	for (size_t i = 0; i < r.n; i++) {
		struct link_rx *c = r.rx[i];
		struct link_key *k = r.keys[i];

		c->drop = r.headers[i].ok ? accept_cell(ls, k, c, now) : DROP_LINK_TAG;
		if (c->drop == DROP_NONE && !cell_kind_is_data(c->header.kind)) {
			r.body_rx[r.n_bodies] = c;
			r.bodies[r.n_bodies++] =
			    body_job_of(k->rx_body, c->cell, cell_counter(c->cell));
		}
	}
	if (r.n_bodies > 0)
		open_bodies(ls, &r);
	keys_free_dead(ls);
}

void links_open(struct links *ls, struct link_rx *rx, size_t n, const struct now *now)
{
	for (size_t i = 0; i < n; i += ROUND_LEN)
		open_round(ls, rx + i, MIN(n - i, (size_t)ROUND_LEN), now);
}

/* ---- sending ---- */

static void seal_round(struct links *ls, struct link_key *k, uint8_t *cells,
		       const struct cell_header *headers, size_t n)
{
	struct header_job jobs[ROUND_LEN];
	struct aead_job bodies[ROUND_LEN];
	const uint32_t first = (uint32_t)k->tx_counter;
	size_t n_bodies = 0;

	for (size_t i = 0; i < n; i++) {
		uint8_t *cell = cells + i * CELL_LEN;
		const uint32_t counter = first + (uint32_t)i;

		cell_put_outer(cell, k->peer_index, counter);
		cell_put_header(cell, &headers[i]);
		if (!cell_kind_is_data(headers[i].kind))
			bodies[n_bodies++] = body_job_of(k->tx_body, cell, counter);
	}
	if (n_bodies > 0)
		aead_seal(ls->params.aead, bodies, n_bodies);
	/* Only now, since the tags of the bodies are under the link tags. */
	for (size_t i = 0; i < n; i++)
		jobs[i] = header_job_of(k->tx_header, cells + i * CELL_LEN, first + (uint32_t)i);
	header_seal(jobs, n);
	k->tx_counter += n;
}

void link_seal(struct links *ls, struct link *l, uint8_t *cells, const struct cell_header *headers,
	       size_t n, const struct now *now)
{
	struct peer *p = peer_of(l);
	struct link_key *k = l->send_key;

	assert(l->state == LINK_UP && n <= LINK_SEAL_MAX);
	for (size_t i = 0; i < n; i += ROUND_LEN)
		seal_round(ls, k, cells + i * CELL_LEN, headers + i, MIN(n - i, (size_t)ROUND_LEN));
	l->last_tx_ns = now->mono_ns;
	if (now->mono_ns >= k->rekey_tx_ns || k->tx_counter >= REKEY_CELLS)
		peer_want_rekey(ls, p);
	if (k->tx_counter >= LINK_COUNTER_MAX) {
		key_stop_sending(ls, k);
		peer_update(ls, p);
	}
}
