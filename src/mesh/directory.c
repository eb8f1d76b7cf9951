/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The directory: entries on the heap, each with its descriptor and what else it takes to make the
 * signed bytes again (there is one encoding of each); found by id and link key through maps keyed
 * by SipHash (peers choose ids), and kept in the order of ids in a tree of digests.
 */
#include "mesh/directory.h"

#include <sodium.h>

#include "util/map.h"
#include "util/xalloc.h"

#define MAX_ENTRIES_DEFAULT 100000
#define MAP_MIN             64
#define CHANGE_GAP_NS       (300 * NS_PER_S)

struct entry {
	struct descriptor d;
	struct tree_item item;
	struct list in_changes;
	uint64_t change;
	struct list same_link; /* ring of entries that name the same link key */
	uint64_t member_s;     /* a member since; 0 in an open mesh */
	uint64_t paid_ns;      /* until when its changes have used up what is granted */
	uint8_t signature[SIGN_LEN];
	uint8_t rest[]; /* round trips and tail of the descriptor, as encoded */
};

struct directory {
	struct map by_id;   /* siphash of id -> entry */
	struct map by_link; /* siphash of link key -> first entry of its ring */
	uint8_t hash_key[crypto_shorthash_KEYBYTES];
	size_t count, max_entries;
	uint64_t version;
	struct list changes; /* entries, in order of change */
	uint64_t last_change;
	uint64_t next_expiry_s; /* no entry ends before this */
	uint64_t view_before_s;
	uint64_t change_gap_ns;
	struct directory_members members;
	struct directory_evidence *evidence[DIRECTORY_EVIDENCE_MAX]; /* ring */
	uint64_t evidence_count;
	struct directory_stats stats;
	struct tree tree;
};

static uint64_t wall_s(const struct now *now)
{
	return now->wall_ns / NS_PER_S;
}

struct directory *directory_create(const struct directory_params *params)
{
	struct directory *dir = xcalloc(1, sizeof(*dir));

	dir->max_entries = params->max_entries != 0 ? params->max_entries : MAX_ENTRIES_DEFAULT;
	dir->change_gap_ns = params->change_gap_ns != 0 ? params->change_gap_ns : CHANGE_GAP_NS;
	dir->members = params->members;
	dir->next_expiry_s = UINT64_MAX;
	rng_fill(params->rng, dir->hash_key, sizeof(dir->hash_key));
	map_init(&dir->by_id, MAP_MIN, params->rng);
	map_init(&dir->by_link, MAP_MIN, params->rng);
	tree_init(&dir->tree, (ptrdiff_t)offsetof(struct entry, d.id) -
				  (ptrdiff_t)offsetof(struct entry, item));
	list_init(&dir->changes);
	return dir;
}

static struct entry *entry_of(struct tree_item *item)
{
	return item != NULL ? container_of(item, struct entry, item) : NULL;
}

void directory_free(struct directory *dir)
{
	struct tree_item *item, *next;

	if (dir == NULL)
		return;
	for (item = tree_after(&dir->tree, NULL); item != NULL; item = next) {
		next = tree_after(&dir->tree, item);
		free(entry_of(item));
	}
	for (size_t i = 0; i < DIRECTORY_EVIDENCE_MAX; i++)
		free(dir->evidence[i]);
	map_fini(&dir->by_id);
	map_fini(&dir->by_link);
	free(dir);
}

const char *directory_result_name(enum directory_result r)
{
	static const char *const names[DIRECTORY_RESULT_COUNT] = {
	    [DIRECTORY_ADDED] = "added",
	    [DIRECTORY_NEWER] = "newer",
	    [DIRECTORY_KNOWN] = "known",
	    [DIRECTORY_STALE] = "stale",
	    [DIRECTORY_EQUIVOCATION] = "equivocation",
	    [DIRECTORY_FULL] = "full",
	    [DIRECTORY_TOO_SOON] = "too_soon",
	    [DIRECTORY_STRANGER] = "stranger",
	    [DIRECTORY_WRONG_SLOT] = "wrong_slot",
	    [DIRECTORY_WRONG_ROLES] = "wrong_roles",
	    [DIRECTORY_WRONG_OPERATOR] = "wrong_operator",
	    [DIRECTORY_INVALID] = "invalid",
	};

	return names[r];
}

static uint64_t hash(const struct directory *dir, const uint8_t key[static 32])
{
	uint8_t out[crypto_shorthash_BYTES];

	crypto_shorthash(out, key, 32, dir->hash_key);
	return get_le64(out);
}

static struct entry *entry_by_id(const struct directory *dir, const uint8_t *id)
{
	struct entry *e = map_get(&dir->by_id, hash(dir, id));

	return e != NULL && memcmp(e->d.id, id, NODE_ID_LEN) == 0 ? e : NULL;
}

static struct entry *entry_by_link(const struct directory *dir, const uint8_t *link_key)
{
	struct entry *e = map_get(&dir->by_link, hash(dir, link_key));

	return e != NULL && memcmp(e->d.link_key, link_key, DH_LEN) == 0 ? e : NULL;
}

/* Two keys of the same 64-bit hash: once in the life of a thousand directories.  Refused. */
static bool is_hash_free(const struct directory *dir, const struct descriptor *d)
{
	return (map_get(&dir->by_id, hash(dir, d->id)) == NULL || entry_by_id(dir, d->id)) &&
	       (map_get(&dir->by_link, hash(dir, d->link_key)) == NULL ||
		entry_by_link(dir, d->link_key));
}

static void insert(struct directory *dir, struct entry *e)
{
	struct entry *twin = entry_by_link(dir, e->d.link_key);

	map_put(&dir->by_id, hash(dir, e->d.id), e);
	list_init(&e->same_link);
	if (twin != NULL)
		list_add_tail(&twin->same_link, &e->same_link);
	else
		map_put(&dir->by_link, hash(dir, e->d.link_key), e);
	tree_add(&dir->tree, &e->item);
	list_add_tail(&dir->changes, &e->in_changes);
	e->change = ++dir->last_change;
	dir->count++;
	dir->version++;
	dir->next_expiry_s = MIN(dir->next_expiry_s, e->d.valid_until_s);
}

static void remove_entry(struct directory *dir, struct entry *e)
{
	const uint64_t link_hash = hash(dir, e->d.link_key);

	map_del(&dir->by_id, hash(dir, e->d.id));
	if (map_get(&dir->by_link, link_hash) == e) {
		map_del(&dir->by_link, link_hash);
		if (!list_is_empty(&e->same_link))
			map_put(&dir->by_link, link_hash,
				container_of(e->same_link.next, struct entry, same_link));
	}
	list_del(&e->same_link);
	tree_remove(&dir->tree, &e->item);
	list_del(&e->in_changes);
	dir->count--;
	dir->version++;
	free(e);
}

/* In an open mesh everybody is one. */
static bool find_member(const struct directory *dir, const uint8_t *id,
			struct directory_member *out)
{
	*out = (struct directory_member){.slot = SLOT_NONE, .roles = ROLE_ALL};
	return dir->members.find == NULL || dir->members.find(dir->members.ctx, id, out);
}

/* Whether the registry lets it say that: DIRECTORY_ADDED, or what is wrong. */
static enum directory_result judge_member(const struct directory *dir, const struct descriptor *d)
{
	struct directory_member member;

	if (!find_member(dir, d->id, &member))
		return DIRECTORY_STRANGER;
	if (dir->members.find != NULL && member.slot != d->slot)
		return DIRECTORY_WRONG_SLOT;
	if ((d->roles & ~member.roles) != 0)
		return DIRECTORY_WRONG_ROLES;
	if (member.has_operator && memcmp(member.operator_tag, d->operator_tag, OPERATOR_LEN) != 0)
		return DIRECTORY_WRONG_OPERATOR;
	return DIRECTORY_ADDED;
}

static struct entry *entry_new(const struct directory *dir, const struct descriptor *d,
			       const uint8_t *bytes, size_t len)
{
	const size_t rtts_len = (size_t)d->rtt_count * LINK_RTT_LEN;
	struct entry *e = xcalloc(1, sizeof(*e) + rtts_len + d->tail_len);
	struct directory_member member;

	find_member(dir, d->id, &member);
	e->member_s = member.added_s;
	e->d = *d;
	memcpy(e->signature, bytes + len - SIGN_LEN, SIGN_LEN);
	e->d.rtts = e->rest;
	e->d.tail = e->rest + rtts_len;
	if (rtts_len > 0)
		memcpy(e->rest, d->rtts, rtts_len);
	if (d->tail_len > 0)
		memcpy(e->rest + rtts_len, d->tail, d->tail_len);
	tree_hash(e->item.hash, bytes, len);
	return e;
}

static bool is_same(const struct entry *e, const uint8_t *bytes, size_t len)
{
	uint8_t digest[TREE_DIGEST_LEN];

	tree_hash(digest, bytes, len);
	return memcmp(e->item.hash, digest, sizeof(digest)) == 0;
}

static bool is_too_soon(const struct directory *dir, const struct entry *old, const struct now *now)
{
	return old->paid_ns > now->mono_ns + (DIRECTORY_CHANGES_BURST - 1) * dir->change_gap_ns;
}

/* What can be said before the signature is checked, which is the dear part: ADDED, NEWER or
 * EQUIVOCATION if it is right. */
static enum directory_result judge(const struct directory *dir, const struct entry *old,
				   const struct descriptor *d, const uint8_t *bytes, size_t len,
				   const struct now *now)
{
	enum directory_result result;

	if (old != NULL && is_same(old, bytes, len))
		return DIRECTORY_KNOWN;
	if (old != NULL && d->sequence < old->d.sequence)
		return DIRECTORY_STALE;
	result = judge_member(dir, d);
	if (result != DIRECTORY_ADDED)
		return result;
	if ((old == NULL && dir->count >= dir->max_entries) || !is_hash_free(dir, d))
		return DIRECTORY_FULL;
	if (old == NULL)
		return DIRECTORY_ADDED;
	if (is_too_soon(dir, old, now))
		return DIRECTORY_TOO_SOON;
	return d->sequence == old->d.sequence ? DIRECTORY_EQUIVOCATION : DIRECTORY_NEWER;
}

/* Whether both are in evidence already: those who hold the other one send it again and again. */
static bool is_in_evidence(const struct directory *dir, const uint8_t *id, uint64_t sequence)
{
	for (size_t i = 0; i < DIRECTORY_EVIDENCE_MAX; i++)
		if (dir->evidence[i] != NULL && dir->evidence[i]->sequence == sequence &&
		    memcmp(dir->evidence[i]->id, id, NODE_ID_LEN) == 0)
			return true;
	return false;
}

static struct directory_evidence *evidence_slot(struct directory *dir)
{
	struct directory_evidence **slot =
	    &dir->evidence[dir->evidence_count++ % DIRECTORY_EVIDENCE_MAX];

	if (*slot == NULL)
		*slot = xcalloc(1, sizeof(**slot));
	return *slot;
}

static void keep_evidence(struct directory *dir, const struct entry *old, const struct entry *e,
			  const struct now *now)
{
	struct directory_evidence *ev;

	if (is_in_evidence(dir, old->d.id, old->d.sequence))
		return;
	ev = evidence_slot(dir);
	ev->seen_s = wall_s(now);
	memcpy(ev->id, old->d.id, NODE_ID_LEN);
	ev->sequence = old->d.sequence;
	ev->len[0] = (uint16_t)directory_bytes(&old->d, ev->bytes[0]);
	ev->len[1] = (uint16_t)directory_bytes(&e->d, ev->bytes[1]);
}

static void replace(struct directory *dir, struct entry *old, struct entry *e,
		    const struct now *now)
{
	e->paid_ns = MAX(old->paid_ns, now->mono_ns) + dir->change_gap_ns;
	remove_entry(dir, old);
	insert(dir, e);
}

/* Everybody ends up with the same one of the two. */
static void settle(struct directory *dir, struct entry *old, struct entry *e, const struct now *now)
{
	keep_evidence(dir, old, e, now);
	if (memcmp(e->item.hash, old->item.hash, TREE_DIGEST_LEN) < 0)
		replace(dir, old, e, now);
	else
		free(e);
}

static enum directory_result add(struct directory *dir, const uint8_t *bytes, size_t len,
				 bool is_verified, const struct now *now,
				 enum descriptor_error *error)
{
	enum directory_result result;
	struct descriptor d;
	struct entry *old;

	*error = descriptor_decode(&d, bytes, len);
	if (*error == DESCRIPTOR_OK)
		*error = descriptor_check(&d, wall_s(now));
	if (*error != DESCRIPTOR_OK)
		return DIRECTORY_INVALID;
	old = entry_by_id(dir, d.id);
	result = judge(dir, old, &d, bytes, len, now);
	if (result != DIRECTORY_ADDED && result != DIRECTORY_NEWER &&
	    result != DIRECTORY_EQUIVOCATION)
		return result;
	if (!is_verified)
		*error = descriptor_verify(&d, bytes, len);
	if (*error != DESCRIPTOR_OK)
		return DIRECTORY_INVALID;
	if (result == DIRECTORY_EQUIVOCATION)
		settle(dir, old, entry_new(dir, &d, bytes, len), now);
	else if (result == DIRECTORY_NEWER)
		replace(dir, old, entry_new(dir, &d, bytes, len), now);
	else
		insert(dir, entry_new(dir, &d, bytes, len));
	return result;
}

static enum directory_result add_counted(struct directory *dir, const uint8_t *bytes, size_t len,
					 bool is_verified, const struct now *now,
					 enum descriptor_error *error)
{
	const enum directory_result result = add(dir, bytes, len, is_verified, now, error);

	dir->stats.results[result]++;
	if (result == DIRECTORY_INVALID)
		dir->stats.invalid[*error]++;
	return result;
}

enum directory_result directory_add(struct directory *dir, const uint8_t *bytes, size_t len,
				    const struct now *now, enum descriptor_error *error)
{
	enum descriptor_error unused;

	return add_counted(dir, bytes, len, false, now, error != NULL ? error : &unused);
}

enum directory_result directory_restore(struct directory *dir, const uint8_t *bytes, size_t len,
					const struct now *now)
{
	enum descriptor_error error;

	return add_counted(dir, bytes, len, true, now, &error);
}

/* ---- lookups ---- */

static const struct descriptor *descriptor_of(const struct entry *e)
{
	return e != NULL ? &e->d : NULL;
}

/* The reverse: what is handed out is the first member of its entry. */
static const struct entry *entry_holding(const struct descriptor *d)
{
	return (const struct entry *)(const void *)d;
}

const struct descriptor *directory_by_id(const struct directory *dir,
					 const uint8_t id[static NODE_ID_LEN])
{
	return descriptor_of(entry_by_id(dir, id));
}

const struct descriptor *directory_by_link(const struct directory *dir,
					   const uint8_t link_key[static DH_LEN])
{
	return descriptor_of(entry_by_link(dir, link_key));
}

size_t directory_bytes(const struct descriptor *d, uint8_t out[static DESCRIPTOR_MAX])
{
	return descriptor_encode(d, entry_holding(d)->signature, out);
}

const struct descriptor *directory_next(const struct directory *dir, const struct descriptor *d)
{
	return descriptor_of(
	    entry_of(tree_after(&dir->tree, d != NULL ? &entry_holding(d)->item : NULL)));
}

static const struct entry *entry_in_changes(const struct list *it)
{
	return (const struct entry *)(const void *)((const char *)it -
						    offsetof(struct entry, in_changes));
}

const struct descriptor *directory_since(const struct directory *dir, uint64_t change)
{
	const struct list *it = &dir->changes;

	while (it->prev != &dir->changes && entry_in_changes(it->prev)->change > change)
		it = it->prev;
	return it != &dir->changes ? &entry_in_changes(it)->d : NULL;
}

const struct descriptor *directory_later(const struct directory *dir, const struct descriptor *d)
{
	const struct list *next = entry_holding(d)->in_changes.next;

	return next != &dir->changes ? &entry_in_changes(next)->d : NULL;
}

uint64_t directory_last_change(const struct directory *dir)
{
	return dir->last_change;
}

const struct descriptor *directory_random(const struct directory *dir, const struct rng *rng)
{
	const size_t mask = ((size_t)1 << dir->by_id.bits) - 1;

	if (dir->count == 0)
		return NULL;
	for (;;) { /* three eighths of the slots are in use, fewer only after many expiries */
		const struct entry *e = dir->by_id.slots[rng_u64(rng) & mask].value;

		if (e != NULL)
			return &e->d;
	}
}

size_t directory_count(const struct directory *dir)
{
	return dir->count;
}

uint64_t directory_version(const struct directory *dir)
{
	return dir->version;
}

/* ---- removal ---- */

size_t directory_expire(struct directory *dir, const struct now *now)
{
	const size_t before = dir->count;
	const uint64_t t = wall_s(now);
	struct tree_item *item, *next;

	if (t < dir->next_expiry_s)
		return 0;
	dir->next_expiry_s = UINT64_MAX;
	for (item = tree_after(&dir->tree, NULL); item != NULL; item = next) {
		struct entry *e = entry_of(item);

		next = tree_after(&dir->tree, item);
		if (e->d.valid_until_s <= t)
			remove_entry(dir, e);
		else
			dir->next_expiry_s = MIN(dir->next_expiry_s, e->d.valid_until_s);
	}
	dir->stats.expired += before - dir->count;
	return before - dir->count;
}

uint64_t directory_deadline(const struct directory *dir, const struct now *now)
{
	if (dir->next_expiry_s >= UINT64_MAX / NS_PER_S)
		return NEVER;
	if (dir->next_expiry_s * NS_PER_S <= now->wall_ns)
		return now->mono_ns;
	return now->mono_ns + (dir->next_expiry_s * NS_PER_S - now->wall_ns);
}

bool directory_recheck_one(struct directory *dir, const uint8_t id[static NODE_ID_LEN])
{
	struct entry *e = entry_by_id(dir, id);
	const bool goes = e != NULL && judge_member(dir, &e->d) != DIRECTORY_ADDED;

	if (goes)
		remove_entry(dir, e);
	return goes;
}

size_t directory_recheck(struct directory *dir)
{
	const size_t before = dir->count;
	struct tree_item *item, *next;

	if (dir->members.find == NULL)
		return 0;
	for (item = tree_after(&dir->tree, NULL); item != NULL; item = next) {
		struct entry *e = entry_of(item);

		next = tree_after(&dir->tree, item);
		if (judge_member(dir, &e->d) != DIRECTORY_ADDED)
			remove_entry(dir, e);
	}
	return before - dir->count;
}

/* ---- comparing ---- */

uint32_t directory_part_count(const struct directory *dir, struct tree_part part)
{
	return tree_count(&dir->tree, part);
}

const uint8_t *directory_part_digest(struct directory *dir, struct tree_part part)
{
	return tree_digest(&dir->tree, part);
}

const struct descriptor *directory_part_next(const struct directory *dir, struct tree_part part,
					     const uint8_t *after)
{
	return descriptor_of(entry_of(tree_next(&dir->tree, part, after)));
}

const uint8_t *directory_hash(const struct descriptor *d)
{
	return entry_holding(d)->item.hash;
}

/* ---- the view ---- */

void directory_set_view(struct directory *dir, uint64_t before_s)
{
	dir->version += dir->view_before_s != before_s;
	dir->view_before_s = before_s;
}

uint64_t directory_view(const struct directory *dir)
{
	return dir->view_before_s;
}

bool directory_in_view(const struct directory *dir, const struct descriptor *d)
{
	return dir->view_before_s == 0 ||
	       MAX(d->since_s, entry_holding(d)->member_s) < dir->view_before_s;
}

size_t directory_view_digest(const struct directory *dir, uint8_t out[static TREE_DIGEST_LEN])
{
	crypto_generichash_state state;
	size_t count = 0;

	crypto_generichash_init(&state, NULL, 0, TREE_DIGEST_LEN);
	for (const struct descriptor *d = directory_next(dir, NULL); d != NULL;
	     d = directory_next(dir, d)) {
		if (!directory_in_view(dir, d))
			continue;
		crypto_generichash_update(&state, d->id, NODE_ID_LEN);
		count++;
	}
	crypto_generichash_final(&state, out, TREE_DIGEST_LEN);
	return count;
}

/* ---- what happened ---- */

const struct directory_evidence *directory_evidence(const struct directory *dir, unsigned i)
{
	if (i >= MIN(dir->evidence_count, (uint64_t)DIRECTORY_EVIDENCE_MAX))
		return NULL;
	return dir->evidence[(dir->evidence_count - 1 - i) % DIRECTORY_EVIDENCE_MAX];
}

static bool is_one_of_two(const struct directory_evidence *e, unsigned i)
{
	struct descriptor d;

	return e->len[i] <= DESCRIPTOR_MAX &&
	       descriptor_decode(&d, e->bytes[i], e->len[i]) == DESCRIPTOR_OK &&
	       memcmp(d.id, e->id, NODE_ID_LEN) == 0 && d.sequence == e->sequence &&
	       descriptor_verify(&d, e->bytes[i], e->len[i]) == DESCRIPTOR_OK;
}

bool directory_restore_evidence(struct directory *dir, const struct directory_evidence *e)
{
	const bool is_same =
	    e->len[0] == e->len[1] && memcmp(e->bytes[0], e->bytes[1], e->len[0]) == 0;

	if (!is_one_of_two(e, 0) || !is_one_of_two(e, 1) || is_same)
		return false;
	if (!is_in_evidence(dir, e->id, e->sequence))
		*evidence_slot(dir) = *e;
	return true;
}

uint64_t directory_evidence_count(const struct directory *dir)
{
	return dir->evidence_count;
}

const struct directory_stats *directory_stats(const struct directory *dir)
{
	return &dir->stats;
}
