/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * CREATE and CREATED: per hop one Noise NK handshake whose payloads nest.
 *
 * Both messages are a key, a tag and a text of the body's remaining length.  The body for hop i + 1
 * begins behind what hop i consumes, so the client makes and peels all of them in place in one
 * buffer (as in onion/onion.c, where the reasons for the tails are).
 */
#include "onion/create.h"

#include <assert.h>
#include <errno.h>

#include "crypto/chacha.h"
#include "util/cursor.h"

enum {
	BODY_TAG_OFF = DH_LEN,
	BODY_TEXT_OFF = DH_LEN + TAG_LEN,
	TEXT_LEN = CELL_BODY_LEN - BODY_TEXT_OFF,
	REST_LEN = TEXT_LEN - CREATE_ROUTE_LEN,
	CREATED_HOP_LEN = BODY_TEXT_OFF + CREATED_STATUS_LEN, /* what one hop puts in front */
	CREATED_NEXT_LEN = CELL_BODY_LEN - CREATED_HOP_LEN,
	TEXT_STREAM_OFF = CHACHA_BLOCK_LEN, /* texts are encrypted from block 1 */
	STREAM_BLOCKS_MAX = 1 + TEXT_LEN / CHACHA_BLOCK_LEN,
};

_Static_assert(CREATE_HOP_LEN == BODY_TEXT_OFF + CREATE_ROUTE_LEN, "what one hop consumes");
_Static_assert(CREATE_FREE_LEN(HOPS_MAX) >= 500, "room for a later key exchange");

static const char *const status_names[] = {
    [HOP_OK] = "ok",           [HOP_NO_NEXT] = "next hop unreachable",
    [HOP_BUSY] = "busy",       [HOP_REFUSED] = "refused",
    [HOP_TIME] = "clock skew", [HOP_KEY] = "onion key unknown",
};
_Static_assert(ARRAY_LEN(status_names) == HOP_STATUS_COUNT, "a name for each status");

const char *hop_status_name(enum hop_status s)
{
	return status_names[s];
}

static bool is_zero(const uint8_t *p, size_t len)
{
	uint8_t any = 0;

	while (len-- > 0)
		any |= *p++;
	return any == 0;
}

/* The wire form of what client and hop tell each other. */

static void route_put(uint8_t *p, const struct route *r)
{
	struct writer w = wr_init(p, CREATE_ROUTE_LEN);

	wr_u8(&w, PROTOCOL_VERSION);
	wr_u8(&w, SUITE_CLASSICAL);
	wr_u8(&w, r->flags);
	wr_u8(&w, 0);
	wr_u32(&w, r->time_s);
	wr_u16(&w, r->lifetime_s);
	wr_u16(&w, r->padding_cells_per_s);
	wr_u32(&w, r->next_onion_key_id);
	wr_copy(&w, r->next_id, NODE_ID_LEN);
	wr_copy(&w, r->next.ip, sizeof(r->next.ip));
	wr_u16(&w, r->next.port);
	wr_u8(&w, r->next_shard);
	wr_zero(&w, w.left);
}

static bool route_get(struct route *r, const uint8_t *p)
{
	struct reader in = rd_init(p, CREATE_ROUTE_LEN);
	const uint8_t version = rd_u8(&in), suite = rd_u8(&in);
	const uint8_t *next = p + 12, *reserved = p + 67;

	r->flags = rd_u8(&in);
	if (version != PROTOCOL_VERSION || suite != SUITE_CLASSICAL || rd_u8(&in) != 0 ||
	    (r->flags & ~(ROUTE_LAST | ROUTE_INTERACTIVE)) != 0)
		return false;
	r->time_s = rd_u32(&in);
	r->lifetime_s = rd_u16(&in);
	r->padding_cells_per_s = rd_u16(&in);
	r->next_onion_key_id = rd_u32(&in);
	rd_copy(&in, r->next_id, NODE_ID_LEN);
	rd_copy(&in, r->next.ip, sizeof(r->next.ip));
	r->next.port = rd_u16(&in);
	r->next_shard = rd_u8(&in);
	return shard_wish_is_valid(r->next_shard) && is_zero(reserved, in.left) &&
	       ((r->flags & ROUTE_LAST) == 0 || is_zero(next, (size_t)(reserved - next)));
}

static void answer_put(uint8_t *p, const struct hop_answer *a)
{
	struct writer w = wr_init(p, CREATED_STATUS_LEN);

	wr_u8(&w, a->status);
	wr_u8(&w, SUITE_CLASSICAL);
	wr_u16(&w, a->lifetime_s);
	wr_u32(&w, a->time_s);
	wr_u16(&w, a->price_class);
	wr_u16(&w, a->queue_hint);
	wr_zero(&w, w.left);
}

static bool answer_get(struct hop_answer *a, const uint8_t *p)
{
	struct reader in = rd_init(p, CREATED_STATUS_LEN);
	uint8_t suite;

	a->status = rd_u8(&in);
	suite = rd_u8(&in);
	a->lifetime_s = rd_u16(&in);
	a->time_s = rd_u32(&in);
	a->price_class = rd_u16(&in);
	a->queue_hint = rd_u16(&in);
	return a->status < HOP_STATUS_COUNT && suite == SUITE_CLASSICAL && is_zero(in.p, in.left);
}

/* The handshake's pieces. */

/* The transcript up to and with X; the DH comes next. */
static void start(struct noise_sym *s, const uint8_t *id, const uint8_t *onion_key, uint32_t key_id,
		  const uint8_t *x)
{
	static const char label[] = "macromesh/1 circuit";
	uint8_t prologue[sizeof(label) - 1 + NODE_ID_LEN + 4 + 1];
	struct writer w = wr_init(prologue, sizeof(prologue));

	wr_copy(&w, label, sizeof(label) - 1);
	wr_copy(&w, id, NODE_ID_LEN);
	wr_u32(&w, key_id);
	wr_u8(&w, SUITE_CLASSICAL);
	noise_sym_init(s, "Noise_NK_25519_ChaChaPoly_SHA256");
	noise_mix_hash(s, prologue, sizeof(prologue));
	noise_mix_hash(s, onion_key, DH_LEN);
	noise_mix_hash(s, x, DH_LEN);
}

static int mix_dh(struct noise_sym *s, const uint8_t *secret, const uint8_t *public)
{
	uint8_t shared[DH_LEN];
	int err = dh(shared, secret, public);

	if (err == 0)
		noise_mix_key(s, shared, DH_LEN);
	secret_wipe(shared, sizeof(shared));
	return err;
}

/* dst ^= bytes off.. of ChaCha20(key, nonce 0) from block 0 on. */
static void xor_stream(uint8_t *dst, size_t len, const uint8_t *key, size_t off)
{
	uint8_t stream[STREAM_BLOCKS_MAX][CHACHA_BLOCK_LEN];
	struct chacha_job jobs[STREAM_BLOCKS_MAX];
	const size_t first = off / CHACHA_BLOCK_LEN;
	const size_t count = (off + len + CHACHA_BLOCK_LEN - 1) / CHACHA_BLOCK_LEN - first;
	const uint8_t *ks = stream[0] + off % CHACHA_BLOCK_LEN;

	assert(count <= STREAM_BLOCKS_MAX);
	for (size_t k = 0; k < count; k++)
		jobs[k] = (struct chacha_job){.key = key, .block = (uint32_t)(first + k)};
	chacha_blocks(jobs, count, stream);
	for (size_t k = 0; k < len; k++)
		dst[k] ^= ks[k];
	secret_wipe(stream, sizeof(stream));
}

/* What the hop appends to the rest of its text to make the next hop's body; s: after es. */
static void put_filler(uint8_t *dst, const struct noise_sym *s)
{
	uint8_t key[KEY_LEN];

	hkdf_expand(key, sizeof(key), s->ck, "macromesh/1 create-fill", NULL, 0);
	memset(dst, 0, CREATE_HOP_LEN);
	xor_stream(dst, CREATE_HOP_LEN, key, 0);
	secret_wipe(key, sizeof(key));
}

/* A CREATED body.  next may be body, or NULL for none; s is left as after message 2. */
static void seal_created(struct noise_sym *s, const uint8_t *y, const uint8_t *status,
			 const uint8_t *next, uint8_t *body)
{
	uint8_t *text = body + BODY_TEXT_OFF;

	if (next != NULL)
		memmove(text + CREATED_STATUS_LEN, next, CREATED_NEXT_LEN);
	else
		memset(text + CREATED_STATUS_LEN, 0, CREATED_NEXT_LEN);
	memcpy(text, status, CREATED_STATUS_LEN);
	memcpy(body, y, DH_LEN);
	noise_seal_detached(s, text, TEXT_LEN, text, body + BODY_TAG_OFF);
}

/* s: after message 2. */
static void derive_secrets(const struct noise_sym *s, struct hop_secrets *out)
{
	struct hop_keys *k = &out->keys;
	static const uint8_t no_secret[32]; /* a post-quantum secret may come here */
	const uint64_t mask = (1ull << SEQ_START_BITS) - 1;
	uint8_t prk[HASH_LEN], offsets[16];

	hkdf_extract(prk, s->ck, HASH_LEN, no_secret, sizeof(no_secret));
	hkdf_expand(k->kf, KEY_LEN, prk, "macromesh/1 kf", s->h, HASH_LEN);
	hkdf_expand(k->kb, KEY_LEN, prk, "macromesh/1 kb", s->h, HASH_LEN);
	hkdf_expand(k->kfill, KEY_LEN, prk, "macromesh/1 kfill", s->h, HASH_LEN);
	hkdf_expand(out->binding.exporter, KEY_LEN, prk, "macromesh/1 exp", s->h, HASH_LEN);
	hkdf_expand(offsets, sizeof(offsets), prk, "macromesh/1 off", s->h, HASH_LEN);
	memcpy(out->binding.h, s->h, HASH_LEN);
	k->delta = get_le64(offsets) & mask;
	k->epsilon = get_le64(offsets + 8) & mask;
	secret_wipe(prk, sizeof(prk));
	secret_wipe(offsets, sizeof(offsets));
}

/* The client. */

static void seal_create(struct create_client *cc, const struct create_hop *hops, unsigned i,
			const struct now *now, uint16_t lifetime_s, uint8_t *body)
{
	const struct create_hop *next = i + 1 < cc->n ? &hops[i + 1] : NULL;
	uint8_t *text = body + BODY_TEXT_OFF;
	struct route r = {
	    .time_s = (uint32_t)(now->wall_ns / NS_PER_S),
	    .lifetime_s = lifetime_s,
	    .flags = (uint8_t)((next == NULL ? ROUTE_LAST : 0) |
			       (hops[i].is_interactive ? ROUTE_INTERACTIVE : 0)),
	};

	if (next != NULL) {
		r.next_onion_key_id = next->onion_key_id;
		r.next = next->addr;
		r.next_shard = next->shard;
		memcpy(r.next_id, next->id, NODE_ID_LEN);
	}
	route_put(text, &r);
	memcpy(body, cc->hop[i].e.public, DH_LEN);
	noise_seal_detached(&cc->hop[i].sym, text, TEXT_LEN, text, body + BODY_TAG_OFF);
}

int create_build(struct create_client *cc, const struct create_hop *hops, unsigned n,
		 const struct now *now, uint16_t lifetime_s, const struct rng *rng,
		 uint8_t body[static CELL_BODY_LEN])
{
	uint8_t work[CELL_BODY_LEN + CREATE_HOP_LEN * (HOPS_MAX - 1)];
	uint8_t *const behind = work + CELL_BODY_LEN;

	assert(n >= 1 && n <= HOPS_MAX);
	cc->n = n;
	/* Noise, so that the last hop does not see where the tail begins, which would tell n. */
	rng_fill(rng, work + CREATE_HOP_LEN * n, CREATE_FREE_LEN(n));
	for (unsigned i = 0; i < n; i++) {
		const unsigned before = CREATE_HOP_LEN * i;
		struct dh_keypair *e = &cc->hop[i].e;
		struct noise_sym *s = &cc->hop[i].sym;

		dh_keypair_generate(e, rng);
		start(s, hops[i].id, hops[i].onion_key, hops[i].onion_key_id, e->public);
		if (mix_dh(s, e->secret, hops[i].onion_key) != 0) {
			create_wipe(cc);
			return -EINVAL;
		}
		xor_stream(behind, before, s->k, TEXT_STREAM_OFF + TEXT_LEN - before);
		if (i + 1 < n)
			put_filler(behind + before, s);
	}
	for (unsigned i = n; i-- > 0;)
		seal_create(cc, hops, i, now, lifetime_s, work + CREATE_HOP_LEN * i);
	memcpy(body, work, CELL_BODY_LEN);
	return 0;
}

/* Peels from hop 1 to the hop that answered last; sym[i] is left as before that hop's payload. */
static int peel_created(const struct create_client *cc, uint8_t *work, struct noise_sym *sym,
			unsigned *answered)
{
	unsigned i = 0;
	uint8_t status;

	do {
		uint8_t *y = work + CREATED_HOP_LEN * i, *text = y + BODY_TEXT_OFF;

		sym[i] = cc->hop[i].sym;
		noise_mix_hash(&sym[i], y, DH_LEN);
		if (mix_dh(&sym[i], cc->hop[i].e.secret, y) != 0)
			return -EBADMSG;
		xor_stream(text, TEXT_LEN - CREATED_HOP_LEN * i, sym[i].k, TEXT_STREAM_OFF);
		status = text[0];
		i++;
	} while (status == HOP_OK && i < cc->n);
	*answered = i;
	return 0;
}

int create_finish(const struct create_client *cc, const uint8_t body[static CELL_BODY_LEN],
		  struct create_result *out)
{
	uint8_t work[CELL_BODY_LEN], again[CELL_BODY_LEN];
	struct noise_sym sym[HOPS_MAX];
	bool genuine, well_formed = true;
	int err;

	assert(cc->n >= 1 && cc->n <= HOPS_MAX);
	memcpy(work, body, CELL_BODY_LEN);
	err = peel_created(cc, work, sym, &out->answered);
	if (err != 0)
		goto wipe;
	for (unsigned i = out->answered; i-- > 0;) {
		const uint8_t *y = work + CREATED_HOP_LEN * i, *status = y + BODY_TEXT_OFF;

		seal_created(&sym[i], y, status, i + 1 < out->answered ? again : NULL, again);
		derive_secrets(&sym[i], &out->hop[i]);
		well_formed &= answer_get(&out->answer[i], status);
	}
	genuine = secret_equal(again, body, CELL_BODY_LEN);
	err = genuine && well_formed ? 0 : -EBADMSG;
wipe:
	if (err != 0)
		secret_wipe(out, sizeof(*out));
	secret_wipe(sym, sizeof(sym));
	secret_wipe(work, sizeof(work));
	return err;
}

void create_wipe(struct create_client *cc)
{
	secret_wipe(cc, sizeof(*cc));
}

/* A hop. */

int create_open(struct create_pending *p, const uint8_t id[static NODE_ID_LEN],
		const struct dh_keypair *key, uint32_t key_id,
		const uint8_t body[static CELL_BODY_LEN], struct route *route,
		uint8_t next_body[static CELL_BODY_LEN])
{
	uint8_t text[TEXT_LEN];
	struct noise_sym after_es;
	struct route r;
	int err = -EBADMSG;

	memcpy(p->x, body, DH_LEN);
	start(&p->sym, id, key->public, key_id, p->x);
	if (mix_dh(&p->sym, key->secret, p->x) != 0)
		goto wipe;
	after_es = p->sym;
	if (noise_open_detached(&p->sym, body + BODY_TEXT_OFF, TEXT_LEN, body + BODY_TAG_OFF,
				text) != 0)
		goto wipe;
	err = route_get(&r, text) ? 0 : -EPROTO;
	if (err != 0)
		goto wipe;
	*route = r;
	memcpy(next_body, text + CREATE_ROUTE_LEN, REST_LEN);
	put_filler(next_body + REST_LEN, &after_es);
wipe:
	if (err != 0)
		create_pending_wipe(p);
	secret_wipe(&after_es, sizeof(after_es));
	secret_wipe(text, sizeof(text));
	return err;
}

int create_answer(struct create_pending *p, const struct hop_answer *answer,
		  const uint8_t *next_body, const struct rng *rng, struct hop_secrets *secrets,
		  uint8_t body[static CELL_BODY_LEN])
{
	uint8_t status[CREATED_STATUS_LEN];
	struct dh_keypair e;
	int err;

	dh_keypair_generate(&e, rng);
	noise_mix_hash(&p->sym, e.public, DH_LEN);
	err = mix_dh(&p->sym, e.secret, p->x);
	if (err != 0)
		goto wipe;
	answer_put(status, answer);
	seal_created(&p->sym, e.public, status, next_body, body);
	derive_secrets(&p->sym, secrets);
wipe:
	secret_wipe(&e, sizeof(e));
	create_pending_wipe(p);
	return err;
}

void create_pending_wipe(struct create_pending *p)
{
	secret_wipe(p, sizeof(*p));
}
