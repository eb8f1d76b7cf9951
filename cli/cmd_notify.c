/* SPDX-License-Identifier: GPL-3.0-or-later */
/* notify: what changes, on the desktop of whoever runs it, as long as it runs. */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/notify.h"
#include "cli/show.h"

enum {
	SUMMARY_MAX = 64,
};

/* Backups and verdicts are for status --follow: nothing has changed for the user. */
static bool is_of_interest(const char *kind)
{
	return strcmp(kind, "state") == 0 || strcmp(kind, "route") == 0 ||
	       strcmp(kind, "profile") == 0 || strcmp(kind, "error") == 0;
}

/* "MacroMesh: reconnecting" */
static void summarize(const json_t *event, char out[static SUMMARY_MAX])
{
	const char *kind = json_text(event, "event");
	const char *what = json_text(event, "state");

	if (strcmp(kind, "route") == 0)
		what = "route changed";
	else if (strcmp(kind, "profile") == 0)
		what = "profile changed";
	snprintf(out, SUMMARY_MAX, "MacroMesh: %s", what);
}

struct notify_run {
	struct notifier notifier;
	char state[SHOW_TEXT_MAX]; /* that was shown last */
	int err;
};

static bool on_event(void *ctx, json_t *event)
{
	struct notify_run *run = ctx;
	const char *kind = json_text(event, "event"), *text = json_text(event, "text"),
		   *state = json_text(event, "state");
	const bool is_urgent = strcmp(kind, "error") == 0 || strcmp(state, "error") == 0 ||
			       strcmp(state, "blocked") == 0;
	char summary[SUMMARY_MAX];

	if (!is_of_interest(kind))
		return true;
	if (strcmp(kind, "state") == 0 && strcmp(state, run->state) == 0 && text[0] == '\0')
		return true; /* nothing new in it */
	snprintf(run->state, sizeof(run->state), "%s", state);
	summarize(event, summary);
	run->err = notify_send(&run->notifier, summary, text, is_urgent);
	return run->err == 0;
}

enum code run_notify(struct cli *cli)
{
	struct notify_run run = {.err = 0};
	int err = notify_open(&run.notifier);
	enum code code;

	if (err != 0)
		code =
		    cli_error(CODE_FAILED, "there is no session bus here: %s; run it on a desktop",
			      strerror(-err));
	else
		code = client_follow(cli, 0, on_event, &run);
	if (run.err != 0)
		code = cli_error(CODE_FAILED, "nothing shows notifications on this desktop: %s",
				 strerror(-run.err));
	notify_close(&run.notifier);
	return code;
}
