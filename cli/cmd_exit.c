/* SPDX-License-Identifier: GPL-3.0-or-later */
/* exit list: where traffic could leave the mesh, and what is known of those places. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/client.h"
#include "cli/show.h"

/* Only the exits in a country, if one is given. */
static void filter_country(json_t *exits, const char *country)
{
	for (size_t i = json_array_size(exits); country != NULL && i-- > 0;)
		if (strcasecmp(json_text(json_array_get(exits, i), "country"), country) != 0)
			json_array_remove(exits, i);
}

static const char *reach_of(const json_t *e)
{
	const bool v4 = json_is_true(json_object_get(e, "exits_ipv4"));
	const bool v6 = json_is_true(json_object_get(e, "exits_ipv6"));

	return v4 && v6 ? "4+6" : v4 ? "4" : v6 ? "6" : "-";
}

static const char *health_of(const json_t *e)
{
	const char *verdict = json_text(e, "health");

	return strcmp(verdict, "unknown") == 0 ? "-" : verdict;
}

static void print_exit(const json_t *e)
{
	const json_t *load = json_object_get(e, "load_percent");
	const char *city = json_text(e, "city");
	char rate[SHOW_TEXT_MAX], percent[24] = "-", rtt[SHOW_TEXT_MAX], place[SHOW_TEXT_MAX];

	if (json_is_integer(load))
		snprintf(percent, sizeof(percent), "%" JSON_INTEGER_FORMAT "%%",
			 json_integer_value(load));
	printf("%-24s %-8s %-16s %-7s %4s %10s  %-31s %10s  %-4s %.8s\n", json_text(e, "name"),
	       json_text(e, "country"), city[0] != '\0' ? city : "-", health_of(e), percent,
	       show_ms(json_object_get(e, "rtt_ms"), rtt), show_place(e, place),
	       show_bit_rate(json_count(e, "bandwidth_bps"), rate), reach_of(e),
	       json_text(e, "id"));
}

enum code run_exit_list(struct cli *cli)
{
	json_t *answer, *exits;
	enum code code = client_get(cli, "/v1/exits", &answer);

	if (code != CODE_OK)
		return code;
	exits = json_object_get(answer, "exits");
	filter_country(exits, cli_option(cli, "country"));
	if (cli_has(cli, "json")) {
		show_json(answer);
	} else if (json_array_size(exits) == 0) {
		code = cli_error(CODE_FAILED, "no exit is known%s%s",
				 cli_has(cli, "country") ? " in " : " yet",
				 cli_has(cli, "country") ? cli_option(cli, "country") : "");
	} else {
		printf("%-24s %-8s %-16s %-7s %4s %10s  %-31s %10s  %-4s %s\n", "EXIT", "COUNTRY",
		       "CITY", "HEALTH", "LOAD", "LATENCY", "LOCATION", "BANDWIDTH", "IP", "ID");
		for (size_t i = 0; i < json_array_size(exits); i++)
			print_exit(json_array_get(exits, i));
	}
	json_decref(answer);
	return code;
}
