/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SOCKS version 5 (RFC 1928) with user and password (RFC 1929), the proxy's side; bytes in, bytes
 * out.  CONNECT and UDP ASSOCIATE.
 */
#ifndef PROXY_SOCKS_H
#define PROXY_SOCKS_H

#include "proxy/target.h"
#include "util/cursor.h"

enum socks_reply {
	SOCKS_OK = 0,
	SOCKS_FAILED = 1,
	SOCKS_NOT_ALLOWED = 2,
	SOCKS_NET_UNREACHABLE = 3,
	SOCKS_HOST_UNREACHABLE = 4,
	SOCKS_CONNECTION_REFUSED = 5,
	SOCKS_TTL_EXPIRED = 6,
	SOCKS_BAD_COMMAND = 7,
	SOCKS_BAD_ADDRESS_TYPE = 8,
};

enum {
	SOCKS_VERSION = 5,
	SOCKS_ANSWER_MAX = 4 + 16 + 2,
	SOCKS_UDP_HEAD_MAX = 4 + 1 + 255 + 2,
};

struct socks {
	enum socks_state {
		SOCKS_GREETING,
		SOCKS_PASSWORD,
		SOCKS_REQUEST,
		SOCKS_DONE,
	} state;
	struct proxy_request request; /* when DONE */
};

/*
 * socks_read(s, in, len, out): one message of the client's, and the answer to it (none to the
 * request itself).  The bytes it took, 0 when the message is not whole yet, or -EPROTO: say what is
 * in out, then hang up.
 */
MUST_USE int socks_read(struct socks *s, const uint8_t *in, size_t len, struct writer *out);

/* socks_put_reply(out, code, bound): the answer to a request. */
void socks_put_reply(struct writer *out, enum socks_reply code, const struct endpoint *bound);

/*
 * socks_udp_read(in, len, t): the head of a datagram from the program; its length, or -EPROTO
 * (fragments too: nobody sends them).  socks_udp_put: that of a datagram to the program.
 */
MUST_USE int socks_udp_read(const uint8_t *in, size_t len, struct target *t);
void socks_udp_put(struct writer *out, const struct endpoint *from);

#endif
