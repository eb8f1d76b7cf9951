/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "location_write.h"

#include <errno.h>
#include <libloc/writer.h>

static int add(struct loc_writer *w, const struct location_line *line)
{
	struct loc_network *n;

	if (loc_writer_add_network(w, &n, line->network) != 0)
		return -EINVAL;
	if (loc_network_set_country_code(n, line->country) != 0 ||
	    loc_network_set_asn(n, line->asn) != 0) {
		loc_network_unref(n);
		return -EINVAL;
	}
	loc_network_unref(n);
	return 0;
}

int location_write(FILE *f, const struct location_line *lines, size_t n)
{
	struct loc_writer *w;
	struct loc_ctx *ctx;
	int rc = 0;

	if (loc_new(&ctx) != 0)
		return -ENOMEM;
	if (loc_writer_new(ctx, &w, NULL, NULL) != 0) {
		loc_unref(ctx);
		return -ENOMEM;
	}
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = add(w, &lines[i]);
	if (rc == 0 && (loc_writer_write(w, f, LOC_DATABASE_VERSION_1) != 0 || fflush(f) != 0))
		rc = -EIO;
	loc_writer_unref(w);
	loc_unref(ctx);
	return rc;
}
