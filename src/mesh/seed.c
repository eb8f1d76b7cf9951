/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text form of seeds. */
#include "mesh/seed.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>

#define KEYS_LEN      (NODE_ID_LEN + DH_LEN)
#define KEYS_TEXT_LEN 86 /* base64 of 64 bytes, no padding */
#define KEYS_VARIANT  sodium_base64_VARIANT_URLSAFE_NO_PADDING

_Static_assert(sodium_base64_ENCODED_LEN(KEYS_LEN, KEYS_VARIANT) == KEYS_TEXT_LEN + 1, "86 + zero");

static const char *parse(struct seed *s, const char *text)
{
	const char *at = strchr(text, '@');
	uint8_t keys[KEYS_LEN];
	size_t len;

	if (at == NULL)
		return "no @ between keys and address";
	if (at - text != KEYS_TEXT_LEN)
		return "the keys before the @ are not 86 characters";
	if (sodium_base642bin(keys, sizeof(keys), text, KEYS_TEXT_LEN, NULL, &len, NULL,
			      KEYS_VARIANT) != 0 ||
	    len != KEYS_LEN)
		return "the keys before the @ are not base64url";
	if (endpoint_parse(&s->addr, at + 1) != 0)
		return "what follows the @ is not address:port";
	memcpy(s->id, keys, NODE_ID_LEN);
	memcpy(s->link_public, keys + NODE_ID_LEN, DH_LEN);
	return NULL;
}

int seed_parse(struct seed *s, const char *text, const char **why)
{
	struct seed out;
	const char *wrong = parse(&out, text);

	if (wrong != NULL) {
		if (why != NULL)
			*why = wrong;
		return -EINVAL;
	}
	*s = out;
	return 0;
}

const char *seed_format(const struct seed *s, char out[static SEED_TEXT_MAX])
{
	char addr[ENDPOINT_TEXT_MAX];
	uint8_t keys[KEYS_LEN];

	memcpy(keys, s->id, NODE_ID_LEN);
	memcpy(keys + NODE_ID_LEN, s->link_public, DH_LEN);
	sodium_bin2base64(out, KEYS_TEXT_LEN + 1, keys, sizeof(keys), KEYS_VARIANT);
	snprintf(out + KEYS_TEXT_LEN, SEED_TEXT_MAX - KEYS_TEXT_LEN, "@%s",
		 endpoint_format(&s->addr, addr));
	return out;
}
