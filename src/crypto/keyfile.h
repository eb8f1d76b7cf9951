/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A file of secrets that only its owner may read: magic and version 8 | payload | first 8 bytes of
 * the SHA-256 of all before.
 */
#ifndef CRYPTO_KEYFILE_H
#define CRYPTO_KEYFILE_H

#include "util/bytes.h"

#define KEYFILE_ERROR_MAX   512
#define KEYFILE_MAGIC_LEN   8
#define KEYFILE_PAYLOAD_MAX 64

struct keyfile {
	const char *path;
	const char *what;                 /* "identity file": for messages */
	const char *advice;               /* what to do when it is damaged */
	uint8_t magic[KEYFILE_MAGIC_LEN]; /* the last byte is the version */
};

/*
 * keyfile_load(k, payload, len, error), keyfile_create(k, payload, len, error): len is at most
 * KEYFILE_PAYLOAD_MAX.  Created atomically, mode 0600, never over another file (-EEXIST).
 * 0, or negative errno with *payload unchanged and error saying which file, what is wrong with it
 * and what to do: -EPERM permissions or owner, -EBADMSG length, version or checksum, others as the
 * system says.
 */
MUST_USE int keyfile_load(const struct keyfile *k, uint8_t *payload, size_t len,
			  char error[KEYFILE_ERROR_MAX]);
MUST_USE int keyfile_create(const struct keyfile *k, const uint8_t *payload, size_t len,
			    char error[KEYFILE_ERROR_MAX]);

#endif
