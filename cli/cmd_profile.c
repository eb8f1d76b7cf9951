/* SPDX-License-Identifier: GPL-3.0-or-later */
/* profile, network: ways of being connected, and the networks that they are for. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/client.h"
#include "cli/show.h"

#define LIST_MAX 1024

static const json_t *find_profile(const json_t *answer, const char *name)
{
	const json_t *list = json_object_get(answer, "profiles");

	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(json_text(json_array_get(list, i), "name"), name) == 0)
			return json_array_get(list, i);
	return NULL;
}

static const char *yes_no(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key)) ? "yes" : "no";
}

static void print_row(const json_t *p, bool is_used)
{
	const json_t *cost = json_object_get(p, "expected");
	const json_t *added = json_object_get(cost, "added_ms");
	char networks[LIST_MAX], ms[SHOW_TEXT_MAX] = "-";

	if (json_is_number(added))
		snprintf(ms, sizeof(ms), "%s%.1f ms",
			 json_is_true(json_object_get(cost, "is_guess")) ? "~" : "",
			 json_number_value(added));
	json_join(json_object_get(p, "networks"), ", ", networks, sizeof(networks));
	printf("%c %-20s%-20s%5" JSON_INTEGER_FORMAT "  %-12s%11s%7.0f %%  %s\n",
	       is_used ? '*' : ' ', json_text(p, "name"), json_text(p, "exit"),
	       json_count(p, "hops"), json_text(p, "kill_switch"), ms,
	       json_number_value(json_object_get(cost, "goodput_percent")),
	       networks[0] != '\0' ? networks : "-");
}

enum code run_profile_list(struct cli *cli)
{
	json_t *answer;
	const json_t *list;
	const enum code code = client_get(cli, "/v1/profiles", &answer);

	if (code != CODE_OK)
		return code;
	list = json_object_get(answer, "profiles");
	if (cli_has(cli, "json")) {
		show_json(answer);
	} else {
		printf("  %-20s%-20s%5s  %-12s%11s%9s  %s\n", "PROFILE", "EXIT", "HOPS",
		       "KILL SWITCH", "ADDED", "YOURS", "NETWORKS");
		for (size_t i = 0; i < json_array_size(list); i++) {
			const json_t *p = json_array_get(list, i);

			print_row(p,
				  strcmp(json_text(p, "name"), json_text(answer, "in_use")) == 0);
		}
	}
	json_decref(answer);
	return CODE_OK;
}

static const char *reason_text(const char *reason)
{
	static const struct {
		const char *reason, *text;
	} texts[] = {{"hand", "it was chosen by hand; macro profile use auto ends that"},
		     {"network", "this network is bound to it"},
		     {"default", "no profile is bound to this network"},
		     {"connect", "macro connect named it; macro disconnect ends that"}};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(texts[i].reason, reason) == 0)
			return texts[i].text;
	return reason;
}

static void show_list(const char *label, const json_t *list, const char *if_empty)
{
	char text[LIST_MAX];

	json_join(list, ", ", text, sizeof(text));
	if (text[0] != '\0' || if_empty != NULL)
		show_line(label, "%s", text[0] != '\0' ? text : if_empty);
}

static void show_profile(const json_t *answer, const json_t *p)
{
	const bool is_used = strcmp(json_text(p, "name"), json_text(answer, "in_use")) == 0;
	const json_t *rotate = json_object_get(p, "rotate_s");
	const json_t *only = json_object_get(p, "only");
	char text[SHOW_COST_MAX];

	printf("%s\n", json_text(p, "name"));
	show_line("Used:", "%s%s", is_used ? "yes: " : "no",
		  is_used ? reason_text(json_text(answer, "reason")) : "");
	show_line("Exit:", "%s", json_text(p, "exit"));
	show_line("Hops:", "%" JSON_INTEGER_FORMAT, json_count(p, "hops"));
	show_line("Kill switch:", "%s", json_text(p, "kill_switch"));
	show_line("LAN passes it:", "%s", yes_no(p, "lan"));
	show_list("DNS:", json_object_get(p, "dns"), "the exit's");
	show_line("IPv6:", "%s", yes_no(p, "ipv6"));
	show_line("Padding:", "%s", json_text(p, "padding"));
	show_line("Isolation:", "%s", json_text(p, "isolate"));
	if (json_is_integer(rotate))
		show_line("Rotation:", "%" JSON_INTEGER_FORMAT " s", json_integer_value(rotate));
	else
		show_line("Rotation:", "auto");
	show_line("Routes:", "%" JSON_INTEGER_FORMAT " in use, %" JSON_INTEGER_FORMAT " backups%s",
		  json_count(p, "paths"), json_count(p, "backups"),
		  json_is_true(json_object_get(p, "duplicate")) ? ", small packets twice" : "");
	show_list("Outside of the tunnel:", json_object_get(p, "exclude"), NULL);
	if (json_is_array(only))
		show_list("Alone inside:", only, "programs started by macro only");
	show_list("Networks:", json_object_get(p, "networks"), "none");
	show_line("Expected cost:", "%s", show_cost(json_object_get(p, "expected"), text));
}

/* As the daemon says it, with the name that was probably meant. */
static enum code no_profile(const struct cli *cli, const char *name)
{
	json_t *ignored;
	const enum code code =
	    client_ask(cli, "/v1/cost", json_pack("{s:s}", "profile", name), &ignored);

	if (code != CODE_OK)
		return code;
	json_decref(ignored); /* it has come meanwhile */
	return CODE_FAILED;
}

enum code run_profile_show(struct cli *cli)
{
	const char *name = cli->operand_count > 0 ? cli->operands[0] : NULL;
	json_t *answer;
	const json_t *p;
	enum code code = client_get(cli, "/v1/profiles", &answer);

	if (code != CODE_OK)
		return code;
	p = find_profile(answer, name != NULL ? name : json_text(answer, "in_use"));
	if (p == NULL) {
		code = no_profile(cli, name != NULL ? name : json_text(answer, "in_use"));
	} else if (cli_has(cli, "json")) {
		json_object_set_new(answer, "profiles", json_pack("[o]", json_deep_copy(p)));
		show_json(answer);
	} else {
		show_profile(answer, p);
	}
	json_decref(answer);
	return code;
}

static enum code missing_operand(const struct cli *cli)
{
	return cli_error(CODE_USAGE, "%s: a profile's name is missing; see: macro help %s",
			 cli->verb->name, cli->verb->name);
}

enum code run_profile_use(struct cli *cli)
{
	json_t *answer;
	const json_t *p;
	enum code code;

	if (cli->operand_count == 0)
		return missing_operand(cli);
	code = client_post(cli, "/v1/profile/use", json_pack("{s:s}", "profile", cli->operands[0]));
	if (code == CODE_OK)
		code = client_get(cli, "/v1/profiles", &answer);
	if (code != CODE_OK)
		return code;
	p = find_profile(answer, json_text(answer, "in_use"));
	if (p != NULL)
		show_profile(answer, p);
	json_decref(answer);
	return CODE_OK;
}

static json_t *binding(const char *profile, const char *network)
{
	json_t *body = json_object();

	if (profile != NULL)
		json_object_set_new(body, "profile", json_string(profile));
	if (network != NULL)
		json_object_set_new(body, "network", json_string(network));
	return body;
}

static void show_network(const json_t *n)
{
	const char *id = json_text(n, "id"), *profile = json_text(n, "profile");

	if (id[0] != '\0')
		printf("%s\n", id);
	else
		printf("Not recognised: %s\n", json_text(n, "reason"));
	if (json_text(n, "device")[0] != '\0')
		show_line("Device:", "%s", json_text(n, "device"));
	if (json_text(n, "gateway")[0] != '\0')
		show_line("Gateway:", "%s", json_text(n, "gateway"));
	if (profile[0] != '\0')
		show_line("Profile:", "%s", profile);
	else if (id[0] != '\0')
		show_line("Profile:", "none is bound to it; macro profile bind NAME does that");
}

enum code run_network_show(struct cli *cli)
{
	json_t *answer;
	const enum code code = client_get(cli, "/v1/network", &answer);

	if (code != CODE_OK)
		return code;
	if (cli_has(cli, "json"))
		show_json(answer);
	else
		show_network(json_object_get(answer, "network"));
	json_decref(answer);
	return CODE_OK;
}

static const char *or_present(const char *network)
{
	return network != NULL ? network : "The present network";
}

enum code run_profile_bind(struct cli *cli)
{
	const char *network = cli->operand_count > 1 ? cli->operands[1] : NULL;
	enum code code;

	if (cli->operand_count == 0)
		return missing_operand(cli);
	code = client_post(cli, "/v1/profile/bind", binding(cli->operands[0], network));
	if (code == CODE_OK)
		printf("%s is bound to %s; 'macro profile unbind%s%s' ends that\n",
		       or_present(network), cli->operands[0], network != NULL ? " " : "",
		       network != NULL ? network : "");
	return code;
}

enum code run_profile_unbind(struct cli *cli)
{
	const char *network = cli->operand_count > 0 ? cli->operands[0] : NULL;
	const enum code code = client_post(cli, "/v1/profile/unbind", binding(NULL, network));

	if (code == CODE_OK)
		printf("%s is not bound any more\n", or_present(network));
	return code;
}
