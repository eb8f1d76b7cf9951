/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/firewall.h"

#include <errno.h>
#include <inttypes.h>
#include <nftables/libnftables.h>
#include <stdio.h>

#include "util/xalloc.h"

/* libnftables says why in words only; the ones for which there is advice. */
static int code_of(const char *message)
{
	if (strstr(message, "Operation not permitted") != NULL)
		return -EPERM;
	if (strstr(message, "No such file or directory") != NULL)
		return -ENOENT;
	return -EIO;
}

struct firewall {
	struct nft_ctx *nft;
};

int firewall_open(struct firewall **out, struct host_error *err)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);

	if (nft == NULL)
		return host_fail(err, -ENOMEM, "starting libnftables");
	nft_ctx_buffer_output(nft);
	nft_ctx_buffer_error(nft);
	*out = xcalloc(1, sizeof(**out));
	(*out)->nft = nft;
	return 0;
}

void firewall_close(struct firewall *fw)
{
	if (fw == NULL)
		return;
	nft_ctx_free(fw->nft);
	free(fw);
}

int firewall_run(struct firewall *fw, const char *commands, struct host_error *err)
{
	const char *message;
	int code;

	if (nft_run_cmd_from_buffer(fw->nft, commands) == 0) {
		nft_ctx_get_error_buffer(fw->nft); /* warnings; emptied by the reading */
		return 0;
	}
	message = nft_ctx_get_error_buffer(fw->nft);
	code = code_of(message);
	return code == -EIO ? host_refuse(err, code, "nftables: %.300s", message)
			    : host_fail(err, code, "changing nftables");
}

/* Runs commands once; with out, *out is what they printed, for free(). */
static int run(const char *commands, char **out, struct host_error *err)
{
	struct firewall *fw;
	int code = firewall_open(&fw, err);

	if (code != 0)
		return code;
	code = firewall_run(fw, commands, err);
	if (code == 0 && out != NULL)
		*out = xstrdup(nft_ctx_get_output_buffer(fw->nft));
	firewall_close(fw);
	return code;
}

int firewall_replace(const char *table, const char *body, struct host_error *err)
{
	/* "add" first, so that "delete" finds a table in any case; all of it is one transaction. */
	char *commands =
	    xasprintf("add table inet %s\ndelete table inet %s\ntable inet %s {\n%s}\n", table,
		      table, table, body);
	const int code = run(commands, NULL, err);

	free(commands);
	return code;
}

int firewall_delete(const char *table, struct host_error *err)
{
	char *commands = xasprintf("add table inet %s\ndelete table inet %s\n", table, table);
	const int code = run(commands, NULL, err);

	free(commands);
	return code;
}

int firewall_exists(const char *table, struct host_error *err)
{
	char *line = xasprintf("table inet %s\n", table);
	char *out;
	int code = run("list tables\n", &out, err);

	if (code == 0) {
		code = strstr(out, line) != NULL;
		free(out);
	}
	free(line);
	return code;
}

uint64_t firewall_counter(const char *table, const char *counter)
{
	char *command = xasprintf("list counter inet %s %s\n", table, counter);
	struct host_error err;
	uint64_t packets = 0;
	const char *at;
	char *out;

	if (run(command, &out, &err) == 0) {
		at = strstr(out, "packets ");
		if (at != NULL && sscanf(at, "packets %" SCNu64, &packets) != 1)
			packets = 0;
		free(out);
	}
	free(command);
	return packets;
}

bool firewall_forward_drop(char *out, size_t size)
{
	struct host_error err;
	char family[16] = "", table[64] = "";
	bool found = false;
	char *text, *line, *save;

	if (run("list chains\n", &text, &err) != 0)
		return false;
	for (line = strtok_r(text, "\n", &save); line != NULL && !found;
	     line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "table %15s %63s {", family, table) == 2)
			continue;
		found = strstr(line, "hook forward") != NULL &&
			strstr(line, "policy drop") != NULL &&
			strncmp(table, FIREWALL_CLIENT_TABLE, strlen(FIREWALL_CLIENT_TABLE)) != 0;
	}
	if (found)
		snprintf(out, size, "%s %s", family, table);
	free(text);
	return found;
}
