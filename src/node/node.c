/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "node/node.h"

#include "node/load.h"
#include "util/xalloc.h"

#include <stdio.h>

#define VALID_S        (12 * 3600)
#define REPUBLISH_PART 2               /* of the time that a descriptor holds */
#define BACKDATE_S     30              /* for readers whose clock is a little behind */
#define SECOND_NS      (60 * NS_PER_S) /* to the second descriptor */
#define NEWS_LOOK_NS   NS_PER_S
#define CHANGE_GAP_NS  (300 * NS_PER_S)

/* Of all nodes together no more than two a second tell another load: that would cost more than it
 * is worth. */
#define LOAD_GAP_EACH_NS (NS_PER_S / 2)

struct node {
	struct node_params params;
	struct onion_keys keys;
	struct dh_keypair session;
	uint8_t tail[64]; /* extensions */
	size_t tail_len;
	uint64_t publish_ns; /* when the next descriptor is due */
	uint64_t look_ns;    /* whether there is reason for one before, next */
	uint64_t news_ns;    /* no other for the sake of news before */
	uint64_t sequence;
	uint64_t valid_until_s;
	uint64_t since_s;
	uint32_t slot; /* as in the descriptor last published */
	struct load load;
	uint8_t told_percent; /* in that descriptor */
	uint64_t load_due_ns; /* no other for the load's sake before */
	uint8_t rtts[DESCRIPTOR_RTTS_MAX * LINK_RTT_LEN];
};

static void make_tail(struct node *n)
{
	const uint8_t workers = (uint8_t)n->params.workers;
	const char *city = n->params.city;
	struct writer w = wr_init(n->tail, sizeof(n->tail));

	if (workers > 1)
		extension_put(&w, DESCRIPTOR_EXT_WORKERS, &workers, 1);
	if (city != NULL)
		extension_put(&w, DESCRIPTOR_EXT_CITY, city, strlen(city));
	n->tail_len = wr_ok(&w) ? w.done : 0;
}

struct node *node_create(const struct node_params *params, const struct now *now)
{
	struct node *n = xcalloc(1, sizeof(*n));

	n->params = *params;
	if (n->params.valid_s == 0)
		n->params.valid_s = VALID_S;
	if (n->params.change_gap_ns == 0)
		n->params.change_gap_ns = CHANGE_GAP_NS;
	make_tail(n);
	onion_keys_init(&n->keys, params->rng, now, 0, 0);
	dh_keypair_generate(&n->session, params->rng);
	n->publish_ns = now->mono_ns;
	n->slot = SLOT_NONE;
	n->told_percent = LOAD_UNKNOWN;
	n->since_s = now->wall_ns / NS_PER_S;
	return n;
}

void node_free(struct node *n)
{
	if (n == NULL)
		return;
	onion_keys_wipe(&n->keys);
	secret_wipe(n, sizeof(*n));
	free(n);
}

void node_set_capacity(struct node *n, uint32_t capacity_kbit, const struct now *now)
{
	if (n->params.capacity_kbit == capacity_kbit)
		return;
	n->params.capacity_kbit = capacity_kbit;
	n->publish_ns = now->mono_ns;
}

void node_note_sent(struct node *n, uint64_t bytes, const struct now *now)
{
	load_note(&n->load, bytes, now);
}

bool node_onion_key(const struct node *n, unsigned i, struct dh_keypair *key, uint32_t *key_id)
{
	/* Newest first: most callers use the current one. */
	static const enum onion_key_place order[] = {ONION_KEY_CURRENT, ONION_KEY_NEXT,
						     ONION_KEY_PREVIOUS};

	for (size_t k = 0; k < ARRAY_LEN(order); k++) {
		const struct onion_key *ok = &n->keys.key[order[k]];

		if (!ok->is_set || i-- > 0)
			continue;
		*key = ok->pair;
		*key_id = ok->id;
		return true;
	}
	return false;
}

const struct dh_keypair *node_session_key(const struct node *n)
{
	return &n->session;
}

static void describe(struct node *n, struct membership *m, struct descriptor *d, uint64_t wall_s)
{
	const struct node_params *p = &n->params;

	*d = (struct descriptor){
	    .sequence = n->sequence,
	    .published_s = wall_s - BACKDATE_S,
	    .valid_until_s = wall_s + p->valid_s,
	    .since_s = n->since_s,
	    .capacity_kbit = p->capacity_kbit,
	    .slot = n->slot,
	    .roles = p->roles,
	    .exit_flags = p->roles & ROLE_EXIT ? p->exit_flags : 0,
	    .load_percent = n->told_percent,
	    .link_versions = {PROTOCOL_VERSION, PROTOCOL_VERSION},
	    .circuit_versions = {PROTOCOL_VERSION, PROTOCOL_VERSION},
	    .session_versions = {PROTOCOL_VERSION, PROTOCOL_VERSION},
	    .addr_count = (uint8_t)p->addr_count,
	    .rtts = n->rtts,
	    .rtt_count = (uint8_t)membership_rtts(m, n->rtts),
	};
	if (p->roles & ROLE_EXIT)
		memcpy(d->session_key, n->session.public, sizeof(d->session_key));
	memcpy(d->country, p->country, sizeof(d->country));
	snprintf(d->name, sizeof(d->name), "%s", p->name);
	operator_tag(d->operator_tag, p->operator);
	memcpy(d->addrs, p->addr, sizeof(d->addrs));
	d->tail = n->tail;
	d->tail_len = (uint16_t)n->tail_len;
	snprintf(d->software, sizeof(d->software), "%s", MACRO_VERSION);
	onion_keys_advertise(&n->keys, d);
}

uint8_t node_load_percent(const struct node *n)
{
	return load_percent(&n->load, n->params.capacity_kbit * 1000ull, n->told_percent);
}

static uint64_t load_gap_ns(const struct node *n, const struct membership *m)
{
	const uint64_t gap_ns =
	    MAX(n->params.change_gap_ns, membership_known(m) * LOAD_GAP_EACH_NS);

	return gap_ns + rng_below(n->params.rng, gap_ns / 4); /* not all at once */
}

/* A lie about a place should be known before the next descriptor would be due. */
static void look_for_news(struct node *n, struct membership *m, const struct now *now)
{
	if (n->look_ns > now->mono_ns)
		return;
	n->look_ns = now->mono_ns + NEWS_LOOK_NS;
	if (n->load_due_ns <= now->mono_ns && node_load_percent(n) != n->told_percent)
		n->publish_ns = now->mono_ns;
	if (n->news_ns > now->mono_ns || !membership_has_news(m, now))
		return;
	n->news_ns = now->mono_ns + n->params.change_gap_ns;
	n->publish_ns = now->mono_ns;
}

enum descriptor_error node_tick(struct node *n, struct membership *m, const struct now *now)
{
	const uint64_t wall_s = now->wall_ns / NS_PER_S;
	uint8_t bytes[DESCRIPTOR_MAX];
	enum descriptor_error error;
	struct descriptor d;
	size_t len;

	if (onion_keys_rotate(&n->keys, n->params.rng, now))
		n->publish_ns = now->mono_ns;
	if (membership_slot(m) != n->slot)
		n->publish_ns = now->mono_ns; /* we have become a member, or are one no more */
	look_for_news(n, m, now);
	if (n->publish_ns > now->mono_ns)
		return DESCRIPTOR_OK;
	n->publish_ns = now->mono_ns + n->params.valid_s * NS_PER_S / REPUBLISH_PART;
	if (n->sequence == 0) /* it has met others by then, and can tell how far they are */
		n->publish_ns = MIN(n->publish_ns, now->mono_ns + SECOND_NS);
	n->slot = membership_slot(m);
	n->told_percent = node_load_percent(n);
	n->load_due_ns = now->mono_ns + load_gap_ns(n, m);
	/* Rises across restarts without a file, as long as the clock does. */
	n->sequence = MAX(n->sequence + 1, now->wall_ns / NS_PER_MS);
	describe(n, m, &d, wall_s);
	error = descriptor_sign(&d, n->params.identity, wall_s, bytes, &len);
	if (error != DESCRIPTOR_OK)
		return error;
	membership_publish(m, bytes, len, now);
	n->valid_until_s = d.valid_until_s;
	return DESCRIPTOR_OK;
}

uint64_t node_deadline(const struct node *n, const struct now *now)
{
	return MIN(MIN(n->publish_ns, n->look_ns), onion_keys_deadline(&n->keys, now));
}

uint64_t node_valid_until_s(const struct node *n)
{
	return n->valid_until_s;
}
