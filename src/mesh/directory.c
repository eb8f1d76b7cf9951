/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The directory: entries on the heap, each with its descriptor and the signed bytes; found by id
 * and link key through maps keyed by SipHash (peers choose ids), and kept in order of change in
 * log[], where a removed or replaced entry leaves a hole until the next compaction.
 */
#include "mesh/directory.h"

#include <sodium.h>

#include "util/list.h"
#include "util/map.h"
#include "util/xalloc.h"

#define MAX_ENTRIES_DEFAULT 100000
#define LOG_MIN             64

struct entry {
	struct descriptor d;
	uint64_t change;
	size_t log_pos;
	struct list same_link; /* ring of entries that name the same link key */
	uint16_t raw_len;
	uint8_t raw[];
};

struct log_slot {
	uint64_t change;
	struct entry *entry; /* NULL: hole */
};

struct directory {
	struct map by_id;   /* siphash of id -> entry */
	struct map by_link; /* siphash of link key -> first entry of its ring */
	uint8_t hash_key[crypto_shorthash_KEYBYTES];
	struct log_slot *log;
	size_t log_len, log_room;
	size_t count, max_entries;
	uint64_t last_change, removals, epoch;
	uint64_t next_expiry_s; /* no entry ends before this */
	struct directory_stats stats;
};

static uint64_t wall_s(const struct now *now)
{
	return now->wall_ns / NS_PER_S;
}

struct directory *directory_create(const struct directory_params *params)
{
	struct directory *dir = xcalloc(1, sizeof(*dir));

	dir->max_entries = params->max_entries != 0 ? params->max_entries : MAX_ENTRIES_DEFAULT;
	dir->next_expiry_s = UINT64_MAX;
	dir->epoch = rng_u64(params->rng) | 1; /* 0 means unknown */
	rng_fill(params->rng, dir->hash_key, sizeof(dir->hash_key));
	map_init(&dir->by_id, LOG_MIN, params->rng);
	map_init(&dir->by_link, LOG_MIN, params->rng);
	return dir;
}

void directory_free(struct directory *dir)
{
	if (dir == NULL)
		return;
	for (size_t i = 0; i < dir->log_len; i++)
		free(dir->log[i].entry);
	free(dir->log);
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

static void log_compact(struct directory *dir)
{
	size_t kept = 0;

	for (size_t i = 0; i < dir->log_len; i++) {
		struct log_slot *slot = &dir->log[i];

		if (slot->entry == NULL)
			continue;
		slot->entry->log_pos = kept;
		dir->log[kept++] = *slot;
	}
	dir->log_len = kept;
}

/* Few holes, so that stepping over them costs an asker little of our time. */
static void log_trim(struct directory *dir)
{
	if (dir->log_len - dir->count > LOG_MIN + dir->count / 8)
		log_compact(dir);
}

static void log_append(struct directory *dir, struct entry *e)
{
	log_trim(dir);
	if (dir->log_len == dir->log_room) {
		dir->log_room = MAX(LOG_MIN, 2 * dir->log_room);
		dir->log = xrealloc(dir->log, dir->log_room, sizeof(*dir->log));
	}
	e->change = ++dir->last_change;
	e->log_pos = dir->log_len;
	dir->log[dir->log_len++] = (struct log_slot){.change = e->change, .entry = e};
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
	log_append(dir, e);
	dir->count++;
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
	dir->log[e->log_pos].entry = NULL;
	dir->count--;
	dir->removals++;
	free(e);
}

static struct entry *entry_new(const struct descriptor *d, const uint8_t *bytes, size_t len)
{
	struct entry *e = xcalloc(1, sizeof(*e) + len);

	e->d = *d;
	e->raw_len = (uint16_t)len;
	memcpy(e->raw, bytes, len);
	if (d->tail != NULL)
		e->d.tail = e->raw + (d->tail - bytes);
	return e;
}

/* What can be said of the bytes before their signature is checked, which is the dear part. */
static bool is_settled(const struct entry *old, const struct descriptor *d, const uint8_t *bytes,
		       size_t len, enum directory_result *result)
{
	if (old == NULL)
		return false;
	if (old->raw_len == len && memcmp(old->raw, bytes, len) == 0)
		*result = DIRECTORY_KNOWN;
	else if (d->sequence < old->d.sequence)
		*result = DIRECTORY_STALE;
	else
		return false;
	return true;
}

static enum directory_result add(struct directory *dir, const uint8_t *bytes, size_t len,
				 uint64_t wall_s, enum descriptor_error *error)
{
	enum directory_result result;
	struct descriptor d;
	struct entry *old;

	*error = descriptor_decode(&d, bytes, len);
	if (*error == DESCRIPTOR_OK)
		*error = descriptor_check(&d, wall_s);
	if (*error != DESCRIPTOR_OK)
		return DIRECTORY_INVALID;
	old = entry_by_id(dir, d.id);
	if (is_settled(old, &d, bytes, len, &result))
		return result;
	if ((old == NULL && dir->count >= dir->max_entries) || !is_hash_free(dir, &d))
		return DIRECTORY_FULL;
	*error = descriptor_verify(&d, bytes, len);
	if (*error != DESCRIPTOR_OK)
		return DIRECTORY_INVALID;
	if (old != NULL && d.sequence == old->d.sequence)
		return DIRECTORY_EQUIVOCATION;
	if (old != NULL)
		remove_entry(dir, old);
	insert(dir, entry_new(&d, bytes, len));
	return old != NULL ? DIRECTORY_NEWER : DIRECTORY_ADDED;
}

enum directory_result directory_add(struct directory *dir, const uint8_t *bytes, size_t len,
				    const struct now *now, enum descriptor_error *error)
{
	enum descriptor_error e;
	const enum directory_result result = add(dir, bytes, len, wall_s(now), &e);

	dir->stats.results[result]++;
	if (result == DIRECTORY_INVALID)
		dir->stats.invalid[e]++;
	if (error != NULL)
		*error = e;
	return result;
}

const struct descriptor *directory_by_id(const struct directory *dir,
					 const uint8_t id[static NODE_ID_LEN])
{
	const struct entry *e = entry_by_id(dir, id);

	return e != NULL ? &e->d : NULL;
}

const struct descriptor *directory_by_link(const struct directory *dir,
					   const uint8_t link_key[static DH_LEN])
{
	const struct entry *e = entry_by_link(dir, link_key);

	return e != NULL ? &e->d : NULL;
}

const uint8_t *directory_raw(const struct descriptor *d, size_t *len)
{
	const struct entry *e = (const struct entry *)(const void *)d; /* its first member */

	*len = e->raw_len;
	return e->raw;
}

/*
 * The first slot of the log whose change number is above change.  Numbers rise by at least one a
 * slot, which gives an upper bound: the place itself in a log that was never compacted, and from
 * there downwards otherwise.
 */
static size_t log_find(const struct directory *dir, uint64_t change)
{
	const struct log_slot *log = dir->log;
	size_t low, high, step = 1;

	if (dir->log_len == 0 || log[0].change > change)
		return 0;
	high = (size_t)MIN(dir->log_len, change - log[0].change + 1);
	low = high;
	while (low > 0 && log[low - 1].change > change) {
		high = low - 1;
		low -= MIN(step, low);
		step *= 2;
	}
	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (log[middle].change > change)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

const struct descriptor *directory_next(const struct directory *dir, uint64_t *change)
{
	for (size_t i = log_find(dir, *change); i < dir->log_len; i++) {
		if (dir->log[i].entry != NULL) {
			*change = dir->log[i].change;
			return &dir->log[i].entry->d;
		}
	}
	return NULL;
}

size_t directory_count(const struct directory *dir)
{
	return dir->count;
}

uint64_t directory_version(const struct directory *dir)
{
	return dir->last_change + dir->removals;
}

uint64_t directory_last_change(const struct directory *dir)
{
	return dir->last_change;
}

uint64_t directory_epoch(const struct directory *dir)
{
	return dir->epoch;
}

size_t directory_expire(struct directory *dir, const struct now *now)
{
	const size_t before = dir->count;
	const uint64_t t = wall_s(now);

	if (t < dir->next_expiry_s)
		return 0;
	dir->next_expiry_s = UINT64_MAX;
	for (size_t i = 0; i < dir->log_len; i++) {
		struct entry *e = dir->log[i].entry;

		if (e != NULL && e->d.valid_until_s <= t)
			remove_entry(dir, e);
		else if (e != NULL)
			dir->next_expiry_s = MIN(dir->next_expiry_s, e->d.valid_until_s);
	}
	log_trim(dir);
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

const struct directory_stats *directory_stats(const struct directory *dir)
{
	return &dir->stats;
}
