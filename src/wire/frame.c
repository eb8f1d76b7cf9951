/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/frame.h"

#include "util/cursor.h"

#include <errno.h>

size_t pack_encode(const struct pack *p, uint8_t *out)
{
	struct writer w = wr_init(out, PACK_LEN(PACK_RANGES_MAX));

	wr_u48(&w, p->first);
	wr_u48(&w, p->total);
	wr_u32(&w, p->ce);
	wr_u16(&w, p->delay_16us);
	wr_u8(&w, p->count);
	for (unsigned i = 0; i < p->count; i++) {
		wr_u16(&w, p->range[i].gap);
		wr_u16(&w, p->range[i].run);
	}
	wr_copy(&w, p->digest, sizeof(p->digest));
	return w.done;
}

int pack_decode(struct pack *p, const uint8_t *in, size_t len)
{
	struct reader r = rd_init(in, len);
	struct pack out = {0};

	out.first = rd_u48(&r);
	out.total = rd_u48(&r);
	out.ce = rd_u32(&r);
	out.delay_16us = rd_u16(&r);
	out.count = rd_u8(&r);
	if (out.count == 0 || out.count > PACK_RANGES_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < out.count; i++) {
		out.range[i].gap = rd_u16(&r);
		out.range[i].run = rd_u16(&r);
		if (out.range[i].run == 0)
			return -EINVAL;
	}
	rd_copy(&r, out.digest, sizeof(out.digest));
	if (!rd_done(&r))
		return -EINVAL;
	*p = out;
	return 0;
}

void numbered_put_head(uint8_t *out, uint64_t number, uint8_t flags)
{
	put_le48(out, number);
	out[6] = flags;
}

int numbered_decode(struct numbered *n, const uint8_t *in, size_t len)
{
	if (len <= NUMBERED_HEAD_LEN || (in[6] & ~NUMBERED_PARTIAL) != 0)
		return -EINVAL;
	*n = (struct numbered){
	    .number = get_le48(in),
	    .flags = in[6],
	    .packet = in + NUMBERED_HEAD_LEN,
	    .len = len - NUMBERED_HEAD_LEN,
	};
	return 0;
}

void resent_put_head(uint8_t *out, uint32_t path_id, uint64_t seq, uint8_t flags)
{
	put_le32(out, path_id);
	put_le48(out + 4, seq);
	out[10] = flags;
}

int resent_decode(struct resent *r, const uint8_t *in, size_t len)
{
	if (len <= RESENT_HEAD_LEN || get_le32(in) == 0 || (in[10] & ~NUMBERED_PARTIAL) != 0)
		return -EINVAL;
	*r = (struct resent){
	    .path_id = get_le32(in),
	    .seq = get_le48(in + 4),
	    .flags = in[10],
	    .packet = in + RESENT_HEAD_LEN,
	    .len = len - RESENT_HEAD_LEN,
	};
	return 0;
}

size_t paths_encode(const struct paths *p, uint8_t *out)
{
	struct writer w = wr_init(out, PATHS_LEN(ATTACH_PATHS_MAX));

	wr_u32(&w, p->version);
	wr_u8(&w, p->flags);
	wr_u8(&w, p->count);
	for (unsigned i = 0; i < p->count; i++) {
		wr_u32(&w, p->path[i].path_id);
		wr_u8(&w, p->path[i].weight);
		wr_u8(&w, p->path[i].flags);
	}
	return w.done;
}

static bool names_path(const struct paths *p, uint32_t path_id)
{
	for (unsigned i = 0; i < p->count; i++)
		if (p->path[i].path_id == path_id)
			return true;
	return false;
}

int paths_decode(struct paths *p, const uint8_t *in, size_t len)
{
	struct reader r = rd_init(in, len);
	struct paths out = {0};
	unsigned count;

	out.version = rd_u32(&r);
	out.flags = rd_u8(&r);
	count = rd_u8(&r);
	if ((out.flags & ~PATHS_DUPLICATE) != 0 || count > ATTACH_PATHS_MAX)
		return -EINVAL;
	for (; out.count < count; out.count++) {
		struct paths_entry e;

		e.path_id = rd_u32(&r);
		e.weight = rd_u8(&r);
		e.flags = rd_u8(&r);
		if (e.path_id == 0 || names_path(&out, e.path_id) ||
		    (e.flags & ~PATHS_SUSPECT) != 0)
			return -EINVAL;
		out.path[out.count] = e;
	}
	if (!rd_done(&r))
		return -EINVAL;
	*p = out;
	return 0;
}
