/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A back-end of another kind than ours, made like a chain's: a head is a block number and a hash,
 * nobody signs it, and it counts once our own reader has seen its block finalised.  Registry, store
 * and bundle carry it as they are.
 */
#include "registry/backend.h"

#include <unistd.h>

#include "registry/bundle.h"
#include "registry/store.h"
#include "tests/lib/test.h"
#include "tests/unit/registry/fixture.h"

enum {
	BLOCK_LEN = 8 + 8 + 8 + HASH_LEN,
};

/* What the chain's reader has seen finalised. */
struct chain {
	uint8_t seen[8][BLOCK_LEN];
	unsigned count;
};

static struct chain chain;

static enum registry_result open_block(const struct registry_backend *b, const uint8_t *bytes,
				       size_t len, struct registry_head *head)
{
	const struct chain *c = b->ctx;

	if (len != BLOCK_LEN)
		return REGISTRY_MALFORMED;
	for (unsigned i = 0; i < c->count; i++) {
		struct reader in = rd_init(bytes + 8, BLOCK_LEN - 8);

		if (memcmp(c->seen[i], bytes, BLOCK_LEN) != 0)
			continue;
		head->events = rd_u64(&in);
		head->time_s = rd_u64(&in);
		rd_copy(&in, head->hash, sizeof(head->hash));
		return REGISTRY_OK;
	}
	return REGISTRY_UNPROVEN;
}

static struct registry_backend contract(void)
{
	struct registry_backend b = {
	    .voucher = "the chain",
	    .setting = "[mesh] contract",
	    .ctx = &chain,
	    .open_head = open_block,
	};

	memset(b.mesh, 0xcc, sizeof(b.mesh)); /* hash of chain and address */
	return b;
}

static void put_block(uint8_t out[static BLOCK_LEN], uint64_t number,
		      const struct registry_head *head)
{
	struct writer w = wr_init(out, BLOCK_LEN);

	wr_u64(&w, number);
	wr_u64(&w, head->events);
	wr_u64(&w, head->time_s);
	wr_copy(&w, head->hash, sizeof(head->hash));
}

/* The log as the contract has it after these additions. */
static size_t add_members(struct registry_head *head, uint8_t *log, unsigned from, unsigned n)
{
	size_t len = 0;

	for (unsigned i = from; i < from + n; i++) {
		const struct registry_event ev = fixture_event(REGISTRY_ADD, i, (uint8_t)(i + 1));
		const size_t one = registry_event_encode(&ev, log + len);

		registry_hash_add(head->hash, log + len, one);
		len += one;
		head->events++;
	}
	head->time_s = FIXTURE_WALL_S;
	return len;
}

static void test_unsigned_heads(void)
{
	const struct registry_backend b = contract();
	struct registry *reg = registry_create(&b, &rng_system);
	uint8_t log[4 * REGISTRY_EVENT_MAX], block[BLOCK_LEN];
	struct registry_head head, judged;
	struct registry_update u = {.head = block, .head_len = sizeof(block), .events = log};

	chain.count = 0;
	registry_head_start(&head, b.mesh);
	CHECK_MEM(registry_head(reg)->hash, head.hash, HASH_LEN);
	u.events_len = add_members(&head, log, 0, 3);
	put_block(block, 100, &head);
	/* A mirror is ahead of our reader: no lie, but nothing to build upon either. */
	CHECK_INT(registry_apply(reg, &u, FIXTURE_WALL_S, NULL), REGISTRY_UNPROVEN);
	CHECK_INT(registry_members(reg), 0);
	memcpy(chain.seen[chain.count++], block, sizeof(block));
	CHECK_INT(registry_judge(reg, block, sizeof(block), FIXTURE_WALL_S, &judged), REGISTRY_OK);
	CHECK_INT(judged.events, 3);
	CHECK_INT(registry_judge(reg, block, sizeof(block) - 1, FIXTURE_WALL_S, &judged),
		  REGISTRY_MALFORMED);
	log[20] ^= 1; /* finalised does not make a mirror's bytes true */
	CHECK_INT(registry_apply(reg, &u, FIXTURE_WALL_S, NULL), REGISTRY_BROKEN_CHAIN);
	log[20] ^= 1;
	CHECK_INT(registry_apply(reg, &u, FIXTURE_WALL_S, NULL), REGISTRY_OK);
	CHECK_INT(registry_members(reg), 3);
	CHECK(registry_is_old(reg, 60, FIXTURE_WALL_S + 61));
	CHECK_INT(registry_judge(reg, block, sizeof(block), FIXTURE_WALL_S, &judged),
		  REGISTRY_KNOWN);
	registry_free(reg);
}

/* What daemons keep, and what people carry. */
static void test_store_and_bundle(void)
{
	char path[] = "/tmp/test-backend-XXXXXX", error[REGISTRY_STORE_ERROR_MAX];
	const struct registry_backend b = contract();
	const struct registry_store_params p = {.path = path, .mesh = b.mesh, .creates = true};
	struct registry *reg = registry_create(&b, &rng_system);
	struct registry *copy = registry_create(&b, &rng_system);
	uint8_t log[4 * REGISTRY_EVENT_MAX], block[BLOCK_LEN], *bundle;
	struct registry_update u = {.head = block, .head_len = sizeof(block), .events = log};
	struct registry_store *s = NULL;
	struct registry_head head;
	const uint8_t *mesh;
	size_t len;

	close(mkstemp(path));
	chain.count = 0;
	registry_head_start(&head, b.mesh);
	u.events_len = add_members(&head, log, 0, 4);
	put_block(block, 7, &head);
	memcpy(chain.seen[chain.count++], block, sizeof(block));
	NEED(registry_apply(reg, &u, FIXTURE_WALL_S, NULL) == REGISTRY_OK);
	NEED(registry_store_open(&s, &p, error) == 0);
	CHECK_INT(registry_store_change(s, reg, NULL, NULL, FIXTURE_WALL_S, error), 0);
	CHECK_INT(registry_store_load(s, copy, FIXTURE_WALL_S, error), 0);
	CHECK_INT(registry_members(copy), 4);
	registry_store_close(s);
	unlink(path);
	registry_free(copy);
	copy = registry_create(&b, &rng_system);
	bundle = registry_bundle_write(reg, &len);
	NEED(registry_bundle_open(bundle, len, &mesh, &u) == REGISTRY_OK);
	CHECK_MEM(mesh, b.mesh, REGISTRY_MESH_LEN);
	CHECK_INT(registry_apply(copy, &u, FIXTURE_WALL_S, NULL), REGISTRY_OK);
	CHECK_INT(registry_members(copy), 4);
	for (size_t n = 0; n < 8 + REGISTRY_MESH_LEN + 1 + BLOCK_LEN; n++)
		CHECK(registry_bundle_open(bundle, n, &mesh, &u) != REGISTRY_OK);
	free(bundle);
	registry_free(copy);
	registry_free(reg);
}

int main(void)
{
	if (sodium_init() < 0)
		return EXIT_FAILURE;
	RUN(test_unsigned_heads);
	RUN(test_store_and_bundle);
	return test_done();
}
