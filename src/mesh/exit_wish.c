/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/exit_wish.h"

#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <strings.h>

static void take_country(struct exit_wish *out, const char *text)
{
	out->mode = EXIT_COUNTRY;
	for (unsigned i = 0; i < 2; i++)
		out->country[i] = (char)toupper((unsigned char)text[i]);
	if (strcmp(out->country, "UK") ==
	    0) /* kept free by the standard, for it is what people say */
		memcpy(out->country, "GB", 3);
}

bool exit_wish_parse(struct exit_wish *out, const char *text)
{
	*out = (struct exit_wish){.mode = EXIT_AUTO};
	if (text[0] == '\0' || strcasecmp(text, "auto") == 0)
		return true;
	if (strcasecmp(text, "nearest") == 0) {
		out->mode = EXIT_NEAREST;
	} else if (strcasecmp(text, "random") == 0) {
		out->mode = EXIT_RANDOM;
	} else if (region_parse(&out->region, text)) {
		out->mode = EXIT_REGION;
	} else if (strlen(text) == 2) {
		take_country(out, text);
	} else {
		out->mode = EXIT_NODE;
		return (size_t)snprintf(out->node, sizeof(out->node), "%s", text) <
		       sizeof(out->node);
	}
	return true;
}

const struct descriptor *exit_wish_node(const struct directory *dir, const char *text)
{
	const struct descriptor *found = NULL;
	const size_t len = strlen(text);

	for (const struct descriptor *d = directory_next(dir, NULL); d != NULL;
	     d = directory_next(dir, d)) {
		char hex[2 * NODE_ID_LEN + 1];

		sodium_bin2hex(hex, sizeof(hex), d->id, NODE_ID_LEN);
		if (strcasecmp(d->name, text) != 0 &&
		    (len < SHORT_ID_LEN || strncasecmp(hex, text, len) != 0))
			continue;
		if (found != NULL)
			return NULL;
		found = d;
	}
	return found;
}

static bool apply_node(const struct exit_wish *wish, const struct directory *dir,
		       struct path_wish *w, char why[static PATH_WHY_MAX])
{
	const struct descriptor *d = exit_wish_node(dir, wish->node);

	if (d == NULL) {
		snprintf(why, PATH_WHY_MAX,
			 "no single node is called \"%.64s\"; 'macro exit list' shows the exits",
			 wish->node);
		return false;
	}
	w->exit = PATH_EXIT_NODE;
	memcpy(w->exit_id, d->id, NODE_ID_LEN);
	return true;
}

bool exit_wish_apply(const struct exit_wish *wish, const struct directory *dir, struct path_wish *w,
		     char why[static PATH_WHY_MAX])
{
	switch (wish->mode) {
	case EXIT_AUTO:
	case EXIT_NEAREST:
		w->exit = PATH_EXIT_ANY;
		break;
	case EXIT_RANDOM:
		w->exit = PATH_EXIT_ANY;
		w->is_even = true;
		break;
	case EXIT_COUNTRY:
		w->exit = PATH_EXIT_COUNTRY;
		memcpy(w->exit_country, wish->country, sizeof(w->exit_country));
		break;
	case EXIT_REGION:
		w->exit = PATH_EXIT_REGION;
		w->exit_region = wish->region;
		break;
	case EXIT_NODE:
		return apply_node(wish, dir, w, why);
	}
	return true;
}
