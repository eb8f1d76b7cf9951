/* SPDX-License-Identifier: GPL-3.0-or-later */
/* killswitch, unlock, portal: what may leave this machine besides the tunnel. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/show.h"
#include "config/config.h"
#include "host/recover.h"
#include "util/xalloc.h"

static void show_kill_switch(const json_t *k)
{
	const char *mode = json_text(k, "mode");
	const bool is_off = strcmp(mode, "off") == 0;

	printf("Kill switch %s%s\n", mode,
	       strcmp(json_text(k, "setting"), "profile") == 0 ? ", as the profile says" : "");
	if (json_is_true(json_object_get(k, "blocking")))
		show_line("Now:", "blocks what does not go through the mesh");
	else if (!is_off && !json_is_true(json_object_get(k, "proven")))
		show_line("Now:", "does not act before the first connection has stood");
	else
		show_line("Now:", "blocks nothing (traffic NOT protected unless connected)");
	if (json_text(k, "undo")[0] != '\0')
		show_line("To end that:", "%s, or macro unlock", json_text(k, "undo"));
}

enum code run_kill_switch(struct cli *cli)
{
	const char *setting = cli->operand_count > 0 ? cli->operands[0] : "get";
	enum code code = CODE_OK;
	json_t *k;

	if (strcmp(setting, "get") != 0)
		code = client_post(cli, "/v1/killswitch", json_pack("{s:s}", "setting", setting));
	if (code == CODE_OK)
		code = client_get(cli, "/v1/killswitch", &k);
	if (code != CODE_OK)
		return code;
	if (cli_has(cli, "json"))
		show_json(k);
	else
		show_kill_switch(k);
	json_decref(k);
	return CODE_OK;
}

static enum code unlock_by_hand(const struct cli *cli)
{
	const char *given = cli_option(cli, "state-dir");
	char *dir = given != NULL ? xstrdup(given) : config_state_dir(cli->config_path);
	struct host_error err;
	const int code = host_unlock(dir, &err);

	free(dir);
	if (code != 0)
		return cli_error(CODE_FAILED, "%s", err.text);
	puts(
	    "Unlocked, without a daemon: kill switch off, nothing of macrod's is left on the network");
	return CODE_OK;
}

/* By the daemon if there is one, as it holds on to its rules; else by what it left behind. */
enum code run_unlock(struct cli *cli)
{
	json_t *status = client_try_get(cli, "/v1/status");
	enum code code;

	if (status == NULL)
		return unlock_by_hand(cli);
	json_decref(status);
	code = client_post(cli, "/v1/unlock", NULL);
	if (code == CODE_OK)
		puts("Unlocked: kill switch off (traffic NOT protected unless connected)");
	return code;
}

/* Behind sudo it is the user's own browser that is to pass. */
static unsigned browser_uid(void)
{
	const char *uid = getenv("SUDO_UID");

	return geteuid() == 0 && uid != NULL ? (unsigned)strtoul(uid, NULL, 10) : geteuid();
}

enum code run_portal(struct cli *cli)
{
	const char *word = cli->operand_count > 0 ? cli->operands[0] : "on";
	const bool is_off = strcmp(word, "off") == 0;
	long seconds = 300;
	enum code code = cli_number(cli, "seconds", 1, 3600, &seconds);

	if (code == CODE_OK && !is_off && strcmp(word, "on") != 0)
		code = cli_error(CODE_USAGE, "portal: \"%s\" is neither on nor off", word);
	if (code == CODE_OK)
		code = client_post(cli, "/v1/portal",
				   json_pack("{s:i, s:i}", "seconds", is_off ? 0 : (int)seconds,
					     "uid", (int)browser_uid()));
	if (code != CODE_OK)
		return code;
	if (is_off)
		puts("Closed; connecting");
	else
		printf("Open for %ld s to the web (ports 80 and 443) for user %u and to the "
		       "network's name servers; 'macro portal off' closes it and connects\n",
		       seconds, browser_uid());
	return CODE_OK;
}
