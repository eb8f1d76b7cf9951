/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a program says in SOCKS, as it comes, and as a datagram of an association. */
#include <assert.h>

#include "proxy/socks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void talk(const uint8_t *data, size_t len)
{
	struct socks s = {0};
	uint8_t out[256];
	int used = 1;

	while (used > 0 && s.state != SOCKS_DONE) {
		struct writer w = wr_init(out, sizeof(out));

		used = socks_read(&s, data, len, &w);
		assert(wr_ok(&w) && used <= (int)len);
		if (used > 0) {
			data += used;
			len -= (size_t)used;
		}
	}
	assert(s.state != SOCKS_DONE || s.request.command == PROXY_UDP ||
	       s.request.target.at.port != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct target t;
	const int head = socks_udp_read(data, len, &t);

	assert(head < 0 || (head <= (int)len && t.at.port != 0));
	talk(data, len);
	return 0;
}
