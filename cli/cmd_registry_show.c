/* SPDX-License-Identifier: GPL-3.0-or-later */
/* For whoever wants to look into a registry, check it, or carry it elsewhere. */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/file.h"
#include "cli/registry_file.h"
#include "cli/show.h"
#include "registry/bundle.h"
#include "util/xalloc.h"

enum {
	BUNDLE_FILE_MAX = 64 << 20,
};

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
	struct registry_member m;
	json_t *list = json_array();
	uint32_t slot = 0;

	if (prints)
		printf("%-8s %-8s %-16s %-8s %-18s %s\n", "SLOT", "STAKE", "ID", "OPERATOR",
		       "ROLES", "CONTACT");
	while (registry_next(reg, &slot, &m)) {
		json_t *o = record_json(&m.record, REGISTRY_FIELDS);
		char number[24], stake[24], text[TIME_TEXT_MAX];

		snprintf(number, sizeof(number), "%" PRIu32, m.slot);
		snprintf(stake, sizeof(stake), "%" PRIu64, m.record.stake);
		json_object_set_new(o, "slot", json_integer(m.slot));
		json_object_set_new(o, "added", json_string(time_text(m.added_s, text)));
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
	enum code code = registry_need_operands(cli, 1);
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
	enum code code = registry_need_operands(cli, 1);

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
