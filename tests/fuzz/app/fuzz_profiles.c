/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Saved choices of any content: what is understood is written and understood again as the same. */
#include <stdlib.h>

#include "app/profile_choice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct profile_choice c, again;
	char *text, *again_text;

	if (profile_choice_parse(&c, (const char *)data, len) != 0)
		return 0;
	text = profile_choice_format(&c);
	if (profile_choice_parse(&again, text, strlen(text)) != 0)
		abort();
	again_text = profile_choice_format(&again);
	if (strcmp(text, again_text) != 0)
		abort();
	free(text);
	free(again_text);
	return 0;
}
