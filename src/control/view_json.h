/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Views as JSON.  Each returns a new object with the schema number, for json_decref. */
#ifndef CONTROL_VIEW_JSON_H
#define CONTROL_VIEW_JSON_H

#include <jansson.h>

#include "control/event_view.h"
#include "control/view_explain.h"
#include "control/view_profile.h"

json_t *status_json(const struct status_view *v);
json_t *route_json(const struct status_view *v);
json_t *explanation_json(const struct explanation_view *v);
json_t *node_list_json(const char *key, const struct node_list_view *v);
json_t *mesh_json(const struct mesh_view *v);
json_t *equivocations_json(const struct equivocation_list_view *v);
json_t *own_node_json(const struct own_node_view *v);
json_t *counters_json(const struct counters_view *v);
json_t *event_json(const struct event_view *v);

json_t *kill_switch_json(const struct kill_switch_view *v);

/* view_profile_json.c */
json_t *profile_list_json(const struct profile_list_view *v);
json_t *network_json(const struct network_view *v);
json_t *cost_answer_json(const char *profile, const struct cost_view *v);

/* error_json(field, message): field may be NULL. */
json_t *error_json(const char *field, const char *message);

/* view_state_name(s): as in the JSON. */
const char *view_state_name(enum view_state s);

#endif
