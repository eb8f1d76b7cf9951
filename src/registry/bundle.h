/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A whole registry as one file, to carry elsewhere: magic and version 8 | the mesh's name 32 | head
 * length u8 | head | events.
 */
#ifndef REGISTRY_BUNDLE_H
#define REGISTRY_BUNDLE_H

#include "registry/registry.h"

/* registry_bundle_write(reg, len): all of a registry that has a head; *len bytes for the caller to
 * free. */
uint8_t *registry_bundle_write(const struct registry *reg, size_t *len);

/*
 * registry_bundle_open(bytes, len, mesh, update): which mesh's it claims to be, and what to give to
 * registry_apply of an empty registry; both point into bytes.  REGISTRY_OK, _MALFORMED (no bundle),
 * _VERSION or _TRUNCATED.
 */
MUST_USE enum registry_result registry_bundle_open(const uint8_t *bytes, size_t len,
						   const uint8_t **mesh,
						   struct registry_update *update);

#endif
