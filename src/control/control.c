/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The HTTP server: one thread of libmicrohttpd, which collects a request and hands it to methods.
 */
#include "control/control.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <unistd.h>

#include "control/events.h"
#include "control/listener.h"
#include "control/methods.h"
#include "control/request.h"
#include "util/log.h"
#include "util/xalloc.h"

enum {
	CONNECTIONS_MAX = 128,
	IDLE_TIMEOUT_S = 30,
};

struct control {
	struct listener listener;
	struct MHD_Daemon *http;
	struct events *events;
	const struct control_ops *ops;
	void *ctx;
};

/* A request while its body comes in. */
struct request {
	struct peer peer;
	size_t len;
	bool is_too_long;
	char body[REQUEST_BODY_MAX];
};

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct answer a)
{
	struct MHD_Response *r = a.stream;
	enum MHD_Result sent;
	char *text;

	if (r == NULL) {
		text = json_dumps(a.json, JSON_COMPACT | JSON_REAL_PRECISION(9));
		json_decref(a.json);
		if (text == NULL)
			return MHD_NO; /* closes the connection */
		r = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	}
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE,
				a.stream != NULL ? "application/x-ndjson" : "application/json");
	if (a.allow != NULL)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, a.allow);
	sent = MHD_queue_response(connection, a.status, r);
	MHD_destroy_response(r);
	return sent;
}

static enum MHD_Result refuse_stranger(const struct control *c, struct MHD_Connection *connection,
				       uid_t uid)
{
	char message[VIEW_TEXT_LEN];

	snprintf(message, sizeof(message),
		 "user %u may not control macrod; be root or a member of the group %s",
		 (unsigned)uid, c->listener.group_name);
	return send_answer(connection, answer_error(MHD_HTTP_FORBIDDEN, NULL, message));
}

/* Called with the headers, then with each piece of the body, then once more at its end. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *data_len, void **state)
{
	struct control *c = ctx;
	struct request *request = *state;
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct call call = {
	    .ops = c->ops, .ctx = c->ctx, .events = c->events, .connection = connection};

	(void)version;
	if (request == NULL) {
		request = xcalloc(1, sizeof(*request));
		*state = request;
		if (!listener_allows(&c->listener, info->connect_fd, &request->peer))
			return refuse_stranger(c, connection, request->peer.uid);
		return MHD_YES;
	}
	if (*data_len > 0) {
		request->is_too_long |= *data_len > sizeof(request->body) - request->len;
		if (!request->is_too_long) {
			memcpy(request->body + request->len, data, *data_len);
			request->len += *data_len;
		}
		*data_len = 0;
		return MHD_YES;
	}
	if (request->is_too_long)
		return send_answer(connection, answer_error(MHD_HTTP_CONTENT_TOO_LARGE, NULL,
							    "the body is longer than 4096 bytes"));
	call.body = request->body;
	call.body_len = request->len;
	call.uid = request->peer.uid;
	call.pid = request->peer.pid;
	return send_answer(connection, methods_call(&call, method, url));
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode why)
{
	(void)ctx;
	(void)connection;
	(void)why;
	free(*state);
	*state = NULL;
}

__attribute__((format(printf, 2, 0))) static void on_log(void *ctx, const char *fmt, va_list args)
{
	char text[256];

	(void)ctx;
	vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\n")] = '\0';
	log_debug("control: %s", text);
}

int control_start(struct control **out, const char *path, const char *group,
		  const struct control_ops *ops, void *ctx, char error[static CONTROL_ERROR_MAX])
{
	const unsigned flags =
	    MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	struct control *c = xcalloc(1, sizeof(*c));
	int err = listener_open(&c->listener, path, group, error);

	if (err != 0)
		goto free_control;
	c->ops = ops;
	c->ctx = ctx;
	c->events = events_create();
	c->http = MHD_start_daemon(flags, 0, NULL, NULL, on_request, c, MHD_OPTION_EXTERNAL_LOGGER,
				   on_log, NULL, MHD_OPTION_LISTEN_SOCKET, c->listener.fd,
				   MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
				   MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_S,
				   MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
	if (c->http == NULL) {
		err = -EIO;
		snprintf(error, CONTROL_ERROR_MAX, "cannot start the HTTP server on %s", path);
		goto close_listener;
	}
	*out = c;
	return 0;

close_listener:
	events_free(c->events);
	listener_close(&c->listener);
free_control:
	free(c);
	return err;
}

void control_stop(struct control *c)
{
	if (c == NULL)
		return;
	events_close(c->events);
	MHD_stop_daemon(c->http);
	c->listener.fd = -1; /* closed with the server */
	events_free(c->events);
	listener_close(&c->listener);
	free(c);
}

void control_event_post(struct control *c, const struct event_view *event)
{
	events_post(c->events, event_json(event));
}
