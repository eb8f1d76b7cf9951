/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which country and autonomous system an address belongs to, by a database in the format of libloc:
 * that of Debian's package libloc-database, or a newer one that location-update(8) keeps.  Nothing
 * is asked over the network.
 */
#ifndef LOCATION_LOCATION_H
#define LOCATION_LOCATION_H

#include "util/bytes.h"

#define LOCATION_ERROR_MAX 256

/* Where a database is looked for, in this order, if none is named. */
#define LOCATION_PATH_UPDATED "/var/lib/location/database.db"
#define LOCATION_PATH_PACKAGE "/usr/share/libloc-location/location.db"

struct location_db;

struct location {
	char country[3]; /* two capital letters; "": not told, or the address is in many */
	uint32_t asn;    /* 0: not told */
};

/* location_open(out, path, error): path NULL: the first that is there of those above.  0 or -errno,
 * with error saying what to do. */
MUST_USE int location_open(struct location_db **out, const char *path,
			   char error[static LOCATION_ERROR_MAX]);
void location_close(struct location_db *db);

/* location_find(db, ip, out): false when it has nothing about the address (16 bytes).  In about a
 * microsecond; from any thread. */
bool location_find(const struct location_db *db, const uint8_t ip[static 16], struct location *out);

/* location_path, location_created_s: of what was opened. */
const char *location_path(const struct location_db *db);
uint64_t location_created_s(const struct location_db *db);

#endif
