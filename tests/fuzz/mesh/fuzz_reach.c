/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bodies as questions to a node, some with a token put right, and any datagrams to the socket
 * it calls from: no more leaves it than came, and what decodes has one encoding.
 */
#include <sodium.h>
#include <stdlib.h>

#include "mesh/reach.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define WALL_S 1800000000ull

static void check_encoding(const uint8_t *body)
{
	uint8_t again[CELL_BODY_LEN];
	struct reach_msg m;

	if (reach_decode(&m, body) != 0)
		return;
	reach_encode(&m, again);
	if (m.type == REACH_DIAL) /* whose token nobody can read off */
		memcpy(again + REACH_MAC_OFF, body + REACH_MAC_OFF, MAC_LEN);
	if (memcmp(again, body, CELL_BODY_LEN) != 0)
		abort();
}

/* The token of the last SEEN; what leaves is counted. */
static size_t drain(struct reach *r, uint8_t *token)
{
	uint8_t body[CELL_BODY_LEN];
	struct reach_msg m;
	struct link_out out;
	size_t bytes = 0;
	uint32_t link;

	while (reach_next_out(r, &link, body)) {
		if (reach_decode(&m, body) != 0)
			abort();
		if (m.type == REACH_SEEN)
			memcpy(token, m.token, sizeof(m.token));
	}
	while (reach_next_datagram(r, &out))
		bytes += out.len;
	return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct now now = {.mono_ns = NS_PER_S, .wall_ns = WALL_S * NS_PER_S};
	const struct endpoint from = {.ip = {0x20, 1}, .port = 4600};
	struct rng rng = rng_seeded(1);
	uint8_t token[REACH_TOKEN_LEN] = {0};
	struct reach *r;
	size_t in = 0, out = 0;

	if (sodium_init() < 0)
		abort();
	r = reach_create(&rng);
	while (len > 0) { /* the last body filled up with zeros */
		uint8_t body[CELL_BODY_LEN] = {0};
		const size_t n = MIN(len, sizeof(body));

		memcpy(body, data, n);
		data += n;
		len -= n;
		check_encoding(body);
		if (body[0] == REACH_DIAL && body[1] == 0 && body[REACH_MAC_OFF] == 0)
			mac128(body + REACH_MAC_OFF, token, sizeof(token), body, REACH_MAC_OFF);
		(void)reach_take(r, 1, &from, body, &now);
		reach_recv(r, body, sizeof(body), &from, &now);
		in += CELL_LEN;
		out += drain(r, token);
		if (out > in)
			abort();
		now.mono_ns += NS_PER_S / 4;
		reach_tick(r, &now);
	}
	reach_free(r);
	rng_seeded_free(&rng);
	return 0;
}
