/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How things look on a terminal. */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include <jansson.h>

#include "cli/cli.h"

#define SHOW_TEXT_MAX 64
#define SHOW_COST_MAX 200

/* show_status(cli, status, is_verbose): the state's line and, below it, what is known. */
void show_status(const struct cli *cli, const json_t *status, bool is_verbose);

/* show_route(cli, answer): a row for each hop of the route, and a line for each other path. */
void show_route(const struct cli *cli, const json_t *answer);

/* show_line(label, fmt, ...): "    Label:              value". */
void show_line(const char *label, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* show_json(json): for programs, whole. */
void show_json(const json_t *json);

/* show_cost(cost): "38.2 ms more than without (54.1 ms to the exit), 91 % of the line is yours". */
const char *show_cost(const json_t *cost, char out[static SHOW_COST_MAX]);

/* show_ms(ms, out): "1.5 ms", or a dash for what is not known.  show_place(node, out): whether its
 * claimed country stands. */
const char *show_ms(const json_t *ms, char out[static SHOW_TEXT_MAX]);
const char *show_place(const json_t *node, char out[static SHOW_TEXT_MAX]);

/* 1500 -> "1.5 kB"; 200000000 -> "200 Mbit/s" */
const char *show_bytes(json_int_t n, char out[static SHOW_TEXT_MAX]);
const char *show_bit_rate(json_int_t n, char out[static SHOW_TEXT_MAX]);

/* json_text(object, key), json_count(object, key): "" and 0 for what is null or missing. */
const char *json_text(const json_t *object, const char *key);
json_int_t json_count(const json_t *object, const char *key);

/* "entry, relay" from a list of strings; separator as given. */
const char *json_join(const json_t *list, const char *separator, char *out, size_t size);

#endif
