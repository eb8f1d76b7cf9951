/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bringing somebody into a mesh of known members: one word, or a picture of it. */
#include <qrencode.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/file.h"
#include "cli/registry_file.h"
#include "config/config.h"
#include "mesh/invite.h"
#include "util/xalloc.h"

enum {
	SEEDS_WANTED = 3, /* each makes the picture larger */
	QR_MARGIN = 2,    /* modules; a reader needs some */
};

/* ---- create ---- */

static enum code take_given_seeds(const struct cli *cli, struct invite *inv)
{
	for (unsigned i = 0; i < cli->given_count; i++) {
		const char *why;

		if (strcmp(cli->given[i].name, "seed") != 0)
			continue;
		if (inv->seed_count == INVITE_SEEDS_MAX)
			return cli_error(CODE_USAGE, "--seed: at most %d", INVITE_SEEDS_MAX);
		if (seed_parse(&inv->seeds[inv->seed_count], cli->given[i].value, &why) != 0)
			return cli_error(CODE_USAGE, "--seed: %s", why);
		inv->seed_count++;
	}
	return CODE_OK;
}

/* A few members, at random, of those that tell where they are. */
static void draw_seeds(const struct registry *reg, struct invite *inv)
{
	struct registry_member m;
	uint32_t slot = 0;
	uint64_t seen = 0;

	while (registry_next(reg, &slot, &m)) {
		uint64_t place = seen;

		if (m.record.contact.addr.port == 0)
			continue;
		seen++;
		if (place >= SEEDS_WANTED)
			place = rng_below(&rng_system, seen);
		if (place >= SEEDS_WANTED)
			continue;
		memcpy(inv->seeds[place].id, m.record.key, NODE_ID_LEN);
		memcpy(inv->seeds[place].link_public, m.record.contact.link_key, DH_LEN);
		inv->seeds[place].addr = m.record.contact.addr;
		inv->seed_count = (unsigned)MIN(seen, SEEDS_WANTED);
	}
}

/* Half blocks, two rows of modules on a line; light on dark terminals, as readers want it. */
static enum code print_picture(const char *text)
{
	QRcode *qr = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);
	int low, high;

	if (qr == NULL)
		return cli_error(CODE_FAILED, "cannot draw the QR code");
	low = -QR_MARGIN;
	high = qr->width + QR_MARGIN;
	for (int y = low; y < high; y += 2) {
		for (int x = low; x < high; x++) {
			bool is_light[2];

			for (int k = 0; k < 2; k++) {
				const bool is_inside =
				    x >= 0 && x < qr->width && y + k >= 0 && y + k < qr->width;

				is_light[k] =
				    !is_inside || (qr->data[(y + k) * qr->width + x] & 1) == 0;
			}
			fputs(is_light[0]   ? is_light[1] ? "█" : "▀"
			      : is_light[1] ? "▄"
					    : " ",
			      stdout);
		}
		putchar('\n');
	}
	QRcode_free(qr);
	return CODE_OK;
}

static enum code make_invite(const struct cli *cli, const struct registry_file *f)
{
	struct invite inv = {0};
	char text[INVITE_TEXT_MAX];
	long days = 30;
	enum code code = cli_number(cli, "days", 0, 36500, &days);

	if (code == CODE_OK)
		code = take_given_seeds(cli, &inv);
	if (code != CODE_OK)
		return code;
	memcpy(inv.registrar, f->registrar.key, sizeof(inv.registrar));
	if (days > 0)
		inv.expires_s = registry_file_wall_s() + (uint64_t)days * 86400;
	if (inv.seed_count == 0)
		draw_seeds(f->reg, &inv);
	if (inv.seed_count == 0)
		return cli_error(
		    CODE_FAILED,
		    "no member tells where to call it; give --seed TOKEN, or add a node "
		    "by its seed token: macro registry add");
	invite_format(&inv, f->registrar.secret, text);
	if (cli_has(cli, "qr") || isatty(STDOUT_FILENO))
		code = print_picture(text);
	printf("%s\n", text);
	return code;
}

enum code run_invite_create(struct cli *cli)
{
	struct registry_file f;
	enum code code = registry_file_open(cli, &f, true);

	if (code != CODE_OK)
		return code;
	code = make_invite(cli, &f);
	registry_file_close(&f);
	return code;
}

/* ---- join ---- */

static char *seeds_text(const struct invite *inv)
{
	char *all = xstrdup("");

	for (unsigned i = 0; i < inv->seed_count; i++) {
		char text[SEED_TEXT_MAX];
		char *longer =
		    xasprintf("%s%s%s", all, i > 0 ? ", " : "", seed_format(&inv->seeds[i], text));

		free(all);
		all = longer;
	}
	return all;
}

/* There is a configuration: it is this mesh's, or stays as it is. */
static enum code check_present(const struct cli *cli, const struct invite *inv,
			       const char *registrar, const char *seeds)
{
	struct config *cfg;
	bool is_same;

	if (config_load(&cfg, cli->config_path, stderr) != 0)
		return CODE_FAILED;
	is_same = cfg->mesh.registrar.is_set &&
		  memcmp(cfg->mesh.registrar.bytes, inv->registrar, REGISTRY_KEY_LEN) == 0;
	config_free(cfg);
	if (is_same) {
		fprintf(stderr, "macro: %s is of this mesh already and stays as it is\n",
			cli->config_path);
		return CODE_OK;
	}
	return cli_error(CODE_FAILED,
			 "%s is there already, for another mesh, and stays as it is; to change "
			 "over, write into it:\n  [mesh]\n  registrar = %s\n  seeds = %s",
			 cli->config_path, registrar, seeds);
}

static enum code write_config(const struct cli *cli, const char *registrar, const char *seeds)
{
	const struct config_setting set[] = {
	    {CONFIG_MESH, "registrar", registrar},
	    {CONFIG_MESH, "seeds", seeds},
	    {CONFIG_CLIENT, "profile", "default"},
	};
	struct config *cfg;
	enum code code;
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		abort();
	config_sample_write(f, set, ARRAY_LEN(set));
	fclose(f);
	if (config_parse(&cfg, text, size, cli->config_path, stderr) != 0)
		abort(); /* ours, from values that were checked */
	config_free(cfg);
	code = file_make_parent(cli->config_path, 0755);
	if (code == CODE_OK)
		code = file_create(cli->config_path, text, size);
	free(text);
	return code;
}

enum code run_join(struct cli *cli)
{
	char registrar[2 * REGISTRY_KEY_LEN + 1], *seeds;
	struct invite inv;
	const char *why;
	enum code code;

	if (cli->operand_count != 1)
		return cli_error(CODE_USAGE, "join: give the invite, as macro invite create "
					     "printed it");
	if (sodium_init() < 0)
		return cli_error(CODE_FAILED, "libsodium does not start");
	if (invite_parse(&inv, cli->operands[0], registry_file_wall_s(), &why) != 0)
		return cli_error(CODE_FAILED, "this is no invite that can be used: %s", why);
	sodium_bin2hex(registrar, sizeof(registrar), inv.registrar, sizeof(inv.registrar));
	seeds = seeds_text(&inv);
	if (access(cli->config_path, F_OK) == 0) {
		code = check_present(cli, &inv, registrar, seeds);
	} else {
		code = write_config(cli, registrar, seeds);
		if (code == CODE_OK)
			fprintf(stderr,
				"macro: %s written. This mesh's members are whom its registrar "
				"names.\nStart macrod (systemctl enable --now macrod), then: macro "
				"connect\n",
				cli->config_path);
	}
	free(seeds);
	return code;
}
