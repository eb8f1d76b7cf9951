/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Making a node, and looking whether it can be one.  init can be run again: what is there stays as
 * it is.  Seeds go to standard output, everything else to standard error.
 */
#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/cmd_node.h"
#include "cli/exit_check.h"
#include "cli/file.h"
#include "cli/node_config.h"
#include "cli/show.h"
#include "cli/survey_checks.h"
#include "host/portmap.h"
#include "util/xalloc.h"
#include "wire/role.h"

#define PLACEHOLDER "192.0.2.1:4600" /* for an address that is still to be found out */

enum {
	CONFIG_FILE_MAX = 1 << 20,
	MAPPING_LEASE_S = 3600, /* by then the daemon renews it, or it is not wanted */
	NAME_LEN_MIN = 3,
	NAME_LEN_MAX = 32,
};

/* A node-to-be. */
struct making {
	struct cli *cli;
	struct node_config settings;
	bool is_made; /* the file has a node already */
	struct config *cfg;
	struct identity identity;
	struct survey_app_report report;
	bool is_surveyed;
};

/* ---- what is missing ---- */

/* The machine's name, if it can be a node's. */
static void suggest_name(char out[static NAME_LEN_MAX + 1])
{
	char host[256] = "";
	size_t n = 0;

	(void)gethostname(host, sizeof(host) - 1);
	for (const char *p = host; *p != '\0' && n < NAME_LEN_MAX; p++)
		out[n++] = isalnum((unsigned char)*p) || *p == '-' || *p == '.'
			       ? (char)tolower((unsigned char)*p)
			       : '-';
	out[n < NAME_LEN_MIN ? 0 : n] = '\0';
}

static void ask_for(struct node_config *n, enum node_setting setting, const char *question,
		    const char *fallback)
{
	char *answer;

	if (n->value[setting] != NULL)
		return;
	answer = ask_text(question, fallback);
	if (answer != NULL)
		node_config_set(n, setting, answer);
	free(answer);
}

static enum code ask_mesh(struct node_config *n)
{
	enum code code = CODE_USAGE;
	char *answer;

	if (n->value[NODE_SEEDS] != NULL || n->present != NULL)
		return CODE_OK;
	while (code != CODE_OK) {
		answer =
		    ask_text("Invite or seed token of the mesh to join (Enter: a new mesh)", "");
		code = answer != NULL ? node_config_join(n, answer) : CODE_OK;
		free(answer);
	}
	return CODE_OK;
}

static enum code ask_missing(struct node_config *n)
{
	char name[NAME_LEN_MAX + 1];
	enum code code = ask_mesh(n);

	suggest_name(name);
	if (code != CODE_OK)
		return code;
	ask_for(n, NODE_ROLES, "Roles: entry, relay, exit, or several with commas", "relay");
	ask_for(n, NODE_COUNTRY, "Country it stands in, two letters", NULL);
	ask_for(n, NODE_NAME, "Name of the node", name);
	ask_for(n, NODE_OPERATOR, "Who runs it; the same on all of your nodes", name);
	ask_for(n, NODE_BANDWIDTH, "Bandwidth to give, in bit/s", "200M");
	return CODE_OK;
}

/* ---- the configuration ---- */

static enum code parse(struct making *m, const char *address)
{
	char *given = m->settings.value[NODE_ADDRESS], *text;
	enum code code = CODE_OK;

	if (given == NULL && address != NULL)
		m->settings.value[NODE_ADDRESS] = xstrdup(address);
	text = node_config_text(&m->settings);
	if (given == NULL && address != NULL) {
		free(m->settings.value[NODE_ADDRESS]);
		m->settings.value[NODE_ADDRESS] = NULL;
	}
	if (config_parse(&m->cfg, text, strlen(text), m->cli->config_path, stderr) != 0)
		code = cli_error(CODE_USAGE, "%s is not written; see: macro help node init",
				 m->cli->config_path);
	free(text);
	return code;
}

static enum code load_present(struct making *m)
{
	const char *path = m->cli->config_path;
	size_t len;
	enum code code;

	if (access(path, F_OK) != 0)
		return CODE_OK;
	if (config_load(&m->cfg, path, stderr) != 0)
		return CODE_FAILED;
	m->is_made = config_has(m->cfg, CONFIG_NODE);
	if (m->is_made) {
		fprintf(stderr, "macro: %s is there already and stays as it is\n", path);
		return CODE_OK;
	}
	config_free(m->cfg);
	m->cfg = NULL;
	code = file_read(path, CONFIG_FILE_MAX, &m->settings.present, &len);
	if (code == CODE_OK && m->settings.value[NODE_SEEDS] != NULL)
		return cli_error(CODE_USAGE,
				 "--seed: %s is there and names a mesh; change [mesh] there", path);
	return code;
}

static bool has_mesh(const struct making *m)
{
	return m->cfg->mesh.seeds.count > 0 || m->cfg->mesh.seed_file != NULL;
}

static enum code prepare(struct making *m)
{
	const bool will_ask = ask_can();
	enum code code = node_config_init(&m->settings, m->cli);
	bool is_findable;

	if (code == CODE_OK)
		code = load_present(m);
	if (code != CODE_OK || m->is_made)
		return code;
	if (will_ask)
		code = ask_missing(&m->settings);
	if (code != CODE_OK)
		return code;
	is_findable = m->settings.value[NODE_SEEDS] != NULL || m->settings.present != NULL;
	return parse(m, is_findable || will_ask ? PLACEHOLDER : NULL);
}

/* ---- what the mesh says ---- */

static uint16_t port_of(const struct making *m)
{
	return m->cfg->node.listen.port;
}

/* The port that others know: behind a router it may be another one than listened on. */
static uint16_t dial_port(const struct making *m)
{
	const struct config_endpoints *list = &m->cfg->node.address;
	const bool is_known = m->is_made || m->settings.value[NODE_ADDRESS] != NULL;

	return is_known && list->count > 0 ? list->items[0].port : port_of(m);
}

static void survey(struct making *m, uint16_t port)
{
	char error[SURVEY_TEXT_MAX];
	int rc;

	if (cli_has(m->cli, "no-check") || !has_mesh(m))
		return;
	fprintf(stderr, "macro: asking nodes of the mesh how they see this machine ...\n");
	rc = survey_app_run(&(struct survey_app_params){.cfg = m->cfg,
							.roles = ROLE_ALL,
							.mark = m->cfg->client.fwmark,
							.identity = &m->identity,
							.listen = m->cfg->node.listen,
							.dial_port = port},
			    &m->report, error);
	m->is_surveyed = rc == 0;
	if (rc != 0)
		fprintf(stderr, "macro: nothing checked: %s\n", error);
}

static bool wants_mapping(const struct making *m)
{
	if (m->cfg->node.port_mapping)
		return true;
	return !m->is_made && ask_can() && m->settings.value[NODE_PORT_MAPPING] == NULL &&
	       m->is_surveyed && survey_seen(&m->report.v4) != NULL &&
	       nat_kind(&m->report.v4) != NAT_NONE && !survey_was_called(&m->report.v4) &&
	       ask_yes("This machine is behind a router that lets no calls in. Ask it to forward "
		       "the port (NAT-PMP, UPnP)?");
}

/* Once here, to see that it helps; then the daemon does it. */
static uint16_t map_port(struct making *m, uint16_t port)
{
	struct portmap map = {0};
	struct host_error err;

	if (!wants_mapping(m))
		return port;
	if (portmap_add(&map, port_of(m), port, MAPPING_LEASE_S, &err) != 0) {
		fprintf(stderr, "macro: %s\n", err.text);
		return port;
	}
	fprintf(stderr, "macro: the router forwards UDP port %u to this machine (%s)\n",
		(unsigned)map.outer.port, portmap_way_name(map.way));
	if (!m->is_made)
		node_config_set(&m->settings, NODE_PORT_MAPPING, "yes");
	survey(m, map.outer.port);
	return map.outer.port;
}

/* ---- the address ---- */

static char *add_address(char *list, const struct survey_app_family *f, uint16_t port)
{
	const struct endpoint *seen = survey_seen(f);
	char text[ENDPOINT_TEXT_MAX], *longer;
	struct endpoint e;

	if (seen == NULL)
		return list;
	e = *seen;
	e.port = port;
	endpoint_format(&e, text);
	longer = list != NULL ? xasprintf("%s, %s", list, text) : xstrdup(text);
	free(list);
	return longer;
}

/* Where calls came in; where none did, as whom the nodes see this machine. */
static char *suggest_address(const struct making *m, uint16_t port)
{
	const struct survey_app_report *r = &m->report;
	const bool open_v4 = survey_was_called(&r->v4), open_v6 = survey_was_called(&r->v6);
	char *list = NULL;

	if (open_v4 || !open_v6)
		list = add_address(list, &r->v4, port);
	if (open_v6 || !open_v4)
		list = add_address(list, &r->v6, port);
	return list;
}

static enum code find_address(struct making *m, uint16_t port)
{
	char *found;

	if (m->settings.value[NODE_ADDRESS] != NULL)
		return CODE_OK;
	found = suggest_address(m, port);
	if (ask_can())
		ask_for(&m->settings, NODE_ADDRESS, "Where others reach it, IP:PORT", found);
	else if (found != NULL)
		node_config_set(&m->settings, NODE_ADDRESS, found);
	free(found);
	if (m->settings.value[NODE_ADDRESS] != NULL)
		return CODE_OK;
	return cli_error(CODE_USAGE, "no node could tell as whom it sees this machine: give "
				     "--address IP:PORT");
}

static enum code finish_config(struct making *m, uint16_t port)
{
	enum code code = find_address(m, port);
	struct config *draft = m->cfg;

	if (code != CODE_OK)
		return code;
	m->cfg = NULL;
	code = parse(m, NULL);
	if (code != CODE_OK) {
		m->cfg = draft;
		return code;
	}
	config_free(draft);
	return node_config_write(&m->settings, m->cli->config_path);
}

/* ---- what is said in the end ---- */

static void check_listed(struct verdicts *v, const struct making *m, enum verdict if_not)
{
	const struct survey_app_report *r = &m->report;

	if (r->known == 0)
		return;
	if (r->is_listed) {
		verdict_add(v, VERDICT_OK, "Listed", "the mesh knows this node");
		return;
	}
	verdict_add(v, if_not, "Listed", "the mesh does not know this node yet");
	if (m->cfg->mesh.registrar.is_set)
		verdict_advise(v, "the mesh's registrar has to add it: macro registry add TOKEN; "
				  "and macrod has to run here");
	else
		verdict_advise(v, "start macrod here: systemctl enable --now macrod");
}

static void make_verdicts(struct verdicts *v, const struct making *m, uint16_t port,
			  enum verdict if_unlisted)
{
	if (m->is_surveyed) {
		check_network(v, &m->report);
		check_called(v, &m->report, port);
	}
	if ((m->cfg->node.roles & ROLE_EXIT) != 0 && !cli_has(m->cli, "no-check"))
		check_exit(v);
	if (m->is_surveyed)
		check_listed(v, m, if_unlisted);
}

static void print_next(const struct making *m, enum verdict worst)
{
	if (worst == VERDICT_FAIL)
		fprintf(stderr, "Mend what failed first; macro node check looks again.\n");
	if (m->cfg->mesh.registrar.is_set)
		fprintf(stderr, "Give the token above to the mesh's registrar, for: macro registry "
				"add TOKEN\n");
	fprintf(stderr, "Start the node: systemctl enable --now macrod\nThen: macro node check\n");
}

static enum code load_identity(struct making *m, bool creates)
{
	char error[IDENTITY_ERROR_MAX], *path = node_identity_path(m->cli, m->cfg);
	enum code code = creates ? file_make_parent(path, 0700) : CODE_OK;
	int rc = 0;

	if (code == CODE_OK)
		rc = creates ? identity_load_or_create(&m->identity, path, &rng_system, error)
			     : identity_load(&m->identity, path, error);
	if (rc != 0)
		code = cli_error(CODE_FAILED, "%s", error);
	free(path);
	return code;
}

static void making_free(struct making *m)
{
	identity_wipe(&m->identity);
	node_config_free(&m->settings);
	if (m->cfg != NULL)
		config_free(m->cfg);
	free(m);
}

static enum code init(struct making *m)
{
	struct verdicts v = {0};
	uint16_t port;
	enum code code = prepare(m);

	if (code == CODE_OK)
		code = load_identity(m, true);
	if (code != CODE_OK)
		return code;
	port = dial_port(m);
	if (!m->cfg->node.port_mapping)
		survey(m, port);
	port = map_port(m, port);
	if (!m->is_made)
		code = finish_config(m, port);
	if (code == CODE_OK)
		code = node_print_seeds(m->cli, m->cfg, &m->identity);
	if (code != CODE_OK)
		return code;
	fflush(stdout);
	make_verdicts(&v, m, port, VERDICT_NOTE);
	verdicts_print(stderr, &v);
	if (m->is_surveyed && !m->report.is_listed)
		print_next(m, verdict_worst(&v));
	return verdict_worst(&v) == VERDICT_FAIL ? CODE_FAILED : CODE_OK;
}

static struct making *making_new(struct cli *cli)
{
	struct making *m = xcalloc(1, sizeof(*m));

	if (sodium_init() < 0)
		abort();
	log_set_level(LOG_LEVEL_WARN);
	m->cli = cli;
	return m;
}

enum code run_node_init(struct cli *cli)
{
	struct making *m = making_new(cli);
	const enum code code = init(m);

	making_free(m);
	return code;
}

static void show_check(const struct cli *cli, const struct verdicts *v)
{
	json_t *json;

	if (!cli_has(cli, "json")) {
		verdicts_print(stdout, v);
		return;
	}
	json = json_pack("{s:i, s:s, s:o}", "schema", 1, "verdict", verdict_name(verdict_worst(v)),
			 "checks", verdicts_json(v));
	show_json(json);
	json_decref(json);
}

static enum code check(struct making *m)
{
	struct verdicts v = {0};
	enum code code;

	if (config_load(&m->cfg, m->cli->config_path, stderr) != 0)
		return CODE_FAILED;
	if (!config_has(m->cfg, CONFIG_NODE))
		return cli_error(CODE_FAILED, "%s has no [node]; see: macro help node init",
				 m->cli->config_path);
	m->is_made = true;
	code = load_identity(m, false);
	if (code != CODE_OK)
		return code;
	survey(m, dial_port(m));
	make_verdicts(&v, m, dial_port(m), VERDICT_FAIL);
	show_check(m->cli, &v);
	return verdict_worst(&v) == VERDICT_FAIL || !m->is_surveyed ? CODE_FAILED : CODE_OK;
}

enum code run_node_check(struct cli *cli)
{
	struct making *m = making_new(cli);
	const enum code code = check(m);

	making_free(m);
	return code;
}
