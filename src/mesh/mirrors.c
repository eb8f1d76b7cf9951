/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/mirrors.h"

enum {
	REDRAWS = 8,        /* to find a mirror with a good score ... */
	REDRAWS_MAX = 64,   /* ... or any */
	SLOTS_TRIED = 256,  /* to find one that is not removed */
	SILENT_ONE_IN = 8,  /* of those drawn without a descriptor: they are tried */
	LACKED_SLACK = 8,   /* descriptors that may be on their way to an honest mirror ... */
	LACKED_ONE_IN = 20, /* ... and the share of all */
};

#define BAD_NS    (600 * NS_PER_S) /* how long a bad score is remembered */
#define FAILED_NS (60 * NS_PER_S)

void mirrors_set_seeds(struct mirrors *m, const struct seed *seeds, size_t n)
{
	m->seed_count = MIN(n, (size_t)SEEDS_MAX);
	for (size_t i = 0; i < m->seed_count; i++) {
		/* So that not every newcomer asks the first seed. */
		const size_t k = (size_t)rng_below(m->rng, i + 1);

		m->seeds[i] = m->seeds[k];
		m->seeds[k] = seeds[i];
	}
	m->given_count = m->seed_count;
}

bool mirrors_found(struct mirrors *m, const struct seed *seed)
{
	for (size_t i = 0; i < m->seed_count; i++)
		if (memcmp(m->seeds[i].id, seed->id, NODE_ID_LEN) == 0 &&
		    endpoint_equal(&m->seeds[i].addr, &seed->addr))
			return false;
	m->seeds[m->given_count + m->found_count++ % MIRRORS_FOUND_MAX] = *seed;
	m->seed_count = m->given_count + MIN(m->found_count, (size_t)MIRRORS_FOUND_MAX);
	return true;
}

/* ---- how they did ---- */

bool mirrors_is_proven(const struct mirrors *m, const uint8_t id[static NODE_ID_LEN],
		       const uint8_t link_key[static DH_LEN])
{
	const struct descriptor *d = directory_by_id(m->dir, id);
	struct registry_member r;

	if (d != NULL && memcmp(d->link_key, link_key, DH_LEN) == 0)
		return true;
	return m->registry != NULL && registry_by_key(m->registry, id, &r) &&
	       memcmp(r.record.contact.link_key, link_key, DH_LEN) == 0;
}

static struct mirror_score *score_find(struct mirrors *m, const uint8_t *id)
{
	for (size_t i = 0; i < MIRRORS_MAX; i++)
		if (m->scores[i].at_ns != 0 && memcmp(m->scores[i].id, id, NODE_ID_LEN) == 0)
			return &m->scores[i];
	return NULL;
}

/* The mirror's, or in the place of the one not met for longest. */
static struct mirror_score *score_for(struct mirrors *m, const uint8_t *id)
{
	struct mirror_score *s = score_find(m, id);

	if (s != NULL)
		return s;
	s = &m->scores[0];
	for (size_t i = 1; i < MIRRORS_MAX; i++)
		if (m->scores[i].at_ns < s->at_ns)
			s = &m->scores[i];
	*s = (struct mirror_score){0};
	memcpy(s->id, id, NODE_ID_LEN);
	return s;
}

void mirrors_failed(struct mirrors *m, const uint8_t id[static NODE_ID_LEN], const struct now *now)
{
	struct mirror_score *s = score_for(m, id);

	s->at_ns = now->mono_ns;
	s->verdict = PULL_FAILED;
	s->failures++;
}

static void compare(const struct mirrors *m, struct mirror_score *s)
{
	const uint64_t known = directory_count(m->dir);

	s->lacked = (uint32_t)(known > s->total ? known - s->total : 0);
}

void mirrors_pulled(struct mirrors *m, const uint8_t id[static NODE_ID_LEN],
		    enum pull_verdict verdict, const struct pull_result *result,
		    const struct now *now)
{
	struct mirror_score *s = score_for(m, id);

	s->at_ns = now->mono_ns;
	s->verdict = verdict;
	s->total = result->total - MIN(result->total, result->refused);
	s->undelivered = result->undelivered;
	s->failures = verdict == PULL_DONE ? 0 : s->failures + 1;
	compare(m, s);
}

void mirrors_compare(struct mirrors *m, uint64_t since_ns)
{
	for (size_t i = 0; i < MIRRORS_MAX; i++)
		if (m->scores[i].at_ns > since_ns && m->scores[i].verdict == PULL_DONE)
			compare(m, &m->scores[i]);
}

void mirrors_forgive(struct mirrors *m)
{
	for (size_t i = 0; i < MIRRORS_MAX; i++)
		if (m->scores[i].verdict == PULL_FAILED)
			m->scores[i] = (struct mirror_score){0};
}

static bool is_bad(const struct mirrors *m, const uint8_t *id, const struct now *now)
{
	const uint64_t allowed = LACKED_SLACK + directory_count(m->dir) / LACKED_ONE_IN;

	for (size_t i = 0; i < MIRRORS_MAX; i++) {
		const struct mirror_score *s = &m->scores[i];

		if (s->at_ns == 0 || memcmp(s->id, id, NODE_ID_LEN) != 0)
			continue;
		if (s->verdict != PULL_DONE && s->verdict != PULL_LIED)
			return now->mono_ns - s->at_ns <
			       MIN(FAILED_NS << MIN(s->failures, 5u), BAD_NS);
		return now->mono_ns - s->at_ns < BAD_NS &&
		       (s->verdict == PULL_LIED || s->lacked + s->undelivered > allowed);
	}
	return false;
}

/* ---- whom ---- */

static bool is_free(const struct mirrors *m, const uint8_t *id, const struct mirrors_busy *busy)
{
	if (m->own_id != NULL && memcmp(m->own_id, id, NODE_ID_LEN) == 0)
		return false;
	for (unsigned i = 0; i < busy->count; i++)
		if (memcmp(busy->id[i], id, NODE_ID_LEN) == 0)
			return false;
	return true;
}

bool mirrors_pick_seed(struct mirrors *m, bool any, const struct mirrors_busy *busy,
		       const struct now *now, struct seed *out)
{
	for (size_t i = 0; i < m->seed_count; i++) {
		const struct seed *s = &m->seeds[m->next_seed++ % m->seed_count];

		if (!is_free(m, s->id, busy) || (!any && is_bad(m, s->id, now)))
			continue;
		*out = *s;
		return true;
	}
	return false;
}

static bool draw_known(const struct descriptor *d, uint8_t roles, struct seed *out)
{
	if (d == NULL || (d->roles & roles) == 0)
		return false;
	memcpy(out->id, d->id, NODE_ID_LEN);
	memcpy(out->link_public, d->link_key, DH_LEN);
	out->addr = d->addrs[0];
	return true;
}

static bool draw_contact(const struct registry_record *r, uint8_t roles, struct seed *out)
{
	if (r->contact.addr.port == 0 || (r->roles & roles) == 0)
		return false;
	memcpy(out->id, r->key, NODE_ID_LEN);
	memcpy(out->link_public, r->contact.link_key, DH_LEN);
	out->addr = r->contact.addr;
	return true;
}

static bool random_member(const struct mirrors *m, struct registry_member *out)
{
	const uint32_t slots = m->registry != NULL ? registry_slots(m->registry) : 0;

	for (unsigned i = 0; slots > 0 && i < SLOTS_TRIED; i++) {
		const uint32_t slot = (uint32_t)rng_below(m->rng, slots);

		if (registry_by_slot(m->registry, slot, out) && out->status == REGISTRY_ACTIVE)
			return true;
	}
	return false;
}

/* One of whom nothing has been heard does probably not run, unless we have heard of few. */
static bool is_worth_a_try(const struct mirrors *m)
{
	return SILENT_ONE_IN * directory_count(m->dir) < registry_members(m->registry) ||
	       rng_below(m->rng, SILENT_ONE_IN) == 0;
}

/* Of the registry's list, which no mirror can bend by what it withholds; where there is none, of
 * all that are known. */
static bool draw(const struct mirrors *m, uint8_t roles, struct seed *out)
{
	struct registry_member r;
	const struct descriptor *d;

	if (!random_member(m, &r))
		return draw_known(directory_random(m->dir, m->rng), roles, out);
	d = directory_by_id(m->dir, r.record.key);
	if (d != NULL)
		return draw_known(d, roles, out);
	return is_worth_a_try(m) && draw_contact(&r.record, roles, out);
}

static bool pick(const struct mirrors *m, uint8_t roles, bool is_known,
		 const struct mirrors_busy *busy, const struct now *now, struct seed *out)
{
	bool found = false;

	for (unsigned i = 0; i < REDRAWS_MAX && !(found && i >= REDRAWS); i++) {
		struct seed one;

		if (!draw(m, roles, &one) || !is_free(m, one.id, busy) ||
		    (is_known && directory_by_id(m->dir, one.id) == NULL))
			continue;
		*out = one;
		found = true;
		if (!is_bad(m, one.id, now))
			break;
	}
	return found;
}

bool mirrors_pick_member(const struct mirrors *m, uint8_t roles, const struct mirrors_busy *busy,
			 const struct now *now, struct seed *out)
{
	return pick(m, roles, false, busy, now, out);
}

bool mirrors_pick_known(const struct mirrors *m, const struct mirrors_busy *busy,
			const struct now *now, struct seed *out)
{
	return pick(m, ROLE_ALL, true, busy, now, out);
}
