/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/request.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

struct field {
	const char *name;
	int (*set)(const struct field *f, void *out, const json_t *value);
	const char *expect;
	size_t offset, size;
	json_int_t min, max;
};

__attribute__((format(printf, 3, 4))) static int refuse(struct request_error *error,
							const char *field, const char *fmt, ...)
{
	va_list args;

	snprintf(error->field, sizeof(error->field), "%s", field);
	va_start(args, fmt);
	vsnprintf(error->message, sizeof(error->message), fmt, args);
	va_end(args);
	return -EINVAL;
}

static int set_name(const struct field *f, void *out, const json_t *value)
{
	const char *text = json_string_value(value);
	const size_t len = json_string_length(value);

	if (text == NULL || len == 0 || len >= f->size)
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) &&
		    (text[i] == '\0' || !strchr("-_.", text[i])))
			return -EINVAL;
	memcpy((char *)out + f->offset, text, len + 1);
	return 0;
}

static int set_count(const struct field *f, void *out, const json_t *value)
{
	const json_int_t v = json_integer_value(value);

	if (!json_is_integer(value) || v < f->min || v > f->max)
		return -EINVAL;
	*(unsigned *)(void *)((char *)out + f->offset) = (unsigned)v;
	return 0;
}

static int set_bool(const struct field *f, void *out, const json_t *value)
{
	if (!json_is_boolean(value))
		return -EINVAL;
	*(bool *)((char *)out + f->offset) = json_is_true(value);
	return 0;
}

static const struct field connect_fields[] = {
    {"profile", set_name, "a profile's name", offsetof(struct connect_request, profile),
     sizeof(((struct connect_request *)0)->profile), 0, 0},
    {"exit", set_name, "auto, a country's two letters, or a node's name or id",
     offsetof(struct connect_request, exit), sizeof(((struct connect_request *)0)->exit), 0, 0},
    {"hops", set_count, "a number from 1 to 5", offsetof(struct connect_request, hops), 0, 1,
     VIEW_HOPS_MAX},
    {"only", set_bool, "true or false", offsetof(struct connect_request, only), 0, 0, 0},
};

static const struct field split_fields[] = {
    {"side", set_name, "outside or inside", offsetof(struct split_request, side),
     sizeof(((struct split_request *)0)->side), 0, 0},
};

static const struct field reconnect_fields[] = {
    {"new_exit", set_bool, "true or false", offsetof(struct reconnect_request, new_exit), 0, 0, 0},
};

static const struct field kill_switch_fields[] = {
    {"setting", set_name, "profile, off, on or always",
     offsetof(struct kill_switch_request, setting),
     sizeof(((struct kill_switch_request *)0)->setting), 0, 0},
};

static const struct field portal_fields[] = {
    {"seconds", set_count, "a number from 0 to 3600", offsetof(struct portal_request, seconds), 0,
     0, PORTAL_SECONDS_MAX},
    {"uid", set_count, "a user's number", offsetof(struct portal_request, uid), 0, 0, INT32_MAX},
};

static int set_network(const struct field *f, void *out, const json_t *value)
{
	const char *text = json_string_value(value);
	struct netid id;

	if (text == NULL || netid_parse(&id, text) != 0)
		return -EINVAL;
	netid_format(&id, (char *)out + f->offset);
	return 0;
}

static const struct field profile_fields[] = {
    {"profile", set_name, "a profile's name", offsetof(struct profile_request, profile),
     sizeof(((struct profile_request *)0)->profile), 0, 0},
    {"network", set_network,
     "a network as \"macro network show\" prints it: MAC@ADDRESS/BITS, without bits of a host",
     offsetof(struct profile_request, network), 0, 0, 0},
};

static int set_field(const struct field *fields, size_t count, void *out, const char *name,
		     const json_t *value, struct request_error *error)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(name, fields[i].name) != 0)
			continue;
		if (json_is_null(value) || fields[i].set(&fields[i], out, value) == 0)
			return 0;
		return refuse(error, name, "%s must be %s", name, fields[i].expect);
	}
	return refuse(error, name, "there is no field \"%.40s\" in this request", name);
}

static int parse(const struct field *fields, size_t count, void *out, const char *body, size_t len,
		 struct request_error *error)
{
	json_error_t why;
	json_t *root, *value;
	const char *name;
	int err = 0;

	if (len == 0)
		return 0;
	root = json_loadb(body, len, JSON_REJECT_DUPLICATES, &why);
	if (root == NULL)
		return refuse(error, "", "the body is not JSON: %.150s at byte %d", why.text,
			      why.position);
	if (!json_is_object(root))
		err = refuse(error, "", "the body must be a JSON object");
	else
		json_object_foreach(root, name, value)
		{
			err = set_field(fields, count, out, name, value, error);
			if (err != 0)
				break;
		}
	json_decref(root);
	return err;
}

int connect_request_parse(struct connect_request *out, const char *body, size_t len,
			  struct request_error *error)
{
	return parse(connect_fields, ARRAY_LEN(connect_fields), out, body, len, error);
}

int reconnect_request_parse(struct reconnect_request *out, const char *body, size_t len,
			    struct request_error *error)
{
	return parse(reconnect_fields, ARRAY_LEN(reconnect_fields), out, body, len, error);
}

int kill_switch_request_parse(struct kill_switch_request *out, const char *body, size_t len,
			      struct request_error *error)
{
	return parse(kill_switch_fields, ARRAY_LEN(kill_switch_fields), out, body, len, error);
}

int portal_request_parse(struct portal_request *out, const char *body, size_t len,
			 struct request_error *error)
{
	return parse(portal_fields, ARRAY_LEN(portal_fields), out, body, len, error);
}

int split_request_parse(struct split_request *out, const char *body, size_t len,
			struct request_error *error)
{
	return parse(split_fields, ARRAY_LEN(split_fields), out, body, len, error);
}

int profile_request_parse(struct profile_request *out, const char *body, size_t len,
			  struct request_error *error)
{
	return parse(profile_fields, ARRAY_LEN(profile_fields), out, body, len, error);
}

int empty_request_parse(const char *body, size_t len, struct request_error *error)
{
	return parse(NULL, 0, NULL, body, len, error);
}
