/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Layout: the state as a word on the first line, then an indent of 4 and labels of 24 columns.
 * Colour only repeats what the words say.
 */
#include "cli/show.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/bytes.h"

#define RED    "31"
#define GREEN  "32"
#define YELLOW "33"

const char *json_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

json_int_t json_count(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

const char *json_join(const json_t *list, const char *separator, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < json_array_size(list) && len < size; i++) {
		const char *text = json_string_value(json_array_get(list, i));

		len += (size_t)snprintf(out + len, size - len, "%s%s", i > 0 ? separator : "",
					text != NULL ? text : "?");
	}
	return out;
}

void show_line(const char *label, const char *fmt, ...)
{
	va_list args;

	printf("    %-24s", label);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

void show_json(const json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
	putchar('\n');
}

static const char *scaled(json_int_t n, const char *unit, char out[static SHOW_TEXT_MAX])
{
	static const char *const prefixes[] = {"", "k", "M", "G", "T"};
	double v = (double)n;
	size_t i = 0;

	while (v >= 999.5 && i + 1 < ARRAY_LEN(prefixes)) {
		v /= 1000;
		i++;
	}
	snprintf(out, SHOW_TEXT_MAX, i > 0 && v < 9.95 ? "%.1f %s%s" : "%.0f %s%s", v, prefixes[i],
		 unit);
	return out;
}

const char *show_bytes(json_int_t n, char out[static SHOW_TEXT_MAX])
{
	return scaled(n, "B", out);
}

const char *show_bit_rate(json_int_t n, char out[static SHOW_TEXT_MAX])
{
	return scaled(n, "bit/s", out);
}

static void print_coloured(const struct cli *cli, const char *colour, const char *text)
{
	if (cli->has_colour)
		printf("\033[%sm%s\033[0m", colour, text);
	else
		printf("%s", text);
}

static void print_state(const struct cli *cli, const json_t *status)
{
	static const struct {
		const char *name, *line, *blocked, *colour;
	} states[] = {
	    {"connected", "Connected", "Connected", GREEN},
	    {"connecting", "Connecting (traffic NOT protected)", "Connecting (traffic blocked)",
	     YELLOW},
	    {"reconnecting", "Reconnecting", "Reconnecting (traffic blocked)", YELLOW},
	    {"disconnecting", "Disconnecting", "Disconnecting", YELLOW},
	    {"disconnected", "Disconnected (traffic NOT protected)", "Disconnected", RED},
	    {"blocked", "Blocked", "Blocked", YELLOW},
	    {"error", "Error (traffic NOT protected)", "Error (traffic blocked)", RED},
	};
	const char *state = json_text(status, "state"), *reason = json_text(status, "reason");
	const bool is_blocking = json_is_true(json_object_get(status, "blocking"));
	size_t i = 0;

	while (i < ARRAY_LEN(states) && strcmp(states[i].name, state) != 0)
		i++;
	if (i < ARRAY_LEN(states))
		print_coloured(cli, states[i].colour,
			       is_blocking ? states[i].blocked : states[i].line);
	else
		printf("%s", state); /* from a newer daemon */
	printf("%s%s\n", reason[0] != '\0' ? ": " : "", reason);
}

/* "10.88.0.2, fd6d::2" under a label, if there are any. */
static void show_addresses(const char *label, const json_t *pair)
{
	const char *v4 = json_text(pair, "ipv4"), *v6 = json_text(pair, "ipv6");

	if (v4[0] != '\0' || v6[0] != '\0')
		show_line(label, "%s%s%s", v4, v4[0] != '\0' && v6[0] != '\0' ? ", " : "", v6);
}

static const char *node_name(const json_t *node)
{
	const char *name = json_text(node, "name");

	return name[0] != '\0' ? name : json_text(node, "id");
}

static void show_path(const json_t *route)
{
	const json_t *hops = json_object_get(route, "hops");

	printf("    %-24syou", "Route:");
	for (size_t i = 0; i < json_array_size(hops); i++)
		printf(" > %s", node_name(json_array_get(hops, i)));
	putchar('\n');
}

static void show_backups(const json_t *paths)
{
	const json_int_t backup = json_count(paths, "backup");

	if (backup == 0)
		show_line("Backups:", "none - a relay failure will interrupt traffic");
	else
		show_line("Backups:", "%" JSON_INTEGER_FORMAT " ready", backup);
}

static void show_proof(const json_t *proof)
{
	const json_t *age = json_object_get(proof, "last_verified_age_ms");

	if (!json_is_number(age)) {
		show_line("Proof:", "nothing verified yet");
		return;
	}
	show_line("Proof:",
		  "%" JSON_INTEGER_FORMAT " cells verified, %" JSON_INTEGER_FORMAT
		  " failed, last %.1f s ago",
		  json_count(proof, "verified_cells"), json_count(proof, "failed_cells"),
		  json_number_value(age) / 1000);
}

static void show_traffic(const json_t *traffic)
{
	char bytes[SHOW_TEXT_MAX];

	show_line("Received:", "%s in %" JSON_INTEGER_FORMAT " packets",
		  show_bytes(json_count(traffic, "rx_bytes"), bytes),
		  json_count(traffic, "rx_packets"));
	show_line("Sent:", "%s in %" JSON_INTEGER_FORMAT " packets",
		  show_bytes(json_count(traffic, "tx_bytes"), bytes),
		  json_count(traffic, "tx_packets"));
}

static void show_latency(const json_t *route)
{
	const json_t *rtt = json_object_get(route, "rtt_ms");

	if (json_is_number(rtt))
		show_line("Round trip:", "%.1f ms to the exit", json_number_value(rtt));
}

static void show_throughput(const json_t *status)
{
	const json_t *now = json_object_get(status, "throughput");
	char in[SHOW_TEXT_MAX], out[SHOW_TEXT_MAX];

	if (json_is_integer(json_object_get(now, "rx_bps")))
		show_line("Now:", "%s in, %s out", show_bit_rate(json_count(now, "rx_bps"), in),
			  show_bit_rate(json_count(now, "tx_bps"), out));
}

const char *show_cost(const json_t *cost, char out[static SHOW_COST_MAX])
{
	const json_t *added = json_object_get(cost, "added_ms");
	const json_t *goodput = json_object_get(cost, "goodput_percent");
	const char *why = json_text(cost, "reason");
	const bool is_guess = json_is_true(json_object_get(cost, "is_guess"));
	int n;

	if (json_is_number(added))
		n = snprintf(out, SHOW_COST_MAX, "%s%.1f ms more than without, %.1f ms to the exit",
			     is_guess ? "about " : "", json_number_value(added),
			     json_number_value(json_object_get(cost, "rtt_ms")));
	else
		n = snprintf(out, SHOW_COST_MAX, "time not known%s%.100s",
			     why[0] != '\0' ? ": " : " yet", why);
	if (json_is_number(goodput))
		snprintf(out + n, (size_t)(SHOW_COST_MAX - n), "; %.0f %% of the line is yours",
			 json_number_value(goodput));
	return out;
}

static void show_one_cost(const char *label, const json_t *cost)
{
	char text[SHOW_COST_MAX];

	if (json_is_number(json_object_get(cost, "added_ms")) ||
	    json_is_number(json_object_get(cost, "goodput_percent")))
		show_line(label, "%s", show_cost(cost, text));
}

static void show_details(const json_t *status)
{
	const json_t *cost = json_object_get(status, "cost");
	const json_t *paths = json_object_get(status, "paths");

	show_line("Profile:", "%s", json_text(status, "profile"));
	show_line("Since:", "%s", json_text(status, "since"));
	if (!json_is_object(json_object_get(status, "route")))
		return;
	show_addresses("Tunnel address:", json_object_get(status, "inner_addresses"));
	show_line("MTU:", "%" JSON_INTEGER_FORMAT " bytes", json_count(status, "mtu_bytes"));
	show_traffic(json_object_get(status, "traffic"));
	show_throughput(status);
	show_latency(json_object_get(status, "route"));
	show_one_cost("Expected cost:", json_object_get(cost, "expected"));
	show_one_cost("Measured cost:", json_object_get(cost, "measured"));
	show_line("Session:", "%s", json_text(status, "session"));
	show_line("Paths:", "%" JSON_INTEGER_FORMAT " active, %" JSON_INTEGER_FORMAT " backup",
		  json_count(paths, "active"), json_count(paths, "backup"));
}

void show_status(const struct cli *cli, const json_t *status, bool is_verbose)
{
	const json_t *exit_node = json_object_get(status, "exit");
	const json_t *route = json_object_get(status, "route");

	print_state(cli, status);
	if (json_is_object(exit_node))
		show_line("Exit:", "%s (%s)", node_name(exit_node),
			  json_text(exit_node, "country"));
	show_addresses("Visible address:", json_object_get(status, "visible_addresses"));
	if (json_is_object(route)) {
		show_path(route);
		show_backups(json_object_get(status, "paths"));
		show_line("Features:", "Kill switch %s", json_text(status, "kill_switch"));
		show_proof(json_object_get(status, "proof"));
	}
	if (json_text(status, "undo")[0] != '\0')
		show_line("Kill switch ends by:", "%s, or macro unlock", json_text(status, "undo"));
	if (is_verbose)
		show_details(status);
	if (is_verbose && json_is_object(route)) {
		putchar('\n');
		show_route(cli, status);
	}
}

/* As far as the database knows otherwise, it is said. */
const char *show_place(const json_t *node, char out[static SHOW_TEXT_MAX])
{
	const json_t *place = json_object_get(node, "location");
	const char *database = json_text(place, "database_country");
	const bool differs =
	    database[0] != '\0' && strcmp(database, json_text(node, "country")) != 0;

	snprintf(out, SHOW_TEXT_MAX, "%s%s%s", json_text(place, "verdict"),
		 differs ? ", database says " : "", differs ? database : "");
	return out;
}

const char *show_ms(const json_t *ms, char out[static SHOW_TEXT_MAX])
{
	if (json_is_number(ms))
		snprintf(out, SHOW_TEXT_MAX, "%.1f ms", json_number_value(ms));
	else
		snprintf(out, SHOW_TEXT_MAX, "-");
	return out;
}

static const char *show_percent(const json_t *percent, char out[static SHOW_TEXT_MAX])
{
	if (json_is_number(percent))
		snprintf(out, SHOW_TEXT_MAX, "%.1f %%", json_number_value(percent));
	else
		snprintf(out, SHOW_TEXT_MAX, "-");
	return out;
}

/* The worse of both ways; JSON null if neither is known. */
static const json_t *loss_of(const json_t *health)
{
	const json_t *out = json_object_get(health, "loss_out_percent");
	const json_t *in = json_object_get(health, "loss_in_percent");

	return json_number_value(in) > json_number_value(out) ? in : out;
}

/* What it was seen to carry towards us; a dash while it carries nothing. */
static const char *show_goodput(const json_t *health, char out[static SHOW_TEXT_MAX])
{
	const json_int_t bps = json_count(health, "goodput_in_bps");

	if (bps == 0)
		snprintf(out, SHOW_TEXT_MAX, "-");
	else
		show_bit_rate(bps, out);
	return out;
}

static const char *colour_of(const char *word)
{
	if (strcmp(word, "ok") == 0 || strcmp(word, "green") == 0)
		return GREEN;
	return strcmp(word, "failed") == 0 || strcmp(word, "red") == 0 ? RED : YELLOW;
}

/* The verdict with its reason; before there is one, how far the hop is. */
static void show_verdict(const struct cli *cli, const json_t *hop)
{
	const char *verdict = json_text(hop, "verdict"), *why = json_text(hop, "verdict_reason");
	const bool is_known = verdict[0] != '\0' && strcmp(verdict, "unknown") != 0;
	const char *word = is_known ? verdict : json_text(hop, "status");

	print_coloured(cli, colour_of(word), word);
	printf("%s%s\n", why[0] != '\0' ? ": " : "", why);
}

static void show_hop(const struct cli *cli, size_t number, const json_t *hop)
{
	char role[32], rtt[SHOW_TEXT_MAX], jitter[SHOW_TEXT_MAX], loss[SHOW_TEXT_MAX],
	    goodput[SHOW_TEXT_MAX], uptime[SHOW_TEXT_MAX];

	json_join(json_object_get(hop, "roles"), "+", role, sizeof(role));
	printf("%-3zu%-11s%-25s%-7s%10s%9s%8s%12s%8s  ", number, role, node_name(hop),
	       json_text(hop, "country"), show_ms(json_object_get(hop, "rtt_ms"), rtt),
	       show_ms(json_object_get(hop, "jitter_ms"), jitter), show_percent(loss_of(hop), loss),
	       show_goodput(hop, goodput),
	       show_percent(json_object_get(hop, "uptime_percent"), uptime));
	show_verdict(cli, hop);
}

static void show_other_path(const json_t *path)
{
	static const struct {
		const char *role, *label;
	} labels[] = {{"in_use", "Also in use:"},    {"backup", "Backup:"},
		      {"degraded", "Doing badly:"},  {"trial", "On trial:"},
		      {"spare", "To another exit:"}, {"making", "Being made:"},
		      {"ending", "Ending:"}};
	const json_t *hops = json_object_get(json_object_get(path, "route"), "hops");
	const json_int_t flows = json_count(path, "flows");
	char rtt[SHOW_TEXT_MAX];
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(labels) && strcmp(labels[i].role, json_text(path, "role")) != 0)
		i++;
	printf("%-18syou", labels[i].label);
	for (size_t hop = 0; hop < json_array_size(hops); hop++)
		printf(" > %s", node_name(json_array_get(hops, hop)));
	printf("  %s", show_ms(json_object_get(path, "rtt_ms"), rtt));
	if (flows > 0)
		printf("  %" JSON_INTEGER_FORMAT " connection%s", flows, flows == 1 ? "" : "s");
	printf("%s\n",
	       json_is_true(json_object_get(path, "is_suspect")) ? "  does not answer" : "");
}

void show_route(const struct cli *cli, const json_t *answer)
{
	const json_t *hops = json_object_get(json_object_get(answer, "route"), "hops");
	const json_t *paths = json_object_get(answer, "paths");
	const json_t *list = json_object_get(paths, "list");

	printf("%-3s%-11s%-25s%-7s%10s%9s%8s%12s%8s  %s\n", "#", "ROLE", "NODE", "COUNTRY", "RTT",
	       "JITTER", "LOSS", "GOODPUT", "UPTIME", "HEALTH");
	for (size_t i = 0; i < json_array_size(hops); i++)
		show_hop(cli, i + 1, json_array_get(hops, i));
	for (size_t i = 1; i < json_array_size(list); i++) /* the first one is the route */
		show_other_path(json_array_get(list, i));
	if (json_count(paths, "backup") == 0)
		printf("%-18snone - a relay failure will interrupt traffic\n", "Backup:");
}
