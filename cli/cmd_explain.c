/* SPDX-License-Identifier: GPL-3.0-or-later */
/* route explain: why the route goes through these nodes, and why not through others. */
#include <stdio.h>

#include "cli/client.h"
#include "cli/show.h"
#include "util/bytes.h"

static const char *name_of(const json_t *node)
{
	const char *name = json_text(node, "name");

	return name[0] != '\0' ? name : json_text(node, "id");
}

static double ms_of(const json_t *cost, const char *key)
{
	return json_number_value(json_object_get(cost, key));
}

/* Only what it does cost something for. */
static void show_cost_parts(const json_t *cost)
{
	static const struct {
		const char *key, *text;
	} parts[] = {
	    {"load_ms", "for its load"},
	    {"health_ms", "for how it did"},
	    {"shared_ms", "for what it shares with other routes"},
	    {"place_ms", "for a refuted country"},
	};

	printf("%.1f ms (%s)", ms_of(cost, "link_rtt_ms"),
	       json_is_true(json_object_get(cost, "is_measured")) ? "measured" : "guessed");
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (ms_of(cost, parts[i].key) > 0)
			printf(", %.1f ms %s", ms_of(cost, parts[i].key), parts[i].text);
	putchar('\n');
}

static void show_other(const json_t *other)
{
	const json_t *node = json_object_get(other, "node");
	const char *refused = json_text(other, "refused");
	const double more_ms = ms_of(other, "more_ms");

	printf("     not %s (%s): ", name_of(node), json_text(node, "country"));
	if (refused[0] != '\0')
		printf("%s\n", refused);
	else if (more_ms < 0)
		printf("%.1f ms less; the lot fell otherwise\n", -more_ms);
	else
		printf("%.1f ms more\n", more_ms);
}

static void show_hop(size_t number, const json_t *hop)
{
	const json_t *node = json_object_get(hop, "node"), *others = json_object_get(hop, "others");
	const json_t *load = json_object_get(hop, "load_percent");
	char role[SHOW_TEXT_MAX], rate[SHOW_TEXT_MAX];

	json_join(json_object_get(hop, "roles"), "+", role, sizeof(role));
	printf("%zu  %-10s %s (%s): ", number, role, name_of(node), json_text(node, "country"));
	show_cost_parts(json_object_get(hop, "cost"));
	printf("     one of %" JSON_INTEGER_FORMAT " %s; %s", json_count(hop, "candidates"),
	       json_is_true(json_object_get(hop, "is_guard")) ? "entries that are kept to"
							      : "that may stand here",
	       show_bit_rate(json_count(hop, "bandwidth_bps"), rate));
	if (json_is_integer(load))
		printf(", %" JSON_INTEGER_FORMAT " %% in use", json_integer_value(load));
	putchar('\n');
	for (size_t i = 0; i < json_array_size(others); i++)
		show_other(json_array_get(others, i));
}

static void show_explanation(const json_t *explanation)
{
	const json_t *hops = json_object_get(explanation, "hops");

	printf(
	    "The route costs %.1f ms. Of some good ones one is drawn, the cheaper the likelier.\n",
	    ms_of(explanation, "cost_ms"));
	for (size_t i = 0; i < json_array_size(hops); i++)
		show_hop(i + 1, json_array_get(hops, i));
}

enum code run_route_explain(struct cli *cli)
{
	json_t *answer, *explanation;
	enum code code = client_get(cli, "/v1/route/explain", &answer);

	if (code != CODE_OK)
		return code;
	explanation = json_object_get(answer, "explanation");
	if (cli_has(cli, "json"))
		show_json(answer);
	else if (json_is_object(explanation))
		show_explanation(explanation);
	if (!json_is_object(explanation))
		code = cli_error(CODE_NOT_CONNECTED, "there is no route to explain");
	json_decref(answer);
	return code;
}
