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
