/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any text as a seed, and as a list of them: what parses has a text that parses to the same. */
#include <stdlib.h>

#include "mesh/seed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char in[512], list[512], out[SEED_TEXT_MAX], error[SEED_ERROR_MAX];
	struct seed s, again, many[2];
	int n;

	if (len >= sizeof(in))
		return 0;
	memcpy(in, data, len);
	in[len] = '\0';
	memcpy(list, in, len + 1);
	n = seed_list_parse(list, many, 2, error);
	if (n > 2)
		abort();
	for (int i = 0; i < n; i++)
		if (seed_parse(&s, seed_format(&many[i], out), NULL) != 0)
			abort();
	if (seed_parse(&s, in, NULL) != 0)
		return 0;
	seed_format(&s, out);
	if (seed_parse(&again, out, NULL) != 0 || memcmp(s.id, again.id, sizeof(s.id)) != 0 ||
	    memcmp(s.link_public, again.link_public, sizeof(s.link_public)) != 0 ||
	    !endpoint_equal(&s.addr, &again.addr))
		abort();
	return 0;
}
