/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/onion_keys.h"

#include <sodium.h>

#include "tests/lib/test.h"
#include "tests/unit/mesh/fixture.h"

static struct now at(uint64_t s)
{
	return fixture_later(fixture_now(), s * NS_PER_S);
}

static uint32_t current_id(const struct onion_keys *ks)
{
	return ks->key[ONION_KEY_CURRENT].id;
}

static void test_begin(void)
{
	const struct now now = at(0);
	struct onion_keys ks;
	struct descriptor d = fixture_descriptor(1);
	uint8_t pub[DH_LEN];

	onion_keys_init(&ks, &rng_system, &now, 0, 0);
	onion_keys_advertise(&ks, &d);
	CHECK_INT(d.onion_key_count, 2);
	memset(d.link_key, 7, DH_LEN);
	CHECK_INT(descriptor_check(&d, FIXTURE_WALL_S), DESCRIPTOR_OK);
	CHECK(descriptor_onion_key(&d, FIXTURE_WALL_S) == &d.onion_keys[0]);
	/* a client whose clock is slow can build at once */
	CHECK(descriptor_onion_key(&d, FIXTURE_WALL_S - DESCRIPTOR_SKEW_S) == &d.onion_keys[0]);
	CHECK_INT(d.onion_keys[1].valid_from_s, FIXTURE_WALL_S + ONION_KEY_LIFETIME_S);
	for (unsigned i = 0; i < 2; i++) {
		const struct dh_keypair *pair = onion_keys_find(&ks, d.onion_keys[i].id);

		NEED(pair != NULL);
		CHECK_MEM(pair->public, d.onion_keys[i].key, DH_LEN);
		crypto_scalarmult_base(pub, pair->secret);
		CHECK_MEM(pub, pair->public, DH_LEN);
	}
	CHECK(onion_keys_find(&ks, current_id(&ks) + 2) == NULL);
	CHECK(onion_keys_find(&ks, current_id(&ks) - 1) == NULL);
	onion_keys_wipe(&ks);
	CHECK(sodium_is_zero((const uint8_t *)&ks, sizeof(ks)));
}

static void test_rotation(void)
{
	struct now now = at(0);
	struct onion_keys ks;
	uint8_t next_public[DH_LEN];
	uint32_t first;

	onion_keys_init(&ks, &rng_system, &now, 100, 30);
	first = current_id(&ks);
	memcpy(next_public, ks.key[ONION_KEY_NEXT].pair.public, DH_LEN);
	CHECK_INT(onion_keys_deadline(&ks, &now) - now.mono_ns, 100 * NS_PER_S);

	now = at(99);
	CHECK(!onion_keys_rotate(&ks, &rng_system, &now));
	CHECK_INT(current_id(&ks), first);
	now = at(100);
	CHECK_INT(onion_keys_deadline(&ks, &now), now.mono_ns);
	CHECK(onion_keys_rotate(&ks, &rng_system, &now));
	CHECK_INT(current_id(&ks), first + 1);
	CHECK_MEM(ks.key[ONION_KEY_CURRENT].pair.public, next_public, DH_LEN);
	CHECK(onion_keys_find(&ks, first) != NULL); /* grace */
	CHECK_INT(onion_keys_deadline(&ks, &now) - now.mono_ns, 30 * NS_PER_S);

	now = at(129);
	CHECK(!onion_keys_rotate(&ks, &rng_system, &now));
	CHECK(onion_keys_find(&ks, first) != NULL);
	now = at(130);
	CHECK(!onion_keys_rotate(&ks, &rng_system, &now)); /* nothing new to advertise */
	CHECK(onion_keys_find(&ks, first) == NULL);
	CHECK(sodium_is_zero((const uint8_t *)&ks.key[ONION_KEY_PREVIOUS],
			     sizeof(ks.key[ONION_KEY_PREVIOUS])));
	CHECK_INT(onion_keys_deadline(&ks, &now) - now.mono_ns, 70 * NS_PER_S);
}

/* Called when due for a long time: what a descriptor advertised within its time is always found. */
static void test_advertised_is_found(void)
{
	struct now now = at(0);
	struct onion_keys ks;

	onion_keys_init(&ks, &rng_system, &now, 100, 100);
	for (unsigned i = 0; i < 40; i++) {
		struct descriptor d = fixture_descriptor(1);
		const struct onion_public *k;

		onion_keys_advertise(&ks, &d);
		k = descriptor_onion_key(&d, now.wall_ns / NS_PER_S);
		NEED(k != NULL);
		CHECK_INT(k->id, current_id(&ks));
		now.mono_ns = onion_keys_deadline(&ks, &now);
		now = at((now.mono_ns - fixture_now().mono_ns) / NS_PER_S);
		onion_keys_rotate(&ks, &rng_system, &now);
		CHECK(onion_keys_find(&ks, k->id) != NULL); /* in grace now */
	}
}

/* A machine that slept: old keys are gone, ids go on, nothing stale is advertised. */
static void test_long_sleep(void)
{
	struct now now = at(0);
	struct onion_keys ks;
	struct descriptor d = fixture_descriptor(1);
	uint32_t first;

	onion_keys_init(&ks, &rng_system, &now, 100, 30);
	first = current_id(&ks);
	now = at(250);
	CHECK(onion_keys_rotate(&ks, &rng_system, &now));
	CHECK(onion_keys_find(&ks, first) == NULL);
	CHECK(onion_keys_find(&ks, first + 1) == NULL);
	CHECK_INT(current_id(&ks), first + 2);
	onion_keys_advertise(&ks, &d);
	CHECK(descriptor_onion_key(&d, FIXTURE_WALL_S + 250) != NULL);
	now = at(440); /* the next one has begun, and its predecessor's grace is over */
	CHECK(onion_keys_rotate(&ks, &rng_system, &now));
	CHECK(onion_keys_find(&ks, first + 2) == NULL);
	CHECK_INT(current_id(&ks), first + 3);
}

static void test_grace_is_bounded(void)
{
	const struct now now = at(0);
	struct onion_keys ks;

	onion_keys_init(&ks, &rng_system, &now, 100, 5000);
	CHECK_INT(ks.grace_s, 100);
}

int main(void)
{
	RUN(test_begin);
	RUN(test_rotation);
	RUN(test_advertised_is_found);
	RUN(test_long_sleep);
	RUN(test_grace_is_bounded);
	return test_done();
}
