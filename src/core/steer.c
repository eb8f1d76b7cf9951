/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/steer.h"

#include "crypto/hash.h"
#include "util/xalloc.h"

enum {
	WAYS = 4,
	FLOW_BULK = 1 << 0,
	FLOW_GUEST = 1 << 1, /* not on its own lane, because that is crowded */
	/* Within a quarter of a second; what is below is a call, a game or typing. */
	WINDOW_MS = 250,
	INTERACTIVE_PACKETS = 50,
	INTERACTIVE_BYTES = 16 * 1024,
	UNIT_BYTES = 16,
	IN_USE_MS = 60 * 1000,
	CROWDED_US = 4000,
};

struct steer_flow {
	uint32_t tag; /* 0: free */
	uint32_t group;
	uint32_t seen_ms, window_ms;
	uint16_t packets, units; /* in this window */
	int8_t lane;
	uint8_t flags;
};

_Static_assert(sizeof(struct steer_flow) == 24, "some thousands of them for each session");

void steer_init(struct steer *s, const uint8_t *root, unsigned flow_bits)
{
	uint8_t bytes[8 * STEER_KEYS];

	*s = (struct steer){.flow_bits = flow_bits, .isolation = ISOLATE_DESTINATION};
	hkdf_expand(bytes, sizeof(bytes), root, "macromesh/1 flows", NULL, 0);
	for (unsigned i = 0; i < STEER_KEYS; i++)
		s->key[i] = get_le64(bytes + 8 * i) | 1;
	secret_wipe(bytes, sizeof(bytes));
}

void steer_fini(struct steer *s)
{
	free(s->flows);
	s->flows = NULL;
}

/* ---- which lanes ---- */

static void add_candidate(struct steer *s, unsigned i)
{
	s->candidate[s->candidates++] = (int8_t)i;
}

static bool is_fit(const struct lane *l)
{
	return l->path_id != 0 && l->is_used && !l->is_suspect;
}

/* The first of the backups that live. */
static int first_backup(const struct steer *s)
{
	int best = STEER_NONE;

	for (int i = 0; i < STEER_LANES; i++)
		if (is_fit(&s->lane[i]) &&
		    (best == STEER_NONE || s->lane[i].order < s->lane[best].order))
			best = i;
	return best;
}

/* Of lanes that are no good: the newest that may be used, suspect as it is; at an exit, any. */
static int last_resort(const struct steer *s, bool only_used)
{
	int best = STEER_NONE;

	for (int i = 0; i < STEER_LANES; i++)
		if (s->lane[i].path_id != 0 && (s->lane[i].is_used || !only_used) &&
		    (best == STEER_NONE || s->lane[i].path_id > s->lane[best].path_id))
			best = i;
	return best;
}

void steer_changed(struct steer *s)
{
	unsigned lanes = 0;
	int best;

	s->candidates = 0;
	for (unsigned i = 0; i < STEER_LANES; i++) {
		lanes += s->lane[i].path_id != 0;
		if (is_fit(&s->lane[i]) && s->lane[i].weight > 0)
			add_candidate(s, i);
	}
	if (lanes > 1 && s->flows == NULL)
		s->flows = xcalloc(1u << s->flow_bits, sizeof(*s->flows));
	if (s->candidates > 0)
		return;
	best = first_backup(s);
	if (best == STEER_NONE)
		best = last_resort(s, true);
	if (best == STEER_NONE && s->is_exit)
		best = last_resort(s, false);
	if (best != STEER_NONE)
		add_candidate(s, (unsigned)best);
}

/* ---- hashing ---- */

__extension__ typedef unsigned __int128 wide;

static uint64_t mix(uint64_t a, uint64_t b)
{
	const wide product = (wide)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The session's own address is the same in all its flows. */
static uint64_t hash_flow(const struct steer *s, const struct flow_key *k)
{
	const uint64_t ends = (uint64_t)k->local_port << 32 | (uint64_t)k->remote_port << 16 |
			      (uint64_t)k->proto << 8 | k->version;

	return mix(mix(get_le64(k->remote) ^ s->key[0], get_le64(k->remote + 8) ^ s->key[1]) ^ ends,
		   s->key[2]);
}

static uint32_t hash_group(const struct steer *s, const struct flow_key *k)
{
	uint64_t app = 0;

	if (s->isolation == ISOLATE_OFF)
		return (uint32_t)(hash_flow(s, k) >> 32);
	if (s->isolation == ISOLATE_APP && s->group != NULL)
		app = s->group(s->group_ctx, k);
	if (app != 0)
		return (uint32_t)(mix(app ^ s->key[0], s->key[1]) >> 32);
	return (
	    uint32_t)(mix(get_le64(k->remote) ^ s->key[1], get_le64(k->remote + 8) ^ s->key[0]) >>
		      32);
}

/*
 * -log2(u / 2^64) with 16 bits behind the point, by x (1 + c (1 - x)) for the mantissa: shares are
 * within some per cent of the weights.
 */
static uint64_t minus_log2(uint64_t u)
{
	const unsigned zeros = (unsigned)__builtin_clzll(u | 1);
	const uint64_t x = (u | 1) << zeros >> 47 & 0xffff;
	const uint64_t log = x + (x * (0x10000 - x) >> 16) * 22713 / 0x10000;

	return ((uint64_t)(zeros + 1) << 16) - log;
}

/* Weighted rendezvous: the lane where -log(hash) / weight is least.  A change of lanes moves only
 * the flows of those that changed. */
static int choose(const struct steer *s, uint32_t group)
{
	uint64_t best_log = 0, best_weight = 1;
	int best = STEER_NONE;

	for (unsigned i = 0; i < s->candidates; i++) {
		const struct lane *l = &s->lane[s->candidate[i]];
		const uint64_t log =
		    minus_log2(mix(group ^ s->key[3], (uint64_t)l->path_id << 32 ^ s->key[4]));
		const uint64_t weight = MAX(l->weight, 1);

		if (best == STEER_NONE || log * best_weight < best_log * weight) {
			best = s->candidate[i];
			best_log = log;
			best_weight = weight;
		}
	}
	return best;
}

/* The shortest of the candidates, if it is clearly shorter than that lane. */
static int shorter(const struct steer *s, int lane)
{
	int best = lane;

	for (unsigned i = 0; i < s->candidates; i++) {
		const struct lane *l = &s->lane[s->candidate[i]];

		if (l->rtt_us != 0 && l->rtt_us < s->lane[best].rtt_us)
			best = s->candidate[i];
	}
	return s->lane[best].rtt_us < s->lane[lane].rtt_us / 5 * 4 ? best : lane;
}

static bool is_crowded(const struct lane *l)
{
	return l->rtt_us > l->rtt_min_us + CROWDED_US;
}

/* The quickest of all lanes, if that one is crowded. */
static int less_crowded(const struct steer *s, int lane)
{
	int best = lane;

	if (!is_crowded(&s->lane[lane]))
		return lane;
	for (int i = 0; i < STEER_LANES; i++)
		if (is_fit(&s->lane[i]) && s->lane[i].rtt_us != 0 &&
		    s->lane[i].rtt_us < s->lane[best].rtt_us)
			best = i;
	return s->lane[best].rtt_us < s->lane[lane].rtt_us / 3 * 2 ? best : lane;
}

/* ---- flows ---- */

static uint32_t time_ms(const struct now *now)
{
	return (uint32_t)(now->mono_ns / NS_PER_MS);
}

static struct steer_flow *bucket_of(const struct steer *s, uint64_t hash)
{
	const uint64_t mask = ((uint64_t)1 << s->flow_bits) / WAYS - 1;

	return &s->flows[(hash & mask) * WAYS];
}

static uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32) | 1;
}

static struct steer_flow *find(const struct steer *s, uint64_t hash)
{
	struct steer_flow *b = bucket_of(s, hash);

	for (unsigned i = 0; i < WAYS; i++)
		if (b[i].tag == tag_of(hash))
			return &b[i];
	return NULL;
}

/* A free entry, or the one that was silent for longest. */
static struct steer_flow *add(struct steer *s, uint64_t hash, const struct flow_key *k, uint32_t ms)
{
	struct steer_flow *b = bucket_of(s, hash), *f = &b[0];

	for (unsigned i = 0; i < WAYS && f->tag != 0; i++)
		if (b[i].tag == 0 || ms - b[i].seen_ms > ms - f->seen_ms)
			f = &b[i];
	*f = (struct steer_flow){.tag = tag_of(hash), .group = hash_group(s, k), .window_ms = ms};
	f->lane = (int8_t)choose(s, f->group);
	return f;
}

static void go_home(const struct steer *s, struct steer_flow *f)
{
	f->lane = (int8_t)choose(s, f->group);
	f->flags &= (uint8_t)~FLOW_GUEST;
}

static void put_on(const struct steer *s, struct steer_flow *f, int lane)
{
	const int other = less_crowded(s, lane);

	f->lane = (int8_t)other;
	if (other != lane)
		f->flags |= FLOW_GUEST;
	else
		f->flags &= (uint8_t)~FLOW_GUEST;
}

/* The lane where the flow is, or has its own, may have become crowded, or cease to be. */
static void look_around(const struct steer *s, struct steer_flow *f, uint32_t ms)
{
	const struct lane *l = &s->lane[f->lane];

	if ((f->flags & FLOW_BULK) != 0 || (uint64_t)(ms - f->seen_ms) * 1000 <= l->settle_us)
		return;
	if (f->flags & FLOW_GUEST)
		put_on(s, f, choose(s, f->group));
	else if (is_crowded(l))
		put_on(s, f, f->lane);
}

/* Interactive until it has shown to be bulk, and again after a window without. */
static void count(struct steer_flow *f, size_t len, uint32_t ms)
{
	f->seen_ms = ms;
	if (ms - f->window_ms > WINDOW_MS) {
		const bool was_bulk =
		    f->packets > INTERACTIVE_PACKETS || f->units > INTERACTIVE_BYTES / UNIT_BYTES;

		if (!was_bulk)
			f->flags &= (uint8_t)~FLOW_BULK;
		f->window_ms = ms;
		f->packets = f->units = 0;
	}
	f->packets = (uint16_t)MIN(f->packets + 1, UINT16_MAX);
	f->units = (uint16_t)MIN(f->units + len / UNIT_BYTES + 1, (size_t)UINT16_MAX);
	if (f->packets > INTERACTIVE_PACKETS || f->units > INTERACTIVE_BYTES / UNIT_BYTES)
		f->flags |= FLOW_BULK;
}

/* Another lane that is fit: a carrier if there is one, else the first backup. */
static int other_lane(const struct steer *s, int lane)
{
	int best = STEER_NONE;

	for (int i = 0; i < STEER_LANES; i++) {
		const struct lane *l = &s->lane[i], *b = &s->lane[MAX(best, 0)];

		if (i == lane || !is_fit(l))
			continue;
		if (best == STEER_NONE || (l->weight > 0 && b->weight == 0) ||
		    ((l->weight > 0) == (b->weight > 0) && l->order < b->order))
			best = i;
	}
	return best;
}

struct steering steer_packet(struct steer *s, const struct packet *p, size_t len,
			     enum flow_side side, const struct now *now)
{
	const uint32_t ms = time_ms(now);
	struct steering way = {STEER_NONE, STEER_NONE};
	struct steer_flow *f;
	struct flow_key k;
	uint64_t hash;

	if (s->candidates == 0)
		return way;
	way.lane = s->candidate[0];
	if (s->flows == NULL || !flow_parse(p, side, &k))
		return way;
	hash = hash_flow(s, &k);
	f = find(s, hash);
	if (f == NULL) {
		f = add(s, hash, &k, ms);
		if (side == FLOW_UP && flow_is_urgent(p, &k))
			put_on(s, f, shorter(s, f->lane));
	} else if (side == FLOW_UP) {
		look_around(s, f, ms);
	}
	count(f, len, ms);
	if (s->lane[f->lane].path_id == 0 ||
	    (f->flags & (FLOW_BULK | FLOW_GUEST)) == (FLOW_BULK | FLOW_GUEST))
		go_home(s, f);
	way.lane = f->lane;
	if (s->duplicate && (f->flags & FLOW_BULK) == 0 && len <= STEER_SMALL)
		way.second = other_lane(s, way.lane);
	return way;
}

int steer_again(const struct steer *s, const struct packet *p, enum flow_side side)
{
	const struct steer_flow *f = NULL;
	struct flow_key k;

	if (s->candidates == 0)
		return STEER_NONE;
	if (s->flows != NULL && flow_parse(p, side, &k))
		f = find(s, hash_flow(s, &k));
	return f != NULL && is_fit(&s->lane[f->lane]) ? f->lane : s->candidate[0];
}

void steer_learn(struct steer *s, const struct packet *p, enum flow_side side, int lane,
		 bool is_duplicate, const struct now *now)
{
	const uint32_t ms = time_ms(now);
	struct steer_flow *f;
	struct flow_key k;
	uint64_t hash;

	if (s->flows == NULL || s->lane[lane].is_suspect || !flow_parse(p, side, &k))
		return;
	hash = hash_flow(s, &k);
	f = find(s, hash);
	if (f == NULL)
		f = add(s, hash, &k, ms);
	else if (is_duplicate)
		lane = f->lane;
	f->lane = (int8_t)lane;
	f->seen_ms = ms;
}

static bool is_candidate(const struct steer *s, int lane)
{
	for (unsigned i = 0; i < s->candidates; i++)
		if (s->candidate[i] == lane)
			return true;
	return false;
}

uint32_t steer_move(struct steer *s, bool all)
{
	uint32_t moved = 0;

	if (s->flows == NULL || s->candidates == 0)
		return 0;
	for (size_t i = 0; i < (size_t)1 << s->flow_bits; i++) {
		struct steer_flow *f = &s->flows[i];

		if (f->tag == 0 || is_candidate(s, f->lane) || (!all && is_fit(&s->lane[f->lane])))
			continue;
		go_home(s, f);
		moved++;
	}
	return moved;
}

bool steer_is_new(struct steer *s, uint64_t number)
{
	if (!window_is_fresh(&s->seen, s->seen_bits, STEER_SEEN_WORDS, number))
		return false;
	window_set(&s->seen, s->seen_bits, STEER_SEEN_WORDS, number);
	return true;
}

uint32_t steer_flows(const struct steer *s, int lane, uint64_t mono_ns)
{
	const uint32_t ms = (uint32_t)(mono_ns / NS_PER_MS);
	uint32_t n = 0;

	if (s->flows == NULL)
		return 0;
	for (size_t i = 0; i < (size_t)1 << s->flow_bits; i++)
		n += s->flows[i].tag != 0 && s->flows[i].lane == lane &&
		     ms - s->flows[i].seen_ms < IN_USE_MS;
	return n;
}
