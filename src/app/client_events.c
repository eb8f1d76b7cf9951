/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the client tells of itself as it happens: to the log, and to who follows the events. */
#include "app/client_app.h"
#include "app/mesh_view.h"
#include "util/log.h"

#include <stdio.h>

static void post(struct client_app *a, struct event_view *ev, const char *text,
		 const struct now *now)
{
	struct client_view v;

	client_view(a->client, now, &v);
	ev->time_ns = now->wall_ns;
	ev->state = client_app_state(a, &v);
	/* What went wrong on the machine is more than what the client knows of it. */
	if (ev->state == VIEW_BLOCKED)
		client_app_blocked_reason(a, ev->text);
	else
		snprintf(ev->text, sizeof(ev->text), "%.*s", (int)sizeof(ev->text) - 1,
			 ev->state == VIEW_ERROR ? a->error : text);
	if (v.hops > 0)
		client_route_fill(&v.path[0], &ev->route);
	ev->paths_active = v.in_use;
	ev->paths_backup = v.backups;
	if (a->control != NULL)
		control_event_post(a->control, ev);
}

void client_app_tell(struct client_app *a, enum view_event type, const char *text,
		     const struct now *now)
{
	struct event_view ev = {.event = type};

	post(a, &ev, text, now);
}

static enum view_event event_of(enum client_note_type type)
{
	switch (type) {
	case CLIENT_NOTE_STATE:
	case CLIENT_NOTE_SESSION:
		return VIEW_EVENT_STATE;
	case CLIENT_NOTE_ROUTE:
		return VIEW_EVENT_ROUTE;
	case CLIENT_NOTE_PATH:
		return VIEW_EVENT_PATH;
	case CLIENT_NOTE_HEALTH:
		return VIEW_EVENT_HEALTH;
	case CLIENT_NOTE_ERROR:
		return VIEW_EVENT_ERROR;
	}
	return VIEW_EVENT_ERROR;
}

void client_app_tell_note(struct client_app *a, const struct client_note *note,
			  const struct now *now)
{
	struct event_view ev = {
	    .event = event_of(note->type),
	    .hop = note->hop,
	    .has_dropped = note->has_dropped,
	    .dropped = note->dropped,
	};

	if (note->hop > 0)
		node_ref_fill(&ev.node, note->who.id, note->who.name, note->who.country);
	if (note->has_verdict) {
		ev.verdict = client_verdict(&note->verdict);
		ev.cause = health_cause_name(note->verdict.cause);
	}
	if (note->type == CLIENT_NOTE_ERROR)
		log_warn("%s", note->text);
	else if (note->type != CLIENT_NOTE_STATE)
		log_info("%s", note->text);
	post(a, &ev, note->text, now);
}
