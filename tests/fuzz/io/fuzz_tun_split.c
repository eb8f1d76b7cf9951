/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A vnet header and a packet, as from a TUN device: cut, then joined again.  No input may lead
 * outside of its bytes, and every byte of payload must come out once.
 */
#include <stdlib.h>

#include "io/tun_merge.h"
#include "io/tun_split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static size_t emitted;

static void sum_up(struct tun_merge *m, const struct iovec *iovs, int count)
{
	volatile uint8_t last;

	(void)m;
	for (int i = 1; i < count; i++) {
		const uint8_t *p = iovs[i].iov_base;

		last = p[0];
		last = p[iovs[i].iov_len - 1];
		emitted += iovs[i].iov_len;
	}
	(void)last;
}

/* Also the check that nothing is lost. */
static void cut_and_join(uint8_t *frame, size_t len)
{
	static uint8_t heads_memory[4096];
	static struct tun_merge merge;
	struct tun_split s;
	size_t payload = 0, heads_len = 0;

	if (tun_split_start(&s, frame, len) < 0)
		return;
	while (!tun_split_is_done(&s)) {
		struct writer heads = wr_init(heads_memory, sizeof(heads_memory));
		struct packet packets[8];
		const unsigned n = tun_split_next(&s, packets, ARRAY_LEN(packets), &heads);

		if (n == 0)
			abort();
		tun_merge_init(&merge, true, sum_up);
		for (unsigned i = 0; i < n; i++) {
			payload += packets[i].body_len;
			heads_len = packets[i].head_len;
			tun_merge_add(&merge, &packets[i]);
		}
		tun_merge_flush(&merge);
	}
	if (payload + heads_len != len - VNET_LEN || emitted < len - VNET_LEN)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *frame = malloc(len + (len == 0));

	if (frame == NULL)
		abort();
	memcpy(frame, data, len);
	emitted = 0;
	cut_and_join(frame, len);
	free(frame);
	return 0;
}
