/* SPDX-License-Identifier: GPL-3.0-or-later */
/* macro.conf from anybody: a config or a message, never both, and nothing left behind. */
#include <stdint.h>
#include <stdlib.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct config *cfg = NULL;
	char *text = NULL;
	size_t size = 0;
	FILE *errors = open_memstream(&text, &size);

	if (errors == NULL)
		abort();
	const int err = config_parse(&cfg, (const char *)data, len, "fuzz", errors);

	fclose(errors);
	if ((err == 0) != (cfg != NULL) || (err == 0) != (size == 0))
		abort();
	if (cfg != NULL && (config_profile_find(cfg, cfg->client.profile) == NULL ||
			    cfg->profiles[0].hops < 1 || cfg->profiles[0].hops > 5))
		abort();
	config_free(cfg);
	free(text);
	return 0;
}
