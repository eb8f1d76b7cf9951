/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A registry in an SQLite file: the registrar's own, or what a daemon keeps of its mesh's.  Several
 * processes may have one open; each takes what the others have added.  Nothing in a file is
 * believed that registry_apply does not take.
 */
#ifndef REGISTRY_STORE_H
#define REGISTRY_STORE_H

#include "registry/registry.h"

#define REGISTRY_STORE_ERROR_MAX 512

struct registry_store;

struct registry_store_params {
	const char *path;
	const uint8_t *mesh; /* whose registry it must be; NULL: whoever's it is */
	bool creates;        /* when there is none, for mesh */
	unsigned wait_ms;    /* for another process that is writing */
};

/*
 * registry_store_open(s, params, error): 0, or negative errno with error saying which file, what
 * is wrong and what to do: -ENOENT none, -EBADMSG not a registry or another mesh's, -EIO others.
 */
MUST_USE int registry_store_open(struct registry_store **s,
				 const struct registry_store_params *params,
				 char error[REGISTRY_STORE_ERROR_MAX]);
void registry_store_close(struct registry_store *s);

const uint8_t *registry_store_mesh(const struct registry_store *s);

/* registry_store_has_changed(s): another process has written since the last load or save. */
bool registry_store_has_changed(struct registry_store *s);

/* registry_store_load(s, reg, wall_s, error): what the file has beyond reg.  0, or -EBADMSG
 * (error names the event and what is wrong with it), -EBUSY, -EIO. */
MUST_USE int registry_store_load(struct registry_store *s, struct registry *reg, uint64_t wall_s,
				 char error[REGISTRY_STORE_ERROR_MAX]);

/*
 * registry_store_change(s, reg, change, ctx, wall_s, error): loads, lets change (may be NULL) alter
 * reg, and writes what reg then has beyond the file: as one transaction.  0, what change returned,
 * or as registry_store_load.
 */
MUST_USE int registry_store_change(struct registry_store *s, struct registry *reg,
				   int (*change)(void *ctx, struct registry *reg), void *ctx,
				   uint64_t wall_s, char error[REGISTRY_STORE_ERROR_MAX]);

#endif
