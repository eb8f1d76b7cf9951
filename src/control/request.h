/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The JSON bodies of requests, checked field by field against a table. */
#ifndef CONTROL_REQUEST_H
#define CONTROL_REQUEST_H

#include "control/control.h"

#define REQUEST_BODY_MAX 4096

struct request_error {
	char field[32]; /* empty: the body as a whole */
	char message[VIEW_TEXT_LEN];
};

/*
 * From text (none at all stands for {}) to a zeroed request.  Fields that are not known are
 * refused, so that a misspelt one is never silently without effect.  0 or -EINVAL with *error.
 */
MUST_USE int connect_request_parse(struct connect_request *out, const char *body, size_t len,
				   struct request_error *error);
MUST_USE int reconnect_request_parse(struct reconnect_request *out, const char *body, size_t len,
				     struct request_error *error);
MUST_USE int kill_switch_request_parse(struct kill_switch_request *out, const char *body,
				       size_t len, struct request_error *error);
MUST_USE int portal_request_parse(struct portal_request *out, const char *body, size_t len,
				  struct request_error *error);
MUST_USE int split_request_parse(struct split_request *out, const char *body, size_t len,
				 struct request_error *error);
MUST_USE int profile_request_parse(struct profile_request *out, const char *body, size_t len,
				   struct request_error *error);
MUST_USE int empty_request_parse(const char *body, size_t len, struct request_error *error);

#endif
