/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The descriptor's wire form and signature.  What it may say is checked in descriptor_check.c. */
#include "mesh/descriptor.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>

#include "util/cursor.h"

static const char sign_context[] = "macromesh/1 descriptor"; /* so that no other message verifies */

enum {
	CONTEXT_LEN = sizeof(sign_context) - 1,
	BODY_MAX = DESCRIPTOR_MAX - SIGN_LEN,
};

const char *descriptor_error_name(enum descriptor_error e)
{
	static const char *const names[DESCRIPTOR_ERROR_COUNT] = {
#define X(id, name) name,
	    DESCRIPTOR_ERRORS(X)
#undef X
	};

	return names[e];
}

static void put_versions(struct writer *w, const struct version_range *v)
{
	wr_u8(w, v->min);
	wr_u8(w, v->max);
}

static void put_head(struct writer *w, const struct descriptor *d)
{
	wr_u8(w, DESCRIPTOR_VERSION);
	wr_u8(w, d->roles);
	wr_u8(w, d->exit_flags);
	wr_u8(w, d->load_percent);
	wr_u64(w, d->sequence);
	wr_u64(w, d->published_s);
	wr_u64(w, d->valid_until_s);
	wr_u64(w, d->since_s);
	wr_copy(w, d->id, sizeof(d->id));
	wr_copy(w, d->link_key, sizeof(d->link_key));
	wr_copy(w, d->operator_tag, sizeof(d->operator_tag));
	wr_u32(w, d->capacity_kbit);
	wr_u32(w, d->slot);
	wr_copy(w, d->country, 2);
	put_versions(w, &d->link_versions);
	put_versions(w, &d->circuit_versions);
	put_versions(w, &d->session_versions);
	if ((d->roles & ROLE_EXIT) != 0)
		wr_copy(w, d->session_key, sizeof(d->session_key));
}

static void put_text(struct writer *w, const char *text)
{
	const size_t len = strlen(text);

	wr_u8(w, (uint8_t)len);
	wr_copy(w, text, len);
}

static void encode(struct writer *w, const struct descriptor *d)
{
	put_head(w, d);
	put_text(w, d->name);
	put_text(w, d->software);
	wr_u8(w, d->onion_key_count);
	for (unsigned i = 0; i < d->onion_key_count; i++) {
		const struct onion_public *k = &d->onion_keys[i];

		wr_u32(w, k->id);
		wr_copy(w, k->key, sizeof(k->key));
		wr_u64(w, k->valid_from_s);
		wr_u64(w, k->valid_until_s);
	}
	wr_u8(w, d->addr_count);
	for (unsigned i = 0; i < d->addr_count; i++) {
		wr_copy(w, d->addrs[i].ip, sizeof(d->addrs[i].ip));
		wr_u16(w, d->addrs[i].port);
	}
	wr_u8(w, d->policy_count);
	for (unsigned i = 0; i < d->policy_count; i++) {
		wr_u16(w, d->policy[i].min);
		wr_u16(w, d->policy[i].max);
	}
	wr_u8(w, d->rtt_count);
	wr_copy(w, d->rtts, (size_t)d->rtt_count * LINK_RTT_LEN);
	wr_copy(w, d->tail, d->tail_len);
}

size_t descriptor_encode(const struct descriptor *d, const uint8_t signature[static SIGN_LEN],
			 uint8_t out[static DESCRIPTOR_MAX])
{
	struct writer w = wr_init(out, DESCRIPTOR_MAX);

	encode(&w, d);
	wr_copy(&w, signature, SIGN_LEN);
	assert(wr_ok(&w)); /* what was decoded had room */
	return w.done;
}

static void get_versions(struct reader *r, struct version_range *v)
{
	v->min = rd_u8(r);
	v->max = rd_u8(r);
}

static void get_head(struct reader *r, struct descriptor *d)
{
	d->roles = rd_u8(r);
	d->exit_flags = rd_u8(r);
	d->load_percent = rd_u8(r);
	d->sequence = rd_u64(r);
	d->published_s = rd_u64(r);
	d->valid_until_s = rd_u64(r);
	d->since_s = rd_u64(r);
	rd_copy(r, d->id, sizeof(d->id));
	rd_copy(r, d->link_key, sizeof(d->link_key));
	rd_copy(r, d->operator_tag, sizeof(d->operator_tag));
	d->capacity_kbit = rd_u32(r);
	d->slot = rd_u32(r);
	rd_copy(r, d->country, 2);
	get_versions(r, &d->link_versions);
	get_versions(r, &d->circuit_versions);
	get_versions(r, &d->session_versions);
	if ((d->roles & ROLE_EXIT) != 0)
		rd_copy(r, d->session_key, sizeof(d->session_key));
}

/* The count of a list with room for max; more turns the reader bad. */
static uint8_t get_count(struct reader *r, uint8_t max)
{
	const uint8_t n = rd_u8(r);

	if (n <= max)
		return n;
	r->bad = true;
	return 0;
}

/* Text with room for max and a final zero, both of which are zeroed already. */
static void get_text(struct reader *r, char *out, uint8_t max)
{
	const uint8_t len = get_count(r, max);

	rd_copy(r, out, len);
	if (strlen(out) != len)
		r->bad = true; /* a zero inside */
}

static void get_lists(struct reader *r, struct descriptor *d)
{
	get_text(r, d->name, DESCRIPTOR_NAME_MAX);
	get_text(r, d->software, DESCRIPTOR_SOFTWARE_MAX);
	d->onion_key_count = get_count(r, DESCRIPTOR_ONION_KEYS_MAX);
	for (unsigned i = 0; i < d->onion_key_count; i++) {
		struct onion_public *k = &d->onion_keys[i];

		k->id = rd_u32(r);
		rd_copy(r, k->key, sizeof(k->key));
		k->valid_from_s = rd_u64(r);
		k->valid_until_s = rd_u64(r);
	}
	d->addr_count = get_count(r, DESCRIPTOR_ADDRS_MAX);
	for (unsigned i = 0; i < d->addr_count; i++) {
		rd_copy(r, d->addrs[i].ip, sizeof(d->addrs[i].ip));
		d->addrs[i].port = rd_u16(r);
	}
	d->policy_count = get_count(r, DESCRIPTOR_POLICY_MAX);
	for (unsigned i = 0; i < d->policy_count; i++) {
		d->policy[i].min = rd_u16(r);
		d->policy[i].max = rd_u16(r);
	}
	d->rtt_count = get_count(r, DESCRIPTOR_RTTS_MAX);
	if (d->rtt_count > 0)
		d->rtts = rd_bytes(r, (size_t)d->rtt_count * LINK_RTT_LEN);
}

static enum descriptor_error check_tail(struct reader r)
{
	int last_type = -1;

	while (r.left > 0) {
		const uint8_t type = rd_u8(&r);

		rd_bytes(&r, rd_u16(&r));
		if (!rd_ok(&r) || type <= last_type)
			return DESCRIPTOR_MALFORMED;
		if (type % 2 != 0)
			return DESCRIPTOR_EXTENSION; /* must be understood; we know none */
		last_type = type;
	}
	return DESCRIPTOR_OK;
}

enum descriptor_error descriptor_decode(struct descriptor *d, const uint8_t *bytes, size_t len)
{
	struct descriptor out = {0};
	enum descriptor_error err;
	struct reader r;

	if (len > DESCRIPTOR_MAX)
		return DESCRIPTOR_TOO_BIG;
	if (len < 1 + SIGN_LEN)
		return DESCRIPTOR_MALFORMED;
	r = rd_init(bytes, len - SIGN_LEN);
	if (rd_u8(&r) != DESCRIPTOR_VERSION)
		return DESCRIPTOR_UNKNOWN_VERSION;
	get_head(&r, &out);
	get_lists(&r, &out);
	if (!rd_ok(&r))
		return DESCRIPTOR_MALFORMED;
	err = check_tail(r);
	if (err != DESCRIPTOR_OK)
		return err;
	out.tail = r.left > 0 ? r.p : NULL;
	out.tail_len = (uint16_t)r.left;
	*d = out;
	return DESCRIPTOR_OK;
}

/* Context and body as one message, for an API that signs one. */
static size_t signed_message(uint8_t out[static CONTEXT_LEN + BODY_MAX], const uint8_t *body,
			     size_t body_len)
{
	memcpy(out, sign_context, CONTEXT_LEN);
	memcpy(out + CONTEXT_LEN, body, body_len);
	return CONTEXT_LEN + body_len;
}

enum descriptor_error descriptor_verify(const struct descriptor *d, const uint8_t *bytes,
					size_t len)
{
	uint8_t message[CONTEXT_LEN + BODY_MAX];
	size_t message_len;

	if (len > DESCRIPTOR_MAX)
		return DESCRIPTOR_TOO_BIG;
	if (len < SIGN_LEN)
		return DESCRIPTOR_MALFORMED;
	message_len = signed_message(message, bytes, len - SIGN_LEN);
	if (crypto_sign_verify_detached(bytes + len - SIGN_LEN, message, message_len, d->id) != 0)
		return DESCRIPTOR_SIGNATURE;
	return DESCRIPTOR_OK;
}

enum descriptor_error descriptor_open(struct descriptor *d, const uint8_t *bytes, size_t len,
				      uint64_t wall_s)
{
	struct descriptor out;
	enum descriptor_error err = descriptor_decode(&out, bytes, len);

	if (err == DESCRIPTOR_OK)
		err = descriptor_check(&out, wall_s);
	if (err == DESCRIPTOR_OK)
		err = descriptor_verify(&out, bytes, len); /* the dear one last */
	if (err == DESCRIPTOR_OK)
		*d = out;
	return err;
}

enum descriptor_error descriptor_sign(const struct descriptor *d, const struct identity *id,
				      uint64_t wall_s, uint8_t out[static DESCRIPTOR_MAX],
				      size_t *len)
{
	struct descriptor own = *d;
	uint8_t message[CONTEXT_LEN + BODY_MAX];
	struct writer w = wr_init(out, BODY_MAX);
	enum descriptor_error err;
	size_t message_len;

	memcpy(own.id, id->id, sizeof(own.id));
	memcpy(own.link_key, id->link.public, sizeof(own.link_key));
	err = descriptor_check(&own, wall_s);
	if (err == DESCRIPTOR_OK)
		err = check_tail(rd_init(own.tail, own.tail_len));
	if (err != DESCRIPTOR_OK)
		return err;
	encode(&w, &own);
	if (!wr_ok(&w))
		return DESCRIPTOR_TOO_BIG;
	message_len = signed_message(message, out, w.done);
	crypto_sign_detached(out + w.done, NULL, message, message_len, id->sign_secret);
	*len = w.done + SIGN_LEN;
	return DESCRIPTOR_OK;
}

/* The value of an extension of the tail, which was checked when it was decoded; NULL: none. */
static const uint8_t *find_extension(const struct descriptor *d, uint8_t wanted, uint16_t *len)
{
	struct reader r = rd_init(d->tail, d->tail_len);

	while (r.left > 0 && rd_ok(&r)) {
		const uint8_t type = rd_u8(&r);
		const uint8_t *value;

		*len = rd_u16(&r);
		value = rd_bytes(&r, *len);
		if (type == wanted)
			return value;
	}
	return NULL;
}

void extension_put(struct writer *w, uint8_t type, const void *value, size_t len)
{
	wr_u8(w, type);
	wr_u16(w, (uint16_t)len);
	wr_copy(w, value, len);
}

unsigned descriptor_workers(const struct descriptor *d)
{
	uint16_t len;
	const uint8_t *value = find_extension(d, DESCRIPTOR_EXT_WORKERS, &len);

	return value != NULL && len == 1 && *value > 0 && *value <= WORKERS_MAX ? *value : 1;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool city_is_valid(const char *text, size_t len)
{
	if (len == 0 || len > DESCRIPTOR_CITY_MAX || !is_letter(text[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_letter(text[i]) && (text[i] == '\0' || strchr(" .-'", text[i]) == NULL))
			return false;
	return text[len - 1] != ' ';
}

const char *descriptor_city(const struct descriptor *d, char out[static DESCRIPTOR_CITY_MAX + 1])
{
	uint16_t len;
	const char *value = (const char *)find_extension(d, DESCRIPTOR_EXT_CITY, &len);

	out[0] = '\0';
	if (value == NULL || !city_is_valid(value, len))
		return out;
	memcpy(out, value, len);
	out[len] = '\0';
	return out;
}

const struct onion_public *descriptor_onion_key(const struct descriptor *d, uint64_t wall_s)
{
	const struct onion_public *best = NULL;

	for (unsigned i = 0; i < d->onion_key_count; i++) {
		const struct onion_public *k = &d->onion_keys[i];

		if (k->valid_from_s <= wall_s && wall_s < k->valid_until_s &&
		    (best == NULL || k->valid_from_s > best->valid_from_s))
			best = k;
	}
	return best;
}

struct link_rtt descriptor_rtt(const struct descriptor *d, unsigned i)
{
	struct reader r = rd_init(d->rtts + (size_t)i * LINK_RTT_LEN, LINK_RTT_LEN);
	struct link_rtt out;

	rd_copy(&r, out.id, sizeof(out.id));
	out.rtt_ns = rd_u16(&r) * LINK_RTT_UNIT_NS;
	return out;
}

void link_rtt_put(uint8_t out[static LINK_RTT_LEN], const struct link_rtt *rtt)
{
	const uint64_t units = MAX(rtt->rtt_ns / LINK_RTT_UNIT_NS, 1);

	memcpy(out, rtt->id, sizeof(rtt->id));
	put_le16(out + sizeof(rtt->id), (uint16_t)MIN(units, UINT16_MAX));
}

void operator_tag(uint8_t out[static OPERATOR_LEN], const char *name)
{
	hash_sha256(out, name, strlen(name));
}

const char *short_id(const uint8_t id[static NODE_ID_LEN], char out[static SHORT_ID_LEN + 1])
{
	return sodium_bin2hex(out, SHORT_ID_LEN + 1, id, SHORT_ID_LEN / 2);
}

const char *descriptor_text(const struct descriptor *d, char out[static DESCRIPTOR_TEXT_MAX])
{
	char id[SHORT_ID_LEN + 1];

	snprintf(out, DESCRIPTOR_TEXT_MAX, "%s%s%s/%s", d->name, d->name[0] != '\0' ? "/" : "",
		 d->country, short_id(d->id, id));
	return out;
}
