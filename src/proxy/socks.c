/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proxy/socks.h"

#include <errno.h>

enum {
	PASSWORD_VERSION = 1,
	METHOD_NONE = 0,
	METHOD_PASSWORD = 2,
	METHOD_UNACCEPTABLE = 0xff,
	COMMAND_CONNECT = 1,
	COMMAND_UDP = 3,
	ADDRESS_V4 = 1,
	ADDRESS_NAME = 3,
	ADDRESS_V6 = 4,
	MORE = 0,
};

static uint16_t rd_be16(struct reader *r)
{
	const uint8_t *p = rd_bytes(r, 2);

	return p != NULL ? get_be16(p) : 0;
}

static int greeting(struct socks *s, struct reader *in, struct writer *out)
{
	const uint8_t version = rd_u8(in);
	const uint8_t count = rd_u8(in);
	const uint8_t *methods = rd_bytes(in, count);
	uint8_t method = METHOD_UNACCEPTABLE;

	if (version != SOCKS_VERSION) /* not known to speak SOCKS 5: nothing to say to it */
		return -EPROTO;
	if (!rd_ok(in))
		return MORE;
	if (memchr(methods, METHOD_NONE, count) != NULL)
		method = METHOD_NONE;
	if (memchr(methods, METHOD_PASSWORD, count) != NULL)
		method = METHOD_PASSWORD;
	wr_u8(out, SOCKS_VERSION);
	wr_u8(out, method);
	if (method == METHOD_UNACCEPTABLE)
		return -EPROTO;
	s->state = method == METHOD_PASSWORD ? SOCKS_PASSWORD : SOCKS_REQUEST;
	return 1;
}

/* Any name and password will do: they tell users apart, they let nobody in. */
static int password(struct socks *s, struct reader *in, struct writer *out)
{
	const uint8_t version = rd_u8(in);
	const uint8_t name_len = rd_u8(in);
	const uint8_t *name = rd_bytes(in, name_len);
	const uint8_t password_len = rd_u8(in);
	const uint8_t *word = rd_bytes(in, password_len);

	if (version != PASSWORD_VERSION) {
		wr_u8(out, PASSWORD_VERSION);
		wr_u8(out, SOCKS_FAILED);
		return -EPROTO;
	}
	if (!rd_ok(in))
		return MORE;
	proxy_user_set(&s->request.user, name, name_len, word, password_len);
	wr_u8(out, PASSWORD_VERSION);
	wr_u8(out, SOCKS_OK);
	s->state = SOCKS_REQUEST;
	return 1;
}

/* An address as requests and datagrams have it: SOCKS_OK with *t set, or in what way it is wrong.
 * The reader turns bad when bytes are missing. */
static enum socks_reply address(struct reader *in, struct target *t)
{
	struct target out = {0};
	const uint8_t *name;
	uint8_t len;

	switch (rd_u8(in)) {
	case ADDRESS_V4:
		out.at.ip[10] = out.at.ip[11] = 0xff;
		rd_copy(in, out.at.ip + 12, 4);
		break;
	case ADDRESS_V6:
		rd_copy(in, out.at.ip, sizeof(out.at.ip));
		break;
	case ADDRESS_NAME:
		len = rd_u8(in);
		name = rd_bytes(in, len);
		out.at.port = rd_be16(in);
		if (rd_ok(in) && target_parse(&out, (const char *)name, len, out.at.port) != 0)
			return SOCKS_HOST_UNREACHABLE;
		*t = out;
		return SOCKS_OK;
	default:
		return SOCKS_BAD_ADDRESS_TYPE;
	}
	out.at.port = rd_be16(in);
	*t = out;
	return SOCKS_OK;
}

static int refuse(struct writer *out, enum socks_reply code)
{
	socks_put_reply(out, code, &(struct endpoint){0});
	return -EPROTO;
}

static int request(struct socks *s, struct reader *in, struct writer *out)
{
	const uint8_t version = rd_u8(in);
	const uint8_t command = rd_u8(in);
	const uint8_t reserved = rd_u8(in);
	struct target t = {0};
	enum socks_reply wrong;

	if (version != SOCKS_VERSION || reserved != 0)
		return refuse(out, SOCKS_FAILED);
	if (!rd_ok(in) || in->left == 0)
		return MORE;
	if (command != COMMAND_CONNECT && command != COMMAND_UDP)
		return refuse(out, SOCKS_BAD_COMMAND);
	wrong = address(in, &t);
	if (wrong == SOCKS_OK && !rd_ok(in))
		return MORE;
	if (wrong == SOCKS_OK && command == COMMAND_CONNECT && t.at.port == 0)
		wrong = SOCKS_FAILED;
	if (wrong != SOCKS_OK)
		return refuse(out, wrong);
	s->request.command = command == COMMAND_UDP ? PROXY_UDP : PROXY_CONNECT;
	s->request.target = t;
	s->state = SOCKS_DONE;
	return 1;
}

int socks_read(struct socks *s, const uint8_t *in, size_t len, struct writer *out)
{
	struct reader r = rd_init(in, len);
	int rc = MORE;

	if (len == 0)
		return 0;
	switch (s->state) {
	case SOCKS_GREETING:
		rc = greeting(s, &r, out);
		break;
	case SOCKS_PASSWORD:
		rc = password(s, &r, out);
		break;
	case SOCKS_REQUEST:
		rc = request(s, &r, out);
		break;
	case SOCKS_DONE:
		break;
	}
	return rc > 0 ? (int)(len - r.left) : rc;
}

static void put_address(struct writer *out, const struct endpoint *e)
{
	const bool v4 = endpoint_is_v4(e);

	wr_u8(out, v4 ? ADDRESS_V4 : ADDRESS_V6);
	wr_copy(out, v4 ? e->ip + 12 : e->ip, v4 ? 4 : 16);
	wr_u8(out, (uint8_t)(e->port >> 8));
	wr_u8(out, (uint8_t)e->port);
}

void socks_put_reply(struct writer *out, enum socks_reply code, const struct endpoint *bound)
{
	static const struct endpoint none = {.ip = {[10] = 0xff, 0xff}}; /* 0.0.0.0 */
	static const struct endpoint zero;

	wr_u8(out, SOCKS_VERSION);
	wr_u8(out, (uint8_t)code);
	wr_u8(out, 0);
	put_address(out, endpoint_equal(bound, &zero) ? &none : bound);
}

int socks_udp_read(const uint8_t *in, size_t len, struct target *t)
{
	struct reader r = rd_init(in, len);
	const uint16_t reserved = rd_be16(&r);
	const uint8_t fragment = rd_u8(&r);
	struct target out = {0};

	if (reserved != 0 || fragment != 0 || address(&r, &out) != SOCKS_OK || !rd_ok(&r) ||
	    out.at.port == 0)
		return -EPROTO;
	*t = out;
	return (int)(len - r.left);
}

void socks_udp_put(struct writer *out, const struct endpoint *from)
{
	wr_zero(out, 3);
	put_address(out, from);
}
