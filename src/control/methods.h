/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The methods of the API: from a complete request to an HTTP status and an answer. */
#ifndef CONTROL_METHODS_H
#define CONTROL_METHODS_H

#include <microhttpd.h>
#include <sys/types.h>

#include "control/control.h"
#include "control/events.h"

/* What a method works with. */
struct call {
	const struct control_ops *ops;
	void *ctx;
	struct events *events;
	struct MHD_Connection *connection;
	const char *body;
	size_t body_len;
	uid_t uid; /* of who asks */
	pid_t pid;
};

struct answer {
	unsigned status;
	json_t *json; /* the body, unless there is a stream */
	struct MHD_Response *stream;
	const char *allow; /* for 405 */
};

/* methods_call(call, http_method, path): always an answer, if only an error. */
struct answer methods_call(const struct call *call, const char *http_method, const char *path);

struct answer answer_error(unsigned status, const char *field, const char *message);

#endif
