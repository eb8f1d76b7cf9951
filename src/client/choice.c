/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which nodes the next path goes through: the wish, the session's exit, and whom to leave out for
 * now. */
#include "client/client_int.h"

#include <ctype.h>
#include <sodium.h>
#include <stdio.h>

void choice_avoid(struct client *c, const uint8_t id[static NODE_ID_LEN], const struct now *now)
{
	struct avoided *slot = &c->avoid[0];

	for (size_t i = 0; i < AVOID_MAX; i++) {
		struct avoided *a = &c->avoid[i];

		if (a->until_ns != 0 && memcmp(a->id, id, NODE_ID_LEN) == 0) {
			slot = a;
			break;
		}
		if (a->until_ns < slot->until_ns)
			slot = a;
	}
	memcpy(slot->id, id, NODE_ID_LEN);
	slot->until_ns = now->mono_ns + AVOID_NS;
}

void choice_forget(struct client *c)
{
	memset(c->avoid, 0, sizeof(c->avoid));
}

/* Whom to leave out, those that failed last first.  Not the one exit that will do: it would
 * bring all others back into question. */
static size_t avoid_list(const struct client *c, const struct path_wish *w, const struct now *now,
			 uint8_t (*out)[NODE_ID_LEN])
{
	const struct avoided *list[AVOID_MAX];
	size_t n = 0;

	for (size_t i = 0; i < AVOID_MAX; i++) {
		size_t at = n;

		if (c->avoid[i].until_ns <= now->mono_ns ||
		    (w->exit == PATH_EXIT_NODE &&
		     memcmp(c->avoid[i].id, w->exit_id, NODE_ID_LEN) == 0))
			continue;
		for (; at > 0 && list[at - 1]->until_ns < c->avoid[i].until_ns; at--)
			list[at] = list[at - 1];
		list[at] = &c->avoid[i];
		n++;
	}
	for (size_t i = 0; i < n; i++)
		memcpy(out[i], list[i]->id, NODE_ID_LEN);
	return n;
}

/* A node by name, or by its id in hex or the first 8 digits or more of it; NULL: none, or several.
 */
static const struct descriptor *node_by_text(const struct directory *dir, const char *text)
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

static bool wish_exit(const struct client *c, struct path_wish *w, char why[static PATH_WHY_MAX])
{
	const char *text = c->wish.exit;
	const struct descriptor *d;

	if (text[0] == '\0' || strcasecmp(text, "auto") == 0) {
		w->exit = PATH_EXIT_ANY;
		return true;
	}
	if (strlen(text) == 2) {
		w->exit = PATH_EXIT_COUNTRY;
		w->exit_country[0] = (char)toupper((unsigned char)text[0]);
		w->exit_country[1] = (char)toupper((unsigned char)text[1]);
		return true;
	}
	d = node_by_text(c->params.dir, text);
	if (d == NULL) {
		snprintf(why, PATH_WHY_MAX,
			 "no single node is called \"%.64s\"; 'macro exit list' shows the exits",
			 text);
		return false;
	}
	w->exit = PATH_EXIT_NODE;
	memcpy(w->exit_id, d->id, NODE_ID_LEN);
	return true;
}

bool choice_make(struct client *c, bool keep_exit, const struct now *now, struct path_route *out,
		 char why[static PATH_WHY_MAX])
{
	uint8_t avoid[AVOID_MAX][NODE_ID_LEN];
	struct path_wish w = {.hops = c->wish.hops, .avoid = avoid[0]};

	if (keep_exit && c->has_session) {
		w.exit = PATH_EXIT_NODE;
		memcpy(w.exit_id, c->session_exit, NODE_ID_LEN);
	} else if (!wish_exit(c, &w, why)) {
		return false;
	}
	w.avoid_count = avoid_list(c, &w, now, avoid);
	while (path_choose(c->chooser, &w, now, c->params.rng, out, why) != PATH_OK) {
		if (w.avoid_count == 0)
			return false;
		w.avoid_count--; /* better one that failed, long ago, than none */
	}
	return true;
}
