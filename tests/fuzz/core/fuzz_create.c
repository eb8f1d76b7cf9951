/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What strangers can make create_open and create_finish read.  The first byte chooses: changes to
 * genuine bodies, or texts inside genuine bodies, since no fuzzer finds those through a MAC.
 */
#include "onion/create.c"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define MUST(cond)               \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

enum {
	HOPS = 2
};

/* A path of two, with the messages of one exchange over it. */
static struct {
	bool made;
	struct rng rng;
	struct create_hop hops[HOPS];
	struct dh_keypair keys[HOPS];
	struct create_client cc;
	struct create_pending pending[HOPS];
	uint8_t create[HOPS + 1][CELL_BODY_LEN];
	uint8_t created[CELL_BODY_LEN];
} path;

static int open_at(unsigned i, const uint8_t *body, struct create_pending *p, struct route *r,
		   uint8_t *next)
{
	return create_open(p, path.hops[i].id, &path.keys[i], path.hops[i].onion_key_id, body, r,
			   next);
}

static void answer_at(unsigned i, const uint8_t *next, uint8_t *body)
{
	const struct hop_answer ok = {.status = HOP_OK};
	struct create_pending p = path.pending[i];
	struct hop_secrets secrets;

	MUST(create_answer(&p, &ok, next, &path.rng, &secrets, body) == 0);
}

static void make_path(void)
{
	const struct now now = {.wall_ns = NS_PER_S};

	path.rng = rng_seeded(1);
	rng_fill(&path.rng, path.hops, sizeof(path.hops));
	for (unsigned i = 0; i < HOPS; i++) {
		path.hops[i].shard = (uint8_t)(SHARD_WISH | i);
		dh_keypair_generate(&path.keys[i], &path.rng);
		memcpy(path.hops[i].onion_key, path.keys[i].public, DH_LEN);
		path.hops[i].is_interactive = false; /* any byte is no bool */
	}
	MUST(create_build(&path.cc, path.hops, HOPS, &now, 600, &path.rng, path.create[0]) == 0);
	for (unsigned i = 0; i < HOPS; i++) {
		struct route r;

		MUST(open_at(i, path.create[i], &path.pending[i], &r, path.create[i + 1]) == 0);
	}
	answer_at(1, NULL, path.created);
	answer_at(0, path.created, path.created);
	path.made = true;
}

/* body ^= data; true when that changed it. */
static bool change(uint8_t body[CELL_BODY_LEN], const uint8_t *data, size_t len)
{
	for (size_t k = 0; k < MIN(len, (size_t)CELL_BODY_LEN); k++)
		body[k] ^= data[k];
	return !is_zero(data, MIN(len, (size_t)CELL_BODY_LEN));
}

static void changed_create(const uint8_t *data, size_t len)
{
	uint8_t body[CELL_BODY_LEN], next[CELL_BODY_LEN];
	struct create_pending p;
	struct route r;
	bool changed;

	memcpy(body, path.create[0], CELL_BODY_LEN);
	changed = change(body, data, len);
	MUST(open_at(0, body, &p, &r, next) == (changed ? -EBADMSG : 0));
}

static void finish(const uint8_t *body, bool must_fail)
{
	struct create_result result;

	if (create_finish(&path.cc, body, &result) != 0) {
		MUST(is_zero((const uint8_t *)&result, sizeof(result)));
		return;
	}
	MUST(!must_fail && result.answered >= 1 && result.answered <= HOPS);
	for (unsigned i = 0; i < result.answered; i++)
		MUST(result.answer[i].status < HOP_STATUS_COUNT &&
		     (result.answer[i].status == HOP_OK || i + 1 == result.answered));
}

static void changed_created(const uint8_t *data, size_t len)
{
	uint8_t body[CELL_BODY_LEN];
	bool changed;

	memcpy(body, path.created, CELL_BODY_LEN);
	changed = change(body, data, len);
	finish(body, changed);
}

/* Any text from a client: what is taken for a route is the route's one encoding. */
static void text_in_create(const uint8_t *text)
{
	uint8_t body[CELL_BODY_LEN], again[CREATE_ROUTE_LEN];
	struct create_pending p;
	struct dh_keypair e;
	struct noise_sym s;
	struct route r;
	int err;

	dh_keypair_generate(&e, &path.rng);
	start(&s, path.hops[0].id, path.hops[0].onion_key, path.hops[0].onion_key_id, e.public);
	MUST(mix_dh(&s, e.secret, path.hops[0].onion_key) == 0);
	memcpy(body, e.public, DH_LEN);
	noise_seal_detached(&s, text, TEXT_LEN, body + BODY_TEXT_OFF, body + BODY_TAG_OFF);
	err = open_at(0, body, &p, &r, body);
	MUST(err == 0 || err == -EPROTO);
	if (err != 0)
		return;
	route_put(again, &r);
	MUST(memcmp(again, text, sizeof(again)) == 0);
	MUST(memcmp(body, text + CREATE_ROUTE_LEN, REST_LEN) == 0);
}

/* Any text from the last hop, behind an honest first one. */
static void text_in_created(const uint8_t *text)
{
	uint8_t body[CELL_BODY_LEN];
	struct noise_sym s = path.pending[1].sym;
	struct dh_keypair e;

	dh_keypair_generate(&e, &path.rng);
	noise_mix_hash(&s, e.public, DH_LEN);
	MUST(mix_dh(&s, e.secret, path.pending[1].x) == 0);
	memcpy(body, e.public, DH_LEN);
	noise_seal_detached(&s, text, TEXT_LEN, body + BODY_TEXT_OFF, body + BODY_TAG_OFF);
	answer_at(0, body, body);
	finish(body, !is_zero(text + CREATED_STATUS_LEN, TEXT_LEN - CREATED_STATUS_LEN));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t text[TEXT_LEN] = {0};

	if (!path.made)
		make_path();
	if (len == 0)
		return 0;
	memcpy(text, data + 1, MIN(len - 1, sizeof(text)));
	switch (data[0] % 4) {
	case 0:
		changed_create(data + 1, len - 1);
		break;
	case 1:
		changed_created(data + 1, len - 1);
		break;
	case 2:
		text_in_create(text);
		break;
	case 3:
		text_in_created(text);
		break;
	}
	return 0;
}
