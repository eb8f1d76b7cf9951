/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rows of facts about nodes, and a pass over the directory that makes verdicts of them in phases:
 * facts of each node; round trips, of which only contradictions are kept; the judgement, which
 * finds one liar at a time; and publishing.  Each step is short, for packets wait meanwhile.
 */
#include "mesh/places.h"

#include "mesh/geo.h"
#include "util/map.h"
#include "util/xalloc.h"

enum {
	STEP_NODES = 128,  /* of the directory */
	STEP_ROWS = 2048,  /* to publish */
	SPOKEN_MAX = 8,    /* witnesses counted for or against a node */
	CLAIMS_MAX = 8192, /* contradictions, each seen from both ends */
	ROWS_SPARE = 1024, /* rows of nodes long gone, before all are made anew */
	GAP_NODES = 1024,  /* for each so many nodes passes are one second further apart */
};

#define STEP_NS   NS_PER_MS
#define GAP_NS    NS_PER_S
#define AROUND_NS (134 * NS_PER_MS) /* in which light gets everywhere and back */
#define NEAR_NS   (30 * NS_PER_MS)  /* who is as near as this supports a claim, or contradicts it */

struct witness {
	uint32_t row : 31;
	bool is_near : 1;
};

/* What has been published of a node. */
struct word {
	uint32_t nearest_us;
	char nearest_country[3];
	uint8_t verdict; /* enum place_verdict */
	uint8_t witnesses, against;
};

struct row {
	uint8_t id[8]; /* how the node's begins */
	uint64_t operator_tag;
	uint32_t v4, v6; /* its networks, /16 and /32; 0: none */
	uint32_t pass;   /* in which it was last seen */
	char country[3];
	bool is_refuted;
	uint8_t against, witness_count;
	struct witness witness[SPOKEN_MAX]; /* who measured it, independent of each other */
	uint32_t nearest, nearest_us;       /* row, and its round trip; 0: none */
	struct place_origin origin;
	struct word word;
};

_Static_assert(sizeof(struct row) <= 104, "there is one for each node of the mesh");

/* Of row x, that of row y contradicts it. */
struct claim {
	uint32_t x, y;
};

enum phase {
	PHASE_IDLE,
	PHASE_FACTS,
	PHASE_TRIPS,
	PHASE_JUDGE,
	PHASE_PUBLISH,
};

struct places {
	struct places_params params;
	struct map by_id; /* start of the id -> number of the row, from 1 */
	struct row *rows;
	size_t len, room;
	struct claim *claims;
	size_t claim_count;
	enum phase phase;
	uint32_t pass;
	uint8_t after[NODE_ID_LEN]; /* in the directory: all up to it are done */
	bool has_begun;
	size_t at; /* of the rows, when publishing */
	uint64_t next_ns, seen_version, version;
};

struct places *places_create(const struct places_params *params)
{
	struct places *p = xcalloc(1, sizeof(*p));

	p->params = *params;
	map_init(&p->by_id, 64, params->rng);
	p->claims = xcalloc(CLAIMS_MAX, sizeof(*p->claims));
	return p;
}

void places_free(struct places *p)
{
	if (p == NULL)
		return;
	map_fini(&p->by_id);
	free(p->rows);
	free(p->claims);
	free(p);
}

const char *place_verdict_name(enum place_verdict v)
{
	switch (v) {
	case PLACE_UNVERIFIED:
		return "unverified";
	case PLACE_CONSISTENT:
		return "consistent";
	case PLACE_REFUTED:
		return "refuted";
	}
	return "unverified";
}

bool places_contradict(const char *a, const char *b, uint64_t rtt_ns)
{
	if (rtt_ns > AROUND_NS)
		return false;
	/* Descriptors tell it cut to a whole number of units. */
	return geo_least_km(a, b) > geo_light_km(rtt_ns + LINK_RTT_UNIT_NS);
}

/* ---- rows ---- */

static struct row *row_find(const struct places *p, const uint8_t *id)
{
	const size_t number = (size_t)(uintptr_t)map_get(&p->by_id, get_le64(id));

	return number != 0 ? &p->rows[number - 1] : NULL;
}

static struct row *row_of(struct places *p, const uint8_t *id)
{
	struct row *r = row_find(p, id);

	if (r != NULL)
		return r;
	if (p->len == p->room) {
		p->room = MAX(64, 2 * p->room);
		p->rows = xrealloc(p->rows, p->room, sizeof(*p->rows));
	}
	r = &p->rows[p->len++];
	*r = (struct row){0};
	memcpy(r->id, id, sizeof(r->id));
	map_put(&p->by_id, get_le64(id), (void *)(uintptr_t)p->len);
	return r;
}

static uint32_t number_of(const struct places *p, const struct row *r)
{
	return (uint32_t)(r - p->rows);
}

static void forget_rows(struct places *p)
{
	for (size_t i = 0; i < p->len; i++)
		map_del(&p->by_id, get_le64(p->rows[i].id));
	p->len = 0;
}

/* ---- facts ---- */

static void take_network(struct row *r, const struct endpoint *e)
{
	if (endpoint_is_v4(e) && r->v4 == 0)
		r->v4 = get_be16(e->ip + 12);
	else if (!endpoint_is_v4(e) && r->v6 == 0)
		r->v6 = get_be32(e->ip);
}

/* Of the first address that the database has. */
static void look_up(const struct places *p, const struct descriptor *d, struct row *r)
{
	const struct place_locator *l = &p->params.locator;

	r->origin = (struct place_origin){0};
	for (unsigned i = 0; l->find != NULL && i < d->addr_count; i++)
		if (l->find(l->ctx, d->addrs[i].ip, &r->origin))
			return;
}

static void take_facts(struct places *p, const struct descriptor *d)
{
	struct row *r = row_of(p, d->id);

	r->pass = p->pass;
	r->operator_tag = get_le64(d->operator_tag);
	memcpy(r->country, d->country, sizeof(r->country));
	r->v4 = r->v6 = 0;
	for (unsigned i = 0; i < d->addr_count; i++)
		take_network(r, &d->addrs[i]);
	look_up(p, d, r);
	r->is_refuted = false;
	r->against = r->witness_count = 0;
	r->nearest_us = 0;
}

/* ---- round trips ---- */

static bool is_independent(const struct row *a, const struct row *b)
{
	return a->operator_tag != b->operator_tag && (a->v4 != b->v4 || a->v4 == 0) &&
	       (a->v6 != b->v6 || a->v6 == 0);
}

/* Where it stands is known as well as anything is. */
static bool is_trusted(const struct row *r)
{
	return !r->is_refuted && (r->origin.country[0] == '\0' ||
				  memcmp(r->origin.country, r->country, sizeof(r->country)) == 0);
}

static void add_witness(struct places *p, struct row *r, const struct row *w, uint64_t rtt_ns)
{
	const struct witness one = {number_of(p, w) & INT32_MAX, rtt_ns <= NEAR_NS};
	const uint32_t rtt_us = (uint32_t)(rtt_ns / NS_PER_US);
	struct witness *far = NULL;

	if (r->nearest_us == 0 || rtt_us < r->nearest_us) {
		r->nearest_us = rtt_us;
		r->nearest = one.row;
	}
	for (unsigned i = 0; i < r->witness_count; i++) {
		if (!is_independent(&p->rows[r->witness[i].row], w)) {
			r->witness[i].is_near |= one.is_near;
			return;
		}
		if (!r->witness[i].is_near)
			far = &r->witness[i];
	}
	if (r->witness_count < SPOKEN_MAX)
		r->witness[r->witness_count++] = one;
	else if (one.is_near && far != NULL)
		*far = one;
}

static void contradict(struct places *p, const struct row *a, const struct row *b)
{
	if (p->claim_count + 2 > CLAIMS_MAX)
		return;
	p->claims[p->claim_count++] = (struct claim){number_of(p, a), number_of(p, b)};
	p->claims[p->claim_count++] = (struct claim){number_of(p, b), number_of(p, a)};
}

/* What a node tells of itself by its own measurements can only speak against it. */
static void take_trips(struct places *p, const struct descriptor *d)
{
	const struct row *w = row_find(p, d->id);

	for (unsigned i = 0; w != NULL && i < d->rtt_count; i++) {
		const struct link_rtt trip = descriptor_rtt(d, i);
		struct row *r = row_find(p, trip.id);

		if (r == NULL || r == w || r->pass != p->pass || !is_independent(w, r))
			continue;
		if (places_contradict(w->country, r->country, trip.rtt_ns))
			contradict(p, w, r);
		else if (is_trusted(w))
			add_witness(p, r, w, trip.rtt_ns);
	}
}

/* ---- judging ---- */

static int compare_claims(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;

	return x->x < y->x ? -1 : x->x > y->x;
}

/* Independent witnesses among those that contradict one node. */
static uint8_t count_against(const struct places *p, const struct claim *c, size_t n)
{
	const struct row *spoken[SPOKEN_MAX];
	uint8_t count = 0;

	for (size_t i = 0; i < n && count < SPOKEN_MAX; i++) {
		const struct row *w = &p->rows[c[i].y];
		bool is_new = is_trusted(w);

		for (unsigned k = 0; k < count && is_new; k++)
			is_new = is_independent(spoken[k], w);
		if (is_new)
			spoken[count++] = w;
	}
	return count;
}

static uint8_t count_witnesses(const struct places *p, const struct row *r, bool only_near)
{
	uint8_t count = 0;

	for (unsigned i = 0; i < r->witness_count; i++)
		if (!p->rows[r->witness[i].row].is_refuted && (r->witness[i].is_near || !only_near))
			count++;
	return count;
}

static size_t claims_about(const struct places *p, size_t at)
{
	size_t n = 1;

	while (at + n < p->claim_count && p->claims[at + n].x == p->claims[at].x)
		n++;
	return n;
}

/* The one that is contradicted most, weighed against its support; false: nobody is left. */
static bool refute_one(struct places *p)
{
	struct row *worst = NULL;
	int worst_margin = 0;
	size_t n;

	for (size_t at = 0; at < p->claim_count; at += n) {
		struct row *r = &p->rows[p->claims[at].x];
		int margin;

		n = claims_about(p, at);
		if (r->is_refuted)
			continue;
		r->against = count_against(p, &p->claims[at], n);
		margin = r->against - count_witnesses(p, r, true);
		if (r->against >= p->params.witnesses && margin > worst_margin) {
			worst = r;
			worst_margin = margin;
		}
	}
	if (worst != NULL)
		worst->is_refuted = true;
	return worst != NULL;
}

/* ---- publishing ---- */

static enum place_verdict verdict_of(const struct places *p, const struct row *r)
{
	if (r->is_refuted)
		return PLACE_REFUTED;
	return count_witnesses(p, r, false) >= p->params.witnesses ? PLACE_CONSISTENT
								   : PLACE_UNVERIFIED;
}

static void publish(struct places *p, struct row *r)
{
	struct word out = {.verdict = PLACE_UNVERIFIED};

	if (r->pass == p->pass && p->params.witnesses > 0) {
		out.verdict = (uint8_t)verdict_of(p, r);
		out.witnesses = count_witnesses(p, r, false);
		out.against = r->against;
	}
	if (r->pass == p->pass && r->nearest_us != 0) {
		out.nearest_us = r->nearest_us;
		memcpy(out.nearest_country, p->rows[r->nearest].country, 3);
	}
	p->version += out.verdict != r->word.verdict;
	r->word = out;
}

/* ---- the pass ---- */

static void begin_walk(struct places *p, enum phase phase)
{
	p->phase = phase;
	p->has_begun = false;
}

/* Some more nodes of the directory; false at its end. */
static bool walk(struct places *p, void (*take)(struct places *p, const struct descriptor *d))
{
	static const struct tree_part all = {0, 0};
	const struct descriptor *d =
	    directory_part_next(p->params.dir, all, p->has_begun ? p->after : NULL);

	for (unsigned i = 0; i < STEP_NODES && d != NULL; i++) {
		take(p, d);
		memcpy(p->after, d->id, sizeof(p->after));
		p->has_begun = true;
		d = directory_next(p->params.dir, d);
	}
	return d != NULL;
}

static void begin(struct places *p)
{
	if (p->len > 2 * directory_count(p->params.dir) + ROWS_SPARE)
		forget_rows(p);
	p->seen_version = directory_version(p->params.dir);
	p->pass++;
	p->claim_count = 0;
	begin_walk(p, PHASE_FACTS);
}

static void end(struct places *p, const struct now *now)
{
	p->phase = PHASE_IDLE;
	p->next_ns = now->mono_ns + GAP_NS * (1 + p->len / GAP_NODES);
}

static void step(struct places *p, const struct now *now)
{
	switch (p->phase) {
	case PHASE_IDLE:
		if (p->seen_version != directory_version(p->params.dir))
			begin(p);
		break;
	case PHASE_FACTS:
		if (!walk(p, take_facts))
			begin_walk(p, PHASE_TRIPS);
		break;
	case PHASE_TRIPS:
		if (walk(p, take_trips))
			break;
		qsort(p->claims, p->claim_count, sizeof(*p->claims), compare_claims);
		p->phase = PHASE_JUDGE;
		break;
	case PHASE_JUDGE:
		if (p->params.witnesses > 0 && refute_one(p))
			break;
		p->at = 0;
		p->phase = PHASE_PUBLISH;
		break;
	case PHASE_PUBLISH:
		for (size_t i = 0; i < STEP_ROWS && p->at < p->len; i++)
			publish(p, &p->rows[p->at++]);
		if (p->at == p->len)
			end(p, now);
		break;
	}
}

void places_tick(struct places *p, const struct now *now)
{
	if (places_deadline(p) > now->mono_ns)
		return;
	p->next_ns = now->mono_ns + STEP_NS;
	step(p, now);
}

uint64_t places_deadline(const struct places *p)
{
	return p->phase == PHASE_IDLE && p->seen_version == directory_version(p->params.dir)
		   ? NEVER
		   : p->next_ns;
}

/* ---- telling ---- */

void places_report(const struct places *p, const uint8_t id[static NODE_ID_LEN],
		   struct place_report *out)
{
	const struct row *r = p != NULL ? row_find(p, id) : NULL;

	*out = (struct place_report){0};
	if (r == NULL)
		return;
	out->verdict = (enum place_verdict)r->word.verdict;
	out->witnesses = r->word.witnesses;
	out->against = r->word.against;
	out->nearest_ns = r->word.nearest_us * NS_PER_US;
	memcpy(out->nearest_country, r->word.nearest_country, sizeof(out->nearest_country));
	out->origin = r->origin;
}

bool places_is_refuted(const struct places *p, const uint8_t id[static NODE_ID_LEN])
{
	const struct row *r = p != NULL ? row_find(p, id) : NULL;

	return r != NULL && r->word.verdict == PLACE_REFUTED;
}

bool places_share_as(const struct places *p, const uint8_t a[static NODE_ID_LEN],
		     const uint8_t b[static NODE_ID_LEN])
{
	const struct row *x = p != NULL ? row_find(p, a) : NULL;
	const struct row *y = x != NULL && x->origin.asn != 0 ? row_find(p, b) : NULL;

	return y != NULL && x->origin.asn == y->origin.asn;
}

uint64_t places_version(const struct places *p)
{
	return p->version;
}
