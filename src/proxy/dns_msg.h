/* SPDX-License-Identifier: GPL-3.0-or-later */
/* DNS messages (RFC 1035) as a stub resolver needs them: a question, and the addresses in its
 * answer. */
#ifndef PROXY_DNS_MSG_H
#define PROXY_DNS_MSG_H

#include "util/cursor.h"

enum {
	DNS_TYPE_A = 1,
	DNS_TYPE_AAAA = 28,
	DNS_ADDRESSES_MAX = 8,
	DNS_QUESTION_MAX = 12 + 255 + 4 + 11,
	DNS_PORT = 53,
};

struct dns_answer {
	uint8_t ip[DNS_ADDRESSES_MAX][16]; /* IPv4 as ::ffff:a.b.c.d */
	unsigned count;
};

/* dns_put_question(out, id, name, type): name is a target's (see target_parse). */
void dns_put_question(struct writer *out, uint16_t id, const char *name, uint16_t type);

/*
 * dns_read_answer(in, len, id, name, type, out): 0 with the addresses, perhaps none; -EPROTO: not
 * the answer to that question, or malformed; -ENOENT: there is no such name; -EAGAIN: the server
 * could not say.
 */
MUST_USE int dns_read_answer(const uint8_t *in, size_t len, uint16_t id, const char *name,
			     uint16_t type, struct dns_answer *out);

#endif
