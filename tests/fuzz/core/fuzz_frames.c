/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the other end of a session can write into a cell: frames, inner packets, acknowledgements.
 */
#include "core/spath.h"
#include "core/unpacker.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define MUST(cond)               \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

enum {
	SENT = 100
};

static struct spath_sent sent[SPATH_SENT_MAX];

static void a_packet(const struct frame *f)
{
	struct inner_addrs a;

	if (!inner_parse(f->body, f->len, &a))
		return;
	MUST(a.version == 4 || a.version == 6);
	MUST(a.src >= f->body && a.dst + (a.version == 4 ? 4 : 16) <= f->body + f->len);
}

/* What decodes has one encoding; and nobody acknowledges more than was sent. */
static void a_pack(struct spath *sp, const struct frame *f, const struct now *now)
{
	uint8_t again[PACK_LEN(PACK_RANGES_MAX)];
	struct pack p;

	if (pack_decode(&p, f->body, f->len) == 0) {
		MUST(pack_encode(&p, again) == f->len);
		MUST(memcmp(again, f->body, f->len) == 0);
	}
	if (spath_acked(sp, f->body, f->len, now) == 0)
		MUST(sp->acked_total <= sp->sent_total);
	MUST(sp->proofs_ok == 0); /* nobody guesses a digest */
}

static void a_numbered(const struct frame *f)
{
	uint8_t again[NUMBERED_HEAD_LEN];
	struct numbered n;

	if (numbered_decode(&n, f->body, f->len) != 0)
		return;
	numbered_put_head(again, n.number, n.flags);
	MUST(memcmp(again, f->body, sizeof(again)) == 0);
	MUST(n.len > 0 && n.packet + n.len == f->body + f->len);
}

static void a_resent(const struct frame *f)
{
	uint8_t again[RESENT_HEAD_LEN];
	struct resent r;

	if (resent_decode(&r, f->body, f->len) != 0)
		return;
	resent_put_head(again, r.path_id, r.seq, r.flags);
	MUST(memcmp(again, f->body, sizeof(again)) == 0);
	MUST(r.len > 0 && r.packet + r.len == f->body + f->len);
}

static void paths(const struct frame *f)
{
	uint8_t again[PATHS_LEN(ATTACH_PATHS_MAX)];
	struct paths p;

	if (paths_decode(&p, f->body, f->len) != 0)
		return;
	MUST(p.count <= ATTACH_PATHS_MAX);
	MUST(paths_encode(&p, again) == f->len);
	MUST(memcmp(again, f->body, f->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t key[KEY_LEN] = {1};
	const struct now now = {.mono_ns = NS_PER_S};
	const uint8_t *p = data, *before = data;
	struct spath sp;
	struct frame f;

	spath_init(&sp, SPATH_CLIENT, key, key, 1, sent);
	for (uint64_t i = 0; i < SENT; i++)
		spath_sent_cell(&sp, i, key, true, &now);
	while (frame_next(&p, data + len, &f) > 0) {
		MUST(p > before && p <= data + len && f.body + f.len == p);
		before = p;
		if (f.type == FRAME_PACK)
			a_pack(&sp, &f, &now);
		else if (f.type == FRAME_NUMBERED)
			a_numbered(&f);
		else if (f.type == FRAME_RESENT)
			a_resent(&f);
		else if (f.type == FRAME_PATHS)
			paths(&f);
		else
			a_packet(&f);
	}
	MUST(p == before);
	return 0;
}
