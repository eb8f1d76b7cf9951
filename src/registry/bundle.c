/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/bundle.h"

#include "util/xalloc.h"

static const uint8_t magic[8] = {'M', 'M', 'R', 'E', 'G', 'L', 'G', 2};

uint8_t *registry_bundle_write(const struct registry *reg, size_t *len)
{
	uint64_t count;
	size_t events_len;
	const uint8_t *events = registry_events(reg, 0, SIZE_MAX, &count, &events_len);
	size_t head_len;
	const uint8_t *head = registry_head_bytes(reg, &head_len);
	const size_t out_len = sizeof(magic) + REGISTRY_MESH_LEN + 1 + head_len + events_len;
	uint8_t *out = xcalloc(1, out_len);
	struct writer w = wr_init(out, out_len);

	wr_copy(&w, magic, sizeof(magic));
	wr_copy(&w, registry_backend(reg)->mesh, REGISTRY_MESH_LEN);
	wr_u8(&w, (uint8_t)head_len);
	wr_copy(&w, head, head_len);
	wr_copy(&w, events, events_len);
	*len = out_len;
	return out;
}

enum registry_result registry_bundle_open(const uint8_t *bytes, size_t len, const uint8_t **mesh,
					  struct registry_update *update)
{
	struct reader in = rd_init(bytes, len);
	const uint8_t *m = rd_bytes(&in, sizeof(magic)), *name, *head;
	size_t head_len;

	if (m == NULL || memcmp(m, magic, sizeof(magic) - 1) != 0)
		return REGISTRY_MALFORMED;
	if (m[sizeof(magic) - 1] != magic[sizeof(magic) - 1])
		return REGISTRY_VERSION;
	name = rd_bytes(&in, REGISTRY_MESH_LEN);
	head_len = rd_u8(&in);
	head = rd_bytes(&in, head_len);
	if (!rd_ok(&in))
		return REGISTRY_TRUNCATED;
	*mesh = name;
	*update = (struct registry_update){
	    .head = head, .head_len = head_len, .events = in.p, .events_len = in.left};
	return REGISTRY_OK;
}
