/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An answer of the exit's resolver, which may be anyone's. */
#include <assert.h>

#include "proxy/dns_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct dns_answer a = {0};
	const uint16_t id = len >= 2 ? get_be16(data) : 0;

	if (dns_read_answer(data, len, id, "www.test", DNS_TYPE_A, &a) == 0 ||
	    dns_read_answer(data, len, id, "www.test", DNS_TYPE_AAAA, &a) == 0)
		assert(a.count <= DNS_ADDRESSES_MAX);
	return 0;
}
