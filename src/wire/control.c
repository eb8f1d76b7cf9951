/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/control.h"

#include "util/cursor.h"

#include <errno.h>

size_t control_put_head(uint8_t *p, enum control_type type, uint64_t reply_seq)
{
	p[0] = (uint8_t)type;
	put_le48(p + 1, reply_seq);
	return CONTROL_HEAD_LEN;
}

size_t control_put_answer_head(uint8_t *p, enum control_type type, enum control_status status)
{
	p[0] = (uint8_t)type;
	p[1] = (uint8_t)status;
	return CONTROL_ANSWER_HEAD_LEN;
}

int control_get_head(const uint8_t *p, size_t len, uint8_t *type, uint64_t *reply_seq)
{
	uint64_t seq;

	if (len < CONTROL_HEAD_LEN)
		return -EINVAL;
	seq = get_le48(p + 1);
	if ((seq & SEQ_CONTROL_BIT) == 0)
		return -EINVAL;
	*type = p[0];
	*reply_seq = seq;
	return 0;
}

int control_get_answer_head(const uint8_t *p, size_t len, uint8_t *type,
			    enum control_status *status)
{
	if (len < CONTROL_ANSWER_HEAD_LEN || p[1] >= CONTROL_STATUS_COUNT)
		return -EINVAL;
	*type = p[0];
	*status = (enum control_status)p[1];
	return 0;
}

size_t echo_answer_encode(const struct echo_answer *a, uint8_t *out)
{
	memcpy(out, a->nonce, ECHO_NONCE_LEN);
	put_le32(out + ECHO_NONCE_LEN, a->hold_us);
	return ECHO_NONCE_LEN + 4;
}

int echo_answer_decode(struct echo_answer *a, const uint8_t *in, size_t len)
{
	if (len < ECHO_NONCE_LEN + 4)
		return -EINVAL;
	memcpy(a->nonce, in, ECHO_NONCE_LEN);
	a->hold_us = get_le32(in + ECHO_NONCE_LEN);
	return 0;
}

size_t counters_answer_encode(const struct counters_answer *a, uint8_t *out)
{
	put_le48(out, a->fwd_cells);
	put_le48(out + 6, a->bwd_cells);
	return 12;
}

int counters_answer_decode(struct counters_answer *a, const uint8_t *in, size_t len)
{
	if (len < 12)
		return -EINVAL;
	a->fwd_cells = get_le48(in);
	a->bwd_cells = get_le48(in + 6);
	return 0;
}

size_t session_grant_encode(const struct session_grant *g, uint8_t out[static SESS_GRANT_LEN])
{
	struct writer w = wr_init(out, SESS_GRANT_LEN);

	wr_copy(&w, g->sid, sizeof(g->sid));
	wr_copy(&w, g->v4, sizeof(g->v4));
	wr_copy(&w, g->v6, sizeof(g->v6));
	wr_copy(&w, g->dns_v4, sizeof(g->dns_v4));
	wr_copy(&w, g->dns_v6, sizeof(g->dns_v6));
	wr_u32(&w, g->lifetime_s);
	wr_zero(&w, 4);
	return w.done;
}

int session_grant_decode(struct session_grant *g, const uint8_t *in, size_t len)
{
	struct reader r = rd_init(in, len);
	struct session_grant out;

	rd_copy(&r, out.sid, sizeof(out.sid));
	rd_copy(&r, out.v4, sizeof(out.v4));
	rd_copy(&r, out.v6, sizeof(out.v6));
	rd_copy(&r, out.dns_v4, sizeof(out.dns_v4));
	rd_copy(&r, out.dns_v6, sizeof(out.dns_v6));
	out.lifetime_s = rd_u32(&r);
	rd_bytes(&r, 4);
	if (!rd_ok(&r) || out.lifetime_s == 0)
		return -EINVAL;
	*g = out;
	return 0;
}

enum {
	ATTACH_LEN = SESSION_ID_LEN + 4 + 1 + 1 + 16
};

size_t attach_encode(const struct attach *a, uint8_t *out)
{
	struct writer w = wr_init(out, ATTACH_LEN);

	wr_copy(&w, a->sid, sizeof(a->sid));
	wr_u32(&w, a->path_id);
	wr_u8(&w, a->flags);
	wr_u8(&w, a->weight);
	wr_copy(&w, a->binder, sizeof(a->binder));
	return w.done;
}

int attach_decode(struct attach *a, const uint8_t *in, size_t len)
{
	struct reader r = rd_init(in, len);
	struct attach out;

	rd_copy(&r, out.sid, sizeof(out.sid));
	out.path_id = rd_u32(&r);
	out.flags = rd_u8(&r);
	out.weight = rd_u8(&r);
	rd_copy(&r, out.binder, sizeof(out.binder));
	if (!rd_ok(&r) || out.flags != 0)
		return -EINVAL;
	*a = out;
	return 0;
}

size_t attached_encode(const struct attached *a, uint8_t *out)
{
	struct writer w = wr_init(out, 1 + 4 * ATTACH_PATHS_MAX + 16);

	wr_u8(&w, a->count);
	for (unsigned i = 0; i < a->count; i++)
		wr_u32(&w, a->path_id[i]);
	wr_copy(&w, a->mac, sizeof(a->mac));
	return w.done;
}

int attached_decode(struct attached *a, const uint8_t *in, size_t len)
{
	struct reader r = rd_init(in, len);
	struct attached out = {.count = rd_u8(&r)};

	if (out.count == 0 || out.count > ATTACH_PATHS_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < out.count; i++)
		out.path_id[i] = rd_u32(&r);
	rd_copy(&r, out.mac, sizeof(out.mac));
	if (!rd_ok(&r))
		return -EINVAL;
	*a = out;
	return 0;
}
