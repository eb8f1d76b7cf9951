/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The registry in the daemon: loaded from its file, and kept there as mirrors or the registrar's
 * own command on this machine add to it. */
#ifndef APP_REGISTRY_APP_H
#define APP_REGISTRY_APP_H

#include "config/config.h"
#include "registry/store.h"
#include "util/now.h"

struct registry_app {
	struct registry *reg; /* NULL: an open mesh */
	struct registry_store *store;
	uint64_t max_age_s;
	uint64_t due_ns;
	struct registry_subscriber changes;
	bool is_unsaved;    /* reg has what the file has not */
	bool is_complained; /* of what is wrong since the last thing that went well */
};

/* registry_app_open(a, cfg, now, error): 0, also when the mesh has no registrar; or -errno. */
MUST_USE int registry_app_open(struct registry_app *a, const struct config *cfg,
			       const struct now *now, char *error, size_t error_len);
void registry_app_close(struct registry_app *a);

void registry_app_tick(struct registry_app *a, const struct now *now);
uint64_t registry_app_deadline(const struct registry_app *a);

#endif
