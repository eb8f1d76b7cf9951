/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mesh/directory.h for thousands of directories in one process, which all hold nearly the same:
 * each descriptor is decoded, verified and hashed once and then shared, and a directory is only a
 * table of which one it has of whom.  Digests are the real ones, kept by what they are of.  What
 * the exchange does not ask is left out.
 */
#include <sodium.h>

#include "tests/sim/directory/thin.h"
#include "util/map.h"
#include "util/xalloc.h"

enum {
	NONE = 0,
	DIGESTS_MAX = 1 << 22, /* then those kept are forgotten */
	GAP_UNIT_MS = 100,     /* in which the time of changes is kept */
	CHANGE_GAP_MS = 300000,
};

/* A descriptor that some directory has taken. */
struct shared {
	struct descriptor d; /* first: what is handed out points here */
	uint32_t number, rank;
	uint8_t hash[TREE_DIGEST_LEN];
	uint64_t mark; /* random: sums of these stand for sets */
	uint16_t len;
	uint8_t bytes[];
};

struct digest {
	uint8_t bytes[TREE_DIGEST_LEN];
};

static struct {
	bool is_begun;
	struct rng rng;
	struct map by_signature; /* first bytes -> struct shared */
	struct shared **all;     /* by number, from 1 */
	uint32_t count, room;
	uint64_t *until_s;           /* in the order of number: valid until */
	struct map digests;          /* of part and sum -> struct digest */
	uint8_t (*ids)[NODE_ID_LEN]; /* by rank: sorted */
	uint32_t id_count;
	uint32_t leaf_first[TREE_LEAVES + 1]; /* ranks */
	struct map by_id, by_link;            /* start of the key -> rank + 1 */
} pool;

struct directory {
	struct directory_members members;
	uint32_t *held;    /* by rank: number of the shared one, or NONE */
	uint32_t *changed; /* by rank: until when its changes are paid for, in units */
	uint64_t leaf_sum[TREE_LEAVES];
	uint16_t leaf_count[TREE_LEAVES];
	uint32_t count, gap_units;
	uint32_t expiry_at; /* numbers below have been looked at */
	uint64_t version, view_before_s, evidence_count;
	struct directory_stats stats;
	struct world *world;
};

/* ---- who there may be ---- */

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, NODE_ID_LEN);
}

static unsigned leaf_of(const uint8_t *id)
{
	return (unsigned)get_be16(id) >> (16 - TREE_BITS);
}

void thin_begin(const struct thin_member *members, size_t n)
{
	if (pool.is_begun)
		thin_end();
	memset(&pool, 0, sizeof(pool));
	pool.is_begun = true;
	pool.rng = rng_seeded(77);
	map_init(&pool.by_signature, 1024, &pool.rng);
	map_init(&pool.digests, 1024, &pool.rng);
	map_init(&pool.by_id, n, &pool.rng);
	map_init(&pool.by_link, n, &pool.rng);
	pool.ids = xcalloc(n, sizeof(*pool.ids));
	pool.id_count = (uint32_t)n;
	for (size_t i = 0; i < n; i++)
		memcpy(pool.ids[i], members[i].id, NODE_ID_LEN);
	qsort(pool.ids, n, sizeof(*pool.ids), by_bytes);
	for (size_t i = 0, leaf = 0; leaf <= TREE_LEAVES; leaf++) {
		while (i < n && leaf_of(pool.ids[i]) < leaf)
			i++;
		pool.leaf_first[leaf] = (uint32_t)i;
	}
	for (size_t i = 0; i < n; i++)
		map_put(&pool.by_id, get_le64(pool.ids[i]), (void *)((uintptr_t)i + 1));
	for (size_t i = 0; i < n; i++)
		map_put(&pool.by_link, get_le64(members[i].link_key),
			(void *)((uintptr_t)thin_rank(members[i].id) + 1));
}

void thin_end(void)
{
	for (uint32_t i = 1; i <= pool.count; i++)
		free(pool.all[i]);
	free(pool.all);
	free(pool.until_s);
	free(pool.ids);
	for (size_t i = 0; i < (size_t)1 << pool.digests.bits; i++)
		free(pool.digests.slots[i].value);
	map_fini(&pool.digests);
	map_fini(&pool.by_signature);
	map_fini(&pool.by_id);
	map_fini(&pool.by_link);
	rng_seeded_free(&pool.rng);
	pool.is_begun = false;
}

uint32_t thin_rank(const uint8_t id[static NODE_ID_LEN])
{
	const uintptr_t rank = (uintptr_t)map_get(&pool.by_id, get_le64(id));

	return rank != 0 && memcmp(pool.ids[rank - 1], id, NODE_ID_LEN) == 0 ? (uint32_t)rank - 1
									     : UINT32_MAX;
}

/* ---- descriptors ---- */

static struct shared *find_shared(const uint8_t *bytes, size_t len)
{
	struct shared *s;

	if (len <= SIGN_LEN)
		return NULL;
	s = map_get(&pool.by_signature, get_le64(bytes + len - SIGN_LEN));
	return s != NULL && s->len == len && memcmp(s->bytes, bytes, len) == 0 ? s : NULL;
}

static struct shared *share(const struct descriptor *d, const uint8_t *bytes, size_t len)
{
	struct shared *s = xcalloc(1, sizeof(*s) + len);

	s->d = *d;
	s->len = (uint16_t)len;
	memcpy(s->bytes, bytes, len);
	s->d.rtts = d->rtts != NULL ? s->bytes + (d->rtts - bytes) : NULL;
	s->d.tail = d->tail != NULL ? s->bytes + (d->tail - bytes) : NULL;
	tree_hash(s->hash, bytes, len);
	s->mark = rng_u64(&pool.rng);
	s->rank = thin_rank(d->id);
	s->number = ++pool.count;
	if (pool.count >= pool.room) {
		pool.room = MAX(1024, 2 * pool.room);
		pool.all = xrealloc(pool.all, pool.room + 1, sizeof(struct shared *));
		pool.until_s = xrealloc(pool.until_s, pool.room + 1, sizeof(uint64_t));
	}
	pool.all[s->number] = s;
	pool.until_s[s->number] = d->valid_until_s;
	map_put(&pool.by_signature, get_le64(bytes + len - SIGN_LEN), s);
	return s;
}

/* Decoded, checked and verified once in the world; its times each time. */
static enum descriptor_error open_bytes(const uint8_t *bytes, size_t len, uint64_t wall_s,
					struct shared **out)
{
	struct descriptor d;
	enum descriptor_error error;

	*out = find_shared(bytes, len);
	if (*out != NULL)
		return (*out)->d.valid_until_s <= wall_s ? DESCRIPTOR_EXPIRED : DESCRIPTOR_OK;
	error = descriptor_open(&d, bytes, len, wall_s);
	if (error == DESCRIPTOR_OK && thin_rank(d.id) != UINT32_MAX)
		*out = share(&d, bytes, len);
	return error;
}

static struct shared *held(const struct directory *dir, uint32_t rank)
{
	return rank != UINT32_MAX && dir->held[rank] != NONE ? pool.all[dir->held[rank]] : NULL;
}

static const struct shared *shared_of(const struct descriptor *d)
{
	return (const struct shared *)(const void *)d;
}

/* ---- directories ---- */

struct directory *directory_create(const struct directory_params *params)
{
	struct directory *dir = xcalloc(1, sizeof(*dir));
	const uint64_t gap_ms =
	    params->change_gap_ns != 0 ? params->change_gap_ns / NS_PER_MS : CHANGE_GAP_MS;

	dir->members = params->members;
	dir->gap_units = (uint32_t)(gap_ms / GAP_UNIT_MS);
	dir->held = xcalloc(pool.id_count, sizeof(*dir->held));
	dir->changed = xcalloc(pool.id_count, sizeof(*dir->changed));
	dir->expiry_at = 1;
	return dir;
}

void directory_free(struct directory *dir)
{
	if (dir == NULL)
		return;
	free(dir->held);
	free(dir->changed);
	free(dir);
}

void thin_watch(struct directory *dir, struct world *w)
{
	dir->world = w;
}

void thin_copy(struct directory *to, const struct directory *from)
{
	const size_t size = pool.id_count * sizeof(*to->held);

	memcpy(to->held, from->held, size);
	memcpy(to->leaf_sum, from->leaf_sum, sizeof(to->leaf_sum));
	memcpy(to->leaf_count, from->leaf_count, sizeof(to->leaf_count));
	to->count = from->count;
	to->expiry_at = from->expiry_at;
}

static void put(struct directory *dir, const struct shared *s)
{
	const struct shared *old = held(dir, s->rank);
	const unsigned leaf = leaf_of(s->d.id);

	if (old != NULL)
		dir->leaf_sum[leaf] -= old->mark;
	else
		dir->leaf_count[leaf]++;
	dir->count += old == NULL;
	dir->leaf_sum[leaf] += s->mark;
	dir->held[s->rank] = s->number;
	dir->expiry_at = MIN(dir->expiry_at, s->number);
	dir->version++;
}

static void take_out(struct directory *dir, const struct shared *s)
{
	const unsigned leaf = leaf_of(s->d.id);

	dir->leaf_sum[leaf] -= s->mark;
	dir->leaf_count[leaf]--;
	dir->count--;
	dir->held[s->rank] = NONE;
	dir->version++;
}

static enum directory_result judge_member(const struct directory *dir, const struct descriptor *d)
{
	struct directory_member member;

	if (!dir->members.find(dir->members.ctx, d->id, &member))
		return DIRECTORY_STRANGER;
	if (member.slot != d->slot)
		return DIRECTORY_WRONG_SLOT;
	if ((d->roles & ~member.roles) != 0)
		return DIRECTORY_WRONG_ROLES;
	if (member.has_operator && memcmp(member.operator_tag, d->operator_tag, OPERATOR_LEN) != 0)
		return DIRECTORY_WRONG_OPERATOR;
	return DIRECTORY_ADDED;
}

static enum directory_result judge(struct directory *dir, const struct shared *s,
				   const struct now *now)
{
	const struct shared *old = held(dir, s->rank);
	const uint32_t units = (uint32_t)(now->mono_ns / NS_PER_MS / GAP_UNIT_MS);
	enum directory_result result;

	if (old == s)
		return DIRECTORY_KNOWN;
	if (old != NULL && s->d.sequence < old->d.sequence)
		return DIRECTORY_STALE;
	result = judge_member(dir, &s->d);
	if (result != DIRECTORY_ADDED || old == NULL)
		return result;
	if (dir->changed[s->rank] > units + (DIRECTORY_CHANGES_BURST - 1) * dir->gap_units)
		return DIRECTORY_TOO_SOON;
	return s->d.sequence == old->d.sequence ? DIRECTORY_EQUIVOCATION : DIRECTORY_NEWER;
}

enum directory_result directory_add(struct directory *dir, const uint8_t *bytes, size_t len,
				    const struct now *now, enum descriptor_error *error)
{
	const uint32_t units = (uint32_t)(now->mono_ns / NS_PER_MS / GAP_UNIT_MS);
	enum directory_result result;
	enum descriptor_error unused;
	struct shared *s;

	if (error == NULL)
		error = &unused;
	*error = open_bytes(bytes, len, now->wall_ns / NS_PER_S, &s);
	result = *error != DESCRIPTOR_OK ? DIRECTORY_INVALID
		 : s == NULL             ? DIRECTORY_STRANGER
					 : judge(dir, s, now);
	dir->stats.results[result]++;
	if (result != DIRECTORY_ADDED && result != DIRECTORY_NEWER)
		return result;
	dir->changed[s->rank] =
	    result == DIRECTORY_ADDED ? 0 : MAX(dir->changed[s->rank], units) + dir->gap_units;
	put(dir, s);
	if (dir->world != NULL)
		spread_taken(dir->world, s->d.id, s->d.sequence);
	return result;
}

/* ---- lookups ---- */

static const struct descriptor *descriptor_of(const struct shared *s)
{
	return s != NULL ? &s->d : NULL;
}

const struct descriptor *directory_by_id(const struct directory *dir,
					 const uint8_t id[static NODE_ID_LEN])
{
	return descriptor_of(held(dir, thin_rank(id)));
}

const struct descriptor *directory_by_link(const struct directory *dir,
					   const uint8_t link_key[static DH_LEN])
{
	const uintptr_t rank = (uintptr_t)map_get(&pool.by_link, get_le64(link_key));

	return rank != 0 ? descriptor_of(held(dir, (uint32_t)rank - 1)) : NULL;
}

size_t directory_bytes(const struct descriptor *d, uint8_t out[static DESCRIPTOR_MAX])
{
	memcpy(out, shared_of(d)->bytes, shared_of(d)->len);
	return shared_of(d)->len;
}

const uint8_t *directory_hash(const struct descriptor *d)
{
	return shared_of(d)->hash;
}

const struct descriptor *directory_random(const struct directory *dir, const struct rng *rng)
{
	while (dir->count > 0) {
		const struct shared *s = held(dir, (uint32_t)rng_below(rng, pool.id_count));

		if (s != NULL)
			return &s->d;
	}
	return NULL;
}

size_t directory_count(const struct directory *dir)
{
	return dir->count;
}

const struct descriptor *directory_next(const struct directory *dir, const struct descriptor *d)
{
	for (uint32_t rank = d != NULL ? shared_of(d)->rank + 1 : 0; rank < pool.id_count; rank++)
		if (dir->held[rank] != NONE)
			return &pool.all[dir->held[rank]]->d;
	return NULL;
}

uint64_t directory_version(const struct directory *dir)
{
	return dir->version;
}

/* For others than the exchange, who are not here. */
const struct descriptor *directory_since(const struct directory *dir, uint64_t change)
{
	(void)dir;
	(void)change;
	abort();
}

const struct descriptor *directory_later(const struct directory *dir, const struct descriptor *d)
{
	(void)dir;
	(void)d;
	abort();
}

uint64_t directory_last_change(const struct directory *dir)
{
	(void)dir;
	abort();
}

/* ---- removal ---- */

/* Descriptors are shared in the order of their signing, and all are valid for the same time: the
 * first one that is held ends first. */
size_t directory_expire(struct directory *dir, const struct now *now)
{
	const uint64_t wall_s = now->wall_ns / NS_PER_S;
	const uint32_t before = dir->count;

	for (; dir->expiry_at <= pool.count; dir->expiry_at++) {
		const struct shared *s = pool.all[dir->expiry_at];

		if (dir->held[s->rank] != s->number)
			continue;
		if (pool.until_s[dir->expiry_at] > wall_s)
			break;
		take_out(dir, s);
	}
	return before - dir->count;
}

uint64_t directory_deadline(const struct directory *dir, const struct now *now)
{
	uint64_t until_ns;

	if (dir->expiry_at > pool.count)
		return NEVER;
	until_ns = pool.until_s[dir->expiry_at] * NS_PER_S;
	return now->mono_ns + (until_ns > now->wall_ns ? until_ns - now->wall_ns : 0);
}

size_t directory_recheck(struct directory *dir)
{
	const uint32_t before = dir->count;

	for (uint32_t i = 0; i < pool.id_count; i++) {
		const struct shared *s = held(dir, i);

		if (s != NULL && judge_member(dir, &s->d) != DIRECTORY_ADDED)
			take_out(dir, s);
	}
	return before - dir->count;
}

bool directory_recheck_one(struct directory *dir, const uint8_t id[static NODE_ID_LEN])
{
	const struct shared *s = held(dir, thin_rank(id));
	const bool goes = s != NULL && judge_member(dir, &s->d) != DIRECTORY_ADDED;

	if (goes)
		take_out(dir, s);
	return goes;
}

/* ---- parts ---- */

static void part_leaves(struct tree_part part, unsigned *first, unsigned *end)
{
	const unsigned shift = TREE_BITS - part.level;

	*first = (unsigned)part.index << shift;
	*end = ((unsigned)part.index + 1) << shift;
}

uint32_t directory_part_count(const struct directory *dir, struct tree_part part)
{
	unsigned first, end;
	uint32_t n = 0;

	part_leaves(part, &first, &end);
	for (unsigned i = first; i < end; i++)
		n += dir->leaf_count[i];
	return n;
}

const struct descriptor *directory_part_next(const struct directory *dir, struct tree_part part,
					     const uint8_t *after)
{
	unsigned first, end;
	uint32_t rank;

	part_leaves(part, &first, &end);
	rank = pool.leaf_first[first];
	if (after != NULL && rank < pool.id_count &&
	    memcmp(after, pool.ids[rank], NODE_ID_LEN) >= 0)
		rank = thin_rank(after) + 1;
	for (; rank < pool.leaf_first[end]; rank++)
		if (dir->held[rank] != NONE)
			return &pool.all[dir->held[rank]]->d;
	return NULL;
}

static void make_digest(struct directory *dir, struct tree_part part, uint8_t *out)
{
	crypto_generichash_state state;

	if (part.level < TREE_BITS) {
		const struct tree_part half = {(uint8_t)(part.level + 1),
					       (uint16_t)(2 * part.index)};
		const struct tree_part other = {half.level, (uint16_t)(half.index + 1)};
		uint8_t text[4 + 2 * TREE_DIGEST_LEN] = {'n', 'o', 'd', 'e'};

		memcpy(text + 4, directory_part_digest(dir, half), TREE_DIGEST_LEN);
		memcpy(text + 4 + TREE_DIGEST_LEN, directory_part_digest(dir, other),
		       TREE_DIGEST_LEN);
		tree_hash(out, text, sizeof(text));
		return;
	}
	crypto_generichash_init(&state, NULL, 0, TREE_DIGEST_LEN);
	crypto_generichash_update(&state, (const uint8_t *)"leaf", 4);
	for (uint32_t i = pool.leaf_first[part.index]; i < pool.leaf_first[part.index + 1]; i++)
		if (dir->held[i] != NONE)
			crypto_generichash_update(&state, pool.all[dir->held[i]]->hash,
						  TREE_DIGEST_LEN);
	crypto_generichash_final(&state, out, TREE_DIGEST_LEN);
}

const uint8_t *directory_part_digest(struct directory *dir, struct tree_part part)
{
	static const uint8_t nothing[TREE_DIGEST_LEN];
	unsigned first, end, count = 0;
	uint64_t sum = 0, key;
	struct digest *d;

	part_leaves(part, &first, &end);
	for (unsigned i = first; i < end; i++) {
		sum += dir->leaf_sum[i];
		count += dir->leaf_count[i];
	}
	if (count == 0)
		return nothing;
	key = (sum ^ (uint64_t)(part.level + 1) << 58 ^ part.index) * 0x9e3779b97f4a7c15ull;
	d = map_get(&pool.digests, key);
	if (d == NULL) {
		d = xcalloc(1, sizeof(*d));
		make_digest(dir, part, d->bytes);
		map_put(&pool.digests, key, d);
	}
	return d->bytes;
}

/* Between messages, when nobody points to them. */
void thin_tidy(void)
{
	if (pool.digests.count < DIGESTS_MAX)
		return;
	for (size_t i = 0; i < (size_t)1 << pool.digests.bits; i++)
		free(pool.digests.slots[i].value);
	map_fini(&pool.digests);
	map_init(&pool.digests, 1024, &pool.rng);
}

/* ---- the view ---- */

void directory_set_view(struct directory *dir, uint64_t before_s)
{
	dir->view_before_s = before_s;
}

size_t directory_view_digest(const struct directory *dir, uint8_t out[static TREE_DIGEST_LEN])
{
	crypto_generichash_state state;
	size_t count = 0;

	crypto_generichash_init(&state, NULL, 0, TREE_DIGEST_LEN);
	for (uint32_t i = 0; i < pool.id_count; i++) {
		const struct shared *s = held(dir, i);
		struct directory_member member;

		if (s == NULL || !dir->members.find(dir->members.ctx, s->d.id, &member) ||
		    (dir->view_before_s != 0 &&
		     MAX(s->d.since_s, member.added_s) >= dir->view_before_s))
			continue;
		crypto_generichash_update(&state, s->d.id, NODE_ID_LEN);
		count++;
	}
	crypto_generichash_final(&state, out, TREE_DIGEST_LEN);
	return count;
}

const struct directory_stats *directory_stats(const struct directory *dir)
{
	return &dir->stats;
}
