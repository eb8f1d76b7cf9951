/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/membership.h"

#include "util/xalloc.h"

#include <stdio.h>

enum {
	PEERS_MAX = 1 << 18, /* no less than links: each is a neighbour that may ask */
};

#define RETRY_MIN_NS NS_PER_S
#define RETRY_MAX_NS (60 * NS_PER_S)

/* A seed and our link to it. */
struct contact {
	struct seed seed;
	uint32_t link; /* 0: none asked for */
	bool is_up;
	uint64_t retry_ns; /* when to try again */
	uint64_t backoff_ns;
};

struct membership {
	struct membership_params params;
	struct dirsync *sync;
	struct contact contact[SEEDS_MAX];
	size_t count;
	bool wanted;
	/*
	 * A mesh that is being started changes quickly: the first refreshes come after 1, 2, 4, ...
	 * s.
	 */
	uint64_t early_ns, early_gap_ns;
};

struct membership *membership_create(const struct membership_params *params)
{
	struct membership *m = xcalloc(1, sizeof(*m));

	m->params = *params;
	if (m->params.period_ns == 0)
		m->params.period_ns = MEMBERSHIP_PERIOD_NS;
	m->early_ns = NEVER;
	m->count = MIN(params->seed_count, (size_t)SEEDS_MAX);
	for (size_t i = 0; i < m->count; i++) {
		/* In an order of our own, so that not every newcomer asks the first seed. */
		const size_t k = (size_t)rng_below(params->rng, i + 1);

		m->contact[i] = m->contact[k];
		m->contact[k] = (struct contact){.seed = params->seeds[i]};
	}
	m->sync = dirsync_create(&(struct dirsync_params){
	    .dir = params->dir,
	    .rng = params->rng,
	    .is_node = params->is_node,
	    .max_peers = PEERS_MAX,
	    .period_ns = m->params.period_ns,
	});
	return m;
}

void membership_free(struct membership *m)
{
	if (m == NULL)
		return;
	dirsync_free(m->sync);
	free(m);
}

static struct contact *contact_by_link(struct membership *m, uint32_t link)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->contact[i].link == link)
			return &m->contact[i];
	return NULL;
}

static void pump(struct membership *m, const struct now *now)
{
	uint8_t body[CELL_BODY_LEN];
	uint32_t link;

	while (dirsync_next_out(m->sync, &link, body, now))
		engine_link_send(m->params.engine, link, body, now);
	while (dirsync_next_event(m->sync) != DIRSYNC_EVENT_NONE)
		; /* users look at directory_version */
}

/* More sources than dirsync takes are not even called: the others are for when these fail. */
static size_t contacts_in_use(const struct membership *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->count; i++)
		n += m->contact[i].link != 0;
	return n;
}

static void call_seeds(struct membership *m, const struct now *now)
{
	size_t in_use = contacts_in_use(m);

	for (size_t i = 0; i < m->count && in_use < DIRSYNC_SOURCES_MAX; i++) {
		struct contact *c = &m->contact[i];

		if (c->link != 0 || c->retry_ns > now->mono_ns)
			continue;
		c->link = engine_link(m->params.engine, c->seed.link_public, &c->seed.addr, now);
		c->retry_ns = now->mono_ns + RETRY_MIN_NS; /* when the table is full, or it is us */
		in_use += c->link != 0;
	}
}

/* Nothing is asked of them any more, so that their links run out by themselves. */
static void leave_seeds(struct membership *m)
{
	for (size_t i = 0; i < m->count; i++) {
		struct contact *c = &m->contact[i];

		if (c->link != 0)
			dirsync_peer_down(m->sync, c->link);
		c->link = 0;
		c->is_up = false;
		c->backoff_ns = 0;
		c->retry_ns = 0;
	}
}

void membership_want(struct membership *m, bool want, const struct now *now)
{
	m->early_gap_ns = NS_PER_S;
	m->early_ns = want ? now->mono_ns + m->early_gap_ns : NEVER;
	m->wanted = want;
	if (want)
		membership_tick(m, now);
	else
		leave_seeds(m);
}

static void link_up(struct membership *m, uint32_t link, const struct now *now)
{
	struct contact *c = contact_by_link(m, link);

	if (c != NULL) {
		c->is_up = true;
		c->backoff_ns = 0;
	}
	/* A source too many is a neighbour like others. */
	if (dirsync_peer_up(m->sync, link, c != NULL ? DIRSYNC_SOURCE : DIRSYNC_NEIGHBOUR, now) !=
		0 &&
	    c != NULL && dirsync_peer_up(m->sync, link, DIRSYNC_NEIGHBOUR, now) != 0)
		c->is_up = false;
}

static void link_down(struct membership *m, uint32_t link, const struct now *now)
{
	struct contact *c = contact_by_link(m, link);

	dirsync_peer_down(m->sync, link);
	if (c == NULL)
		return;
	c->backoff_ns = MIN(RETRY_MAX_NS, MAX(RETRY_MIN_NS, 2 * c->backoff_ns));
	c->retry_ns = now->mono_ns + c->backoff_ns;
	c->link = 0;
	c->is_up = false;
}

void membership_on_event(struct membership *m, const struct engine_event *ev, const struct now *now)
{
	if (ev->type == EVENT_LINK_UP)
		link_up(m, ev->link, now);
	else if (ev->type == EVENT_LINK_DOWN)
		link_down(m, ev->link, now);
	else if (ev->type == EVENT_LINK_MESSAGE)
		(void)dirsync_recv(m->sync, ev->link, ev->body, now);
	else
		return;
	pump(m, now);
}

enum directory_result membership_publish(struct membership *m, const uint8_t *bytes, size_t len,
					 const struct now *now)
{
	const enum directory_result r = dirsync_publish(m->sync, bytes, len, now);

	pump(m, now);
	return r;
}

void membership_refresh(struct membership *m, const struct now *now)
{
	dirsync_refresh(m->sync, now);
	pump(m, now);
}

void membership_hurry(struct membership *m, const struct now *now)
{
	for (size_t i = 0; i < m->count; i++) {
		m->contact[i].retry_ns = now->mono_ns;
		m->contact[i].backoff_ns = 0;
	}
	membership_tick(m, now);
}

bool membership_has_view(const struct membership *m)
{
	return dirsync_is_complete(m->sync);
}

static void refresh_early(struct membership *m, const struct now *now)
{
	if (m->early_ns > now->mono_ns)
		return;
	dirsync_refresh(m->sync, now);
	m->early_gap_ns *= 2;
	m->early_ns =
	    m->early_gap_ns < m->params.period_ns ? now->mono_ns + m->early_gap_ns : NEVER;
}

void membership_seeds_text(const struct membership *m, char *out, size_t len)
{
	char addr[ENDPOINT_TEXT_MAX];
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < m->count && used < len; i++)
		used += (size_t)snprintf(out + used, len - used, "%s%s", i > 0 ? ", " : "",
					 endpoint_format(&m->contact[i].seed.addr, addr));
}

void membership_tick(struct membership *m, const struct now *now)
{
	if (m->wanted)
		call_seeds(m, now);
	refresh_early(m, now);
	dirsync_tick(m->sync, now);
	pump(m, now);
}

uint64_t membership_deadline(const struct membership *m, const struct now *now)
{
	uint64_t due = MIN(dirsync_deadline(m->sync, now), m->early_ns);

	if (m->wanted && contacts_in_use(m) < DIRSYNC_SOURCES_MAX)
		for (size_t i = 0; i < m->count; i++)
			if (m->contact[i].link == 0)
				due = MIN(due, MAX(m->contact[i].retry_ns, now->mono_ns));
	return due;
}
