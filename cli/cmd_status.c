/* SPDX-License-Identifier: GPL-3.0-or-later */
/* status, route show: how it is connected, for people or as the daemon's JSON. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/client.h"
#include "cli/show.h"
#include "util/bytes.h"

/* The local time of day of an RFC 3339 time, or dashes. */
static const char *clock_time(const char *rfc3339, char out[static SHOW_TEXT_MAX])
{
	struct tm tm = {0};
	time_t t;

	snprintf(out, SHOW_TEXT_MAX, "--:--:--");
	if (strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &tm) == NULL)
		return out;
	t = timegm(&tm);
	if (localtime_r(&t, &tm) != NULL)
		strftime(out, SHOW_TEXT_MAX, "%H:%M:%S", &tm);
	return out;
}

static bool print_event(void *ctx, json_t *event)
{
	const char *kind = json_text(event, "event"), *text = json_text(event, "text");
	char time[SHOW_TEXT_MAX];

	(void)ctx;
	clock_time(json_text(event, "time"), time);
	if (strcmp(kind, "lost") == 0)
		printf("%s %" JSON_INTEGER_FORMAT " events were lost\n", time,
		       json_count(event, "lost_events"));
	else
		printf("%s %s%s%s\n", time,
		       strcmp(kind, "state") == 0     ? json_text(event, "state")
		       : strcmp(kind, "route") == 0   ? "route changed"
		       : strcmp(kind, "path") == 0    ? "backup changed"
		       : strcmp(kind, "profile") == 0 ? "profile changed"
						      : kind,
		       text[0] != '\0' ? ": " : "", text);
	return fflush(stdout) == 0;
}

static bool print_event_json(void *ctx, json_t *event)
{
	(void)ctx;
	json_dumpf(event, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
	putchar('\n');
	return fflush(stdout) == 0;
}

enum code run_status(struct cli *cli)
{
	const bool is_json = cli_has(cli, "json");
	enum code answer = CODE_OK;
	json_t *status;
	enum code code = client_get(cli, "/v1/status", &status);

	if (code != CODE_OK)
		return code;
	if (is_json && !cli_has(cli, "follow"))
		show_json(status);
	else if (!is_json)
		show_status(cli, status, cli_has(cli, "verbose"));
	if (strcmp(json_text(status, "state"), "connected") != 0)
		answer = json_is_true(json_object_get(status, "blocking")) ? CODE_BLOCKED
									   : CODE_NOT_CONNECTED;
	json_decref(status);
	if (cli_has(cli, "follow"))
		return client_follow(cli, 0, is_json ? print_event_json : print_event, NULL);
	return cli_has(cli, "check") ? answer : CODE_OK;
}

enum code run_route_show(struct cli *cli)
{
	json_t *answer, *route;
	enum code code = client_get(cli, "/v1/route", &answer);

	if (code != CODE_OK)
		return code;
	route = json_object_get(answer, "route");
	if (cli_has(cli, "json"))
		show_json(answer);
	else if (json_is_object(route))
		show_route(cli, answer);
	if (!json_is_object(route))
		code = cli_error(CODE_NOT_CONNECTED, "there is no route: %s",
				 json_text(answer, "state"));
	json_decref(answer);
	return code;
}
