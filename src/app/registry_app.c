/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/registry_app.h"

#include "app/mesh_app.h"

#include <errno.h>
#include <stdio.h>

#include "util/log.h"
#include "util/rng.h"
#include "util/xalloc.h"

#define LOOK_NS (1 * NS_PER_S) /* how soon a change by another process is seen */

enum {
	WAIT_MS = 5, /* for another process that writes: this thread carries packets */
};

static uint64_t wall_s(const struct now *now)
{
	return now->wall_ns / NS_PER_S;
}

static void changed(struct registry_subscriber *s, const struct registry *reg, uint64_t first)
{
	(void)reg;
	(void)first;
	container_of(s, struct registry_app, changes)->is_unsaved = true;
}

static int exchange_with_file(struct registry_app *a, const struct now *now, char *why)
{
	const bool was_unsaved = a->is_unsaved;
	int err = 0;

	if (registry_store_has_changed(a->store)) {
		err = registry_store_load(a->store, a->reg, wall_s(now), why);
		a->is_unsaved = was_unsaved; /* what came from the file is in it */
	}
	if (err == 0 && a->is_unsaved)
		err = registry_store_change(a->store, a->reg, NULL, NULL, wall_s(now), why);
	if (err == 0)
		a->is_unsaved = false;
	return err;
}

void registry_app_close(struct registry_app *a)
{
	const struct now now = now_read();
	char why[REGISTRY_STORE_ERROR_MAX];

	/* What was learnt since the last look: without it the cache has strangers only. */
	if (a->store != NULL && a->due_ns != NEVER && exchange_with_file(a, &now, why) != 0)
		log_warn("%s", why);
	registry_store_close(a->store);
	registry_free(a->reg);
	a->store = NULL;
	a->reg = NULL;
	a->due_ns = NEVER;
}

int registry_app_open(struct registry_app *a, const struct config *cfg, const struct now *now,
		      char *error, size_t error_len)
{
	const struct config_mesh *m = &cfg->mesh;
	char why[REGISTRY_STORE_ERROR_MAX], *path;
	int err;

	*a = (struct registry_app){.max_age_s = m->head_max_age_s, .due_ns = NEVER};
	a->reg = mesh_registry(cfg);
	if (a->reg == NULL)
		return 0;
	path = m->registry != NULL ? xstrdup(m->registry)
				   : xasprintf("%s/" CONFIG_REGISTRY_FILE, cfg->daemon.state_dir);
	err = registry_store_open(
	    &a->store,
	    &(struct registry_store_params){.path = path,
					    .mesh = registry_backend(a->reg)->mesh,
					    .creates = true,
					    .wait_ms = WAIT_MS},
	    why);
	if (err == 0)
		err = registry_store_load(a->store, a->reg, wall_s(now), why);
	if (err != 0) {
		snprintf(error, error_len, "%s", why);
		registry_app_close(a);
	} else {
		a->changes.changed = changed;
		registry_subscribe(a->reg, &a->changes);
		a->due_ns = now->mono_ns;
	}
	free(path);
	return err;
}

void registry_app_tick(struct registry_app *a, const struct now *now)
{
	char why[REGISTRY_STORE_ERROR_MAX];
	int err;

	if (now->mono_ns < a->due_ns)
		return;
	a->due_ns = now->mono_ns + LOOK_NS;
	err = exchange_with_file(a, now, why);
	if (err != 0 && err != -EBUSY && !a->is_complained)
		log_error("%s", why);
	a->is_complained = err != 0 && err != -EBUSY;
}

uint64_t registry_app_deadline(const struct registry_app *a)
{
	return a->due_ns;
}
