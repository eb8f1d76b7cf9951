/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/packer.h"

static size_t length(const struct packet *p)
{
	return (size_t)p->head_len + p->body_len;
}

static void put_packet(struct outcell *c, uint8_t *dst, const struct packet *p)
{
	memcpy(dst, p->head, p->head_len);
	if (p->body_len > 0)
		memcpy(dst + p->head_len, p->body, p->body_len);
	c->used = (uint16_t)((size_t)(dst - c->text) + length(p));
	c->elicits = true;
	c->sp->tx_bytes += length(p);
}

void packer_packet(struct outcell *c, const struct packet *p)
{
	uint8_t *dst = c->text + c->used;

	frame_put_head(dst, p->flags & PACKET_CSUM_PARTIAL ? FRAME_PACKET_PARTIAL : FRAME_PACKET,
		       length(p));
	put_packet(c, dst + FRAME_HEAD_LEN, p);
}

void packer_numbered(struct outcell *c, const struct packet *p, uint64_t number)
{
	uint8_t *dst = c->text + c->used;

	frame_put_head(dst, FRAME_NUMBERED, NUMBERED_HEAD_LEN + length(p));
	numbered_put_head(dst + FRAME_HEAD_LEN, number,
			  p->flags & PACKET_CSUM_PARTIAL ? NUMBERED_PARTIAL : 0);
	put_packet(c, dst + FRAME_HEAD_LEN + NUMBERED_HEAD_LEN, p);
}

void packer_resent(struct outcell *c, const struct packet *p, uint32_t path_id, uint64_t seq)
{
	uint8_t *dst = c->text + c->used;

	frame_put_head(dst, FRAME_RESENT, RESENT_HEAD_LEN + length(p));
	resent_put_head(dst + FRAME_HEAD_LEN, path_id, seq,
			p->flags & PACKET_CSUM_PARTIAL ? NUMBERED_PARTIAL : 0);
	put_packet(c, dst + FRAME_HEAD_LEN + RESENT_HEAD_LEN, p);
}

void packer_ping(struct outcell *c)
{
	frame_put_head(c->text + c->used, FRAME_PING, 0);
	c->used = (uint16_t)(c->used + FRAME_HEAD_LEN);
	c->elicits = true;
}

void packer_paths(struct outcell *c, const struct paths *p)
{
	uint8_t *dst = c->text + c->used;
	const size_t len = paths_encode(p, dst + FRAME_HEAD_LEN);

	frame_put_head(dst, FRAME_PATHS, len);
	c->used = (uint16_t)(c->used + FRAME_HEAD_LEN + len);
	c->elicits = true;
}

void packer_pack(struct outcell *c, const struct now *now)
{
	uint8_t *dst = c->text + c->used;
	const size_t len = spath_pack(c->sp, now, dst + FRAME_HEAD_LEN);

	frame_put_head(dst, FRAME_PACK, len);
	c->used = (uint16_t)(c->used + FRAME_HEAD_LEN + len);
}

void packer_seal(struct packer *pk, struct aead *a, const struct now *now)
{
	struct aead_job jobs[ONION_BATCH];

	for (unsigned i = 0; i < pk->n; i++) {
		struct outcell *c = &pk->cell[i];

		/* Zeros end the frames, and keep what the buffer held before off the wire. */
		memset(c->text + c->used, 0, (size_t)(c->area - c->used));
		jobs[i] = (struct aead_job){
		    .key = c->sp->seal_key,
		    .nonce = c->nonce,
		    .src = c->text,
		    .dst = c->text,
		    .len = c->area,
		    .tag = c->text + c->area,
		};
	}
	aead_seal(a, jobs, pk->n);
	for (unsigned i = 0; i < pk->n; i++)
		spath_sent_cell(pk->cell[i].sp, pk->cell[i].nonce, jobs[i].tag, pk->cell[i].elicits,
				now);
}
