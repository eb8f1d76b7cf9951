/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes as a log, signed as it stands by a careless registrar: what is taken is served again
 * byte for byte, what is refused changes nothing, and no two encodings make the same event.
 */
#include <sodium.h>
#include <stdlib.h>

#include "registry/bundle.h"
#include "registry/local.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define WALL_S 1800000000ull

static uint8_t secret[LOCAL_SECRET_LEN], registrar[REGISTRY_KEY_LEN];

/* How many events the bytes are, at most; the head as if all of them were meant. */
static void hash_events(struct registry_head *head, const uint8_t *data, size_t len)
{
	struct reader in = rd_init(data, len);
	struct registry_event ev;

	for (;;) {
		const uint8_t *begin = in.p;
		uint8_t again[REGISTRY_EVENT_MAX];

		if (registry_event_decode(&ev, &in) != REGISTRY_OK)
			return;
		if (registry_event_encode(&ev, again) != (size_t)(in.p - begin) ||
		    memcmp(again, begin, (size_t)(in.p - begin)) != 0)
			abort();
		registry_hash_add(head->hash, begin, (size_t)(in.p - begin));
		head->events++;
	}
}

static void check_members(const struct registry *reg)
{
	struct registry_member m, same;
	uint32_t slot = 0, count = 0;

	while (registry_next(reg, &slot, &m)) {
		if (!registry_by_key(reg, m.record.key, &same) || same.slot != m.slot)
			abort();
		count++;
	}
	if (count != registry_members(reg))
		abort();
}

static void offer(struct registry *reg, const uint8_t *data, size_t len)
{
	struct registry_head head = *registry_head(reg);
	uint8_t bytes[LOCAL_HEAD_LEN];
	const struct registry_update u = {.head = bytes,
					  .head_len = sizeof(bytes),
					  .events = data,
					  .events_len = len,
					  .first = head.events};
	const struct registry_head before = head;
	uint64_t count, event;
	size_t served;

	hash_events(&head, data, len);
	head.time_s = WALL_S;
	local_head_sign(&head, secret, bytes);
	if (registry_apply(reg, &u, WALL_S, &event) != REGISTRY_OK) {
		if (memcmp(&before, registry_head(reg), sizeof(before)) != 0)
			abort();
	} else if (len > 0) {
		const uint8_t *p = registry_events(reg, u.first, len, &count, &served);

		if (served != len || memcmp(p, data, len) != 0)
			abort();
	}
	check_members(reg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t seed[32] = "registrar";
	struct rng rng = rng_seeded(1);
	struct registry *reg;
	struct registry_backend backend;
	struct registry_update u;
	struct registry_head head;
	const uint8_t *mesh;
	size_t split = len > 0 ? data[0] : 0;

	crypto_sign_seed_keypair(registrar, secret, seed);
	backend = local_backend(registrar);
	reg = registry_create(&backend, &rng);
	if (registry_judge(reg, data, len, WALL_S, &head) == REGISTRY_OK &&
	    head.time_s > WALL_S + REGISTRY_SKEW_S)
		abort();
	if (registry_bundle_open(data, len, &mesh, &u) == REGISTRY_OK &&
	    registry_apply(reg, &u, WALL_S, NULL) == REGISTRY_OK)
		check_members(reg);
	if (len > 0) { /* the first byte tells where the second update begins */
		split = MIN(split, len - 1);
		offer(reg, data + 1, split);
		offer(reg, data + 1 + split, len - 1 - split);
	}
	registry_free(reg);
	rng_seeded_free(&rng);
	return 0;
}
