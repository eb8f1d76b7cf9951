/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where a program wants to go and as whom, as both proxy protocols say it. */
#ifndef PROXY_TARGET_H
#define PROXY_TARGET_H

#include "util/endpoint.h"

enum {
	TARGET_NAME_MAX = 253, /* of a host name, RFC 1035 */
	PROXY_USER_LEN = 16,
};

struct target {
	char name[TARGET_NAME_MAX + 1]; /* to be resolved at the exit; empty: at is complete */
	struct endpoint at;
};

/* Who asks: connections of different users never share a circuit.  All zero: nobody in particular.
 */
struct proxy_user {
	uint8_t digest[PROXY_USER_LEN]; /* of name and password, which nobody keeps */
};

struct proxy_request {
	enum proxy_command {
		PROXY_CONNECT,
		PROXY_UDP,
	} command;
	struct target target;
	struct proxy_user user;
};

/*
 * target_parse(t, host, len, port): host is an address or a name that could be in the DNS (letters,
 * digits, '-', '_', labels of 1 to 63, international names in their ASCII form).  0 or -EINVAL.
 */
MUST_USE int target_parse(struct target *t, const char *host, size_t len, uint16_t port);

void proxy_user_set(struct proxy_user *u, const void *name, size_t name_len, const void *password,
		    size_t password_len);

#endif
