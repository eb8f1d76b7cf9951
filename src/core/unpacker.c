/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/unpacker.h"

#include "core/engine_int.h"

#include <errno.h>

bool inner_parse(const uint8_t *p, size_t len, struct inner_addrs *out)
{
	if (len >= 20 && p[0] >> 4 == 4 && get_be16(p + 2) == len && (p[0] & 15) >= 5 &&
	    (size_t)(p[0] & 15) * 4 <= len) {
		*out = (struct inner_addrs){.version = 4, .src = p + 12, .dst = p + 16};
		return true;
	}
	if (len >= 40 && p[0] >> 4 == 6 && (size_t)get_be16(p + 4) + 40 == len) {
		*out = (struct inner_addrs){.version = 6, .src = p + 8, .dst = p + 24};
		return true;
	}
	return false;
}

enum {
	ECN_NONE = 0,
	ECN_CE = 3,
};

bool inner_mark(uint8_t *p, const struct inner_addrs *a)
{
	/* The traffic class begins in the middle of IPv6's first byte. */
	const unsigned shift = a->version == 4 ? 0 : 4;
	uint32_t sum;

	if ((p[1] >> shift & 3) == ECN_NONE)
		return false;
	if (a->version == 4) { /* RFC 1624: the checksum follows the change */
		sum = (uint32_t)(uint16_t)~get_be16(p + 10) + (uint16_t)~get_be16(p);
		p[1] |= ECN_CE;
		sum += get_be16(p);
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		put_be16(p + 10, (uint16_t)~sum);
		return true;
	}
	p[1] = (uint8_t)(p[1] | ECN_CE << shift);
	return true;
}

static uint8_t *in_cell(const struct incell *c, const uint8_t *p)
{
	return c->text + (p - c->text);
}

/* A packet out of a cell that met congestion. */
static enum drop mark(const struct inner *in)
{
	struct inner_addrs a;

	if (!inner_parse(in->p, in->len, &a))
		return DROP_PACKET;
	return inner_mark(in->p, &a) ? DROP_NONE : DROP_CONGESTED;
}

static void on_packet(struct engine *e, const struct incell *c, const struct inner *in,
		      const struct unpack_ops *ops, const struct now *now)
{
	enum drop d = c->ce ? mark(in) : DROP_NONE;

	if (d == DROP_NONE)
		d = ops->packet(e, c->owner, in, now);
	if (d != DROP_NONE)
		engine_drop(e, d);
	else
		c->sp->rx_bytes += in->len;
}

static void on_numbered(struct engine *e, const struct incell *c, const struct frame *f,
			const struct unpack_ops *ops, const struct now *now)
{
	struct numbered n;

	if (numbered_decode(&n, f->body, f->len) != 0) {
		engine_drop(e, DROP_FRAME);
		return;
	}
	if (!ops->is_new(c->owner, n.number)) {
		engine_drop(e, DROP_DUPLICATE);
		return;
	}
	on_packet(e, c,
		  &(struct inner){
		      .p = in_cell(c, n.packet),
		      .len = n.len,
		      .flags = n.flags & NUMBERED_PARTIAL ? PACKET_CSUM_PARTIAL : 0,
		      .is_duplicate = true,
		  },
		  ops, now);
}

static void on_resent(struct engine *e, const struct incell *c, const struct frame *f,
		      const struct unpack_ops *ops, const struct now *now)
{
	struct resent r;

	if (resent_decode(&r, f->body, f->len) != 0) {
		engine_drop(e, DROP_FRAME);
		return;
	}
	if (ops->has_come(c->owner, r.path_id, r.seq)) {
		engine_drop(e, DROP_DUPLICATE);
		return;
	}
	on_packet(e, c,
		  &(struct inner){
		      .p = in_cell(c, r.packet),
		      .len = r.len,
		      .flags = r.flags & NUMBERED_PARTIAL ? PACKET_CSUM_PARTIAL : 0,
		  },
		  ops, now);
}

static void on_paths(struct engine *e, const struct incell *c, const struct frame *f,
		     const struct unpack_ops *ops, const struct now *now)
{
	struct paths p;

	if (paths_decode(&p, f->body, f->len) != 0)
		engine_drop(e, DROP_FRAME);
	else
		ops->paths(e, c->owner, &p, now);
}

static void on_pack(struct engine *e, const struct incell *c, const struct frame *f,
		    const struct now *now)
{
	switch (spath_acked(c->sp, f->body, f->len, now)) {
	case 0:
		break;
	case -EBADMSG:
		engine_drop(e, DROP_PROOF);
		break;
	default:
		engine_drop(e, DROP_FRAME);
	}
}

/* What the cell asks for in return. */
static enum spath_asks walk(struct engine *e, const struct incell *c, const struct unpack_ops *ops,
			    const struct now *now)
{
	const uint8_t *p = c->text;
	const uint8_t *const end = c->text + c->area;
	enum spath_asks asks = SPATH_ASKS_NOTHING;
	struct frame f;
	int rc;

	while ((rc = frame_next(&p, end, &f)) > 0) {
		if (f.type != FRAME_PACK)
			asks = MAX(asks, SPATH_ASKS_ACK);
		switch (f.type) {
		case FRAME_PACKET:
		case FRAME_PACKET_PARTIAL:
			on_packet(
			    e, c,
			    &(struct inner){
				.p = in_cell(c, f.body),
				.len = f.len,
				.flags = f.type == FRAME_PACKET_PARTIAL ? PACKET_CSUM_PARTIAL : 0,
			    },
			    ops, now);
			break;
		case FRAME_NUMBERED:
			on_numbered(e, c, &f, ops, now);
			break;
		case FRAME_RESENT:
			on_resent(e, c, &f, ops, now);
			break;
		case FRAME_PING:
			asks = SPATH_ASKS_ACK_NOW;
			break;
		case FRAME_PACK:
			on_pack(e, c, &f, now);
			break;
		case FRAME_PATHS:
			on_paths(e, c, &f, ops, now);
			break;
		default:
			engine_drop(e, DROP_FRAME); /* of a later version: skipped */
		}
	}
	if (rc < 0)
		engine_drop(e, DROP_FRAME);
	return asks;
}

void unpack(struct engine *e, const struct incell *cells, size_t n, const struct unpack_ops *ops,
	    const struct now *now)
{
	struct aead_job jobs[ONION_BATCH];

	for (size_t i = 0; i < n; i++)
		jobs[i] = (struct aead_job){
		    .key = cells[i].sp->open_key,
		    .nonce = cells[i].seq,
		    .src = cells[i].text,
		    .dst = cells[i].text,
		    .tag = cells[i].text + cells[i].area,
		    .len = (uint32_t)cells[i].area,
		};
	aead_unseal(e->aead, jobs, n);
	for (size_t i = 0; i < n; i++) {
		enum spath_asks asks;

		if (!jobs[i].ok) {
			engine_drop(e, DROP_SESSION_TAG);
			continue;
		}
		asks = walk(e, &cells[i], ops, now);
		spath_received(cells[i].sp, cells[i].seq, jobs[i].tag, asks, cells[i].ce, now);
	}
}
