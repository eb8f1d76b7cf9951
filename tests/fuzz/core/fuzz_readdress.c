/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An address changed and changed back, in packets of any content. */
#include <stdlib.h>

#include "core/readdress.h"
#include "core/unpacker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t other[16] = {10, 88, 3, 4, [15] = 7};
	uint8_t before[16], *p = malloc(len + 1), *at;
	struct inner_addrs a;
	enum readdress_end end;

	if (len > 0)
		memcpy(p, data + 1, len - 1);
	if (p == NULL || len < 1 || !inner_parse(p, len - 1, &a)) {
		free(p);
		return 0;
	}
	end = data[0] & 1 ? READDRESS_SOURCE : READDRESS_DESTINATION;
	at = p + ((end == READDRESS_SOURCE ? a.src : a.dst) - p);
	memcpy(before, at, a.version == 4 ? 4 : 16);
	readdress(p, len - 1, end, other, data[0] >> 1 & 1);
	if (memcmp(at, other, a.version == 4 ? 4 : 16) != 0)
		abort();
	readdress(p, len - 1, end, before, data[0] >> 1 & 1);
	if (memcmp(at, before, a.version == 4 ? 4 : 16) != 0)
		abort();
	free(p);
	return 0;
}
