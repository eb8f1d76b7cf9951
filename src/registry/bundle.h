/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A whole registry as one file, to carry elsewhere: magic and version 8 | registrar 32 | signed
 * head | events.
 */
#ifndef REGISTRY_BUNDLE_H
#define REGISTRY_BUNDLE_H

#include "registry/registry.h"

#define REGISTRY_BUNDLE_HEAD_LEN (8 + REGISTRY_KEY_LEN + REGISTRY_HEAD_LEN)

/* registry_bundle_write(reg, len): all of a registry that has a head; *len bytes for the caller to
 * free. */
uint8_t *registry_bundle_write(const struct registry *reg, size_t *len);

/*
 * registry_bundle_open(bytes, len, registrar, update): whose it claims to be, and what to give to
 * registry_apply of an empty registry; both point into bytes.  REGISTRY_OK, _MALFORMED (no bundle),
 * _VERSION or _TRUNCATED.
 */
MUST_USE enum registry_result registry_bundle_open(const uint8_t *bytes, size_t len,
						   const uint8_t **registrar,
						   struct registry_update *update);

#endif
