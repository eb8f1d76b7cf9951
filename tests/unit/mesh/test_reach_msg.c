/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/reach_msg.h"

#include <errno.h>

#include "tests/lib/test.h"

static const struct reach_msg messages[] = {
    {.type = REACH_SEE, .request = 7},
    {.type = REACH_SEEN,
     .request = 0xffff,
     .seen = {.ip = {0x20, 1}, .port = 4600},
     .time_ms = 1800000000123,
     .token = "sixteen bytes.."},
    {.type = REACH_DIAL, .request = 1, .port = 1, .token = "token", .link_key = "a key"},
    {.type = REACH_DIALED, .request = 2, .result = REACH_OK, .rtt_us = 12345},
    {.type = REACH_DIALED, .request = 2, .result = REACH_TOKEN},
};

static void refused(const uint8_t *body)
{
	struct reach_msg m, before;

	memset(&m, 0x77, sizeof(m));
	before = m;
	CHECK_INT(reach_decode(&m, body), -EPROTO);
	CHECK_MEM(&m, &before, sizeof(m));
}

/* Every byte is a part of the message or refused. */
static void test_round_trips(void)
{
	for (size_t k = 0; k < ARRAY_LEN(messages); k++) {
		const struct reach_msg *m = &messages[k];
		uint8_t body[CELL_BODY_LEN];
		struct reach_msg out;

		reach_encode(m, body);
		NEED(reach_decode(&out, body) == 0);
		CHECK_INT(out.type, m->type);
		CHECK_INT(out.request, m->request);
		CHECK_INT(out.result, m->result);
		CHECK_INT(out.rtt_us, m->rtt_us);
		CHECK_INT(out.time_ms, m->time_ms);
		CHECK_INT(out.port, m->port);
		CHECK(endpoint_equal(&out.seen, &m->seen));
		CHECK_MEM(out.link_key, m->link_key, DH_LEN);
		for (size_t i = 70; i < CELL_BODY_LEN; i++) {
			body[i] ^= 1;
			refused(body);
			body[i] ^= 1;
		}
	}
}

static void test_what_is_refused(void)
{
	uint8_t body[CELL_BODY_LEN];

	reach_encode(&messages[0], body);
	for (unsigned type = 0; type < 256; type++) {
		body[0] = (uint8_t)type;
		if (type < REACH_SEE || type == REACH_DIAL || type >= REACH_DIALED)
			refused(body); /* DIAL: port 0; DIALED: no result */
	}
	body[0] = REACH_SEE;
	body[1] = 1;
	refused(body);
	reach_encode(&messages[3], body);
	for (unsigned result = 0; result < 256; result++) {
		body[1] = (uint8_t)result;
		if (result < REACH_OK || result > REACH_TOKEN)
			refused(body);
	}
}

int main(void)
{
	RUN(test_round_trips);
	RUN(test_what_is_refused);
	return test_done();
}
