/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Datagrams into links: byte 0 picks which (below), its top bit asks for a right mac1; bytes 1..2
 * say where in a genuine message the rest is XORed in.  So an input of three bytes is a genuine
 * message, and the fuzzer works from there.
 */
#include "link/link_int.h"

#include <assert.h>

enum base {
	BASE_RAW, /* the rest is the datagram */
	BASE_INIT,
	BASE_RESP,
	BASE_COOKIE,
	BASE_CELL,
	BASE_COUNT,
};

struct world {
	struct rng rng;
	struct aead *aead;
	struct dh_keypair id[2]; /* 0 calls 1 */
	struct links *ls[2];
	struct link *link; /* 0's */
	struct now now;
};

static const struct endpoint where = {.ip = {0x20, 0x01}, .port = 4600};

static void begin(struct world *w)
{
	*w = (struct world){
	    .rng = rng_seeded(1),
	    .aead = aead_open("sodium"),
	    .now = {.mono_ns = NS_PER_S, .wall_ns = 1800000000 * NS_PER_S},
	};
	for (unsigned i = 0; i < 2; i++) {
		const struct links_params params = {
		    .identity = &w->id[i],
		    .rng = &w->rng,
		    .aead = w->aead,
		    .is_node = true,
		    .max_links = 4,
		    .init_burst = 1,
		};

		dh_keypair_generate(&w->id[i], &w->rng);
		w->ls[i] = links_create(&params);
	}
	w->link = links_get(w->ls[0], w->id[1].public, &where);
	link_connect(w->ls[0], w->link, &w->now);
}

static void end(struct world *w)
{
	links_free(w->ls[0]);
	links_free(w->ls[1]);
	aead_close(w->aead);
	rng_seeded_free(&w->rng);
}

/* 0's next message, given to 1, and 1's answer. */
static void exchange(struct world *w, struct link_out *out)
{
	links_next_out(w->ls[0], out);
	links_recv_handshake(w->ls[1], out->data, out->len, &where, &w->now);
	links_next_out(w->ls[1], out);
}

/* A genuine message of this kind, and the world in which it is awaited; who it is for. */
static unsigned prepare(struct world *w, enum base base, struct link_out *out)
{
	static const struct cell_header header = {.kind = CELL_COVER};

	*out = (struct link_out){.len = 0};
	switch (base) {
	case BASE_INIT:
		links_next_out(w->ls[0], out);
		return 1;
	case BASE_RESP:
		exchange(w, out);
		return 0;
	case BASE_COOKIE:
		load_take(&w->ls[1]->load, 1, &w->now);
		exchange(w, out);
		return 0;
	case BASE_CELL:
		exchange(w, out);
		links_recv_handshake(w->ls[0], out->data, out->len, &where, &w->now);
		link_seal(w->ls[0], w->link, out->data, &header, 1, &w->now);
		return 1;
	case BASE_RAW:
	case BASE_COUNT:
		break;
	}
	return 1;
}

static void spoil(struct link_out *out, const uint8_t *data, size_t len)
{
	const size_t off = get_le16(data);

	for (size_t i = 2; i < len && off + i - 2 < out->len; i++)
		out->data[off + i - 2] ^= data[i];
}

static void feed_cell(struct world *w, struct links *ls, uint8_t *cell)
{
	struct link_rx rx[2] = {{.cell = cell, .from = &where}, {.cell = cell, .from = &where}};

	links_open(ls, rx, 1, &w->now);
	assert((rx[0].drop == DROP_NONE) == (rx[0].link != NULL));
	links_open(ls, rx, 2, &w->now); /* now certainly not twice */
	assert(rx[0].drop != DROP_NONE || rx[1].drop != DROP_NONE);
}

static void settle(struct world *w, struct links *ls)
{
	struct link_event ev;
	struct link_out out;

	while (links_next_event(ls, &ev))
		assert((ev.type == LINK_EVENT_UP) == (ev.link->state == LINK_UP));
	while (links_next_out(ls, &out))
		assert(out.len == CELL_LEN || out.len == LINK_COOKIE_LEN);
	links_tick(ls, &w->now);
	assert(links_deadline(ls) > w->now.mono_ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct world w;
	struct link_out out;
	unsigned to;

	if (len < 3)
		return 0;
	begin(&w);
	to = prepare(&w, data[0] % 0x80 % BASE_COUNT, &out);
	if (data[0] % 0x80 % BASE_COUNT == BASE_RAW) {
		out.len = (uint16_t)MIN(len - 3, sizeof(out.data));
		memcpy(out.data, data + 3, out.len);
	} else {
		spoil(&out, data + 1, len - 1);
	}
	if (data[0] & 0x80 && out.len == CELL_LEN && out.data[0] != MSG_CELL)
		msg_put_mac1(out.data, w.id[to].public);
	if (out.len == CELL_LEN && out.data[0] == MSG_CELL)
		feed_cell(&w, w.ls[to], out.data);
	else
		links_recv_handshake(w.ls[to], out.data, out.len, &where, &w.now);
	settle(&w, w.ls[0]);
	settle(&w, w.ls[1]);
	end(&w);
	return 0;
}
