/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proxy/dns_msg.h"

#include <errno.h>
#include <strings.h>

enum {
	CLASS_IN = 1,
	TYPE_OPT = 41,
	FLAG_RESPONSE = 0x8000,
	FLAG_RECURSE = 0x0100,
	CODE_MASK = 0x000f,
	CODE_OK = 0,
	CODE_NO_NAME = 3,
	UDP_LEN = 1232, /* what answers may take, RFC 9715's advice */
	NAME_POINTER = 0xc0,
	LABEL_MAX = 63,
};

static void put_be(struct writer *out, uint16_t v)
{
	wr_u8(out, (uint8_t)(v >> 8));
	wr_u8(out, (uint8_t)v);
}

static uint16_t rd_be(struct reader *r)
{
	const uint8_t *p = rd_bytes(r, 2);

	return p != NULL ? get_be16(p) : 0;
}

void dns_put_question(struct writer *out, uint16_t id, const char *name, uint16_t type)
{
	put_be(out, id);
	put_be(out, FLAG_RECURSE);
	put_be(out, 1); /* question */
	put_be(out, 0);
	put_be(out, 0);
	put_be(out, 1); /* EDNS, in the additional section */
	while (*name != '\0') {
		const size_t len = strcspn(name, ".");

		wr_u8(out, (uint8_t)len);
		wr_copy(out, name, len);
		name += len + (name[len] == '.');
	}
	wr_u8(out, 0);
	put_be(out, type);
	put_be(out, CLASS_IN);
	wr_u8(out, 0);
	put_be(out, TYPE_OPT);
	put_be(out, UDP_LEN);
	wr_zero(out, 6);
}

/* The question's name, which servers repeat as it was, but perhaps for the case of letters. */
static bool is_name(struct reader *r, const char *name)
{
	for (;;) {
		const size_t len = rd_u8(r);
		const uint8_t *label = rd_bytes(r, len);

		if (label == NULL || len > LABEL_MAX)
			return false;
		if (len == 0)
			return *name == '\0';
		if (strcspn(name, ".") != len || strncasecmp(name, (const char *)label, len) != 0)
			return false;
		name += len + (name[len] == '.');
	}
}

static void skip_name(struct reader *r)
{
	uint8_t len;

	while (rd_ok(r) && (len = rd_u8(r)) != 0) {
		if ((len & NAME_POINTER) == NAME_POINTER) {
			rd_bytes(r, 1);
			return;
		}
		rd_bytes(r, len & NAME_POINTER ? r->left + 1 : len);
	}
}

/* Aliases on the way to the addresses are the server's business. */
static void record(struct reader *r, uint16_t wanted, struct dns_answer *out)
{
	const uint8_t *data;
	uint16_t type, class, len;
	uint8_t *ip;

	skip_name(r);
	type = rd_be(r);
	class = rd_be(r);
	rd_bytes(r, 4);
	len = rd_be(r);
	data = rd_bytes(r, len);
	if (data == NULL || type != wanted || class != CLASS_IN ||
	    out->count == DNS_ADDRESSES_MAX || len != (wanted == DNS_TYPE_A ? 4 : 16))
		return;
	ip = out->ip[out->count++];
	if (len == 4)
		ip[10] = ip[11] = 0xff;
	memcpy(ip + 16 - len, data, len);
}

int dns_read_answer(const uint8_t *in, size_t len, uint16_t id, const char *name, uint16_t type,
		    struct dns_answer *out)
{
	struct reader r = rd_init(in, len);
	const uint16_t got_id = rd_be(&r);
	const uint16_t flags = rd_be(&r);
	const uint16_t questions = rd_be(&r);
	const uint16_t answers = rd_be(&r);
	struct dns_answer found = {0};

	rd_bytes(&r, 4);
	if (got_id != id || (flags & FLAG_RESPONSE) == 0 || questions != 1 || !is_name(&r, name) ||
	    rd_be(&r) != type || rd_be(&r) != CLASS_IN || !rd_ok(&r))
		return -EPROTO;
	if ((flags & CODE_MASK) == CODE_NO_NAME)
		return -ENOENT;
	if ((flags & CODE_MASK) != CODE_OK)
		return -EAGAIN;
	for (unsigned i = 0; i < answers && rd_ok(&r); i++)
		record(&r, type, &found);
	/* A cut answer (TC) still holds whole records. */
	if (!rd_ok(&r) && found.count == 0)
		return -EPROTO;
	*out = found;
	return 0;
}
