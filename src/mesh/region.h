/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which part of the world a country is in. */
#ifndef MESH_REGION_H
#define MESH_REGION_H

#include <stdbool.h>

enum region {
	REGION_AFRICA,
	REGION_ANTARCTICA,
	REGION_ASIA,
	REGION_EUROPE,
	REGION_NORTH_AMERICA,
	REGION_OCEANIA,
	REGION_SOUTH_AMERICA,
	REGION_COUNT, /* also: of what is no country */
};

/* region_of(country): of two capital letters. */
enum region region_of(const char *country);

/* region_name(r): "europe", "north-america"; "" for REGION_COUNT. */
const char *region_name(enum region r);

/* region_parse(out, name): by that name, in any case; false: none is called so. */
bool region_parse(enum region *out, const char *name);

#endif
