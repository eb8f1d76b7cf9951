/* SPDX-License-Identifier: GPL-3.0-or-later */
/* netcheck: how this network treats a client of the mesh. */
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/show.h"
#include "cli/survey_checks.h"
#include "config/config.h"
#include "wire/role.h"

enum {
	ENTRIES_MAX = 2 * SURVEY_TARGETS_MAX,
};

struct entries {
	const struct survey_app_node *by_rtt[ENTRIES_MAX];
	unsigned count;
};

static int nearer(const void *a, const void *b)
{
	const struct survey_app_node *const *x = a, *const *y = b;

	return ((*x)->said.rtt_ns > (*y)->said.rtt_ns) - ((*x)->said.rtt_ns < (*y)->said.rtt_ns);
}

static void take_entries(struct entries *e, const struct survey_app_family *f)
{
	for (unsigned i = 0; i < f->count; i++)
		if (f->nodes[i].said.is_seen)
			e->by_rtt[e->count++] = &f->nodes[i];
}

static struct entries sort_entries(const struct survey_app_report *r)
{
	struct entries e = {0};

	take_entries(&e, &r->v4);
	take_entries(&e, &r->v6);
	qsort(e.by_rtt, e.count, sizeof(e.by_rtt[0]), nearer);
	return e;
}

static double in_ms(uint64_t ns)
{
	return (double)ns / (double)NS_PER_MS;
}

static void show_text(const struct verdicts *v, const struct entries *e)
{
	char at[ENDPOINT_TEXT_MAX];

	verdicts_print(stdout, v);
	if (e->count > 0)
		printf("\nEntries, nearest first\n");
	for (unsigned i = 0; i < e->count; i++) {
		const struct survey_app_node *n = e->by_rtt[i];

		printf("  %-32s  %-2s  %8.1f ms  %s\n", n->name, n->country, in_ms(n->said.rtt_ns),
		       endpoint_format(&n->endpoint, at));
	}
}

static json_t *seen_json(const struct survey_app_family *f)
{
	const struct endpoint *seen = survey_seen(f);
	char text[ENDPOINT_TEXT_MAX];

	return seen != NULL ? json_string(endpoint_ip_format(seen->ip, text)) : json_null();
}

static json_t *family_json(const struct survey_app_family *f)
{
	return json_pack("{s:o, s:s, s:i, s:i}", "seen_as", seen_json(f), "nat",
			 nat_name(nat_kind(f)), "asked", (int)f->count, "answered",
			 (int)survey_answered(f));
}

static void show_as_json(const struct verdicts *v, const struct survey_app_report *r,
			 const struct entries *e)
{
	json_t *list = json_array(), *all;
	char at[ENDPOINT_TEXT_MAX];

	for (unsigned i = 0; i < e->count; i++) {
		const struct survey_app_node *n = e->by_rtt[i];

		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:f}", "name", n->name,
						      "country", n->country, "address",
						      endpoint_format(&n->endpoint, at), "rtt_ms",
						      in_ms(n->said.rtt_ns)));
	}
	all = json_pack("{s:i, s:s, s:i, s:o, s:o, s:o, s:o}", "schema", 1, "verdict",
			verdict_name(verdict_worst(v)), "known_nodes", (int)r->known, "ipv4",
			family_json(&r->v4), "ipv6", family_json(&r->v6), "checks",
			verdicts_json(v), "entries", list);
	show_json(all);
	json_decref(all);
}

/* What the daemon does here that would explain much. */
static enum code check_daemon(const struct cli *cli, struct verdicts *v)
{
	json_t *status = client_try_get(cli, "/v1/status");
	const bool is_blocking = json_is_true(json_object_get(status, "blocking"));
	const bool is_connected = strcmp(json_text(status, "state"), "connected") == 0;

	json_decref(status);
	if (is_connected && geteuid() != 0)
		verdict_add(v, VERDICT_NOTE, "Daemon",
			    "connected: what follows is measured through the mesh, not of this "
			    "network; run as root, or disconnect");
	if (!is_blocking || is_connected)
		return CODE_OK;
	verdict_add(v, VERDICT_WARN, "Daemon",
		    "the kill switch blocks what does not go through "
		    "the mesh, and so these checks");
	verdict_advise(v, "macro unlock ends it");
	return CODE_BLOCKED;
}

enum code run_netcheck(struct cli *cli)
{
	struct survey_app_report *r = calloc(1, sizeof(*r));
	struct verdicts v = {0};
	char error[SURVEY_TEXT_MAX];
	enum code code, blocked;
	struct entries e;
	struct config *cfg;

	if (r == NULL || sodium_init() < 0)
		abort();
	if (config_load(&cfg, cli->config_path, stderr) != 0) {
		free(r);
		return CODE_USAGE;
	}
	log_set_level(MIN(cfg->daemon.log_level, LOG_LEVEL_WARN));
	blocked = check_daemon(cli, &v);
	code = CODE_OK;
	if (survey_app_run(&(struct survey_app_params){.cfg = cfg,
						       .roles = ROLE_ENTRY,
						       .mark = cfg->client.fwmark},
			   r, error) != 0) {
		code = cli_error(CODE_FAILED, "%s", error);
	} else {
		check_network(&v, r);
		e = sort_entries(r);
		if (cli_has(cli, "json"))
			show_as_json(&v, r, &e);
		else
			show_text(&v, &e);
		if (verdict_worst(&v) == VERDICT_FAIL)
			code = blocked != CODE_OK ? blocked : CODE_FAILED;
	}
	config_free(cfg);
	free(r);
	return code;
}
