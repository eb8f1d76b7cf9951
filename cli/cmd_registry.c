/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * For the registrar of a mesh, who says who its members are.  What programs may want goes to
 * standard output, what explains to standard error.
 */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/file.h"
#include "cli/registry_file.h"
#include "cli/show.h"
#include "mesh/descriptor.h"
#include "mesh/seed.h"
#include "registry/bundle.h"
#include "util/xalloc.h"

/* ---- what the words mean ---- */

/* "A node": its seed token, or its id alone; has_contact: which of them. */
static bool parse_node(const char *text, struct seed *out, bool *has_contact)
{
	size_t len;

	*has_contact = seed_parse(out, text, NULL) == 0;
	if (*has_contact)
		return true;
	*out = (struct seed){0};
	return strlen(text) == 2 * NODE_ID_LEN &&
	       sodium_hex2bin(out->id, sizeof(out->id), text, 2 * NODE_ID_LEN, NULL, &len, NULL) ==
		   0 &&
	       len == NODE_ID_LEN;
}

/* A member by its slot's number, its id or its seed; false after a message. */
static bool find_member(const struct registry *reg, const char *text, struct registry_member *out)
{
	bool has_contact, is_found = false;
	struct seed node;
	char *end;
	const unsigned long slot = strtoul(text, &end, 10);

	if (*text >= '0' && *text <= '9' && *end == '\0')
		is_found = slot <= UINT32_MAX && registry_by_slot(reg, (uint32_t)slot, out);
	else if (parse_node(text, &node, &has_contact))
		is_found = registry_by_key(reg, node.id, out);
	if (!is_found || out->status != REGISTRY_ACTIVE)
		cli_error(CODE_FAILED,
			  "\"%s\" is no active member; give a slot, a node's id or its seed token, "
			  "as in: macro registry list",
			  text);
	return is_found && out->status == REGISTRY_ACTIVE;
}

static enum code parse_roles(const char *text, uint8_t *roles)
{
	static const struct {
		const char *name;
		uint8_t role;
	} known[] = {{"entry", ROLE_ENTRY}, {"relay", ROLE_RELAY}, {"exit", ROLE_EXIT}};
	char *copy = xstrdup(text), *rest = copy, *word;
	enum code code = CODE_OK;

	*roles = 0;
	while (code == CODE_OK && (word = strsep(&rest, ", ")) != NULL) {
		uint8_t role = 0;

		if (*word == '\0')
			continue;
		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			if (strcmp(word, known[i].name) == 0)
				role = known[i].role;
		*roles |= role;
		if (role == 0)
			code =
			    cli_error(CODE_USAGE,
				      "--roles: \"%s\" is not one of entry, relay and exit", word);
	}
	free(copy);
	if (code == CODE_OK && *roles == 0)
		code = cli_error(CODE_USAGE, "--roles: name entry, relay or exit");
	return code;
}

/* ---- changing ---- */

static enum code init_files(struct registry_file *f)
{
	const struct registry_store_params p = {
	    .path = f->path, .mesh = f->registrar.key, .creates = true};
	char error[REGISTRY_STORE_ERROR_MAX];
	enum code code = file_make_parent(f->path, 0700);

	if (code != CODE_OK)
		return code;
	if (registrar_save(&f->registrar, f->key_path, error) != 0)
		return cli_error(CODE_FAILED, "%s", error);
	if (registry_store_open(&f->store, &p, error) != 0) {
		unlink(f->key_path); /* of a mesh that does not come to be */
		return cli_error(CODE_FAILED, "%s", error);
	}
	f->reg = registry_file_create(f->registrar.key);
	return registry_file_append(f, NULL);
}

enum code run_registry_init(struct cli *cli)
{
	struct registry_file f;
	char hex[2 * REGISTRY_KEY_LEN + 1];
	enum code code = registry_file_paths(cli, &f);

	if (code == CODE_OK && sodium_init() < 0)
		code = cli_error(CODE_FAILED, "libsodium does not start");
	if (code == CODE_OK && access(f.path, F_OK) == 0)
		code = cli_error(CODE_FAILED, "%s is there already and stays as it is", f.path);
	if (code == CODE_OK) {
		registrar_generate(&f.registrar, &rng_system);
		code = init_files(&f);
	}
	if (code == CODE_OK) {
		sodium_bin2hex(hex, sizeof(hex), f.registrar.key, sizeof(f.registrar.key));
		printf("%s\n", hex);
		fprintf(
		    stderr,
		    "macro: %s is the registry of a new mesh, %s the key that signs it.\n"
		    "This mesh trusts its registrar: whoever has the key says who is a member.\n"
		    "Keep a copy of it in a safe place. For macro.conf of every node and client:\n"
		    "  [mesh]\n"
		    "  registrar = %s\n"
		    "Then add nodes: macro registry add SEED --operator NAME\n",
		    f.path, f.key_path, hex);
	}
	registry_file_close(&f);
	return code;
}

static enum code parse_commitments(const char *text, uint8_t out[static HASH_LEN])
{
	size_t len;

	if (strlen(text) == 2 * HASH_LEN &&
	    sodium_hex2bin(out, HASH_LEN, text, 2 * HASH_LEN, NULL, &len, NULL) == 0 &&
	    len == HASH_LEN)
		return CODE_OK;
	return cli_error(CODE_USAGE,
			 "--commitments: give the SHA-256 of what the member commits itself to, 64 "
			 "hexadecimal digits");
}

/* What the options say of a member; fields: which of them were given. */
static enum code fill_record(const struct cli *cli, struct registry_event *ev)
{
	const char *operator_name = cli_option(cli, "operator"), *roles = cli_option(cli, "roles");
	const char *commitments = cli_option(cli, "commitments");
	long stake = 0;

	if (operator_name != NULL) {
		operator_tag(ev->record.operator_tag, operator_name);
		ev->fields |= REGISTRY_HAS_OPERATOR;
	}
	if (roles != NULL) {
		if (parse_roles(roles, &ev->record.roles) != CODE_OK)
			return CODE_USAGE;
		ev->fields |= REGISTRY_HAS_ROLES;
	}
	if (cli_option(cli, "stake") != NULL) {
		if (cli_number(cli, "stake", 0, INT64_MAX, &stake) != CODE_OK)
			return CODE_USAGE;
		ev->record.stake = (uint64_t)stake;
		ev->fields |= REGISTRY_HAS_STAKE;
	}
	if (commitments != NULL) {
		if (parse_commitments(commitments, ev->record.commitments) != CODE_OK)
			return CODE_USAGE;
		ev->fields |= REGISTRY_HAS_COMMITMENTS;
	}
	return CODE_OK;
}

/* An addition says all that counts, and nothing that is zero. */
static enum code complete_record(struct registry_event *ev)
{
	if ((ev->fields & REGISTRY_HAS_OPERATOR) == 0)
		return cli_error(CODE_USAGE,
				 "--operator is missing: the name in the node's configuration; no "
				 "route uses two nodes of one operator");
	if ((ev->fields & REGISTRY_HAS_ROLES) == 0)
		ev->record.roles = ROLE_ALL;
	ev->fields |= REGISTRY_HAS_KEY | REGISTRY_HAS_ROLES;
	if (ev->record.stake == 0)
		ev->fields &= (uint8_t)~REGISTRY_HAS_STAKE;
	if (sodium_is_zero(ev->record.commitments, sizeof(ev->record.commitments)))
		ev->fields &= (uint8_t)~REGISTRY_HAS_COMMITMENTS;
	return CODE_OK;
}

static void fill_contact(struct registry_event *ev, const struct seed *node)
{
	ev->fields |= REGISTRY_HAS_CONTACT;
	memcpy(ev->record.contact.link_key, node->link_public, sizeof(node->link_public));
	ev->record.contact.addr = node->addr;
}

enum code run_registry_add(struct cli *cli)
{
	struct registry_event ev = {.type = REGISTRY_ADD};
	struct registry_file f;
	struct seed node;
	bool has_contact;
	enum code code = registry_need_operands(cli, 1);

	if (code == CODE_OK)
		code = fill_record(cli, &ev);
	if (code == CODE_OK)
		code = complete_record(&ev);
	if (code == CODE_OK && !parse_node(cli->operands[0], &node, &has_contact))
		code = cli_error(CODE_USAGE,
				 "\"%s\" is neither a seed token (macro node seed) nor a node's id",
				 cli->operands[0]);
	if (code == CODE_OK)
		code = registry_file_open(cli, &f, true);
	if (code != CODE_OK)
		return code;
	memcpy(ev.record.key, node.id, sizeof(ev.record.key));
	if (has_contact)
		fill_contact(&ev, &node);
	ev.slot = registry_slots(f.reg);
	code = registry_file_append(&f, &ev);
	if (code == CODE_OK)
		printf("%" PRIu32 "\n", ev.slot);
	registry_file_close(&f);
	return code;
}

/* Where it is called, if --seed says so; the token must be of the member that is changed. */
static enum code change_contact(const struct cli *cli, const struct registry_member *m,
				struct registry_event *ev)
{
	const char *text = cli_option(cli, "seed");
	bool has_contact;
	struct seed node;

	if (text == NULL)
		return CODE_OK;
	if (!parse_node(text, &node, &has_contact) || !has_contact)
		return cli_error(CODE_USAGE, "--seed: \"%s\" is no seed token (macro node seed)",
				 text);
	if (sodium_memcmp(node.id, m->record.key, sizeof(node.id)) != 0)
		return cli_error(CODE_FAILED,
				 "--seed is of another node than member %" PRIu32
				 "; a member gets another key by: macro registry rotate",
				 m->slot);
	fill_contact(ev, &node);
	return CODE_OK;
}

enum code run_registry_change(struct cli *cli)
{
	struct registry_event ev = {.type = REGISTRY_CHANGE};
	struct registry_member m;
	struct registry_file f;
	enum code code = registry_need_operands(cli, 1);

	if (code == CODE_OK)
		code = fill_record(cli, &ev);
	if (code == CODE_OK && ev.fields == 0 && cli_option(cli, "seed") == NULL)
		code = cli_error(CODE_USAGE, "say what is to change: --operator, --roles, --stake, "
					     "--commitments or --seed");
	if (code == CODE_OK)
		code = registry_file_open(cli, &f, true);
	if (code != CODE_OK)
		return code;
	code =
	    find_member(f.reg, cli->operands[0], &m) ? change_contact(cli, &m, &ev) : CODE_FAILED;
	if (code == CODE_OK) {
		ev.slot = m.slot;
		code = registry_file_append(&f, &ev);
	}
	registry_file_close(&f);
	return code;
}

enum code run_registry_remove(struct cli *cli)
{
	struct registry_event ev = {.type = REGISTRY_REMOVE};
	struct registry_member m;
	struct registry_file f;
	enum code code = registry_need_operands(cli, 1);

	if (code == CODE_OK)
		code = registry_file_open(cli, &f, true);
	if (code != CODE_OK)
		return code;
	code = find_member(f.reg, cli->operands[0], &m) ? CODE_OK : CODE_FAILED;
	if (code == CODE_OK) {
		ev.slot = m.slot;
		code = registry_file_append(&f, &ev);
	}
	registry_file_close(&f);
	return code;
}

/* The new key, and where it is called if that is told. */
static enum code rotate(struct registry_file *f, uint32_t slot, const char *text)
{
	struct registry_event key = {
	    .type = REGISTRY_ROTATE, .fields = REGISTRY_HAS_KEY, .slot = slot};
	struct registry_event contact = {.type = REGISTRY_CHANGE, .slot = slot};
	bool has_contact;
	struct seed node;
	enum code code;

	if (!parse_node(text, &node, &has_contact))
		return cli_error(CODE_USAGE, "\"%s\" is neither a seed token nor a node's id",
				 text);
	memcpy(key.record.key, node.id, sizeof(key.record.key));
	code = registry_file_append(f, &key);
	if (code != CODE_OK || !has_contact)
		return code;
	fill_contact(&contact, &node);
	return registry_file_append(f, &contact);
}

enum code run_registry_rotate(struct cli *cli)
{
	struct registry_member m;
	struct registry_file f;
	enum code code = registry_need_operands(cli, 2);

	if (code == CODE_OK)
		code = registry_file_open(cli, &f, true);
	if (code != CODE_OK)
		return code;
	code = find_member(f.reg, cli->operands[0], &m) ? rotate(&f, m.slot, cli->operands[1])
							: CODE_FAILED;
	registry_file_close(&f);
	return code;
}

enum code run_registry_renew(struct cli *cli)
{
	struct registry_file f;
	enum code code = registry_file_open(cli, &f, true);

	if (code != CODE_OK)
		return code;
	code = registry_file_append(&f, NULL);
	registry_file_close(&f);
	return code;
}
