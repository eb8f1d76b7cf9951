/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values in JSON, for the files that render views. */
#ifndef CONTROL_VIEW_JSON_INT_H
#define CONTROL_VIEW_JSON_INT_H

#include <jansson.h>

#include "control/view.h"

/* Text that is not UTF-8 (one cut in the middle of a character) cannot be shown. */
json_t *text_or_null(const char *text);
json_t *count_json(uint64_t v);
json_t *count_or_null(bool is_known, uint64_t v);
/* Milliseconds to the microsecond: what a hop's round trip needs, and short to read. */
json_t *ms_or_null(bool is_known, uint64_t ns);
json_t *percent_or_null(bool is_known, uint32_t ppm);
/* RFC 3339 in UTC; 0 is "not known". */
json_t *time_or_null(uint64_t wall_ns);
json_t *node_ref_json(const struct node_ref *n); /* null: empty */
json_t *roles_json(uint8_t roles);
const char *kill_switch_name(enum view_kill_switch k);

/* view_profile_json.c */
json_t *cost_json(const struct cost_view *v);

#endif
