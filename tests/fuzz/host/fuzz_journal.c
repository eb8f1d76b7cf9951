/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Journals of any content: what is understood must be written and understood again as the same. */
#include <stdio.h>
#include <stdlib.h>

#include "host/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static char *text_of(const struct change_list *list, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	if (f == NULL)
		abort();
	fputs("macromesh-journal 2\n", f);
	for (size_t i = 0; i < list->count; i++)
		change_write(&list->items[i], f);
	fclose(f);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct change_list list, again;
	struct journal_fault fault;
	size_t text_len, again_len;
	char *text, *again_text;

	journal_parse((const char *)data, len, &list, &fault);
	text = text_of(&list, &text_len);
	journal_parse(text, text_len, &again, &fault);
	again_text = text_of(&again, &again_len);
	if (fault.line != 0 || again.count != list.count || again_len != text_len ||
	    memcmp(text, again_text, text_len) != 0)
		abort();
	free(text);
	free(again_text);
	change_list_fini(&list);
	change_list_fini(&again);
	return 0;
}
