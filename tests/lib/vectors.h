/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Test vectors from tests/vectors (VECTOR_DIR): JSON in which bytes are hexadecimal.  A file or
 * field that is missing or has another length ends the test program.
 */
#ifndef TESTS_VECTORS_H
#define TESTS_VECTORS_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void vector_die(const char *name, const char *why)
{
	printf("Bail out! test vector %s: %s\n", name, why);
	exit(EXIT_FAILURE);
}

/* vector_load("onion.json"): the caller json_decref()s it. */
static inline json_t *vector_load(const char *file)
{
	char path[1024];
	json_error_t err;
	json_t *root;

	snprintf(path, sizeof(path), "%s/%s", VECTOR_DIR, file);
	root = json_load_file(path, 0, &err);
	if (root == NULL)
		vector_die(path, err.text);
	return root;
}

/* vector_get(obj, name), vector_at(array, i): borrowed, never NULL. */
static inline json_t *vector_get(json_t *obj, const char *name)
{
	json_t *v = json_object_get(obj, name);

	if (v == NULL)
		vector_die(name, "missing");
	return v;
}

static inline json_t *vector_at(json_t *array, size_t i)
{
	json_t *v = json_array_get(array, i);

	if (v == NULL)
		vector_die("array", "too short");
	return v;
}

static inline uint64_t vector_int(json_t *obj, const char *name)
{
	return (uint64_t)json_integer_value(vector_get(obj, name));
}

/* vector_hex(v, out, len): the string v is exactly len bytes. */
static inline void vector_hex(json_t *v, void *out, size_t len)
{
	const char *hex = json_string_value(v);
	uint8_t *p = out;

	if (hex == NULL || strlen(hex) != 2 * len)
		vector_die(hex == NULL ? "bytes" : hex, "not of the expected length");
	for (size_t i = 0; i < len; i++) {
		unsigned byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			vector_die(hex, "not hexadecimal");
		p[i] = (uint8_t)byte;
	}
}

static inline void vector_bytes(json_t *obj, const char *name, void *out, size_t len)
{
	vector_hex(vector_get(obj, name), out, len);
}

#endif
