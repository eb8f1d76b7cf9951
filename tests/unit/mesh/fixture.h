/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Nodes made to order for the tests of this folder. */
#ifndef TESTS_MESH_FIXTURE_H
#define TESTS_MESH_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "mesh/directory.h"

#define FIXTURE_WALL_S 1800000000ull

static inline struct now fixture_now(void)
{
	return (struct now){.mono_ns = 5 * NS_PER_S, .wall_ns = FIXTURE_WALL_S * NS_PER_S};
}

/* A later time by both clocks. */
static inline struct now fixture_later(struct now now, uint64_t ns)
{
	return (struct now){.mono_ns = now.mono_ns + ns, .wall_ns = now.wall_ns + ns};
}

static inline void fixture_identity(struct identity *id, uint64_t seed)
{
	struct rng rng = rng_seeded(seed);

	identity_generate(id, &rng);
	rng_seeded_free(&rng);
}

/* Node n: all roles, operator of its own, address 10.n.n.1 in a /16 of its own, 100 Mbit/s. */
static inline struct descriptor fixture_descriptor(unsigned n)
{
	struct descriptor d = {
	    .sequence = 7,
	    .published_s = FIXTURE_WALL_S - 60,
	    .valid_until_s = FIXTURE_WALL_S + 3600,
	    .since_s = FIXTURE_WALL_S - 7200,
	    .slot = SLOT_NONE,
	    .capacity_kbit = 100000,
	    .roles = ROLE_ALL,
	    .exit_flags = EXIT_ALL,
	    .load_percent = 20,
	    .country = "NL",
	    .link_versions = {1, 1},
	    .circuit_versions = {1, 1},
	    .session_versions = {1, 2},
	    .onion_key_count = 2,
	    .addr_count = 1,
	};
	char operator_name[32];

	snprintf(d.name, sizeof(d.name), "node-%u", n);
	snprintf(operator_name, sizeof(operator_name), "operator %u", n);
	operator_tag(d.operator_tag, operator_name);
	memset(d.session_key, 0x40 + (int)(n % 16), sizeof(d.session_key));
	for (unsigned i = 0; i < 2; i++) {
		struct onion_public *k = &d.onion_keys[i];

		k->id = 2 * n + i;
		k->valid_from_s = FIXTURE_WALL_S - 3600 + i * 7200;
		k->valid_until_s = k->valid_from_s + 7200;
		memset(k->key, 0x50 + (int)i, sizeof(k->key));
	}
	d.addrs[0] = (struct endpoint){.port = 4600, .ip = {[10] = 0xff, [11] = 0xff}};
	d.addrs[0].ip[12] = (uint8_t)(10 + (n >> 8));
	d.addrs[0].ip[13] = (uint8_t)n;
	d.addrs[0].ip[14] = (uint8_t)n;
	d.addrs[0].ip[15] = 1;
	return d;
}

/* Signed by identity number n; the length. */
static inline size_t fixture_sign(const struct descriptor *d, unsigned n,
				  uint8_t out[static DESCRIPTOR_MAX])
{
	struct identity id;
	size_t len = 0;

	fixture_identity(&id, n);
	if (descriptor_sign(d, &id, FIXTURE_WALL_S, out, &len) != DESCRIPTOR_OK) {
		printf("# fixture %u cannot be signed\n", n);
		abort();
	}
	return len;
}

static inline enum directory_result fixture_add(struct directory *dir, const struct descriptor *d,
						unsigned n)
{
	const struct now now = fixture_now();
	uint8_t bytes[DESCRIPTOR_MAX];
	const size_t len = fixture_sign(d, n, bytes);

	return directory_add(dir, bytes, len, &now, NULL);
}

static inline struct directory *fixture_directory(uint32_t max_entries)
{
	const struct directory_params params = {.max_entries = max_entries, .rng = &rng_system};

	return directory_create(&params);
}

#endif
