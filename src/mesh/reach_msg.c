/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/reach_msg.h"

#include <errno.h>

#include "util/cursor.h"

static void get_rest(struct reader *r)
{
	const size_t n = r->left;
	const uint8_t *p = rd_bytes(r, n);

	for (size_t i = 0; p != NULL && i < n; i++)
		r->bad |= p[i] != 0;
}

static void get_fields(struct reader *r, struct reach_msg *m)
{
	switch (m->type) {
	case REACH_SEE:
		break;
	case REACH_SEEN:
		rd_copy(r, m->seen.ip, sizeof(m->seen.ip));
		m->seen.port = rd_u16(r);
		m->time_ms = rd_u64(r);
		rd_copy(r, m->token, sizeof(m->token));
		break;
	case REACH_DIAL:
		m->port = rd_u16(r);
		rd_copy(r, m->link_key, sizeof(m->link_key));
		rd_copy(r, m->mac, sizeof(m->mac));
		r->bad |= m->port == 0;
		break;
	case REACH_DIALED:
		m->rtt_us = rd_u32(r);
		break;
	}
}

int reach_decode(struct reach_msg *m, const uint8_t body[static CELL_BODY_LEN])
{
	struct reader r = rd_init(body, CELL_BODY_LEN);
	struct reach_msg out = {0};
	const uint8_t type = rd_u8(&r), result = rd_u8(&r);
	const bool has_result = type == REACH_DIALED;

	if (type < REACH_SEE || type > REACH_DIALED ||
	    (has_result ? result < REACH_OK || result > REACH_TOKEN : result != 0))
		return -EPROTO;
	out.type = (enum reach_type)type;
	out.result = (enum reach_result)result;
	out.request = rd_u16(&r);
	get_fields(&r, &out);
	get_rest(&r);
	if (!rd_ok(&r))
		return -EPROTO;
	*m = out;
	return 0;
}

void reach_encode(const struct reach_msg *m, uint8_t body[static CELL_BODY_LEN])
{
	struct writer w = wr_init(body, CELL_BODY_LEN);
	uint8_t mac[MAC_LEN];

	memset(body, 0, CELL_BODY_LEN);
	wr_u8(&w, (uint8_t)m->type);
	wr_u8(&w, m->type == REACH_DIALED ? (uint8_t)m->result : 0);
	wr_u16(&w, m->request);
	switch (m->type) {
	case REACH_SEE:
		break;
	case REACH_SEEN:
		wr_copy(&w, m->seen.ip, sizeof(m->seen.ip));
		wr_u16(&w, m->seen.port);
		wr_u64(&w, m->time_ms);
		wr_copy(&w, m->token, sizeof(m->token));
		break;
	case REACH_DIAL:
		wr_u16(&w, m->port);
		wr_copy(&w, m->link_key, sizeof(m->link_key));
		mac128(mac, m->token, sizeof(m->token), body, REACH_MAC_OFF);
		wr_copy(&w, mac, sizeof(mac));
		break;
	case REACH_DIALED:
		wr_u32(&w, m->rtt_us);
		break;
	}
}
