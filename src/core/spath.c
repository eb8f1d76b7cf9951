/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/spath.h"

#include <errno.h>

void spath_init(struct spath *sp, enum spath_side side, const uint8_t root[static KEY_LEN],
		const uint8_t exporter[static KEY_LEN], uint32_t path_id, struct spath_sent *sent)
{
	uint8_t ikm[KEY_LEN + 4], prk[HASH_LEN];
	const bool is_exit = side == SPATH_EXIT;

	*sp = (struct spath){.path_id = path_id, .pack_due_ns = NEVER, .sent = sent};
	memcpy(ikm, exporter, KEY_LEN);
	put_le32(ikm + KEY_LEN, path_id);
	hkdf_extract(prk, root, KEY_LEN, ikm, sizeof(ikm));
	hkdf_expand(is_exit ? sp->open_key : sp->seal_key, KEY_LEN, prk, "macromesh/1 sf", NULL, 0);
	hkdf_expand(is_exit ? sp->seal_key : sp->open_key, KEY_LEN, prk, "macromesh/1 sb", NULL, 0);
	hkdf_expand(sp->bind_key, KEY_LEN, prk, "macromesh/1 bind", NULL, 0);
	secret_wipe(ikm, sizeof(ikm));
	secret_wipe(prk, sizeof(prk));
}

void spath_wipe(struct spath *sp)
{
	secret_wipe(sp, sizeof(*sp));
	sp->pack_due_ns = NEVER;
}

static void bind_mac(const struct spath *sp, const uint8_t *data, size_t len, uint8_t *out,
		     size_t out_len)
{
	uint8_t full[HASH_LEN];

	hash_hmac(full, sp->bind_key, KEY_LEN, data, len);
	memcpy(out, full, out_len);
}

void spath_binder(const struct spath *sp, const uint8_t h[static HASH_LEN], uint8_t flags,
		  uint8_t weight, uint8_t out[static MAC_LEN])
{
	uint8_t data[1 + HASH_LEN + 6];

	data[0] = 'A';
	memcpy(data + 1, h, HASH_LEN);
	put_le32(data + 1 + HASH_LEN, sp->path_id);
	data[5 + HASH_LEN] = flags;
	data[6 + HASH_LEN] = weight;
	bind_mac(sp, data, sizeof(data), out, MAC_LEN);
}

void spath_attached_mac(const struct spath *sp, const uint32_t *path_id, size_t count,
			uint8_t out[static MAC_LEN])
{
	uint8_t data[1 + 4 * 8];

	data[0] = 'R';
	for (size_t i = 0; i < count; i++)
		put_le32(data + 1 + 4 * i, path_id[i]);
	bind_mac(sp, data, 1 + 4 * count, out, MAC_LEN);
}

/* The digest cannot be made without the session tags, which lie under every hop's layer. */
static void digest(const struct spath *sp, const uint64_t tags[2], uint64_t first, uint64_t last,
		   uint8_t out[static 8])
{
	uint8_t data[1 + 16 + 12];

	data[0] = 'P';
	memcpy(data + 1, tags, 16);
	put_le48(data + 17, first);
	put_le48(data + 23, last);
	bind_mac(sp, data, sizeof(data), out, 8);
}

static void collect_into(struct spath *sp, const struct now *now, struct pack *p)
{
	uint64_t at = sp->range[0].low;

	*p = (struct pack){.first = at, .total = sp->total, .ce = (uint32_t)sp->total_ce};
	p->count = (uint8_t)sp->ranges;
	p->delay_16us = (uint16_t)MIN((now->mono_ns - sp->last_ns) / (16 * NS_PER_US), UINT16_MAX);
	for (unsigned i = 0; i < sp->ranges; i++) {
		p->range[i].gap = (uint16_t)(sp->range[i].low - at);
		p->range[i].run = (uint16_t)(sp->range[i].high - sp->range[i].low + 1);
		at = sp->range[i].high + 1;
	}
	digest(sp, sp->tags, p->first, at - 1, p->digest);
	sp->ranges = 0;
	sp->fresh = 0;
	sp->tags[0] = sp->tags[1] = 0;
	sp->pack_due_ns = NEVER;
}

/* Ranges are sorted; a new counter extends one, joins two, or opens one.  False: no room. */
static bool range_add(struct spath *sp, uint64_t seq)
{
	struct spath_range *r = sp->range;
	unsigned i = sp->ranges;

	while (i > 0 && r[i - 1].low > seq)
		i--;
	/* now r[i - 1].low <= seq < r[i].low */
	const bool joins_left = i > 0 && seq <= r[i - 1].high + 1;
	const bool joins_right = i < sp->ranges && seq + 1 == r[i].low;

	if (joins_left && joins_right) {
		r[i - 1].high = r[i].high;
		sp->ranges--;
		memmove(&r[i], &r[i + 1], (sp->ranges - i) * sizeof(*r));
		return true;
	}
	if (joins_left) {
		r[i - 1].high = MAX(r[i - 1].high, seq);
		return true;
	}
	if (joins_right) {
		r[i].low = seq;
		return true;
	}
	if (sp->ranges == PACK_RANGES_MAX || (i > 0 && seq - r[i - 1].high > UINT16_MAX) ||
	    (i < sp->ranges && r[i].low - seq > UINT16_MAX))
		return false;
	memmove(&r[i + 1], &r[i], (sp->ranges - i) * sizeof(*r));
	r[i] = (struct spath_range){seq, seq};
	sp->ranges++;
	return true;
}

void spath_received(struct spath *sp, uint64_t seq, const uint8_t tag[static TAG_LEN],
		    enum spath_asks asks, bool ce, const struct now *now)
{
	if (sp->fresh == SPATH_FRESH_MAX || !range_add(sp, seq)) {
		if (sp->readies ==
		    SPATH_READY_MAX) /* the other end sees those cells only in total */
			memmove(&sp->ready[0], &sp->ready[1], --sp->readies * sizeof(sp->ready[0]));
		collect_into(sp, now, &sp->ready[sp->readies]);
		sp->ready[sp->readies++].delay_16us =
		    UINT16_MAX; /* it may wait: measures nothing */
		range_add(sp, seq);
	}
	sp->first_seq = sp->total == 0 ? seq : MIN(sp->first_seq, seq);
	sp->top_seq = MAX(sp->top_seq, seq);
	sp->tags[0] ^= get_le64(tag);
	sp->tags[1] ^= get_le64(tag + 8);
	sp->fresh++;
	sp->total++;
	sp->total_ce += ce;
	sp->last_ns = now->mono_ns;
	sp->unanswered_ns = 0;
	if (asks != SPATH_ASKS_NOTHING && sp->pack_due_ns == NEVER)
		sp->pack_due_ns = now->mono_ns + SPATH_PACK_DELAY_MS * NS_PER_MS;
	if (sp->fresh >= SPATH_PACK_CELLS || asks == SPATH_ASKS_ACK_NOW)
		sp->pack_due_ns = now->mono_ns;
}

bool spath_has_pack(const struct spath *sp, const struct now *now)
{
	return sp->readies > 0 || sp->pack_due_ns <= now->mono_ns;
}

bool spath_pack_rides(const struct spath *sp, const struct now *now)
{
	return sp->pack_due_ns != NEVER &&
	       sp->pack_due_ns <=
		   now->mono_ns + (SPATH_PACK_DELAY_MS - SPATH_PACK_RIDE_MS) * NS_PER_MS;
}

size_t spath_pack_len(const struct spath *sp)
{
	return PACK_LEN(sp->readies > 0 ? sp->ready[0].count : sp->ranges);
}

size_t spath_pack(struct spath *sp, const struct now *now, uint8_t *out)
{
	struct pack p;

	if (sp->readies > 0) {
		p = sp->ready[0];
		memmove(&sp->ready[0], &sp->ready[1], --sp->readies * sizeof(sp->ready[0]));
	} else {
		collect_into(sp, now, &p);
	}
	return pack_encode(&p, out);
}

void spath_postpone(struct spath *sp, const struct now *now)
{
	sp->pack_due_ns = now->mono_ns + SPATH_PACK_DELAY_MS * NS_PER_MS;
}

static uint32_t time_us(const struct now *now)
{
	return (uint32_t)(now->mono_ns / NS_PER_US) | 1; /* never 0: that marks an unused slot */
}

void spath_sent_cell(struct spath *sp, uint64_t seq, const uint8_t tag[static TAG_LEN],
		     bool elicits, const struct now *now)
{
	sp->sent_total++;
	sp->sent_last_ns = now->mono_ns;
	sp->sent_seq = MAX(sp->sent_seq, seq);
	if (elicits && sp->unanswered_ns == 0)
		sp->unanswered_ns = now->mono_ns;
	if (elicits)
		liveness_sent(&sp->live, seq, now);
	if (sp->sent == NULL)
		return;
	sp->sent[seq % SPATH_SENT_MAX] = (struct spath_sent){
	    .tag = {get_le64(tag), get_le64(tag + 8)},
	    .seq_low = (uint32_t)seq,
	    .sent_us = time_us(now),
	};
}

/*
 * Takes the tags of the acknowledged cells out of the ring.  False at the first that is not there
 * any more (or was acknowledged before): then the digest can be neither confirmed nor refuted, and
 * a peer that makes ranges up costs no more work than the cells that it was sent.
 */
static bool take_tags(struct spath *sp, const struct pack *p, uint64_t tags[2],
		      uint32_t *last_sent_us)
{
	uint64_t at = p->first;

	tags[0] = tags[1] = 0;
	*last_sent_us = 0;
	for (unsigned i = 0; i < p->count; i++) {
		at += p->range[i].gap;
		for (unsigned k = 0; k < p->range[i].run; k++, at++) {
			struct spath_sent *s = &sp->sent[at % SPATH_SENT_MAX];

			if (s->sent_us == 0 || s->seq_low != (uint32_t)at)
				return false;
			tags[0] ^= s->tag[0];
			tags[1] ^= s->tag[1];
			*last_sent_us = s->sent_us;
			s->sent_us = 0;
		}
	}
	return true;
}

static uint64_t last_counter(const struct pack *p)
{
	uint64_t at = p->first;

	for (unsigned i = 0; i < p->count; i++)
		at += (uint64_t)p->range[i].gap + p->range[i].run;
	return at - 1;
}

/* What the last counter's cell took to get there and be acknowledged. */
static void measure(struct spath *sp, const struct pack *p, uint64_t sent_to_now_ns)
{
	const uint64_t delay_ns = p->delay_16us * 16 * NS_PER_US;

	if (p->delay_16us < UINT16_MAX && sent_to_now_ns >= delay_ns)
		liveness_rtt(&sp->live, sent_to_now_ns - delay_ns);
}

/* Who remembers no cells measures those that liveness waits for: up to a delay too much. */
static void measure_chance(struct spath *sp, const struct pack *p, uint64_t last,
			   const struct now *now)
{
	const struct chance *c = &sp->live.chance[0];

	if (sp->live.chances > 0 && c->seq >= p->first && c->seq <= last)
		measure(sp, p, now->mono_ns - c->sent_ns);
}

/* Counters that control messages took are not cells of the session: a few too many, for a while.
 */
static void count_lost(struct spath *sp, const struct pack *p, uint64_t last)
{
	const uint64_t under_way = sp->sent_seq - last;
	const uint64_t got = p->total + under_way;

	sp->lost = sp->sent_total > got ? sp->sent_total - got : 0;
}

int spath_acked(struct spath *sp, const uint8_t *body, size_t len, const struct now *now)
{
	uint64_t tags[2], last;
	uint32_t sent_us;
	uint8_t want[8];
	struct pack p;

	if (pack_decode(&p, body, len) != 0)
		return -EINVAL;
	if (p.total > sp->sent_total)
		return -EINVAL; /* acknowledges what was never sent */
	last = last_counter(&p);
	if (last > sp->sent_seq)
		return -EINVAL;
	sp->acked_total = MAX(sp->acked_total, p.total);
	sp->acked_seq = MAX(sp->acked_seq, last);
	sp->acked_ce = p.ce;
	sp->acked_last_ns = now->mono_ns;
	count_lost(sp, &p, last);
	if (sp->sent == NULL)
		measure_chance(sp, &p, last, now);
	liveness_acked(&sp->live, last, now);
	if (sp->sent == NULL || !take_tags(sp, &p, tags, &sent_us))
		return 0;
	digest(sp, tags, p.first, last, want);
	if (!secret_equal(want, p.digest, sizeof(want))) {
		sp->proofs_failed++;
		return -EBADMSG;
	}
	sp->proofs_ok++;
	measure(sp, &p, (time_us(now) - sent_us) * NS_PER_US);
	return 0;
}
