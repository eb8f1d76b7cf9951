/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * For the registrar of a mesh, who says who its members are; and for whoever wants to look.  What
 * programs may want goes to standard output, what explains to standard error.
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

enum {
	BUNDLE_FILE_MAX = 64 << 20,
};

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

/* A member by its slot's number, its id or its seed; NULL after a message. */
static const struct registry_member *find_member(const struct registry *reg, const char *text)
{
	const struct registry_member *m = NULL;
	bool has_contact;
	struct seed node;
	char *end;
	const unsigned long slot = strtoul(text, &end, 10);

	if (*text >= '0' && *text <= '9' && *end == '\0')
		m = slot <= UINT32_MAX ? registry_by_slot(reg, (uint32_t)slot) : NULL;
	else if (parse_node(text, &node, &has_contact))
		m = registry_by_key(reg, node.id);
	if (m == NULL || m->status != REGISTRY_ACTIVE) {
		cli_error(CODE_FAILED,
			  "\"%s\" is no active member; give a slot, a node's id or its seed token, "
			  "as in: macro registry list",
			  text);
		return NULL;
	}
	return m;
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

static enum code need_operands(const struct cli *cli, int count)
{
	if (cli->operand_count == count)
		return CODE_OK;
	return cli_error(CODE_USAGE, "%s: give %s; see: macro help %s", cli->verb->name,
			 cli->verb->operands, cli->verb->name);
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

/* What --operator, --roles and --stake say. */
static enum code fill_record(const struct cli *cli, struct registry_event *ev)
{
	const char *operator_name = cli_option(cli, "operator"), *roles = cli_option(cli, "roles");
	long stake = 0;

	if (operator_name == NULL)
		return cli_error(CODE_USAGE,
				 "--operator is missing: the name in the node's configuration; no "
				 "route uses two nodes of one operator");
	operator_tag(ev->record.operator_tag, operator_name);
	ev->record.roles = ROLE_ALL;
	if (roles != NULL && parse_roles(roles, &ev->record.roles) != CODE_OK)
		return CODE_USAGE;
	if (cli_number(cli, "stake", 1, INT64_MAX, &stake) != CODE_OK)
		return CODE_USAGE;
	ev->record.stake = (uint64_t)stake;
	if (stake != 0)
		ev->fields |= REGISTRY_HAS_STAKE;
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
	struct registry_event ev = {.type = REGISTRY_ADD,
				    .fields = REGISTRY_HAS_KEY | REGISTRY_HAS_OPERATOR |
					      REGISTRY_HAS_ROLES};
	struct registry_file f;
	struct seed node;
	bool has_contact;
	enum code code = need_operands(cli, 1);

	if (code == CODE_OK)
		code = fill_record(cli, &ev);
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

enum code run_registry_remove(struct cli *cli)
{
	struct registry_event ev = {.type = REGISTRY_REMOVE};
	const struct registry_member *m;
	struct registry_file f;
	enum code code = need_operands(cli, 1);

	if (code == CODE_OK)
		code = registry_file_open(cli, &f, true);
	if (code != CODE_OK)
		return code;
	m = find_member(f.reg, cli->operands[0]);
	code = m != NULL ? CODE_OK : CODE_FAILED;
	if (m != NULL) {
		ev.slot = m->slot;
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
	const struct registry_member *m;
	struct registry_file f;
	enum code code = need_operands(cli, 2);

	if (code == CODE_OK)
		code = registry_file_open(cli, &f, true);
	if (code != CODE_OK)
		return code;
	m = find_member(f.reg, cli->operands[0]);
	code = m != NULL ? rotate(&f, m->slot, cli->operands[1]) : CODE_FAILED;
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

/* ---- looking ---- */

#define TIME_TEXT_MAX 32

static const char *time_text(uint64_t s, char out[static TIME_TEXT_MAX])
{
	const time_t t = (time_t)s;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || strftime(out, TIME_TEXT_MAX, "%FT%TZ", &tm) == 0)
		snprintf(out, TIME_TEXT_MAX, "?");
	return out;
}

static json_t *hex_json(const uint8_t *bytes, size_t len)
{
	char hex[2 * 32 + 1];

	return json_string(sodium_bin2hex(hex, sizeof(hex), bytes, len));
}

static json_t *roles_json(uint8_t roles)
{
	json_t *list = json_array();

	if (roles & ROLE_ENTRY)
		json_array_append_new(list, json_string("entry"));
	if (roles & ROLE_RELAY)
		json_array_append_new(list, json_string("relay"));
	if (roles & ROLE_EXIT)
		json_array_append_new(list, json_string("exit"));
	return list;
}

/* The fields of a record that count. */
static json_t *record_json(const struct registry_record *r, uint8_t fields)
{
	json_t *o = json_object();
	char addr[ENDPOINT_TEXT_MAX];

	if (fields & REGISTRY_HAS_KEY)
		json_object_set_new(o, "id", hex_json(r->key, sizeof(r->key)));
	if (fields & REGISTRY_HAS_OPERATOR)
		json_object_set_new(o, "operator",
				    hex_json(r->operator_tag, sizeof(r->operator_tag)));
	if (fields & REGISTRY_HAS_ROLES)
		json_object_set_new(o, "roles", roles_json(r->roles));
	if (fields & REGISTRY_HAS_STAKE)
		json_object_set_new(o, "stake", json_integer((json_int_t)r->stake));
	if (fields & REGISTRY_HAS_COMMITMENTS)
		json_object_set_new(o, "commitments",
				    hex_json(r->commitments, sizeof(r->commitments)));
	if (fields & REGISTRY_HAS_CONTACT)
		json_object_set_new(o, "contact",
				    r->contact.addr.port != 0
					? json_string(endpoint_format(&r->contact.addr, addr))
					: json_null());
	return o;
}

static json_t *head_json(const struct registry *reg)
{
	const struct registry_head *h = registry_head(reg);
	char text[TIME_TEXT_MAX];

	return json_pack("{s:o, s:I, s:I, s:s, s:o}", "registrar",
			 hex_json(registry_backend(reg)->mesh, REGISTRY_MESH_LEN), "members",
			 (json_int_t)registry_members(reg), "events", (json_int_t)h->events,
			 "signed", time_text(h->time_s, text), "head",
			 hex_json(h->hash, sizeof(h->hash)));
}

/* A line: numbers first, then what is known, "-" for what is not. */
static void show_row(const char *first, const char *kind, const json_t *o)
{
	const json_t *roles = json_object_get(o, "roles");
	const char *contact = json_text(o, "contact");
	char text[64];

	printf("%-8s %-8s %-16.16s %-8.8s %-18s %s\n", first, kind,
	       json_text(o, "id")[0] != '\0' ? json_text(o, "id") : "-",
	       json_text(o, "operator")[0] != '\0' ? json_text(o, "operator") : "-",
	       roles != NULL ? json_join(roles, ",", text, sizeof(text)) : "-",
	       contact[0] != '\0' ? contact : "-");
}

static json_t *list_members(const struct registry *reg, bool prints)
{
	const struct registry_member *m;
	json_t *list = json_array();
	uint32_t slot = 0;

	if (prints)
		printf("%-8s %-8s %-16s %-8s %-18s %s\n", "SLOT", "STAKE", "ID", "OPERATOR",
		       "ROLES", "CONTACT");
	while ((m = registry_next(reg, &slot)) != NULL) {
		json_t *o = record_json(&m->record, REGISTRY_FIELDS);
		char number[24], stake[24], text[TIME_TEXT_MAX];

		snprintf(number, sizeof(number), "%" PRIu32, m->slot);
		snprintf(stake, sizeof(stake), "%" PRIu64, m->record.stake);
		json_object_set_new(o, "slot", json_integer(m->slot));
		json_object_set_new(o, "added", json_string(time_text(m->added_s, text)));
		if (prints)
			show_row(number, stake, o);
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *list_events(const struct registry *reg, bool prints)
{
	json_t *list = json_array();

	if (prints)
		printf("%-20s  %-8s %-8s %-16s %-8s %-18s %s\n", "TIME", "SLOT", "EVENT", "ID",
		       "OPERATOR", "ROLES", "CONTACT");
	for (uint64_t i = 0; i < registry_head(reg)->events; i++) {
		size_t len;
		const uint8_t *bytes = registry_event_bytes(reg, i, &len);
		struct reader in = rd_init(bytes, len);
		char number[24], text[TIME_TEXT_MAX];
		struct registry_event ev;
		json_t *o;

		if (registry_event_decode(&ev, &in) != REGISTRY_OK)
			continue; /* verified before: cannot be */
		o = record_json(&ev.record, ev.fields);
		snprintf(number, sizeof(number), "%" PRIu32, ev.slot);
		json_object_set_new(o, "event", json_string(registry_event_type_name(ev.type)));
		json_object_set_new(o, "slot", json_integer(ev.slot));
		json_object_set_new(o, "time", json_string(time_text(ev.time_s, text)));
		if (prints) {
			printf("%-20s  ", text);
			show_row(number, registry_event_type_name(ev.type), o);
		}
		json_array_append_new(list, o);
	}
	return list;
}

static enum code show_all(const struct cli *cli, const char *name,
			  json_t *(*list)(const struct registry *reg, bool prints))
{
	const bool is_json = cli_has(cli, "json");
	struct registry_file f;
	const enum code code = registry_file_open(cli, &f, false);
	json_t *all;

	if (code != CODE_OK)
		return code;
	all = head_json(f.reg);
	json_object_set_new(all, name, list(f.reg, !is_json));
	if (is_json)
		show_json(all);
	json_decref(all);
	registry_file_close(&f);
	return CODE_OK;
}

enum code run_registry_list(struct cli *cli)
{
	return show_all(cli, "list", list_members);
}

enum code run_registry_log(struct cli *cli)
{
	return show_all(cli, "log", list_events);
}

/* ---- elsewhere ---- */

static void show_head(const struct registry *reg)
{
	json_t *h = head_json(reg);

	show_line("Registrar:", "%s", json_text(h, "registrar"));
	show_line("Members:", "%" JSON_INTEGER_FORMAT, json_count(h, "members"));
	show_line("Events:", "%" JSON_INTEGER_FORMAT, json_count(h, "events"));
	show_line("Signed:", "%s", json_text(h, "signed"));
	show_line("Head:", "%s", json_text(h, "head"));
	json_decref(h);
}

/* A bundle's content, verified; NULL after a message. */
static struct registry *read_bundle(const char *path)
{
	struct registry *reg = NULL;
	struct registry_update u;
	enum registry_result r;
	const uint8_t *mesh;
	uint64_t event = 0;
	size_t len;
	char *bytes;

	if (file_read(path, BUNDLE_FILE_MAX, &bytes, &len) != CODE_OK)
		return NULL;
	r = registry_bundle_open((const uint8_t *)bytes, len, &mesh, &u);
	if (r == REGISTRY_OK) {
		reg = registry_file_create(mesh);
		r = registry_apply(reg, &u, registry_file_wall_s(), &event);
	}
	free(bytes);
	if (r == REGISTRY_OK)
		return reg;
	registry_free(reg);
	cli_error(CODE_FAILED, "%s: event %" PRIu64 ": %s (%s)", path, event,
		  registry_result_text(r), registry_result_name(r));
	return NULL;
}

enum code run_registry_verify(struct cli *cli)
{
	struct registry_file f = {0};
	enum code code;

	if (cli->operand_count > 0) { /* a bundle, from anywhere */
		f.reg = sodium_init() < 0 ? NULL : read_bundle(cli->operands[0]);
		code = f.reg != NULL ? CODE_OK : CODE_FAILED;
	} else {
		code = registry_file_open(cli, &f, false);
	}
	if (code != CODE_OK)
		return code;
	show_head(f.reg);
	registry_file_close(&f);
	return CODE_OK;
}

enum code run_registry_export(struct cli *cli)
{
	struct registry_file f;
	enum code code = need_operands(cli, 1);
	uint8_t *bytes;
	size_t len;

	if (code == CODE_OK)
		code = registry_file_open(cli, &f, false);
	if (code != CODE_OK)
		return code;
	if (registry_head_bytes(f.reg, &len) == NULL) {
		code = cli_error(CODE_FAILED, "registry %s: nothing is in it yet", f.path);
	} else {
		bytes = registry_bundle_write(f.reg, &len);
		code = file_create(cli->operands[0], bytes, len);
		free(bytes);
	}
	registry_file_close(&f);
	return code;
}

/* Into the store: what it has not yet. */
static int take_all(void *ctx, struct registry *reg)
{
	const struct registry *from = ctx;
	const struct registry_head *h = registry_head(reg);
	struct registry_update u = {.first = h->events};
	uint64_t count;
	enum registry_result r;

	u.head = registry_head_bytes(from, &u.head_len);
	u.events = registry_events(from, u.first, SIZE_MAX, &count, &u.events_len);
	r = registry_apply(reg, &u, registry_file_wall_s(), NULL);
	if (r == REGISTRY_OK || r == REGISTRY_KNOWN)
		return 0;
	cli_error(CODE_FAILED, "%s (%s)", registry_result_text(r), registry_result_name(r));
	return -EINVAL;
}

static enum code import(struct registry_file *f, struct registry *from)
{
	const struct registry_store_params p = {
	    .path = f->path, .mesh = registry_backend(from)->mesh, .creates = true};
	char error[REGISTRY_STORE_ERROR_MAX] = "";
	int err;

	if (file_make_parent(f->path, 0700) != CODE_OK)
		return CODE_FAILED;
	if (registry_store_open(&f->store, &p, error) != 0)
		return cli_error(CODE_FAILED, "%s", error);
	f->reg = registry_file_create(p.mesh);
	err =
	    registry_store_change(f->store, f->reg, take_all, from, registry_file_wall_s(), error);
	if (err == 0)
		return CODE_OK;
	return error[0] != '\0' ? cli_error(CODE_FAILED, "%s", error) : CODE_FAILED;
}

enum code run_registry_import(struct cli *cli)
{
	struct registry_file f;
	struct registry *from;
	enum code code = need_operands(cli, 1);

	if (code != CODE_OK)
		return code;
	from = sodium_init() < 0 ? NULL : read_bundle(cli->operands[0]);
	if (from == NULL)
		return CODE_FAILED;
	code = registry_file_paths(cli, &f);
	if (code == CODE_OK)
		code = import(&f, from);
	if (code == CODE_OK)
		show_head(f.reg);
	registry_free(from);
	registry_file_close(&f);
	return code;
}
