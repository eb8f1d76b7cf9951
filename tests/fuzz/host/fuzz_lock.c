/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lock files of any content: what is taken from them can be put into nftables' language. */
#include <stdlib.h>

#include "host/lock.h"
#include "host/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct shield_rules rules = {.is_locked = true};
	struct lock l;

	if (lock_parse(&l, (const char *)data, len) != 0)
		return 0;
	if (memchr(l.profile, '\0', sizeof(l.profile)) == NULL ||
	    memchr(l.exit, '\0', sizeof(l.exit)) == NULL)
		abort();
	for (size_t i = 0; i < l.pass.interface_count; i++)
		if (!plan_name_is_plain(l.pass.interfaces[i]))
			abort();
	rules.pass = l.pass;
	free(shield_render(&rules));
	return 0;
}
