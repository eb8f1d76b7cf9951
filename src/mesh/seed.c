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

/* The word of a line, or "" when it has none; NULL when it has two. */
static char *only_word(char *line)
{
	char *word, *end;

	line[strcspn(line, "#")] = '\0';
	word = line + strspn(line, " \t\r");
	end = word + strcspn(word, " \t\r");
	if (end[strspn(end, " \t\r")] != '\0')
		return NULL;
	*end = '\0';
	return word;
}

int seed_list_parse(char *text, struct seed *out, size_t max, char error[static SEED_ERROR_MAX])
{
	size_t count = 0;
	unsigned number = 0;

	for (char *line; (line = strsep(&text, "\n")) != NULL;) {
		const char *why = "more than one word", *word = only_word(line);
		struct seed seed;

		number++;
		if (word != NULL && *word == '\0')
			continue;
		if (word == NULL || seed_parse(&seed, word, &why) != 0) {
			snprintf(error, SEED_ERROR_MAX, "line %u: %s", number, why);
			return -EINVAL;
		}
		if (count < max)
			out[count++] = seed;
	}
	return (int)count;
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
