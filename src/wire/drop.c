/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/drop.h"

static const char *const names[DROP_COUNT] = {
#define X(id, name) [id] = name,
    DROP_REASONS(X)
#undef X
};

const char *drop_name(enum drop d)
{
	return names[d];
}
