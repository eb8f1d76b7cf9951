/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text form of invites. */
#include "mesh/invite.h"

#include <errno.h>
#include <sodium.h>

static const char prefix[] = "macro:";
static const char sign_context[] = "macromesh/1 invite";

enum {
	VERSION = 1,
	PREFIX_LEN = sizeof(prefix) - 1,
	CONTEXT_LEN = sizeof(sign_context) - 1,
	SUM_LEN = 4,
	TAIL_LEN = crypto_sign_BYTES + SUM_LEN,
	MESSAGE_MAX = CONTEXT_LEN + INVITE_BYTES_MAX,
	VARIANT = sodium_base64_VARIANT_URLSAFE_NO_PADDING,
};

_Static_assert(INVITE_TEXT_MAX >= PREFIX_LEN + sodium_base64_ENCODED_LEN(INVITE_BYTES_MAX, VARIANT),
	       "room for the longest");

/* What is signed: the context, then the first len bytes. */
static size_t message(uint8_t out[static MESSAGE_MAX], const uint8_t *bytes, size_t len)
{
	memcpy(out, sign_context, CONTEXT_LEN);
	memcpy(out + CONTEXT_LEN, bytes, len);
	return CONTEXT_LEN + len;
}

static void sum_up(uint8_t out[static SUM_LEN], const uint8_t *bytes, size_t len)
{
	uint8_t hash[HASH_LEN];

	hash_sha256(hash, bytes, len);
	memcpy(out, hash, SUM_LEN);
}

static void put_seed(struct writer *w, const struct seed *s)
{
	wr_copy(w, s->id, sizeof(s->id));
	wr_copy(w, s->link_public, sizeof(s->link_public));
	wr_copy(w, s->addr.ip, sizeof(s->addr.ip));
	wr_u16(w, s->addr.port);
}

static void get_seed(struct reader *r, struct seed *s)
{
	rd_copy(r, s->id, sizeof(s->id));
	rd_copy(r, s->link_public, sizeof(s->link_public));
	rd_copy(r, s->addr.ip, sizeof(s->addr.ip));
	s->addr.port = rd_u16(r);
}

const char *invite_format(const struct invite *inv, const uint8_t secret[static LOCAL_SECRET_LEN],
			  char out[static INVITE_TEXT_MAX])
{
	uint8_t bytes[INVITE_BYTES_MAX], text[MESSAGE_MAX], *signature, *sum;
	struct writer w = wr_init(bytes, sizeof(bytes));

	wr_u8(&w, VERSION);
	wr_copy(&w, inv->registrar, sizeof(inv->registrar));
	wr_u48(&w, inv->expires_s);
	wr_u8(&w, (uint8_t)inv->seed_count);
	for (unsigned i = 0; i < inv->seed_count; i++)
		put_seed(&w, &inv->seeds[i]);
	signature = bytes + w.done;
	crypto_sign_detached(signature, NULL, text, message(text, bytes, w.done), secret);
	sum = signature + crypto_sign_BYTES;
	sum_up(sum, bytes, (size_t)(sum - bytes));
	memcpy(out, prefix, PREFIX_LEN);
	sodium_bin2base64(out + PREFIX_LEN, INVITE_TEXT_MAX - PREFIX_LEN, bytes,
			  (size_t)(sum - bytes) + SUM_LEN, VARIANT);
	return out;
}

/* The bytes behind the text, sum included and right; or what is wrong. */
static const char *decode(const char *text, uint8_t *bytes, size_t *len)
{
	uint8_t sum[SUM_LEN];

	if (strncmp(text, prefix, PREFIX_LEN) != 0)
		return "it does not begin with macro:";
	text += PREFIX_LEN;
	if (strlen(text) >= INVITE_TEXT_MAX)
		return "it is too long";
	if (sodium_base642bin(bytes, INVITE_BYTES_MAX, text, strlen(text), NULL, len, NULL,
			      VARIANT) != 0)
		return "there is a character in it that no invite has, or it was cut";
	if (*len <= TAIL_LEN)
		return "it is too short: it was cut";
	sum_up(sum, bytes, *len - SUM_LEN);
	if (sodium_memcmp(sum, bytes + *len - SUM_LEN, SUM_LEN) != 0)
		return "it was mistyped or cut: its checksum is wrong";
	return NULL;
}

static const char *parse(struct invite *inv, const char *text, uint64_t wall_s)
{
	uint8_t bytes[INVITE_BYTES_MAX], signed_text[MESSAGE_MAX];
	const char *wrong;
	struct reader r;
	size_t len;

	wrong = decode(text, bytes, &len);
	if (wrong != NULL)
		return wrong;
	r = rd_init(bytes, len - TAIL_LEN);
	if (rd_u8(&r) != VERSION)
		return "it was made by another version of MacroMesh";
	rd_copy(&r, inv->registrar, sizeof(inv->registrar));
	inv->expires_s = rd_u48(&r);
	inv->seed_count = rd_u8(&r);
	if (inv->seed_count == 0 || inv->seed_count > INVITE_SEEDS_MAX)
		return "it names no node, or too many";
	for (unsigned i = 0; i < inv->seed_count; i++) {
		get_seed(&r, &inv->seeds[i]);
		if (rd_ok(&r) && inv->seeds[i].addr.port == 0)
			return "it names a node without a port";
	}
	if (!rd_done(&r))
		return "it has the wrong length";
	if (crypto_sign_verify_detached(bytes + len - TAIL_LEN, signed_text,
					message(signed_text, bytes, len - TAIL_LEN),
					inv->registrar) != 0)
		return "its signature is wrong: somebody changed it";
	if (inv->expires_s != 0 && inv->expires_s < wall_s)
		return "it has expired: ask for a new one";
	return NULL;
}

int invite_parse(struct invite *inv, const char *text, uint64_t wall_s, const char **why)
{
	struct invite out = {0};
	const char *wrong = parse(&out, text, wall_s);

	if (wrong != NULL) {
		*why = wrong;
		return -EINVAL;
	}
	*inv = out;
	return 0;
}
