/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What leaves through which session of a group, and the addresses of both directions. */
#include "core/group.h"

#include "core/path_int.h"
#include "core/readdress.h"
#include "util/xalloc.h"

enum {
	DEST_BITS = 12,
	DEST_WAYS = 4,
	HELD_MAX = 32,
	PORT_DNS = 53,
	PORT_DNS_TLS = 853,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
};

#define HELD_NS (5 * NS_PER_S) /* nobody waits longer for a packet */

/* A destination address; more of them are remembered than most have open at once. */
struct dest {
	uint32_t tag; /* 0: free */
	uint32_t seen_ms;
	uint8_t slot;
};

/* A packet that waits for its slot's session. */
struct held {
	uint64_t at_ns;
	uint16_t len;
	uint8_t slot, flags;
	uint8_t bytes[INNER_MTU(1)];
};

struct group_slot {
	struct session *session; /* NULL: packets wait */
	uint64_t used_ns;
};

struct group {
	uint32_t id;
	struct group_params params;
	uint8_t key[crypto_shorthash_KEYBYTES];
	struct group_slot slot[GROUP_SLOTS];
	unsigned first;
	struct dest dests[1 << DEST_BITS];
	struct held held[HELD_MAX];
	unsigned held_count;
	struct list in_engine;
};

static struct group *group_by_id(const struct engine *e, uint32_t id)
{
	list_for_each (it, &e->groups) {
		struct group *g = container_of(it, struct group, in_engine);

		if (g->id == id)
			return g;
	}
	return NULL;
}

uint32_t engine_group_create(struct engine *e, const struct group_params *params)
{
	struct group *g = xcalloc(1, sizeof(*g));

	g->id = ++e->last_group_id;
	g->params = *params;
	rng_fill(&e->rng, g->key, sizeof(g->key));
	list_add_tail(&e->groups, &g->in_engine);
	return g->id;
}

static void group_free(struct group *g)
{
	for (unsigned i = 0; i < GROUP_SLOTS; i++)
		if (g->slot[i].session != NULL)
			g->slot[i].session->group = NULL;
	list_del(&g->in_engine);
	free(g);
}

void engine_group_free(struct engine *e, uint32_t id)
{
	struct group *g = group_by_id(e, id);

	if (g != NULL)
		group_free(g);
}

void group_free_all(struct engine *e)
{
	list_for_each_safe (it, tmp, &e->groups)
		group_free(container_of(it, struct group, in_engine));
}

/* ---- destinations ---- */

static uint64_t hash(const struct group *g, const uint8_t remote[static 16])
{
	uint8_t out[crypto_shorthash_BYTES];

	crypto_shorthash(out, remote, 16, g->key);
	return get_le64(out);
}

static uint32_t time_ms(uint64_t mono_ns)
{
	return (uint32_t)(mono_ns / NS_PER_MS);
}

static bool is_idle(const struct dest *d, uint32_t ms)
{
	return ms - d->seen_ms > GROUP_IDLE_NS / NS_PER_MS;
}

/* Its entry, else a free one or the one silent for longest, with the tag of zero. */
static struct dest *dest_for(struct group *g, uint64_t h, uint32_t ms)
{
	struct dest *b = &g->dests[(h & ((1u << DEST_BITS) / DEST_WAYS - 1)) * DEST_WAYS];
	struct dest *out = &b[0];

	for (unsigned i = 0; i < DEST_WAYS; i++)
		if (b[i].tag == ((uint32_t)(h >> 32) | 1))
			return &b[i];
	for (unsigned i = 0; i < DEST_WAYS && out->tag != 0; i++)
		if (b[i].tag == 0 || ms - b[i].seen_ms > ms - out->seen_ms)
			out = &b[i];
	out->tag = 0;
	return out;
}

static void remote_of(const struct flow_key *k, uint8_t out[static 16])
{
	if (k->version == 4)
		endpoint_ip_from_v4(out, k->remote);
	else
		memcpy(out, k->remote, 16);
}

/* Names are asked for at one exit, by whose answers the rest is decided. */
static bool is_dns(const struct flow_key *k)
{
	return (k->proto == PROTO_UDP || k->proto == PROTO_TCP) &&
	       (k->remote_port == PORT_DNS || k->remote_port == PORT_DNS_TLS);
}

static unsigned slot_of(struct group *g, const struct flow_key *k, const struct now *now)
{
	const uint32_t ms = time_ms(now->mono_ns);
	uint8_t remote[16];
	struct dest *d;
	uint64_t h;

	if (is_dns(k))
		return g->first;
	remote_of(k, remote);
	h = hash(g, remote);
	d = dest_for(g, h, ms);
	if (d->tag == 0 || is_idle(d, ms)) {
		d->tag = (uint32_t)(h >> 32) | 1;
		d->slot = (uint8_t)(g->params.choose(g->params.ctx, remote) % GROUP_SLOTS);
	}
	d->seen_ms = ms;
	return d->slot;
}

/* ---- out ---- */

struct group *group_of_packet(const struct engine *e, const struct packet *p)
{
	static const uint8_t nowhere[16];
	const bool is_v4 = p->head_len >= 20 && p->head[0] >> 4 == 4;
	const size_t len = is_v4 ? 4 : 16;
	const uint8_t *source = p->head + (is_v4 ? 12 : 8);

	if (!is_v4 && (p->head_len < 40 || p->head[0] >> 4 != 6))
		return NULL;
	list_for_each (it, &e->groups) {
		struct group *g = container_of(it, struct group, in_engine);

		if (memcmp(source, is_v4 ? g->params.v4 : g->params.v6, len) == 0 &&
		    memcmp(source, nowhere, len) != 0)
			return g;
	}
	return NULL;
}

static bool is_expired(const struct held *h, const struct now *now)
{
	return now->mono_ns - h->at_ns > HELD_NS;
}

static enum drop hold(struct group *g, unsigned slot, const struct packet *p, const struct now *now)
{
	const size_t len = (size_t)p->head_len + p->body_len;
	struct held *h;

	if (len > sizeof(h->bytes))
		return DROP_TOO_BIG;
	if (g->held_count == HELD_MAX && !is_expired(&g->held[0], now))
		return DROP_NO_ROUTE;
	if (g->held_count == HELD_MAX)
		memmove(&g->held[0], &g->held[1], --g->held_count * sizeof(g->held[0]));
	h = &g->held[g->held_count];
	g->held_count++;
	h->at_ns = now->mono_ns;
	h->len = (uint16_t)len;
	h->slot = (uint8_t)slot;
	h->flags = p->flags;
	memcpy(h->bytes, p->head, p->head_len);
	if (p->body_len > 0)
		memcpy(h->bytes + p->head_len, p->body, p->body_len);
	return DROP_NONE;
}

static const uint8_t *granted(const struct session *s, unsigned version)
{
	return version == 4 ? s->grant.v4 : s->grant.v6;
}

static const uint8_t *shared(const struct group *g, unsigned version)
{
	return version == 4 ? g->params.v4 : g->params.v6;
}

static bool has_family(const struct session *s, unsigned version)
{
	return !sodium_is_zero(granted(s, version), version == 4 ? 4 : 16);
}

enum drop group_divert(struct engine *e, struct group *g, struct packet *p, struct session **out,
		       const struct now *now)
{
	const size_t len = (size_t)p->head_len + p->body_len;
	struct flow_key k;
	struct session *s;
	unsigned slot;

	if (!flow_parse(p, FLOW_UP, &k))
		return DROP_PACKET;
	slot = slot_of(g, &k, now);
	if (g->slot[slot].session != NULL && !has_family(g->slot[slot].session, k.version))
		slot = g->first;
	s = g->slot[slot].session;
	if (s == NULL)
		return hold(g, slot, p, now);
	if (!has_family(s, k.version))
		return DROP_NO_ROUTE;
	g->slot[slot].used_ns = now->mono_ns;
	*out = s;
	if (memcmp(granted(s, k.version), shared(g, k.version), k.version == 4 ? 4 : 16) == 0)
		return DROP_NONE;
	if (len > sizeof(e->diverted))
		return DROP_TOO_BIG;
	memcpy(e->diverted, p->head, p->head_len);
	if (p->body_len > 0)
		memcpy(e->diverted + p->head_len, p->body, p->body_len);
	readdress(e->diverted, len, READDRESS_SOURCE, granted(s, k.version), p->flags);
	*p = (struct packet){.head = e->diverted, .head_len = (uint16_t)len, .flags = p->flags};
	return DROP_NONE;
}

/* ---- in ---- */

bool group_restore(const struct session *s, uint8_t *p, size_t len, uint8_t flags)
{
	const unsigned version = p[0] >> 4;
	const uint8_t *own = shared(s->group, version);

	if (sodium_is_zero(own, version == 4 ? 4 : 16))
		return false;
	if (memcmp(granted(s, version), own, version == 4 ? 4 : 16) != 0)
		readdress(p, len, READDRESS_DESTINATION, own, flags);
	return true;
}

/* ---- slots ---- */

/* What waited for the slot tries again, in order; the rest goes on waiting. */
static void release(struct engine *e, struct group *g, unsigned slot, const struct now *now)
{
	const unsigned n = g->held_count;
	struct held *copy;

	if (n == 0)
		return;
	copy = xcalloc(n, sizeof(*copy));
	memcpy(copy, g->held, n * sizeof(*copy));
	g->held_count = 0;
	for (unsigned i = 0; i < n; i++) {
		const struct packet p = {
		    .head = copy[i].bytes, .head_len = copy[i].len, .flags = copy[i].flags};

		if (is_expired(&copy[i], now))
			engine_drop(e, DROP_NO_ROUTE);
		else if (copy[i].slot != slot)
			g->held[g->held_count++] = copy[i];
		else
			engine_recv_client(e, &p, 1, now);
	}
	free(copy);
}

void engine_group_serve(struct engine *e, uint32_t id, unsigned slot, uint32_t session,
			const struct now *now)
{
	struct group *g = group_by_id(e, id);
	struct session *s = session_by_id(e, session);
	struct group_slot *at;

	if (g == NULL || slot >= GROUP_SLOTS || (s != NULL && !s->is_open))
		return;
	at = &g->slot[slot];
	if (at->session != NULL)
		at->session->group = NULL;
	at->session = s;
	if (s == NULL)
		return;
	group_session_gone(s); /* it may have served another */
	at->session = s;
	s->group = g;
	release(e, g, slot, now);
}

void engine_group_leave(struct engine *e, uint32_t id, unsigned slot, const struct now *now)
{
	struct group *g = group_by_id(e, id);

	if (g == NULL || slot >= GROUP_SLOTS)
		return;
	engine_group_serve(e, id, slot, 0, now);
	for (size_t i = 0; i < ARRAY_LEN(g->dests); i++)
		if (g->dests[i].slot == slot)
			g->dests[i].tag = 0;
	g->slot[slot] = (struct group_slot){0};
	release(e, g, slot, now);
}

void engine_group_first(struct engine *e, uint32_t id, unsigned slot)
{
	struct group *g = group_by_id(e, id);

	if (g != NULL && slot < GROUP_SLOTS)
		g->first = slot;
}

void group_session_gone(struct session *s)
{
	for (unsigned i = 0; s->group != NULL && i < GROUP_SLOTS; i++)
		if (s->group->slot[i].session == s)
			s->group->slot[i].session = NULL;
	s->group = NULL;
}

struct group_slot_stats engine_group_stats(const struct engine *e, uint32_t id, unsigned slot,
					   const struct now *now)
{
	const struct group *g = group_by_id(e, id);
	struct group_slot_stats out = {0};

	if (g == NULL || slot >= GROUP_SLOTS)
		return out;
	out.used_ns = g->slot[slot].used_ns;
	for (size_t i = 0; i < ARRAY_LEN(g->dests); i++)
		out.destinations += g->dests[i].tag != 0 && g->dests[i].slot == slot &&
				    !is_idle(&g->dests[i], time_ms(now->mono_ns));
	return out;
}
