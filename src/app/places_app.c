/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/places_app.h"

#include <stdio.h>

#include "util/log.h"

static bool find(void *ctx, const uint8_t ip[static 16], struct place_origin *out)
{
	struct location l;

	if (!location_find(ctx, ip, &l))
		return false;
	memcpy(out->country, l.country, sizeof(out->country));
	out->asn = l.asn;
	return true;
}

void places_app_open(struct places_app *a, const struct config *cfg, const struct directory *dir)
{
	*a = (struct places_app){0};
	if (location_open(&a->db, cfg->daemon.location_db, a->trouble) != 0)
		log_info("%s", a->trouble);
	a->places = places_create(&(struct places_params){
	    .dir = dir,
	    .locator = {.ctx = a->db, .find = a->db != NULL ? find : NULL},
	    .witnesses = cfg->mesh.location_witnesses,
	    .rng = &rng_system,
	});
}

void places_app_close(struct places_app *a)
{
	places_free(a->places);
	location_close(a->db);
	*a = (struct places_app){0};
}
