/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Circuits at a hop: CREATE opens one and goes on to the next hop, CREATED comes back, DESTROY and
 * time end it.  Every failure is answered with a status, so that the client knows which hop gave
 * up.
 */
#include "core/engine_int.h"

#include "util/xalloc.h"

#include <errno.h>

enum {
	PENDING_MAX = 16384,
	ROUTE_LIFETIME_MAX_S = 3600,
	SWEEP_SLICES = 50, /* every circuit is looked at once in so many periods */
};

static void end_set(struct engine *e, struct circuit *c, struct circuit_end *end,
		    struct neighbour *nb, uint32_t circ_id)
{
	end->nb = nb;
	end->circ_id = circ_id;
	if (end == &c->prev)
		list_add_tail(&nb->circuits_prev, &c->in_prev);
	else
		list_add_tail(&nb->circuits_next, &c->in_next);
	nb->circuits++;
	map_put(&e->circuits_by_end, end_key(nb->link, circ_id), c);
}

static void end_clear(struct engine *e, struct circuit *c, struct circuit_end *end)
{
	if (end->nb == NULL)
		return;
	map_del(&e->circuits_by_end, end_key(end->nb->link, end->circ_id));
	list_del(end == &c->prev ? &c->in_prev : &c->in_next);
	end->nb->circuits--;
	end->nb = NULL;
}

static void pending_free(struct engine *e, struct circuit *c)
{
	if (c->pending == NULL)
		return;
	timers_del(&e->pending, &c->pending->give_up);
	create_pending_wipe(&c->pending->create);
	free(c->pending);
	c->pending = NULL;
	if (c->next.nb != NULL)
		c->next.nb->waiting--;
}

static void take_keys(struct circuit *c, const struct hop_keys *k)
{
	memcpy(c->kf, k->kf, KEY_LEN);
	memcpy(c->kfill, k->kfill, KEY_LEN);
	memcpy(c->kb, k->kb, KEY_LEN);
	c->delta = k->delta;
	c->epsilon = k->epsilon;
}

static void wipe_keys(struct circuit *c)
{
	secret_wipe(c->kf, KEY_LEN);
	secret_wipe(c->kfill, KEY_LEN);
	secret_wipe(c->kb, KEY_LEN);
}

static struct circuit_last *last_create(struct engine *e)
{
	struct circuit_last *last = xcalloc(1, sizeof(*last));

	last->b_next = rng_u64(&e->rng) >> (64 - SEQ_START_BITS);
	return last;
}

static void last_free(struct circuit_last *last)
{
	if (last == NULL)
		return;
	secret_wipe(last, sizeof(*last));
	free(last);
}

static void circuit_free(struct engine *e, struct circuit *c)
{
	exit_detach(e, c);
	pending_free(e, c);
	end_clear(e, c, &c->prev);
	end_clear(e, c, &c->next);
	e->circuit_count--;
	wipe_keys(c);
	last_free(c->last);
	slab_put(&e->circuits, c);
}

static void send_destroy(struct engine *e, const struct circuit_end *end)
{
	if (end->nb != NULL && end->nb->link->state == LINK_UP)
		neighbour_send(e, end->nb,
			       (struct cell_header){.circ_id = end->circ_id, .kind = CELL_DESTROY},
			       NULL, 0);
}

/* Ends the circuit here; its ids stay taken a while, so that stragglers are not taken for
 * strangers. */
static void circuit_close(struct engine *e, struct circuit *c, const struct now *now)
{
	exit_detach(e, c);
	pending_free(e, c);
	wipe_keys(c);
	last_free(c->last);
	c->last = NULL;
	c->state = CIRCUIT_CLOSED;
	c->expires_ns = now->mono_ns + DRAIN_NS;
}

void circuit_destroy(struct engine *e, struct circuit *c, const struct now *now)
{
	if (c->state == CIRCUIT_CLOSED)
		return;
	send_destroy(e, &c->prev);
	send_destroy(e, &c->next);
	circuit_close(e, c, now);
}

/* CREATED to the previous hop.  With a status other than HOP_OK the circuit ends here. */
static void answer(struct engine *e, struct circuit *c, enum hop_status status,
		   const uint8_t *next_body, const struct now *now)
{
	uint8_t body[CELL_BODY_LEN];
	struct hop_secrets secrets;
	const struct hop_answer a = {
	    .status = (uint8_t)status,
	    .time_s = (uint32_t)(now->wall_ns / NS_PER_S),
	    .lifetime_s = c->pending->lifetime_s,
	    .queue_hint = e->load_percent <= 100 ? e->load_percent + 1 : 0,
	};

	if (create_answer(&c->pending->create, &a, next_body, &e->rng, &secrets, body) != 0) {
		engine_drop(e, DROP_CREATE);
		circuit_close(e, c, now);
		return;
	}
	take_keys(c, &secrets.keys);
	if (c->last != NULL)
		c->last->binding = secrets.binding;
	secret_wipe(&secrets, sizeof(secrets));
	neighbour_send(e, c->prev.nb,
		       (struct cell_header){.circ_id = c->prev.circ_id, .kind = CELL_CREATED}, body,
		       sizeof(body));
	if (status != HOP_OK) {
		e->stats.creates_failed++;
		send_destroy(e, &c->next);
		circuit_close(e, c, now);
		return;
	}
	e->stats.creates_ok++;
	c->state = CIRCUIT_OPEN;
	c->last_ns = now->mono_ns;
	c->expires_ns = now->mono_ns + c->pending->lifetime_s * NS_PER_S;
	pending_free(e, c);
}

void circuit_on_destroy(struct engine *e, struct circuit *c, struct neighbour *from,
			const struct now *now)
{
	if (c->state == CIRCUIT_CLOSED)
		return;
	if (c->pending != NULL && c->prev.nb != from) { /* the next hop will have none of it */
		answer(e, c, HOP_NO_NEXT, NULL, now);
		return;
	}
	send_destroy(e, c->prev.nb == from ? &c->next : &c->prev);
	circuit_close(e, c, now);
}

/* Which of our onion keys it was made for is not said: there are at most three to try. */
static int open_with_any_key(struct engine *e, struct create_pending *p, const uint8_t *body,
			     struct route *r, uint8_t *next_body)
{
	struct dh_keypair key;
	uint32_t key_id;
	int rc = -EBADMSG;

	for (unsigned i = 0; rc == -EBADMSG && e->world.onion_key(e->world.ctx, i, &key, &key_id);
	     i++)
		rc = create_open(p, e->id, &key, key_id, body, r, next_body);
	secret_wipe(&key, sizeof(key));
	return rc;
}

static bool role_allows(const struct engine *e, const struct neighbour *prev, const struct route *r)
{
	uint8_t need = 0;

	if (!prev->is_node)
		need |= ROLE_ENTRY;
	/* Whoever is last may be asked things; sessions are the exits' only. */
	if ((r->flags & ROUTE_LAST) == 0 && prev->is_node)
		need |= ROLE_RELAY;
	return (e->roles & need) == need;
}

/* Clients choose among a node's own addresses: one that is not its own could be anybody's. */
static bool has_addr(const struct node_peer *n, const struct endpoint *addr)
{
	for (unsigned i = 0; i < n->addr_count; i++)
		if (endpoint_equal(&n->addrs[i], addr))
			return true;
	return false;
}

/* The link to the next hop, or NULL when it is not a known node at a known address. */
static struct neighbour *next_hop(struct engine *e, const struct circuit *c, const struct route *r)
{
	struct node_peer peer;
	struct link *l;

	if (!e->world.node_by_id(e->world.ctx, r->next_id, &peer) || !has_addr(&peer, &r->next) ||
	    memcmp(peer.id, e->id, sizeof(peer.id)) == 0 ||
	    (c->prev.nb->is_node && memcmp(peer.id, c->prev.nb->id, sizeof(peer.id)) == 0))
		return NULL;
	l = links_get_shard(e->links, peer.link_key, r->next_shard, &r->next);
	return l != NULL ? neighbour_of(e, l) : NULL;
}

static void send_create(struct engine *e, struct circuit *c, const struct now *now)
{
	c->state = CIRCUIT_EXTENDING;
	timers_set(&e->pending, &c->pending->give_up, now->mono_ns + CREATE_WAIT_NS);
	neighbour_send(e, c->next.nb,
		       (struct cell_header){.circ_id = c->next.circ_id, .kind = CELL_CREATE},
		       c->pending->body, CELL_BODY_LEN);
}

static void extend(struct engine *e, struct circuit *c, const struct route *r,
		   const struct now *now)
{
	struct neighbour *nb = next_hop(e, c, r);

	if (nb == NULL) {
		answer(e, c, HOP_NO_NEXT, NULL, now);
		return;
	}
	end_set(e, c, &c->next, nb, neighbour_new_circ_id(e, nb));
	neighbour_wait(e, nb);
	if (nb->link->state == LINK_UP) {
		send_create(e, c, now);
	} else {
		c->state = CIRCUIT_LINKING;
		timers_set(&e->pending, &c->pending->give_up, now->mono_ns + LINK_WAIT_NS);
		link_connect(e->links, nb->link, now);
	}
}

static struct circuit *circuit_new(struct engine *e, struct neighbour *prev, uint32_t circ_id,
				   const struct now *now)
{
	struct circuit *c = slab_get(&e->circuits);

	c->pending = xcalloc(1, sizeof(*c->pending));
	c->pending->circuit = c;
	timers_add(&e->pending, &c->pending->give_up, now->mono_ns + CREATE_WAIT_NS);
	c->last_ns = now->mono_ns;
	c->expires_ns = NEVER;
	list_init(&c->in_prev);
	list_init(&c->in_next);
	end_set(e, c, &c->prev, prev, circ_id);
	e->circuit_count++;
	return c;
}

static bool create_is_welcome(struct engine *e, struct neighbour *nb, uint32_t circ_id,
			      const struct now *now)
{
	const uint32_t rate = nb->is_node ? CREATE_RATE_NODE_PER_S : CREATE_RATE_CLIENT_PER_S;
	const bool high = circ_id >> 31;

	if (e->roles == 0 || circ_id << 1 == 0 || high == nb->link->circ_id_high ||
	    map_get(&e->circuits_by_end, end_key(nb->link, circ_id)) != NULL) {
		engine_drop(e, DROP_CREATE);
		return false;
	}
	if (!bucket_take(&nb->creates, rate, 2 * rate, now->mono_ns) ||
	    (!nb->is_node && !bucket_take(&e->stranger_creates, CREATE_RATE_STRANGERS_PER_S,
					  CREATE_RATE_STRANGERS_PER_S, now->mono_ns))) {
		engine_drop(e, DROP_RATE);
		return false;
	}
	if (e->circuit_count >= e->max_circuits || e->pending.count >= PENDING_MAX ||
	    (!nb->is_node && nb->circuits >= CIRCUITS_PER_CLIENT_MAX)) {
		engine_drop(e, DROP_LIMIT);
		return false;
	}
	return true;
}

void circuit_on_create(struct engine *e, struct neighbour *nb, uint32_t circ_id,
		       const uint8_t *body, const struct now *now)
{
	const int64_t now_s = (int64_t)(now->wall_ns / NS_PER_S);
	struct circuit *c;
	struct route r;

	neighbour_identify(e, nb);
	if (!create_is_welcome(e, nb, circ_id, now))
		return;
	if (seen_has(e->creates, get_le64(body), now->mono_ns)) {
		engine_drop(e, DROP_CREATE);
		return;
	}
	c = circuit_new(e, nb, circ_id, now);
	/* Kept only of those that verify: what costs a stranger nothing must not fill the set. */
	if (open_with_any_key(e, &c->pending->create, body, &r, c->pending->body) != 0 ||
	    !seen_add(e->creates, get_le64(body), now->mono_ns)) {
		engine_drop(e, DROP_CREATE);
		circuit_free(e, c);
		neighbour_refuse(e, nb, circ_id,
				 now); /* our keys have changed, say: no use waiting */
		return;
	}
	c->is_last = r.flags & ROUTE_LAST;
	if (c->is_last)
		c->last = last_create(e);
	c->is_interactive = r.flags & ROUTE_INTERACTIVE;
	c->pending->lifetime_s = (uint16_t)MIN(r.lifetime_s, ROUTE_LIFETIME_MAX_S);
	if (llabs((long long)(now_s - (int64_t)r.time_s)) > CREATE_CLOCK_SKEW_S)
		answer(e, c, HOP_TIME, NULL, now);
	else if (!role_allows(e, nb, &r))
		answer(e, c, HOP_REFUSED, NULL, now);
	else if (c->is_last)
		answer(e, c, HOP_OK, NULL, now);
	else
		extend(e, c, &r, now);
}

void circuit_on_created(struct engine *e, struct circuit *c, const uint8_t *body,
			const struct now *now)
{
	if (c->state != CIRCUIT_EXTENDING) {
		engine_drop(e, DROP_CIRCUIT_STATE);
		return;
	}
	/* What it says is the client's to judge: only the client can. */
	answer(e, c, HOP_OK, body, now);
}

void circuit_neighbour_up(struct engine *e, struct neighbour *nb, const struct now *now)
{
	(void)now;
	list_for_each (it, &nb->circuits_next) {
		struct circuit *c = container_of(it, struct circuit, in_next);

		if (c->state == CIRCUIT_LINKING)
			send_create(e, c, now);
	}
}

void circuit_neighbour_dead(struct engine *e, struct neighbour *nb, const struct now *now)
{
	list_for_each_safe (it, tmp, &nb->circuits_next) {
		struct circuit *c = container_of(it, struct circuit, in_next);

		if (c->pending != NULL)
			answer(e, c, HOP_NO_NEXT, NULL, now);
		else if (c->state == CIRCUIT_OPEN)
			circuit_destroy(e, c, now);
	}
	list_for_each_safe (it, tmp, &nb->circuits_prev)
		circuit_destroy(e, container_of(it, struct circuit, in_prev), now);
}

static void sweep_one(struct engine *e, struct circuit *c, const struct now *now)
{
	if (c->state == CIRCUIT_CLOSED) {
		if (c->expires_ns <= now->mono_ns)
			circuit_free(e, c);
	} else if (c->pending == NULL &&
		   (c->expires_ns <= now->mono_ns || now->mono_ns - c->last_ns > CIRCUIT_IDLE_NS)) {
		circuit_destroy(e, c, now);
	}
}

void circuit_tick(struct engine *e, const struct now *now)
{
	unsigned todo = e->circuit_count / SWEEP_SLICES + 1;
	struct timer *t;

	/* Each at its time: the client is to learn soon which hop does not answer. */
	while ((t = timers_due(&e->pending, now)) != NULL)
		answer(e, container_of(t, struct circuit_pending, give_up)->circuit, HOP_NO_NEXT,
		       NULL, now);
	if (e->circuit_count == 0 || e->sweep_ns > now->mono_ns)
		return;
	e->sweep_ns = now->mono_ns + SWEEP_PERIOD_NS;
	for (; todo > 0; todo--) {
		struct circuit *c = slab_next(&e->circuits, &e->sweep_at);

		if (c != NULL)
			sweep_one(e, c, now);
		else
			e->sweep_at = 0;
	}
}

void circuit_leave(struct engine *e, const struct now *now)
{
	struct circuit *c;

	for (size_t at = 0; (c = slab_next(&e->circuits, &at)) != NULL;)
		circuit_destroy(e, c, now);
}

void circuit_free_all(struct engine *e)
{
	struct circuit *c;

	for (size_t at = 0; (c = slab_next(&e->circuits, &at)) != NULL;)
		circuit_free(e, c);
	slab_fini(&e->circuits);
	timers_fini(&e->pending);
}
