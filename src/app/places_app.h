/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where nodes and destinations are: the location database, and the judgement of what nodes claim.
 */
#ifndef APP_PLACES_APP_H
#define APP_PLACES_APP_H

#include "config/config.h"
#include "location/location.h"
#include "mesh/places.h"

struct places_app {
	struct location_db *db; /* NULL: there is none, and trouble says so */
	struct places *places;
	char trouble[LOCATION_ERROR_MAX];
};

/* places_app_open(a, cfg, dir): dir is borrowed.  No database is no failure. */
void places_app_open(struct places_app *a, const struct config *cfg, const struct directory *dir);
void places_app_close(struct places_app *a);

#endif
