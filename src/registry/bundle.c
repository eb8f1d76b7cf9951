/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/bundle.h"

#include "util/xalloc.h"

static const uint8_t magic[8] = {'M', 'M', 'R', 'E', 'G', 'L', 'G', 1};

uint8_t *registry_bundle_write(const struct registry *reg, size_t *len)
{
	uint64_t count;
	size_t events_len;
	const uint8_t *events = registry_events(reg, 0, SIZE_MAX, &count, &events_len);
	const size_t out_len = REGISTRY_BUNDLE_HEAD_LEN + events_len;
	uint8_t *out = xcalloc(1, out_len);
	struct writer w = wr_init(out, out_len);

	wr_copy(&w, magic, sizeof(magic));
	wr_copy(&w, registry_registrar(reg), REGISTRY_KEY_LEN);
	wr_copy(&w, registry_head_bytes(reg), REGISTRY_HEAD_LEN);
	wr_copy(&w, events, events_len);
	*len = out_len;
	return out;
}

enum registry_result registry_bundle_open(const uint8_t *bytes, size_t len,
					  const uint8_t **registrar, struct registry_update *update)
{
	struct reader in = rd_init(bytes, len);
	const uint8_t *m = rd_bytes(&in, sizeof(magic)), *key, *head;

	if (m == NULL || memcmp(m, magic, sizeof(magic) - 1) != 0)
		return REGISTRY_MALFORMED;
	if (m[sizeof(magic) - 1] != magic[sizeof(magic) - 1])
		return REGISTRY_VERSION;
	key = rd_bytes(&in, REGISTRY_KEY_LEN);
	head = rd_bytes(&in, REGISTRY_HEAD_LEN);
	if (!rd_ok(&in))
		return REGISTRY_TRUNCATED;
	*registrar = key;
	*update = (struct registry_update){.head = head, .events = in.p, .events_len = in.left};
	return REGISTRY_OK;
}
