/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proxy/target.h"

#include "crypto/hash.h"

#include <ctype.h>
#include <errno.h>

enum {
	LABEL_MAX = 63,
};

static bool is_name(const char *host, size_t len)
{
	size_t label = 0;

	for (size_t i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)host[i];

		if (c == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (!isascii(c) || (!isalnum(c) && c != '-' && c != '_') ||
			   ++label > LABEL_MAX) {
			return false;
		}
	}
	return true;
}

int target_parse(struct target *t, const char *host, size_t len, uint16_t port)
{
	struct target out = {.at.port = port};

	if (len > 0 && host[len - 1] == '.') /* the root may be written */
		len--;
	if (len == 0 || len > TARGET_NAME_MAX || memchr(host, '\0', len) != NULL)
		return -EINVAL;
	memcpy(out.name, host, len);
	if (endpoint_ip_parse(out.at.ip, out.name) == 0)
		memset(out.name, 0, sizeof(out.name));
	else if (!is_name(host, len))
		return -EINVAL;
	*t = out;
	return 0;
}

void proxy_user_set(struct proxy_user *u, const void *name, size_t name_len, const void *password,
		    size_t password_len)
{
	uint8_t digest[HASH_LEN];

	/* The password under the name's key: no pair can be read as another. */
	hash_hmac(digest, name, name_len, password, password_len);
	memcpy(u->digest, digest, sizeof(u->digest));
}
