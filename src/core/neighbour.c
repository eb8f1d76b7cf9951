/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The other end of each link: who it is, what depends on it, and whether it is alive.  A neighbour
 * that leaves pings unanswered while something waits for it is dead: its circuits end, and a CREATE
 * that waited for it is answered, so that the client learns which hop failed.
 */
#include "core/path_int.h"

#include "util/xalloc.h"

/* LINKCTL messages of the engine itself; what is below is for mesh/. */
enum {
	LINKCTL_PING = LINKCTL_MESH_MAX + 1,
	LINKCTL_PONG = 17,
};

void neighbour_identify(struct engine *e, struct neighbour *nb)
{
	struct node_peer peer;

	if (nb->is_node || !e->world.node_by_link_key(e->world.ctx, nb->link->peer, &peer))
		return;
	nb->is_node = true;
	memcpy(nb->id, peer.id, sizeof(nb->id));
}

#define WATCH_CLOSE_NS (50 * NS_PER_MS) /* while something waits for one of them */
#define WATCH_IDLE_NS  NS_PER_S

struct neighbour *neighbour_of(struct engine *e, struct link *l)
{
	struct neighbour *nb = l->user;

	if (nb != NULL)
		return nb;
	nb = xcalloc(1, sizeof(*nb));
	nb->link = l;
	nb->ping_due_ns = NEVER;
	list_init(&nb->circuits_prev);
	list_init(&nb->circuits_next);
	list_init(&nb->in_events);
	list_add_tail(&e->neighbours, &nb->in_engine);
	neighbour_identify(e, nb);
	l->user = nb;
	return nb;
}

bool neighbour_send(struct engine *e, struct neighbour *nb, struct cell_header h,
		    const uint8_t *body, size_t len)
{
	const struct egress_slot s = egress_reserve(&e->egress, nb->link, 1);

	if (s.cell == NULL) {
		engine_drop(e, nb->link->state == LINK_UP ? DROP_NO_BUFFER : DROP_NO_LINK);
		return false;
	}
	if (len > 0)
		memcpy(s.cell + CELL_BODY_OFF, body, len);
	memset(s.cell + CELL_BODY_OFF + len, 0, CELL_BODY_LEN - len);
	egress_commit(&e->egress, &s, h);
	return true;
}

void neighbour_refuse(struct engine *e, struct neighbour *nb, uint32_t circ_id,
		      const struct now *now)
{
	if (bucket_take(&nb->unknowns, UNKNOWNS_PER_S, UNKNOWNS_PER_S, now->mono_ns))
		neighbour_send(
		    e, nb, (struct cell_header){.circ_id = circ_id, .kind = CELL_DESTROY}, NULL, 0);
}

static void send_linkctl(struct engine *e, struct neighbour *nb, uint8_t type)
{
	neighbour_send(e, nb, (struct cell_header){.kind = CELL_LINKCTL}, &type, 1);
}

void neighbour_message(struct engine *e, struct neighbour *nb, const uint8_t *body,
		       const struct now *now)
{
	struct engine_event *ev;

	switch (body[0]) {
	case LINKCTL_PING:
		if (!bucket_take(&nb->pings, PINGS_PER_S, 2 * PINGS_PER_S, now->mono_ns)) {
			engine_drop(e, DROP_RATE);
			return;
		}
		send_linkctl(e, nb, LINKCTL_PONG);
		break;
	case LINKCTL_PONG:
		break; /* any verified cell shows that it lives: see alive() */
	default:
		if (body[0] == 0 || body[0] > LINKCTL_MESH_MAX) {
			engine_drop(e, DROP_LINKCTL);
			return;
		}
		if (e->event_count >= EVENT_RING / 2) { /* whoever sends many harms no others */
			engine_drop(e, DROP_NO_BUFFER);
			return;
		}
		ev = engine_event(e, EVENT_LINK_MESSAGE);
		ev->link = nb->link->id;
		ev->link_is_node = nb->is_node;
		ev->endpoint = nb->link->endpoint;
		memcpy(ev->body, body, CELL_BODY_LEN);
	}
}

uint32_t neighbour_new_circ_id(struct engine *e, struct neighbour *nb)
{
	const uint32_t top = nb->link->circ_id_high ? 1u << 31 : 0;
	uint32_t id;

	do {
		id = (rng_u32(&e->rng) & ~(1u << 31)) | top;
	} while ((id & ~(1u << 31)) == 0 ||
		 map_get(&e->circuits_by_end, end_key(nb->link, id)) != NULL ||
		 map_get(&e->paths_by_end, end_key(nb->link, id)) != NULL);
	return id;
}

void neighbour_tell(struct engine *e, struct neighbour *nb, bool is_up)
{
	nb->event_is_up = is_up;
	if (list_is_empty(&nb->in_events))
		list_add_tail(&e->link_events, &nb->in_events);
}

bool neighbour_next_event(struct engine *e, struct engine_event *ev)
{
	struct list *first = list_pop(&e->link_events);
	const struct neighbour *nb;

	if (first == NULL)
		return false;
	nb = container_of(first, struct neighbour, in_events);
	*ev = (struct engine_event){
	    .type = nb->event_is_up ? EVENT_LINK_UP : EVENT_LINK_DOWN,
	    .link = nb->link->id,
	    .link_is_node = nb->is_node,
	    .link_says_node = nb->link->peer_is_node,
	    .rtt_ns = nb->link->rtt_ns != 0 ? nb->link->rtt_ns : nb->link->bound_ns,
	};
	memcpy(ev->link_key, nb->link->peer, DH_LEN);
	return true;
}

void neighbour_wait(struct engine *e, struct neighbour *nb)
{
	nb->waiting++;
	e->watch_ns = MIN(e->watch_ns, e->egress.now_ns + WATCH_CLOSE_NS);
}

void neighbour_link_up(struct engine *e, struct link *l, const struct now *now)
{
	struct neighbour *nb = neighbour_of(e, l);

	neighbour_identify(e, nb);
	nb->pings_unanswered = 0;
	/* The responder may send only once it has heard a cell from us. */
	neighbour_send(e, nb, (struct cell_header){.kind = CELL_COVER}, NULL, 0);
	circuit_neighbour_up(e, nb, now);
	path_neighbour_up(e, nb, now);
	neighbour_tell(e, nb, true);
}

static void fail_all(struct engine *e, struct neighbour *nb, const struct now *now)
{
	circuit_neighbour_dead(e, nb, now);
	path_neighbour_dead(e, nb);
}

void neighbour_link_down(struct engine *e, struct link *l, const struct now *now)
{
	struct neighbour *nb = neighbour_of(e, l);

	egress_forget(&e->egress, l);
	fail_all(e, nb, now);
	neighbour_tell(e, nb, false);
}

static bool is_waited_for(const struct neighbour *nb)
{
	return nb->waiting > 0;
}

static bool is_watched(const struct neighbour *nb)
{
	return nb->link->state == LINK_UP &&
	       (is_waited_for(nb) || nb->circuits > 0 || nb->paths > 0);
}

static uint64_t ping_period_ns(const struct neighbour *nb)
{
	return is_waited_for(nb) || nb->pings_unanswered > 0
		   ? MAX(PING_PERIOD_NS, nb->link->rtt_ns * 2)
		   : PING_IDLE_NS;
}

/* When the next look at this neighbour is due, judged from when it was last heard. */
static uint64_t watch_due_ns(const struct neighbour *nb)
{
	if (!is_watched(nb))
		return NEVER;
	if (nb->pings_unanswered > 0)
		return nb->ping_due_ns;
	return nb->link->last_rx_ns + ping_period_ns(nb);
}

static void watch(struct engine *e, struct neighbour *nb, const struct now *now)
{
	if (nb->pings_unanswered > 0 &&
	    nb->link->last_rx_ns > nb->ping_due_ns - ping_period_ns(nb)) {
		nb->pings_unanswered = 0; /* heard since the last ping went out */
		if (watch_due_ns(nb) > now->mono_ns)
			return;
	}
	if (nb->pings_unanswered >= PING_TRIES) {
		nb->pings_unanswered = 0;
		nb->link->last_rx_ns = now->mono_ns; /* look again after a full period */
		link_renew(e->links, nb->link);      /* it may live, but have forgotten us */
		fail_all(e, nb, now);
		return;
	}
	nb->pings_unanswered++;
	nb->ping_due_ns = now->mono_ns + ping_period_ns(nb);
	send_linkctl(e, nb, LINKCTL_PING);
}

/* A stranger's link without a key and without circuits is forgotten, once that was told. */
static bool is_forgettable(const struct neighbour *nb)
{
	return nb->link->state == LINK_IDLE && nb->circuits == 0 && nb->paths == 0 &&
	       nb->waiting == 0 && list_is_empty(&nb->in_events);
}

static void forget(struct engine *e, struct neighbour *nb)
{
	list_del(&nb->in_engine);
	egress_forget(&e->egress, nb->link);
	nb->link->user = NULL;
	link_close(e->links, nb->link);
	free(nb);
}

void neighbour_tick(struct engine *e, const struct now *now)
{
	bool is_close = false;

	if (e->watch_ns > now->mono_ns)
		return;
	list_for_each_safe (it, tmp, &e->neighbours) {
		struct neighbour *nb = container_of(it, struct neighbour, in_engine);

		if (watch_due_ns(nb) <= now->mono_ns)
			watch(e, nb, now);
		is_close |= is_waited_for(nb) || nb->pings_unanswered > 0;
		if (is_forgettable(nb))
			forget(e, nb);
	}
	e->watch_ns = now->mono_ns + (is_close ? WATCH_CLOSE_NS : WATCH_IDLE_NS);
}

uint64_t neighbour_deadline(const struct engine *e)
{
	return list_is_empty(&e->neighbours) ? NEVER : e->watch_ns;
}
