/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the registry's log has beyond ours, as a mirror tells it; nothing of it counts before all of
 * it is there and under the head. */
#ifndef MESH_SYNC_LOG_H
#define MESH_SYNC_LOG_H

#include "registry/registry.h"

struct sync_log {
	struct registry *registry; /* NULL: nothing is wanted */
	uint8_t head[REGISTRY_HEAD_MAX];
	size_t head_len;
	uint64_t first, next, target; /* event numbers: ours end, known so far, the head's */
	uint8_t *events;
	size_t len, room;
	bool is_wrong; /* what came is no log */
};

/* log_begin(l, registry, head, head_len, wall_s): REGISTRY_OK: there is more, ask from l->next on.
 */
MUST_USE enum registry_result log_begin(struct sync_log *l, struct registry *registry,
					const uint8_t *head, size_t head_len, uint64_t wall_s);
void log_end(struct sync_log *l);

/* log_take(l, bytes, len): whole events that follow those known so far. */
void log_take(struct sync_log *l, const uint8_t *bytes, size_t len);

static inline bool log_is_complete(const struct sync_log *l)
{
	return l->next == l->target;
}

/* log_apply(l, wall_s): all of it into the registry, or nothing. */
MUST_USE enum registry_result log_apply(const struct sync_log *l, uint64_t wall_s);

#endif
