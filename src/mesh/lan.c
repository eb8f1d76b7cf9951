/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/lan.h"

#include <sodium.h>

#include "util/cursor.h"

enum {
	NONCE_LEN = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
	SEAL_LEN = crypto_aead_xchacha20poly1305_ietf_ABYTES,
	TEXT_LEN = LAN_LEN - NONCE_LEN - SEAL_LEN,
	QUESTION_LEN = 8,
	ANSWERS_PER_S = 10,
};

_Static_assert(TEXT_LEN == 4 + QUESTION_LEN + NODE_ID_LEN + DH_LEN + 20, "layout");

#define GAP_FIRST_NS NS_PER_S
#define GAP_MAX_NS   (60 * NS_PER_S)

static const char label[] = "macromesh/1 lan";

enum kind {
	KIND_QUESTION = 1,
	KIND_ANSWER = 2,
};

struct message {
	uint8_t kind;
	uint8_t question[QUESTION_LEN];
	struct seed node; /* of addr only the port */
};

void lan_init(struct lan *lan, const uint8_t registrar[static REGISTRY_KEY_LEN],
	      const struct seed *own, const struct rng *rng)
{
	uint8_t text[sizeof(label) - 1 + REGISTRY_KEY_LEN];

	*lan = (struct lan){.rng = rng, .is_node = own != NULL, .gap_ns = GAP_FIRST_NS};
	memcpy(text, label, sizeof(label) - 1);
	memcpy(text + sizeof(label) - 1, registrar, REGISTRY_KEY_LEN);
	hash_sha256(lan->key, text, sizeof(text));
	if (own != NULL)
		lan->own = *own;
}

static void seal(const struct lan *lan, const struct message *m, uint8_t out[static LAN_LEN])
{
	uint8_t text[TEXT_LEN] = {0};
	struct writer w = wr_init(text, sizeof(text));

	wr_u8(&w, m->kind);
	wr_u8(&w, 0);
	wr_u16(&w, m->node.addr.port);
	wr_copy(&w, m->question, sizeof(m->question));
	wr_copy(&w, m->node.id, sizeof(m->node.id));
	wr_copy(&w, m->node.link_public, sizeof(m->node.link_public));
	rng_fill(lan->rng, out, NONCE_LEN);
	crypto_aead_xchacha20poly1305_ietf_encrypt(out + NONCE_LEN, NULL, text, sizeof(text), NULL,
						   0, NULL, out, lan->key);
}

static bool open_message(const struct lan *lan, const uint8_t *msg, size_t len, struct message *out)
{
	uint8_t text[TEXT_LEN];
	struct reader r = rd_init(text, sizeof(text));
	uint8_t zero;

	if (len != LAN_LEN || crypto_aead_xchacha20poly1305_ietf_decrypt(
				  text, NULL, NULL, msg + NONCE_LEN, LAN_LEN - NONCE_LEN, NULL, 0,
				  msg, lan->key) != 0)
		return false;
	*out = (struct message){.kind = rd_u8(&r)};
	zero = rd_u8(&r);
	out->node.addr.port = rd_u16(&r);
	rd_copy(&r, out->question, sizeof(out->question));
	rd_copy(&r, out->node.id, sizeof(out->node.id));
	rd_copy(&r, out->node.link_public, sizeof(out->node.link_public));
	return zero == 0 && sodium_is_zero(r.p, r.left);
}

bool lan_ask(struct lan *lan, uint8_t out[static LAN_LEN], const struct now *now)
{
	struct message m = {.kind = KIND_QUESTION};

	if (lan->ask_ns > now->mono_ns)
		return false;
	lan->ask_ns = now->mono_ns + lan->gap_ns;
	lan->gap_ns = MIN(2 * lan->gap_ns, GAP_MAX_NS);
	rng_fill(lan->rng, lan->question, sizeof(lan->question));
	memcpy(m.question, lan->question, sizeof(m.question));
	seal(lan, &m, out);
	return true;
}

void lan_hurry(struct lan *lan, const struct now *now)
{
	lan->ask_ns = now->mono_ns;
	lan->gap_ns = GAP_FIRST_NS;
}

uint64_t lan_deadline(const struct lan *lan)
{
	return lan->ask_ns;
}

bool lan_answer(struct lan *lan, const uint8_t *msg, size_t len, uint8_t out[static LAN_LEN],
		const struct now *now)
{
	struct message m;

	if (!lan->is_node || !open_message(lan, msg, len, &m) || m.kind != KIND_QUESTION ||
	    memcmp(m.question, lan->question, sizeof(m.question)) == 0 || /* our own */
	    !bucket_take(&lan->answers, ANSWERS_PER_S, 2 * ANSWERS_PER_S, now->mono_ns))
		return false;
	m.kind = KIND_ANSWER;
	m.node = lan->own;
	seal(lan, &m, out);
	return true;
}

bool lan_found(struct lan *lan, const uint8_t *msg, size_t len, const struct endpoint *from,
	       struct seed *out)
{
	struct message m;

	if (!open_message(lan, msg, len, &m) || m.kind != KIND_ANSWER ||
	    memcmp(m.question, lan->question, sizeof(m.question)) != 0 || m.node.addr.port == 0)
		return false;
	*out = m.node;
	memcpy(out->addr.ip, from->ip, sizeof(out->addr.ip));
	return true;
}
