/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>

#include "proxy/http_connect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	enum http_status wrong = HTTP_OK;
	char answer[HTTP_ANSWER_MAX];
	struct proxy_request rq;
	const int used = http_connect_read(data, len, &rq, &wrong);

	assert(used <= (int)len);
	if (used > 0)
		assert(rq.target.at.port != 0);
	if (used < 0)
		assert(wrong != HTTP_OK && http_connect_answer(wrong, answer) < sizeof(answer));
	return 0;
}
