/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Control messages: byte 0 chooses the decoder; what decodes encodes to the same bytes. */
#include "wire/control.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define MUST(cond)               \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

static uint8_t again[256];

static void same(size_t n, const uint8_t *p, size_t len)
{
	MUST(n <= len && memcmp(again, p, n) == 0);
}

static void head(const uint8_t *p, size_t len)
{
	uint64_t seq;
	uint8_t type;

	if (control_get_head(p, len, &type, &seq) != 0)
		return;
	MUST((seq & SEQ_CONTROL_BIT) != 0 && seq <= SEQ_MASK);
	same(control_put_head(again, (enum control_type)type, seq), p, len);
}

static void answer_head(const uint8_t *p, size_t len)
{
	enum control_status status;
	uint8_t type;

	if (control_get_answer_head(p, len, &type, &status) != 0)
		return;
	MUST(status < CONTROL_STATUS_COUNT);
	same(control_put_answer_head(again, (enum control_type)type, status), p, len);
}

static void echo(const uint8_t *p, size_t len)
{
	struct echo_answer a;

	if (echo_answer_decode(&a, p, len) == 0)
		same(echo_answer_encode(&a, again), p, len);
}

static void counters(const uint8_t *p, size_t len)
{
	struct counters_answer a;

	if (counters_answer_decode(&a, p, len) == 0)
		same(counters_answer_encode(&a, again), p, len);
}

static void grant(const uint8_t *p, size_t len)
{
	struct session_grant g;

	if (session_grant_decode(&g, p, len) != 0)
		return;
	MUST(g.lifetime_s != 0);
	same(session_grant_encode(&g, again) - 4, p, len); /* the last four are not looked at */
}

static void attach(const uint8_t *p, size_t len)
{
	struct attach a;

	if (attach_decode(&a, p, len) != 0)
		return;
	MUST(a.flags == 0);
	same(attach_encode(&a, again), p, len);
}

static void attached(const uint8_t *p, size_t len)
{
	struct attached a;

	if (attached_decode(&a, p, len) != 0)
		return;
	MUST(a.count >= 1 && a.count <= ATTACH_PATHS_MAX);
	same(attached_encode(&a, again), p, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const decoders[])(const uint8_t *p, size_t len) = {
	    head, answer_head, echo, grant, attach, attached, counters,
	};

	if (len > 0)
		decoders[data[0] % ARRAY_LEN(decoders)](data + 1, len - 1);
	return 0;
}
