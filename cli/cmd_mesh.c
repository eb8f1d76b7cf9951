/* SPDX-License-Identifier: GPL-3.0-or-later */
/* node list, mesh status, mesh equivocations: who is in the mesh, and how much of it this daemon
 * knows. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/client.h"
#include "cli/show.h"
#include "util/bytes.h"

static void print_node(const json_t *n)
{
	const json_t *load = json_object_get(n, "load_percent"), *slot = json_object_get(n, "slot");
	char roles[SHOW_TEXT_MAX], place[SHOW_TEXT_MAX], percent[24] = "-", number[24] = "-";

	if (json_is_integer(load))
		snprintf(percent, sizeof(percent), "%" JSON_INTEGER_FORMAT "%%",
			 json_integer_value(load));
	if (json_is_integer(slot))
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(slot));
	printf("%-25s%-9s%-15s%-32s%-18s%6s%6s  %-17.16s%-10s%.8s%s\n", json_text(n, "name"),
	       json_text(n, "country"), json_text(n, "region"), show_place(n, place),
	       json_join(json_object_get(n, "roles"), ",", roles, sizeof(roles)), number, percent,
	       json_text(n, "since"), json_text(n, "software"), json_text(n, "id"),
	       json_is_true(json_object_get(n, "in_view")) ? "" : "  not yet in use");
}

enum code run_node_list(struct cli *cli)
{
	json_t *answer, *nodes;
	enum code code = client_get(cli, "/v1/nodes", &answer);

	if (code != CODE_OK)
		return code;
	nodes = json_object_get(answer, "nodes");
	if (cli_has(cli, "json")) {
		show_json(answer);
	} else if (json_array_size(nodes) == 0) {
		code = cli_error(CODE_FAILED, "no node is known yet");
	} else {
		printf("%-25s%-9s%-15s%-32s%-18s%6s%6s  %-17s%-10s%s\n", "NODE", "COUNTRY",
		       "REGION", "LOCATION", "ROLES", "SLOT", "LOAD", "UP SINCE (UTC)", "VERSION",
		       "ID");
		for (size_t i = 0; i < json_array_size(nodes); i++)
			print_node(json_array_get(nodes, i));
	}
	json_decref(answer);
	return code;
}

static void show_registry(const json_t *registry)
{
	if (!json_is_object(registry)) {
		show_line("Registry:", "none: an open mesh");
		return;
	}
	show_line("Members:",
		  "%" JSON_INTEGER_FORMAT ", of which %" JSON_INTEGER_FORMAT
		  " have not been heard of",
		  json_count(registry, "members"), json_count(registry, "missing"));
	show_line("Registry:", "%" JSON_INTEGER_FORMAT " events, signed %s%s",
		  json_count(registry, "events"), json_text(registry, "head"),
		  json_is_true(json_object_get(registry, "is_too_old")) ? ": too old" : "");
}

static void show_mirrors(const json_t *mirrors)
{
	for (size_t i = 0; i < json_array_size(mirrors); i++) {
		const json_t *m = json_array_get(mirrors, i);

		show_line(i == 0 ? "Mirrors:" : "",
			  "%.8s %s, %.0f s ago: told %" JSON_INTEGER_FORMAT
			  ", lacked %" JSON_INTEGER_FORMAT,
			  json_text(m, "id"), json_text(m, "outcome"),
			  json_real_value(json_object_get(m, "age_ms")) / 1000,
			  json_count(m, "told"),
			  json_count(m, "lacked") + json_count(m, "undelivered"));
	}
}

static void show_refused(const json_t *mesh)
{
	const char *own = json_text(mesh, "own_refusal"), *name;
	json_t *refused = json_object_get(mesh, "refused"), *count;
	bool is_first = true;

	if (own[0] != '\0')
		show_line("Own descriptor:", "not taken by others: %s", own);
	json_object_foreach(refused, name, count)
	{
		show_line(is_first ? "Refused:" : "", "%" JSON_INTEGER_FORMAT " %s",
			  json_integer_value(count), name);
		is_first = false;
	}
	if (json_count(mesh, "equivocations") > 0)
		show_line(
		    "Equivocations:", "%" JSON_INTEGER_FORMAT "; see: macro mesh equivocations",
		    json_count(mesh, "equivocations"));
}

static void show_mesh(const json_t *mesh)
{
	const json_t *view = json_object_get(mesh, "view"), *x = json_object_get(mesh, "exchange");
	const char *epoch = json_text(view, "epoch");

	printf("%" JSON_INTEGER_FORMAT " nodes\n", json_count(mesh, "known_nodes"));
	show_line("In use:", "%" JSON_INTEGER_FORMAT "%s%s", json_count(view, "nodes"),
		  epoch[0] != '\0' ? ", of the epoch that began " : "", epoch);
	show_line("View:", "%s", json_text(view, "digest"));
	show_registry(json_object_get(mesh, "registry"));
	show_line("Exchange:",
		  "%" JSON_INTEGER_FORMAT " rounds, %" JSON_INTEGER_FORMAT
		  " mirrors compared with (%" JSON_INTEGER_FORMAT
		  " through circuits), %" JSON_INTEGER_FORMAT " failed",
		  json_count(x, "rounds"), json_count(x, "pulls"),
		  json_count(x, "through_circuits"), json_count(x, "failed"));
	show_refused(mesh);
	show_mirrors(json_object_get(mesh, "mirrors"));
}

enum code run_mesh_status(struct cli *cli)
{
	json_t *answer, *mesh;
	enum code code = client_get(cli, "/v1/mesh", &answer);

	if (code != CODE_OK)
		return code;
	mesh = json_object_get(answer, "mesh");
	if (cli_has(cli, "json"))
		show_json(answer);
	else if (json_is_object(mesh))
		show_mesh(mesh);
	if (!json_is_object(mesh))
		code = cli_error(CODE_FAILED, "this daemon takes part in no mesh");
	json_decref(answer);
	return code;
}

enum code run_mesh_equivocations(struct cli *cli)
{
	json_t *answer, *list;
	enum code code = client_get(cli, "/v1/mesh/equivocations", &answer);

	if (code != CODE_OK)
		return code;
	list = json_object_get(answer, "equivocations");
	if (cli_has(cli, "json")) {
		show_json(answer);
	} else if (json_array_size(list) == 0) {
		printf("none: no node was caught saying different things at once\n");
	} else {
		printf("%-26s%-34s%-18s%s\n", "SEEN (UTC)", "NODE", "SEQUENCE", "ID");
		for (size_t i = 0; i < json_array_size(list); i++) {
			const json_t *e = json_array_get(list, i);

			printf("%-26s%-34s%-18" JSON_INTEGER_FORMAT "%s\n", json_text(e, "seen"),
			       json_text(e, "name"), json_count(e, "sequence"), json_text(e, "id"));
		}
		printf("Both descriptors of each, signed by the node: macro mesh equivocations "
		       "--json\n");
	}
	json_decref(answer);
	return code;
}
