/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of AEAD back-ends, and the choice among them. */
#include "crypto/aead_backend.h"

#include <sodium.h>

/* Fastest first. */
static const struct aead_backend *const backends[] = {
#ifdef HAVE_IPSEC_MB
    &aead_ipsec_mb,
#endif
    &aead_openssl,
    &aead_sodium,
};

static struct aead *open_checked(const struct aead_backend *backend)
{
	struct aead *a = backend->open();

	if (a != NULL && aead_selftest(a) < 0) {
		aead_close(a);
		return NULL;
	}
	return a;
}

struct aead *aead_open(const char *name)
{
	/* Lets libsodium choose its implementations; harmless when done before. */
	if (sodium_init() < 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(backends); i++) {
		struct aead *a;

		if (name != NULL && strcmp(name, backends[i]->name) != 0)
			continue;
		a = open_checked(backends[i]);
		if (a != NULL)
			return a;
	}
	return NULL;
}

void aead_close(struct aead *a)
{
	if (a != NULL)
		a->backend->close(a);
}

const char *aead_name(const struct aead *a)
{
	return a->backend->name;
}

const char *const *aead_names(void)
{
	static const char *const names[] = {
#ifdef HAVE_IPSEC_MB
	    "ipsec-mb",
#endif
	    "openssl",
	    "sodium",
	    NULL,
	};

	_Static_assert(ARRAY_LEN(names) == ARRAY_LEN(backends) + 1, "one name per back-end");
	return names;
}

void aead_seal(struct aead *a, struct aead_job *jobs, size_t n)
{
	a->backend->seal(a, jobs, n);
}

void aead_unseal(struct aead *a, struct aead_job *jobs, size_t n)
{
	a->backend->unseal(a, jobs, n);
}

void aead_xor(struct aead *a, struct aead_job *jobs, size_t n)
{
	a->backend->xor (a, jobs, n);
}

void aead_mac(struct aead *a, struct aead_job *jobs, size_t n)
{
	a->backend->mac(a, jobs, n);
}

void aead_poly_keys(const struct aead_job *jobs, size_t n, uint8_t (*out)[CHACHA_BLOCK_LEN])
{
	struct chacha_job blocks[AEAD_ROUND];

	for (size_t i = 0; i < n; i++)
		blocks[i] = (struct chacha_job){.key = jobs[i].key, .nonce = jobs[i].nonce};
	chacha_blocks(blocks, n, out);
}
