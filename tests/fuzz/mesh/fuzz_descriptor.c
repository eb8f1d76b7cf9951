/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a descriptor: what is accepted in form must be signed anew to the same bytes. */
#include <stdlib.h>

#include "mesh/descriptor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Whatever is in the corpus shall be valid at this time. */
#define WALL_S 1800000000ull

static void sign_again(struct descriptor *d, const uint8_t *data, size_t len)
{
	static struct identity id; /* all zero: only the form counts */
	uint8_t out[DESCRIPTOR_MAX];
	size_t out_len;

	memcpy(id.id, d->id, sizeof(id.id));
	memcpy(id.link.public, d->link_key, sizeof(id.link.public));
	if (descriptor_sign(d, &id, WALL_S, out, &out_len) != DESCRIPTOR_OK)
		abort(); /* what makes sense to receive makes sense to send */
	if (out_len != len || memcmp(out, data, len - SIGN_LEN) != 0)
		abort(); /* a second encoding of the same descriptor */
	if (descriptor_encode(d, data + len - SIGN_LEN, out) != len || memcmp(out, data, len) != 0)
		abort(); /* a directory would serve other bytes than it was given */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char text[DESCRIPTOR_TEXT_MAX];
	struct descriptor d;
	const enum descriptor_error whole = descriptor_open(&d, data, len, WALL_S);

	if (descriptor_decode(&d, data, len) != DESCRIPTOR_OK) {
		if (whole == DESCRIPTOR_OK)
			abort();
		return 0;
	}
	descriptor_text(&d, text);
	(void)descriptor_onion_key(&d, WALL_S);
	if (descriptor_check(&d, WALL_S) == DESCRIPTOR_OK)
		sign_again(&d, data, len);
	return 0;
}
