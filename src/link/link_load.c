/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How many INITs are worth their Diffie-Hellman: so many per second from anyone, beyond that only
 * with a cookie, and with a cookie so many per second and source prefix (IPv4 /32, IPv6 /56).
 * The prefixes live in a fixed table; an entry whose bucket has filled up again says nothing and is
 * free for another.
 */
#include "link/link_int.h"

void load_init(struct load *ld, const struct rng *rng)
{
	rng_fill(rng, ld->hash_key, sizeof(ld->hash_key));
}

bool load_take(struct load *ld, uint32_t rate, const struct now *now)
{
	return bucket_take(&ld->total, rate, rate, now->mono_ns);
}

static uint64_t prefix_of(const struct endpoint *from)
{
	uint8_t p[8] = {0};

	if (endpoint_is_v4(from)) {
		p[0] = 4;
		memcpy(p + 1, from->ip + 12, 4);
	} else {
		p[0] = 6;
		memcpy(p + 1, from->ip, 7);
	}
	return get_le64(p);
}

static bool prefix_is_aged(const struct prefix *p, const struct now *now)
{
	return p->key == 0 || now->mono_ns - p->bucket.filled_ns >= NS_PER_S;
}

/* The entry of this prefix, or a free one of its set; NULL when all are others' and in use. */
static struct prefix *prefix_find(struct load *ld, uint64_t key, const struct now *now)
{
	struct prefix *set, *spare = NULL;
	uint8_t bytes[8], hash[crypto_shorthash_BYTES];

	put_le64(bytes, key);
	crypto_shorthash(hash, bytes, sizeof(bytes), ld->hash_key);
	set = ld->prefixes[get_le64(hash) % PREFIX_SETS];
	for (size_t i = 0; i < PREFIX_WAYS; i++) {
		if (set[i].key == key)
			return &set[i];
		if (spare == NULL && prefix_is_aged(&set[i], now))
			spare = &set[i];
	}
	if (spare != NULL)
		*spare = (struct prefix){.key = key};
	return spare;
}

bool load_take_prefix(struct load *ld, uint32_t rate, const struct endpoint *from,
		      const struct now *now)
{
	struct prefix *p = prefix_find(ld, prefix_of(from), now);

	return p != NULL && bucket_take(&p->bucket, rate, rate, now->mono_ns);
}
