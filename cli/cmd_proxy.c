/* SPDX-License-Identifier: GPL-3.0-or-later */
/* proxy: the one verb that is no question to the daemon but a client of the mesh itself. */
#include <jansson.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "app/proxy_app.h"
#include "cli/wish.h"
#include "util/bytes.h"

static const char *const port_options[SERVER_PORTS] = {"socks", "http"};
static const char *const port_defaults[SERVER_PORTS] = {"127.0.0.1:1080", "127.0.0.1:8080"};

/* ---- what was asked for ---- */

static bool is_loopback(const struct endpoint *e)
{
	static const uint8_t v6[16] = {[15] = 1};

	return endpoint_is_v4(e) ? e->ip[12] == 127 : memcmp(e->ip, v6, sizeof(v6)) == 0;
}

static enum code read_ports(const struct cli *cli, struct endpoint out[static SERVER_PORTS])
{
	unsigned count = 0;

	for (size_t i = 0; i < SERVER_PORTS; i++) {
		const char *given = cli_option(cli, port_options[i]);
		const char *text = given != NULL ? given : port_defaults[i];

		if (strcmp(text, "off") == 0)
			continue;
		if (endpoint_parse(&out[i], text) != 0)
			return cli_error(CODE_USAGE,
					 "--%s: \"%s\" is neither an address as 127.0.0.1:1080 or "
					 "[::1]:1080, nor off",
					 port_options[i], text);
		if (!is_loopback(&out[i]) && !cli_has(cli, "allow-lan"))
			return cli_error(CODE_USAGE,
					 "--%s %s: others could use the proxy there; --allow-lan "
					 "if that is meant",
					 port_options[i], text);
		count++;
	}
	if (count == 0)
		return cli_error(CODE_USAGE, "--socks off --http off: nothing is left to do");
	return CODE_OK;
}

static enum code read_wish(const struct cli *cli, struct proxy_app_params *p)
{
	struct connect_request rq;
	const enum code code = wish_read(cli, p->cfg, &p->profile, &rq);

	if (code != CODE_OK)
		return code;
	if (p->profile->dns_tls != NULL)
		return cli_error(CODE_USAGE,
				 "[profile %s] has dns_tls, and the proxy asks name servers in "
				 "plain text behind the exit; --profile another one",
				 p->profile->name);
	p->wish.hops = rq.hops != 0 ? rq.hops : p->profile->hops;
	p->wish.rotate_s = p->profile->rotate_s;
	snprintf(p->wish.exit, sizeof(p->wish.exit), "%s",
		 rq.exit[0] != '\0' ? rq.exit : p->profile->exit);
	return CODE_OK;
}

/* ---- what is said ---- */

static const char *state_name(enum client_state state)
{
	switch (state) {
	case CLIENT_OFF:
		return "disconnected";
	case CLIENT_CONNECTING:
		return "connecting";
	case CLIENT_CONNECTED:
		return "connected";
	case CLIENT_RECONNECTING:
		return "reconnecting";
	}
	return "";
}

static const char *event_name(enum client_note_type type)
{
	switch (type) {
	case CLIENT_NOTE_STATE:
	case CLIENT_NOTE_SESSION:
		return "state";
	case CLIENT_NOTE_ROUTE:
		return "route";
	case CLIENT_NOTE_PATH:
		return "path";
	case CLIENT_NOTE_HEALTH:
		return "health";
	case CLIENT_NOTE_ERROR:
		return "error";
	}
	return "";
}

static void print_json(json_t *line)
{
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(line);
}

static void tell_json(void *ctx, const struct proxy_app_event *ev)
{
	json_t *hops = json_array();

	(void)ctx;
	for (unsigned i = 0; i < ev->view->hops; i++)
		json_array_append_new(hops, json_string(ev->view->hop[i].name));
	print_json(json_pack("{s:s, s:i, s:s, s:s, s:o}", "event", event_name(ev->type), "user",
			     (int)ev->user, "state", state_name(ev->state), "text", ev->text,
			     "hops", hops));
}

static void tell_text(void *ctx, const struct proxy_app_event *ev)
{
	char who[32] = "";

	(void)ctx;
	if (ev->user > 0)
		snprintf(who, sizeof(who), "user %u: ", ev->user);
	if (ev->type == CLIENT_NOTE_ROUTE || ev->type == CLIENT_NOTE_ERROR)
		printf("%s%s\n", who, ev->text);
	else
		printf("%s%s%s%s\n", who, state_name(ev->state), ev->text[0] != '\0' ? ": " : "",
		       ev->text);
	fflush(stdout);
}

static void greet_text(char at[SERVER_PORTS][ENDPOINT_TEXT_MAX])
{
	const char *socks = at[SERVER_SOCKS], *http = at[SERVER_HTTP];

	puts("What connects here goes through the mesh, and nothing else does:");
	if (socks[0] != '\0')
		printf("  SOCKS 5       %s   curl --proxy socks5h://%s https://example.org/\n"
		       "                %*s   chromium --proxy-server=socks5://%s\n",
		       socks, socks, (int)strlen(socks), "", socks);
	if (http[0] != '\0')
		printf("  HTTP CONNECT  %s   curl --proxytunnel --proxy http://%s "
		       "https://example.org/\n",
		       http, http);
	puts("Each user name with its password gets a circuit of its own.  Ctrl-C ends it.");
	fflush(stdout);
}

static void greet(const struct proxy_app *app, bool as_json)
{
	char at[SERVER_PORTS][ENDPOINT_TEXT_MAX] = {""};
	struct endpoint e;

	for (unsigned i = 0; i < SERVER_PORTS; i++) {
		proxy_app_local(app, (enum server_port)i, &e);
		if (e.port != 0)
			endpoint_format(&e, at[i]);
	}
	if (as_json)
		print_json(json_pack("{s:s, s:s, s:s}", "event", "listening", "socks",
				     at[SERVER_SOCKS], "http", at[SERVER_HTTP]));
	else
		greet_text(at);
}

static json_int_t count(uint64_t n)
{
	return (json_int_t)n;
}

static void part(const struct server_stats *s, bool as_json)
{
	if (as_json)
		print_json(json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "event",
				     "end", "accepted", count(s->accepted), "opened",
				     count(s->opened), "associations", count(s->associations),
				     "malformed", count(s->malformed), "too_slow",
				     count(s->too_slow), "no_tunnel", count(s->no_tunnel),
				     "no_name", count(s->no_name), "failed", count(s->failed)));
}

/* ---- the verb ---- */

static void wait_for_signal(const sigset_t *set)
{
	int sig;

	while (sigwait(set, &sig) != 0)
		;
}

static enum code run(const struct cli *cli, struct proxy_app_params *p)
{
	const bool as_json = cli_has(cli, "json");
	char error[PROXY_TEXT_MAX];
	struct server_stats stats;
	struct proxy_app *app;
	sigset_t set;

	/* Before any thread: only wait_for_signal hears these. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	p->tell = as_json ? tell_json : tell_text;
	app = proxy_app_open(p, error);
	if (app == NULL)
		return cli_error(CODE_FAILED, "%s", error);
	greet(app, as_json);
	wait_for_signal(&set);
	proxy_app_close(app, &stats);
	part(&stats, as_json);
	return CODE_OK;
}

enum code run_proxy(struct cli *cli)
{
	struct proxy_app_params p = {0};
	struct config *cfg;
	enum code code = read_ports(cli, p.listen);

	if (code != CODE_OK)
		return code;
	if (sodium_init() < 0)
		return cli_error(CODE_FAILED, "libsodium does not start: no randomness?");
	if (config_load(&cfg, cli->config_path, stderr) != 0)
		return CODE_USAGE;
	log_set_level(MIN(cfg->daemon.log_level, LOG_LEVEL_WARN)); /* routes are told otherwise */
	p.cfg = cfg;
	code = read_wish(cli, &p);
	if (code == CODE_OK)
		code = run(cli, &p);
	config_free(cfg);
	return code;
}
