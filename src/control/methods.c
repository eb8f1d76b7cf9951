/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One table: path, HTTP method, handler.  Handlers are a few lines between views and JSON. */
#include "control/methods.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/request.h"
#include "util/now.h"

struct answer answer_error(unsigned status, const char *field, const char *message)
{
	return (struct answer){.status = status, .json = error_json(field, message)};
}

static struct answer answer_json(json_t *json)
{
	return (struct answer){.status = MHD_HTTP_OK, .json = json};
}

static struct answer get_status(const struct call *c)
{
	struct status_view view = {0};

	c->ops->status(c->ctx, &view);
	return answer_json(status_json(&view));
}

static struct answer get_route(const struct call *c)
{
	struct status_view view = {0};

	c->ops->status(c->ctx, &view);
	return answer_json(route_json(&view));
}

static struct answer get_explanation(const struct call *c)
{
	struct explanation_view view = {0};

	c->ops->explain(c->ctx, &view);
	return answer_json(explanation_json(&view));
}

static struct answer get_list(const struct call *c, const char *key,
			      void (*op)(void *ctx, struct node_list_view *out))
{
	struct node_list_view view = {0};
	json_t *json;

	op(c->ctx, &view);
	json = node_list_json(key, &view);
	free(view.items);
	return answer_json(json);
}

static struct answer get_exits(const struct call *c)
{
	return get_list(c, "exits", c->ops->exits);
}

static struct answer get_nodes(const struct call *c)
{
	return get_list(c, "nodes", c->ops->nodes);
}

static struct answer get_node(const struct call *c)
{
	struct own_node_view view = {0};

	c->ops->node(c->ctx, &view);
	return answer_json(own_node_json(&view));
}

static struct answer get_mesh(const struct call *c)
{
	struct mesh_view view = {0};

	c->ops->mesh(c->ctx, &view);
	return answer_json(mesh_json(&view));
}

static struct answer get_equivocations(const struct call *c)
{
	struct equivocation_list_view view = {0};
	json_t *json;

	c->ops->equivocations(c->ctx, &view);
	json = equivocations_json(&view);
	free(view.items);
	return answer_json(json);
}

static struct answer get_counters(const struct call *c)
{
	struct counters_view view = {0};

	c->ops->counters(c->ctx, &view);
	return answer_json(counters_json(&view));
}

/* The present state as an event: with it a follower has missed nothing. */
static json_t *present_event(const struct call *c)
{
	struct event_view event = {.event = VIEW_EVENT_STATE, .time_ns = now_read().wall_ns};
	struct status_view status = {0};

	c->ops->status(c->ctx, &status);
	event.state = status.state;
	event.route = status.route;
	event.paths_active = status.paths_active;
	event.paths_backup = status.paths_backup;
	snprintf(event.text, sizeof(event.text), "%s", status.reason);
	return event_json(&event);
}

static struct answer get_events(const struct call *c)
{
	const char *follow =
	    MHD_lookup_connection_value(c->connection, MHD_GET_ARGUMENT_KIND, "follow");
	struct answer a = {.status = MHD_HTTP_OK};
	const uint64_t position = events_position(c->events); /* before the state is read */

	if (follow != NULL && strcmp(follow, "1") == 0)
		a.stream = events_follow(c->events, c->connection, position, present_event(c));
	else if (follow == NULL || strcmp(follow, "0") == 0)
		a.stream = events_remembered(c->events, c->connection);
	else
		return answer_error(MHD_HTTP_BAD_REQUEST, "follow", "follow must be 0 or 1");
	if (a.stream == NULL)
		return answer_error(MHD_HTTP_SERVICE_UNAVAILABLE, NULL,
				    "too many streams of events; end some and try again");
	return a;
}

static struct answer bad_request(const struct request_error *error)
{
	return answer_error(MHD_HTTP_BAD_REQUEST, error->field, error->message);
}

/* 202: begun.  How it goes on is told by status and events. */
static struct answer answer_action(int err, const char *why)
{
	if (err == 0)
		return (struct answer){.status = MHD_HTTP_ACCEPTED,
				       .json = json_pack("{s:i}", "schema", CONTROL_SCHEMA)};
	return answer_error(err == -EINVAL ? MHD_HTTP_BAD_REQUEST : MHD_HTTP_CONFLICT, NULL,
			    why[0] != '\0' ? why : strerror(-err));
}

static struct answer post_connect(const struct call *c)
{
	struct connect_request request = {0};
	struct request_error error;
	char why[VIEW_TEXT_LEN] = "";

	if (connect_request_parse(&request, c->body, c->body_len, &error) != 0)
		return bad_request(&error);
	return answer_action(c->ops->connect(c->ctx, &request, why), why);
}

static struct answer post_disconnect(const struct call *c)
{
	struct request_error error;
	char why[VIEW_TEXT_LEN] = "";

	if (empty_request_parse(c->body, c->body_len, &error) != 0)
		return bad_request(&error);
	return answer_action(c->ops->disconnect(c->ctx, why), why);
}

static struct answer post_reconnect(const struct call *c)
{
	struct reconnect_request request = {0};
	struct request_error error;
	char why[VIEW_TEXT_LEN] = "";

	if (reconnect_request_parse(&request, c->body, c->body_len, &error) != 0)
		return bad_request(&error);
	return answer_action(c->ops->reconnect(c->ctx, &request, why), why);
}

static struct answer get_kill_switch(const struct call *c)
{
	struct kill_switch_view view = {0};

	c->ops->kill_switch(c->ctx, &view);
	return answer_json(kill_switch_json(&view));
}

static struct answer post_kill_switch(const struct call *c)
{
	struct kill_switch_request request = {0};
	struct request_error error;
	char why[VIEW_TEXT_LEN] = "";

	if (kill_switch_request_parse(&request, c->body, c->body_len, &error) != 0)
		return bad_request(&error);
	return answer_action(c->ops->set_kill_switch(c->ctx, &request, why), why);
}

static struct answer post_unlock(const struct call *c)
{
	struct request_error error;
	char why[VIEW_TEXT_LEN] = "";

	if (empty_request_parse(c->body, c->body_len, &error) != 0)
		return bad_request(&error);
	return answer_action(c->ops->unlock(c->ctx, why), why);
}

static struct answer post_portal(const struct call *c)
{
	struct portal_request request = {.uid = c->uid};
	struct request_error error;
	char why[VIEW_TEXT_LEN] = "";

	if (portal_request_parse(&request, c->body, c->body_len, &error) != 0)
		return bad_request(&error);
	if (c->uid != 0 && request.uid != c->uid)
		return answer_error(MHD_HTTP_FORBIDDEN, "uid",
				    "only root opens a hole for somebody else");
	return answer_action(c->ops->portal(c->ctx, &request, why), why);
}

static struct answer post_split(const struct call *c)
{
	struct split_request request = {.pid = c->pid};
	struct request_error error;
	char why[VIEW_TEXT_LEN] = "";

	if (split_request_parse(&request, c->body, c->body_len, &error) != 0)
		return bad_request(&error);
	return answer_action(c->ops->split(c->ctx, &request, why), why);
}

static struct answer get_profiles(const struct call *c)
{
	struct profile_list_view view = {0};
	json_t *json;

	c->ops->profiles(c->ctx, &view);
	json = profile_list_json(&view);
	profile_list_free(&view);
	return answer_json(json);
}

static struct answer get_network(const struct call *c)
{
	struct network_view view = {0};

	c->ops->network(c->ctx, &view);
	return answer_json(network_json(&view));
}

static struct answer post_cost(const struct call *c)
{
	struct connect_request request = {0};
	struct request_error error;
	struct cost_view view = {0};
	char profile[VIEW_NAME_LEN] = "", why[VIEW_TEXT_LEN] = "";
	int err;

	if (connect_request_parse(&request, c->body, c->body_len, &error) != 0)
		return bad_request(&error);
	err = c->ops->cost(c->ctx, &request, profile, &view, why);
	return err == 0 ? answer_json(cost_answer_json(profile, &view)) : answer_action(err, why);
}

static struct answer post_profile(const struct call *c,
				  int (*op)(void *ctx, const struct profile_request *request,
					    char why[static VIEW_TEXT_LEN]))
{
	struct profile_request request = {0};
	struct request_error error;
	char why[VIEW_TEXT_LEN] = "";

	if (profile_request_parse(&request, c->body, c->body_len, &error) != 0)
		return bad_request(&error);
	return answer_action(op(c->ctx, &request, why), why);
}

static struct answer post_use_profile(const struct call *c)
{
	return post_profile(c, c->ops->use_profile);
}

static struct answer post_bind_profile(const struct call *c)
{
	return post_profile(c, c->ops->bind_profile);
}

static struct answer post_unbind_profile(const struct call *c)
{
	return post_profile(c, c->ops->unbind_profile);
}

static const struct method {
	const char *path;
	const char *http_method;
	struct answer (*handle)(const struct call *call);
} methods[] = {
    {"/v1/status", MHD_HTTP_METHOD_GET, get_status},
    {"/v1/route", MHD_HTTP_METHOD_GET, get_route},
    {"/v1/route/explain", MHD_HTTP_METHOD_GET, get_explanation},
    {"/v1/exits", MHD_HTTP_METHOD_GET, get_exits},
    {"/v1/nodes", MHD_HTTP_METHOD_GET, get_nodes},
    {"/v1/node", MHD_HTTP_METHOD_GET, get_node},
    {"/v1/mesh", MHD_HTTP_METHOD_GET, get_mesh},
    {"/v1/mesh/equivocations", MHD_HTTP_METHOD_GET, get_equivocations},
    {"/v1/counters", MHD_HTTP_METHOD_GET, get_counters},
    {"/v1/killswitch", MHD_HTTP_METHOD_GET, get_kill_switch},
    {"/v1/killswitch", MHD_HTTP_METHOD_POST, post_kill_switch},
    {"/v1/unlock", MHD_HTTP_METHOD_POST, post_unlock},
    {"/v1/portal", MHD_HTTP_METHOD_POST, post_portal},
    {"/v1/split", MHD_HTTP_METHOD_POST, post_split},
    {"/v1/profiles", MHD_HTTP_METHOD_GET, get_profiles},
    {"/v1/profile/use", MHD_HTTP_METHOD_POST, post_use_profile},
    {"/v1/profile/bind", MHD_HTTP_METHOD_POST, post_bind_profile},
    {"/v1/profile/unbind", MHD_HTTP_METHOD_POST, post_unbind_profile},
    {"/v1/network", MHD_HTTP_METHOD_GET, get_network},
    {"/v1/cost", MHD_HTTP_METHOD_POST, post_cost},
    {"/v1/events", MHD_HTTP_METHOD_GET, get_events},
    {"/v1/connect", MHD_HTTP_METHOD_POST, post_connect},
    {"/v1/disconnect", MHD_HTTP_METHOD_POST, post_disconnect},
    {"/v1/reconnect", MHD_HTTP_METHOD_POST, post_reconnect},
};

struct answer methods_call(const struct call *call, const char *http_method, const char *path)
{
	const struct method *other = NULL;
	struct answer a;

	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		if (strcmp(path, methods[i].path) != 0)
			continue;
		if (strcmp(http_method, methods[i].http_method) == 0)
			return methods[i].handle(call);
		other = &methods[i];
	}
	if (other != NULL) {
		a = answer_error(MHD_HTTP_METHOD_NOT_ALLOWED, NULL, "wrong HTTP method");
		a.allow = other->http_method;
		return a;
	}
	return answer_error(MHD_HTTP_NOT_FOUND, NULL, "there is no such path in this API");
}
