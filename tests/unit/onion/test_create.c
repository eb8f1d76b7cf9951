/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "onion/create.c"

#include "tests/lib/test.h"
#include "tests/lib/vectors.h"
#include "util/rng.h"

#define NEXT_READ                                                                      \
	CREATED_NEXT_LEN /* of the next hop's CREATED body; the rest is dropped unread \
			  */

static struct rng rng;
static const struct now now = {.wall_ns = 1750000000ull * NS_PER_S + 5};

/* A path as both sides know it, and what one exchange over it leaves behind. */
struct path {
	unsigned n;
	struct create_hop hops[HOPS_MAX];
	struct dh_keypair onion[HOPS_MAX];

	struct create_client cc;
	uint8_t create[HOPS_MAX + 1][CELL_BODY_LEN]; /* as it reaches each hop */
	struct route routes[HOPS_MAX];
	struct create_pending pending[HOPS_MAX];
	struct hop_secrets secrets[HOPS_MAX]; /* as the hops derived them */
};

static void path_init(struct path *p, unsigned n)
{
	p->n = n;
	for (unsigned i = 0; i < n; i++) {
		rng_fill(&rng, &p->hops[i], sizeof(p->hops[i]));
		p->hops[i].is_interactive = false; /* any byte is no bool */
		p->hops[i].shard = i % 2 == 0 ? SHARD_ANY : (uint8_t)(SHARD_WISH | i);
		dh_keypair_generate(&p->onion[i], &rng);
		memcpy(p->hops[i].onion_key, p->onion[i].public, DH_LEN);
	}
}

static int open_at(struct path *p, unsigned i, const uint8_t *body, uint8_t *next)
{
	return create_open(&p->pending[i], p->hops[i].id, &p->onion[i], p->hops[i].onion_key_id,
			   body, &p->routes[i], next);
}

/* The client builds; hops 0..upto-1 open. */
static void path_create(struct path *p, unsigned upto)
{
	CHECK_INT(create_build(&p->cc, p->hops, p->n, &now, 700, &rng, p->create[0]), 0);
	for (unsigned i = 0; i < upto; i++)
		CHECK_INT(open_at(p, i, p->create[i], p->create[i + 1]), 0);
}

static struct hop_answer answer_of(unsigned i, enum hop_status status)
{
	return (struct hop_answer){
	    .status = (uint8_t)status,
	    .time_s = 1000 + i,
	    .lifetime_s = (uint16_t)(600 + i),
	    .price_class = (uint16_t)(i + 1),
	    .queue_hint = (uint16_t)(9 * i),
	};
}

/* Hops from..to answer, from being the one furthest away; body goes in and out (in place). */
static void path_answer(struct path *p, unsigned from, unsigned to, bool has_next, uint8_t *body)
{
	for (unsigned i = from + 1; i-- > to;) {
		const struct hop_answer a = answer_of(i, HOP_OK);
		struct create_pending pending = p->pending[i];

		CHECK_INT(
		    create_answer(&pending, &a, has_next ? body : NULL, &rng, &p->secrets[i], body),
		    0);
		has_next = true;
	}
}

static bool secrets_equal(const struct hop_secrets *x, const struct hop_secrets *y)
{
	const struct hop_keys *a = &x->keys, *b = &y->keys;

	return memcmp(a->kf, b->kf, KEY_LEN) == 0 && memcmp(a->kb, b->kb, KEY_LEN) == 0 &&
	       memcmp(a->kfill, b->kfill, KEY_LEN) == 0 &&
	       memcmp(x->binding.exporter, y->binding.exporter, KEY_LEN) == 0 &&
	       memcmp(x->binding.h, y->binding.h, HASH_LEN) == 0 && a->delta == b->delta &&
	       a->epsilon == b->epsilon;
}

static bool answers_equal(const struct hop_answer *a, const struct hop_answer *b)
{
	return a->time_s == b->time_s && a->lifetime_s == b->lifetime_s &&
	       a->price_class == b->price_class && a->queue_hint == b->queue_hint &&
	       a->status == b->status;
}

/* The client refuses, and nothing of the result stays. */
static bool refuses(const struct path *p, const uint8_t *body)
{
	static const struct create_result wiped;
	struct create_result result;

	memset(&result, 0xa5, sizeof(result));
	return create_finish(&p->cc, body, &result) == -EBADMSG &&
	       memcmp(&result, &wiped, sizeof(result)) == 0;
}

/* The client accepts, and has the keys that the hops have. */
static bool agrees(const struct path *p, const uint8_t *body)
{
	struct create_result result;

	if (create_finish(&p->cc, body, &result) != 0 || result.answered != p->n)
		return false;
	for (unsigned i = 0; i < p->n; i++) {
		const struct hop_answer a = answer_of(i, HOP_OK);

		if (!secrets_equal(&result.hop[i], &p->secrets[i]) ||
		    !answers_equal(&result.answer[i], &a))
			return false;
	}
	return true;
}

/* Vectors of tests/ref/onion_ref.py, with the random bytes that it used. */

struct script {
	uint8_t bytes[CELL_BODY_LEN + HOPS_MAX * DH_LEN];
	size_t len, used;
};

static void script_fill(void *ctx, void *buf, size_t len)
{
	struct script *s = ctx;

	if (s->used + len > s->len)
		vector_die("script", "more random bytes asked for than the reference used");
	memcpy(buf, s->bytes + s->used, len);
	s->used += len;
}

static void script_add(struct script *s, json_t *v, size_t len)
{
	vector_hex(v, s->bytes + s->len, len);
	s->len += len;
}

static void load_hops(struct path *p, json_t *v)
{
	p->n = (unsigned)json_array_size(vector_get(v, "hops"));
	for (unsigned i = 0; i < p->n; i++) {
		json_t *h = vector_at(vector_get(v, "hops"), i);
		uint8_t secret[DH_LEN];

		vector_bytes(h, "id", p->hops[i].id, NODE_ID_LEN);
		vector_bytes(h, "onion_public", p->hops[i].onion_key, DH_LEN);
		vector_bytes(h, "onion_secret", secret, DH_LEN);
		vector_bytes(h, "ip", p->hops[i].addr.ip, 16);
		p->hops[i].addr.port = (uint16_t)vector_int(h, "port");
		p->hops[i].onion_key_id = (uint32_t)vector_int(h, "key_id");
		p->hops[i].shard = (uint8_t)vector_int(h, "shard");
		dh_keypair_from_secret(&p->onion[i], secret);
	}
}

static void load_answer(json_t *v, struct hop_answer *a)
{
	a->status = (uint8_t)vector_int(v, "status");
	a->time_s = (uint32_t)vector_int(v, "time_s");
	a->lifetime_s = (uint16_t)vector_int(v, "lifetime_s");
	a->price_class = (uint16_t)vector_int(v, "price_class");
	a->queue_hint = (uint16_t)vector_int(v, "queue_hint");
}

static void load_secrets(json_t *v, struct hop_secrets *s)
{
	struct hop_keys *k = &s->keys;

	vector_bytes(v, "kf", k->kf, KEY_LEN);
	vector_bytes(v, "kb", k->kb, KEY_LEN);
	vector_bytes(v, "kfill", k->kfill, KEY_LEN);
	vector_bytes(v, "exp", s->binding.exporter, KEY_LEN);
	vector_bytes(v, "h", s->binding.h, HASH_LEN);
	k->delta = vector_int(v, "delta");
	k->epsilon = vector_int(v, "epsilon");
}

static void build_vector(struct path *p, json_t *v)
{
	const struct now then = {.wall_ns = vector_int(v, "time_s") * NS_PER_S + 1};
	struct script s = {0};
	const struct rng scripted = {.fill = script_fill, .ctx = &s};

	script_add(&s, vector_get(v, "free"), CREATE_FREE_LEN(p->n));
	for (unsigned i = 0; i < p->n; i++)
		script_add(&s, vector_at(vector_get(v, "client_secrets"), i), DH_LEN);
	CHECK_INT(create_build(&p->cc, p->hops, p->n, &then, (uint16_t)vector_int(v, "lifetime_s"),
			       &scripted, p->create[0]),
		  0);
	CHECK_INT(s.used, s.len);
}

static void check_vector(json_t *v)
{
	static struct path p;
	static uint8_t want[CELL_BODY_LEN], body[CELL_BODY_LEN], last_text[CELL_BODY_LEN];
	const unsigned answered = (unsigned)json_array_size(vector_get(v, "answers"));
	struct create_result result;

	load_hops(&p, v);
	build_vector(&p, v);
	for (unsigned i = 0; i < answered; i++) {
		vector_hex(vector_at(vector_get(v, "create"), i), want, CELL_BODY_LEN);
		CHECK_MEM(p.create[i], want, CELL_BODY_LEN);
		CHECK_INT(open_at(&p, i, p.create[i], p.create[i + 1]), 0);
	}
	if (answered == p.n) {
		vector_bytes(v, "free", last_text, CREATE_FREE_LEN(p.n));
		CHECK_MEM(p.create[p.n], last_text, CREATE_FREE_LEN(p.n));
	}
	for (unsigned i = answered; i-- > 0;) {
		struct script s = {0};
		const struct rng scripted = {.fill = script_fill, .ctx = &s};
		struct hop_answer a;

		script_add(&s, vector_at(vector_get(v, "hop_secrets"), i), DH_LEN);
		load_answer(vector_at(vector_get(v, "answers"), i), &a);
		CHECK_INT(create_answer(&p.pending[i], &a, i + 1 < answered ? body : NULL,
					&scripted, &p.secrets[i], body),
			  0);
		vector_hex(vector_at(vector_get(v, "created"), i), want, CELL_BODY_LEN);
		CHECK_MEM(body, want, CELL_BODY_LEN);
	}
	NEED(create_finish(&p.cc, body, &result) == 0);
	CHECK_INT(result.answered, answered);
	for (unsigned i = 0; i < answered; i++) {
		struct hop_answer a;
		struct hop_secrets k;

		load_answer(vector_at(vector_get(v, "answers"), i), &a);
		load_secrets(vector_at(vector_get(v, "keys"), i), &k);
		CHECK(answers_equal(&result.answer[i], &a));
		CHECK(secrets_equal(&result.hop[i], &k));
		CHECK(secrets_equal(&p.secrets[i], &k));
	}
}

static void test_vectors(void)
{
	json_t *root = vector_load("create.json"), *v;
	size_t i;

	json_array_foreach(root, i, v) check_vector(v);
	CHECK_INT(i, 8);
	json_decref(root);
}

static void test_round_trip(void)
{
	static struct path p;
	uint8_t body[CELL_BODY_LEN];

	for (unsigned n = 1; n <= HOPS_MAX; n++) {
		path_init(&p, n);
		path_create(&p, n);
		for (unsigned i = 0; i < n; i++) {
			const struct route *r = &p.routes[i];
			const struct create_hop *next = &p.hops[i + 1];

			CHECK_INT(r->time_s, 1750000000);
			CHECK_INT(r->lifetime_s, 700);
			CHECK_INT(r->padding_cells_per_s, 0);
			CHECK_INT(r->flags, i + 1 == n ? ROUTE_LAST : 0);
			if (i + 1 == n)
				continue;
			CHECK_INT(r->next_onion_key_id, next->onion_key_id);
			CHECK_INT(r->next_shard, next->shard);
			CHECK_MEM(r->next_id, next->id, NODE_ID_LEN);
			CHECK(endpoint_equal(&r->next, &next->addr));
		}
		path_answer(&p, n - 1, 0, false, body);
		CHECK(agrees(&p, body));
	}
}

static void test_open_in_place(void)
{
	static struct path p;
	uint8_t body[CELL_BODY_LEN];

	path_init(&p, 4);
	path_create(&p, 4);
	memcpy(body, p.create[0], CELL_BODY_LEN);
	for (unsigned i = 0; i < 4; i++) {
		CHECK_INT(open_at(&p, i, body, body), 0);
		CHECK_MEM(body, p.create[i + 1], CELL_BODY_LEN);
	}
	path_answer(&p, 3, 0, false, body);
	CHECK(agrees(&p, body));
}

static void test_free_len(void)
{
	static const int lens[] = {1204, 1028, 852, 676, 500};

	for (int n = 1; n <= HOPS_MAX; n++)
		CHECK_INT(CREATE_FREE_LEN(n), lens[n - 1]);
}

/* A hop refuses the body, and leaves everything but its own wiped state alone. */
static bool is_refused(const uint8_t *id, const struct dh_keypair *key, uint32_t key_id,
		       const uint8_t *body, int err)
{
	static const struct create_pending wiped;
	struct create_pending pending;
	uint8_t next[CELL_BODY_LEN], untouched[CELL_BODY_LEN];
	struct route r, r_untouched;

	memset(next, 0xa5, sizeof(next));
	memset(untouched, 0xa5, sizeof(untouched));
	memset(&r, 0xa5, sizeof(r));
	memset(&r_untouched, 0xa5, sizeof(r));
	return create_open(&pending, id, key, key_id, body, &r, next) == err &&
	       memcmp(next, untouched, sizeof(next)) == 0 &&
	       memcmp(&r, &r_untouched, sizeof(r)) == 0 &&
	       memcmp(&pending, &wiped, sizeof(wiped)) == 0;
}

/* Each byte, on the way to each hop: that hop refuses. */
static void test_create_flips(void)
{
	static struct path p;
	const unsigned n = 3;

	path_init(&p, n);
	path_create(&p, n);
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < CELL_BODY_LEN; k++) {
			/* X25519 ignores the top bit of X, the transcript does not */
			const uint8_t delta = (uint8_t)(k == DH_LEN - 1 ? 0x80 : 1 << k % 8);

			p.create[i][k] ^= delta;
			CHECK(is_refused(p.hops[i].id, &p.onion[i], p.hops[i].onion_key_id,
					 p.create[i], -EBADMSG));
			p.create[i][k] ^= delta;
		}
	for (unsigned i = 0; i < n; i++)
		CHECK_INT(open_at(&p, i, p.create[i], p.create[i + 1]), 0);
}

static void test_create_for_another(void)
{
	static struct path p;
	struct dh_keypair key;
	uint8_t id[NODE_ID_LEN];
	uint32_t key_id;

	path_init(&p, 2);
	path_create(&p, 2);
	memcpy(id, p.hops[0].id, NODE_ID_LEN);
	key = p.onion[0];
	key_id = p.hops[0].onion_key_id;
	CHECK(is_refused(id, &p.onion[1], key_id, p.create[0], -EBADMSG));
	CHECK(is_refused(p.hops[1].id, &key, key_id, p.create[0], -EBADMSG));
	CHECK(is_refused(id, &key, key_id ^ 1, p.create[0], -EBADMSG));
	CHECK(is_refused(id, &key, key_id ^ 1u << 31, p.create[0], -EBADMSG));
	CHECK(is_refused(id, &key, key_id, p.create[1], -EBADMSG));
	id[NODE_ID_LEN - 1] ^= 0x80;
	CHECK(is_refused(id, &key, key_id, p.create[0], -EBADMSG));
	memset(p.create[0], 0, DH_LEN); /* the point of order 2 */
	CHECK(is_refused(p.hops[0].id, &key, key_id, p.create[0], -EBADMSG));
}

static void test_degenerate_key(void)
{
	static const struct create_client wiped;
	static struct path p;
	uint8_t body[CELL_BODY_LEN], untouched[CELL_BODY_LEN];

	path_init(&p, 3);
	memset(body, 0xa5, sizeof(body));
	memcpy(untouched, body, sizeof(body));
	memset(p.hops[2].onion_key, 0, DH_LEN);
	CHECK_INT(create_build(&p.cc, p.hops, 3, &now, 600, &rng, body), -EINVAL);
	CHECK_MEM(body, untouched, sizeof(body));
	CHECK_MEM(&p.cc, &wiped, sizeof(wiped));
}

/* A genuine CREATE for a hop with the text given. */
static void seal_text(const struct create_hop *hop, const uint8_t text[TEXT_LEN], uint8_t *body)
{
	struct dh_keypair e;
	struct noise_sym s;

	dh_keypair_generate(&e, &rng);
	start(&s, hop->id, hop->onion_key, hop->onion_key_id, e.public);
	CHECK_INT(mix_dh(&s, e.secret, hop->onion_key), 0);
	memcpy(body, e.public, DH_LEN);
	noise_seal_detached(&s, text, TEXT_LEN, body + BODY_TEXT_OFF, body + BODY_TAG_OFF);
}

static bool routes_equal(const struct route *a, const struct route *b)
{
	return a->time_s == b->time_s && a->lifetime_s == b->lifetime_s &&
	       a->padding_cells_per_s == b->padding_cells_per_s && a->flags == b->flags &&
	       a->next_onion_key_id == b->next_onion_key_id &&
	       memcmp(a->next_id, b->next_id, NODE_ID_LEN) == 0 &&
	       endpoint_equal(&a->next, &b->next) && a->next_shard == b->next_shard;
}

static void test_malformed_routes(void)
{
	static const uint8_t bad[][2] = {
	    {0, 0},      {0, 2},    {1, 0},  {1, 2},      {2, 1 << 1}, {2, 1 << 3},
	    {2, 1 << 7}, {2, 0xff}, {3, 1},  {66, 1},     {66, 7},     {66, 16},
	    {66, 0x88},  {67, 1},   {68, 1}, {127, 0x80}, {100, 1},
	};
	static struct path p;
	uint8_t text[TEXT_LEN], body[CELL_BODY_LEN];
	struct route r = {.time_s = 1,
			  .next_onion_key_id = 2,
			  .lifetime_s = 3,
			  .padding_cells_per_s = 4,
			  .flags = ROUTE_INTERACTIVE,
			  .next.port = 5,
			  .next_shard = SHARD_WISH | 6};

	path_init(&p, 1);
	rng_fill(&rng, text, sizeof(text));
	rng_fill(&rng, r.next_id, NODE_ID_LEN);
	rng_fill(&rng, r.next.ip, sizeof(r.next.ip));
	route_put(text, &r);
	seal_text(&p.hops[0], text, body);
	CHECK_INT(open_at(&p, 0, body, p.create[1]), 0);
	CHECK(routes_equal(&p.routes[0], &r));
	for (size_t k = 0; k < ARRAY_LEN(bad); k++) {
		const uint8_t good = text[bad[k][0]];

		text[bad[k][0]] = bad[k][1];
		seal_text(&p.hops[0], text, body);
		CHECK(is_refused(p.hops[0].id, &p.onion[0], p.hops[0].onion_key_id, body, -EPROTO));
		text[bad[k][0]] = good;
	}
	text[2] = ROUTE_LAST; /* and yet there is a next hop */
	for (unsigned k = 12; k < 67; k++) {
		memset(text + 12, 0, 67 - 12);
		text[k] = 1;
		seal_text(&p.hops[0], text, body);
		CHECK(is_refused(p.hops[0].id, &p.onion[0], p.hops[0].onion_key_id, body, -EPROTO));
	}
	text[66] = 0;
	seal_text(&p.hops[0], text, body);
	CHECK_INT(open_at(&p, 0, body, p.create[1]), 0);
}

/*
 * Each byte, on the way from each hop back.  The bytes that the receiving hop does not read do no
 * harm; any other change reaches the client and is refused there.
 */
static void test_created_flips(void)
{
	static struct path p;
	const unsigned n = 3;

	path_init(&p, n);
	path_create(&p, n);
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < CELL_BODY_LEN; k++) {
			uint8_t body[CELL_BODY_LEN];

			path_answer(&p, n - 1, i, false, body);
			body[k] ^= (uint8_t)(1 + rng_below(&rng, 255));
			if (i > 0)
				path_answer(&p, i - 1, 0, true, body);
			CHECK(i > 0 && k >= NEXT_READ ? agrees(&p, body) : refuses(&p, body));
		}
}

/* Hops that do their own part well, but not in the circuit's order. */
static void test_created_skip_and_swap(void)
{
	static struct path p;
	uint8_t body[CELL_BODY_LEN], other[CELL_BODY_LEN];

	path_init(&p, 3);
	path_create(&p, 3);
	path_answer(&p, 2, 2, false, body);
	path_answer(&p, 0, 0, true, body);
	CHECK(refuses(&p, body)); /* hop 2 left out */
	path_answer(&p, 1, 0, false, body);
	CHECK(refuses(&p, body)); /* hop 3 left out, hop 2 says all is well */
	path_answer(&p, 1, 1, false, body);
	path_answer(&p, 2, 2, true, body);
	path_answer(&p, 0, 0, true, body);
	CHECK(refuses(&p, body)); /* swapped */
	memset(body, 0x42, sizeof(body));
	path_answer(&p, 2, 0, true, body);
	CHECK(refuses(&p, body)); /* the last hop hides something behind its answer */

	path_answer(&p, 2, 0, false, other);
	path_create(&p, 3);
	path_answer(&p, 2, 0, false, body);
	CHECK(refuses(&p, other)); /* of an earlier CREATE on the same path */
	CHECK(agrees(&p, body));
}

static void test_failures_name_the_hop(void)
{
	static struct path p;
	uint8_t body[CELL_BODY_LEN];
	struct create_result result;

	for (unsigned n = 1; n <= HOPS_MAX; n++)
		for (unsigned f = 0; f < n; f++)
			for (unsigned s = HOP_OK + 1; s < HOP_STATUS_COUNT; s++) {
				struct hop_answer a = answer_of(f, (enum hop_status)s);

				path_init(&p, n);
				path_create(&p, f + 1);
				CHECK_INT(create_answer(&p.pending[f], &a, NULL, &rng,
							&p.secrets[f], body),
					  0);
				if (f > 0)
					path_answer(&p, f - 1, 0, true, body);
				NEED(create_finish(&p.cc, body, &result) == 0);
				CHECK_INT(result.answered, f + 1);
				CHECK(answers_equal(&result.answer[f], &a));
				for (unsigned i = 0; i < f; i++)
					CHECK_INT(result.answer[i].status, HOP_OK);
			}
}

/* The failing hop must not use the rest of its answer. */
static void test_failure_with_cargo(void)
{
	static struct path p;
	const struct hop_answer a = answer_of(1, HOP_BUSY);
	uint8_t body[CELL_BODY_LEN] = {[77] = 1};

	path_init(&p, 2);
	path_create(&p, 2);
	CHECK_INT(create_answer(&p.pending[1], &a, body, &rng, &p.secrets[1], body), 0);
	path_answer(&p, 0, 0, true, body);
	CHECK(refuses(&p, body));
}

static void test_malformed_answers(void)
{
	static const uint8_t bad[][2] = {
	    {0, HOP_STATUS_COUNT}, {0, 255}, {1, 0}, {1, 2}, {12, 1}, {13, 1}, {14, 1}, {15, 0x80}};
	static struct path p;

	path_init(&p, 1);
	for (size_t k = 0; k < ARRAY_LEN(bad) + 1; k++) {
		const struct hop_answer a = answer_of(0, HOP_OK);
		uint8_t status[CREATED_STATUS_LEN], body[CELL_BODY_LEN];
		struct noise_sym s;
		struct dh_keypair e;

		path_create(&p, 1);
		s = p.pending[0].sym;
		dh_keypair_generate(&e, &rng);
		noise_mix_hash(&s, e.public, DH_LEN);
		CHECK_INT(mix_dh(&s, e.secret, p.pending[0].x), 0);
		answer_put(status, &a);
		if (k < ARRAY_LEN(bad))
			status[bad[k][0]] = bad[k][1];
		seal_created(&s, e.public, status, NULL, body);
		derive_secrets(&s, &p.secrets[0]);
		CHECK(k < ARRAY_LEN(bad) ? refuses(&p, body) : agrees(&p, body));
	}
}

static void test_keys_differ(void)
{
	static struct path p;
	uint8_t body[CELL_BODY_LEN];
	const struct hop_keys *k = &p.secrets[0].keys;

	path_init(&p, 2);
	path_create(&p, 2);
	path_answer(&p, 1, 0, false, body);
	CHECK(agrees(&p, body));
	CHECK(memcmp(k->kf, k->kb, KEY_LEN) != 0);
	CHECK(memcmp(k->kf, k->kfill, KEY_LEN) != 0);
	CHECK(memcmp(k->kf, p.secrets[0].binding.exporter, KEY_LEN) != 0);
	CHECK(memcmp(k->kf, p.secrets[1].keys.kf, KEY_LEN) != 0);
	CHECK(k->delta != k->epsilon);
	CHECK(k->delta >> SEQ_START_BITS == 0 && k->epsilon >> SEQ_START_BITS == 0);
}

static void test_wipes(void)
{
	static const struct create_client no_client;
	static const struct create_pending no_pending;
	static struct path p;
	struct hop_answer a = answer_of(0, HOP_OK);
	uint8_t body[CELL_BODY_LEN];

	path_init(&p, 2);
	path_create(&p, 2);
	CHECK_INT(create_answer(&p.pending[0], &a, NULL, &rng, &p.secrets[0], body), 0);
	CHECK_MEM(&p.pending[0], &no_pending, sizeof(no_pending));
	create_pending_wipe(&p.pending[1]);
	CHECK_MEM(&p.pending[1], &no_pending, sizeof(no_pending));
	create_wipe(&p.cc);
	CHECK_MEM(&p.cc, &no_client, sizeof(no_client));
}

static void test_status_names(void)
{
	for (unsigned s = 0; s < HOP_STATUS_COUNT; s++) {
		NEED(hop_status_name((enum hop_status)s) != NULL);
		for (unsigned t = 0; t < s; t++)
			CHECK(strcmp(hop_status_name((enum hop_status)s),
				     hop_status_name((enum hop_status)t)) != 0);
	}
}

int main(void)
{
	rng = rng_seeded(10);
	RUN(test_vectors);
	RUN(test_round_trip);
	RUN(test_open_in_place);
	RUN(test_free_len);
	RUN(test_create_flips);
	RUN(test_create_for_another);
	RUN(test_degenerate_key);
	RUN(test_malformed_routes);
	RUN(test_created_flips);
	RUN(test_created_skip_and_swap);
	RUN(test_failures_name_the_hop);
	RUN(test_failure_with_cargo);
	RUN(test_malformed_answers);
	RUN(test_keys_differ);
	RUN(test_wipes);
	RUN(test_status_names);
	rng_seeded_free(&rng);
	return test_done();
}
