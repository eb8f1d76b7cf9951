/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * RFC 8439 AEAD of the fixed small shape of a cell's link header: 12 bytes of text, 24 of
 * associated data.  Batched, so that the keystreams of many cells are made in one wide call.
 */
#ifndef CRYPTO_HEADER_AEAD_H
#define CRYPTO_HEADER_AEAD_H

#include "crypto/aead.h"

#define HEADER_TEXT_LEN 12
#define HEADER_AAD_LEN  24

struct header_job {
	const uint8_t *key; /* KEY_LEN bytes */
	uint64_t nonce;
	uint8_t aad[HEADER_AAD_LEN];
	uint8_t *text; /* HEADER_TEXT_LEN bytes, changed in place */
	uint8_t *tag;  /* TAG_LEN bytes; seal writes, open compares */
	bool ok;       /* open: false means text is unchanged */
};

void header_seal(struct header_job *jobs, size_t n);
void header_open(struct header_job *jobs, size_t n);

#endif
