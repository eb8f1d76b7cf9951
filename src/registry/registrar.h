/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The local back-end's one trusted writer: whoever holds this key says who is a member.  Only the
 * registrar's machine has it; daemons never do.
 */
#ifndef REGISTRY_REGISTRAR_H
#define REGISTRY_REGISTRAR_H

#include "crypto/keyfile.h"
#include "registry/local.h"

struct registrar {
	uint8_t secret[LOCAL_SECRET_LEN];
	uint8_t key[REGISTRY_MESH_LEN]; /* the mesh's name */
};

void registrar_generate(struct registrar *r, const struct rng *rng);
void registrar_wipe(struct registrar *r);

/* Its file, as crypto/keyfile.h says. */
MUST_USE int registrar_load(struct registrar *r, const char *path, char error[KEYFILE_ERROR_MAX]);
MUST_USE int registrar_save(const struct registrar *r, const char *path,
			    char error[KEYFILE_ERROR_MAX]);

/*
 * registrar_append(r, reg, ev, wall_s): one more event, whose time is set here (NULL: none, only
 * vouch for the present head again), signed and taken by reg.  REGISTRY_OK or why reg refuses it.
 */
MUST_USE enum registry_result registrar_append(const struct registrar *r, struct registry *reg,
					       const struct registry_event *ev, uint64_t wall_s);

#endif
