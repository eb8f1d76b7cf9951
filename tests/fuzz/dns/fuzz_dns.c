/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Answers of a name server, of any content; what is passed on has no private address. */
#include <stdlib.h>

#include "dns/stub.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct stub *stub = stub_create(&rng_system);
	uint8_t msg[DNS_UDP_MAX];
	size_t out;

	len = MIN(len, sizeof(msg));
	memcpy(msg, data, len);
	out = stub_check(stub, msg, len);
	if (out > len || (out > 0 && dns_addresses(msg, out) != DNS_PUBLIC))
		abort();
	stub_free(stub);
	return 0;
}
