/* SPDX-License-Identifier: GPL-3.0-or-later */
/* connect, disconnect, reconnect: begin something; with --wait, see how it ends. */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/connect.h"
#include "cli/show.h"

#define TIMEOUT_DEFAULT_S 60

struct waiting {
	const char *wanted;    /* state */
	const char *old_route; /* when it was made; another one is waited for.  NULL: any */
	char state[32];
	char text[256]; /* what was said last */
};

static const char *route_time(const json_t *object)
{
	return json_text(json_object_get(object, "route"), "created");
}

/* Disconnected with a kill switch that always blocks is disconnected too. */
static bool is_wanted(const char *state, const char *wanted)
{
	return strcmp(state, wanted) == 0 ||
	       (strcmp(wanted, "disconnected") == 0 && strcmp(state, "blocked") == 0);
}

/* The first line is the state after our request, so nothing can have been missed. */
static bool on_event(void *ctx, json_t *event)
{
	struct waiting *w = ctx;
	const bool is_old = w->old_route != NULL && strcmp(route_time(event), w->old_route) == 0;

	if (json_text(event, "state")[0] == '\0')
		return true;
	snprintf(w->state, sizeof(w->state), "%s", json_text(event, "state"));
	snprintf(w->text, sizeof(w->text), "%s", json_text(event, "text"));
	return (!is_wanted(w->state, w->wanted) || is_old) && strcmp(w->state, "error") != 0 &&
	       strcmp(w->state, "blocked") != 0 && strcmp(w->state, "disconnected") != 0;
}

enum code connect_wait(const struct cli *cli, const char *wanted, const char *old_route)
{
	struct waiting w = {.wanted = wanted, .old_route = old_route};
	long timeout_s = TIMEOUT_DEFAULT_S;
	enum code code = cli_number(cli, "timeout", 1, 86400, &timeout_s);

	if (code == CODE_OK)
		code = client_follow(cli, timeout_s, on_event, &w);

	if (code == CODE_NOT_CONNECTED)
		return cli_error(code, "still %s after %ld s%s%s; it goes on, see: macro status",
				 w.state, timeout_s, w.text[0] != '\0' ? ": " : "", w.text);
	if (code == CODE_OK && !is_wanted(w.state, wanted))
		return cli_error(CODE_FAILED, "%s%s%s", w.state, w.text[0] != '\0' ? ": " : "",
				 w.text);
	return code;
}

/* Prints the state that the daemon reports, never the one we hope for. */
static enum code finish(const struct cli *cli, const char *wanted, const char *old_route)
{
	enum code code = CODE_OK;
	json_t *status;

	if (cli_has(cli, "wait"))
		code = connect_wait(cli, wanted, old_route);
	if (code == CODE_OK)
		code = client_get(cli, "/v1/status", &status);
	if (code != CODE_OK)
		return code;
	show_status(cli, status, false);
	if (cli_has(cli, "wait") && !is_wanted(json_text(status, "state"), wanted))
		code = CODE_FAILED;
	json_decref(status);
	return code;
}

static void set_text(json_t *body, const struct cli *cli, const char *name)
{
	if (cli_has(cli, name))
		json_object_set_new(body, name, json_string(cli_option(cli, name)));
}

/* A wrong --timeout must be found before anything is begun. */
static enum code check_timeout(const struct cli *cli)
{
	long ignored;

	return cli_number(cli, "timeout", 1, 86400, &ignored);
}

/* Before anything is begun. */
static enum code print_cost(const struct cli *cli, const json_t *body)
{
	char text[SHOW_COST_MAX];
	json_t *answer;
	const enum code code = client_ask(cli, "/v1/cost", json_deep_copy(body), &answer);

	if (code != CODE_OK)
		return code;
	printf("Profile %s: %s\n", json_text(answer, "profile"),
	       show_cost(json_object_get(answer, "expected"), text));
	json_decref(answer);
	return CODE_OK;
}

enum code run_connect(struct cli *cli)
{
	json_t *body = json_object();
	long hops = 0;
	enum code code = cli_number(cli, "hops", 1, 5, &hops);

	if (code == CODE_OK)
		code = check_timeout(cli);
	if (code != CODE_OK) {
		json_decref(body);
		return code;
	}
	set_text(body, cli, "profile");
	set_text(body, cli, "exit");
	if (hops != 0)
		json_object_set_new(body, "hops", json_integer(hops));
	if (cli_has(cli, "only"))
		json_object_set_new(body, "only", json_true());
	code = print_cost(cli, body);
	if (code != CODE_OK)
		json_decref(body);
	else
		code = client_post(cli, "/v1/connect", body);
	return code == CODE_OK ? finish(cli, "connected", NULL) : code;
}

enum code run_disconnect(struct cli *cli)
{
	enum code code = check_timeout(cli);

	if (code == CODE_OK)
		code = client_post(cli, "/v1/disconnect", NULL);
	return code == CODE_OK ? finish(cli, "disconnected", NULL) : code;
}

enum code run_reconnect(struct cli *cli)
{
	enum code code = check_timeout(cli);
	json_t *before = NULL;

	if (code == CODE_OK)
		code = client_get(cli, "/v1/route", &before);
	if (code == CODE_OK)
		code = client_post(cli, "/v1/reconnect",
				   json_pack("{s:b}", "new_exit", cli_has(cli, "new-exit")));
	if (code == CODE_OK)
		code = finish(cli, "connected", route_time(before));
	json_decref(before);
	return code;
}
