/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/sync_log.h"

#include "util/xalloc.h"

enum registry_result log_begin(struct sync_log *l, struct registry *registry, const uint8_t *head,
			       size_t head_len, uint64_t wall_s)
{
	struct registry_head theirs;
	const enum registry_result result =
	    registry_judge(registry, head, head_len, wall_s, &theirs);

	if (result != REGISTRY_OK)
		return result;
	*l = (struct sync_log){
	    .registry = registry,
	    .first = registry_head(registry)->events,
	    .next = registry_head(registry)->events,
	    .target = theirs.events,
	};
	memcpy(l->head, head, head_len);
	l->head_len = head_len;
	return REGISTRY_OK;
}

void log_end(struct sync_log *l)
{
	free(l->events);
	*l = (struct sync_log){0};
}

static void append(struct sync_log *l, const uint8_t *bytes, size_t len)
{
	if (l->len + len > l->room) {
		l->room = MAX(2 * l->room, l->len + len);
		l->events = xrealloc(l->events, l->room, 1);
	}
	memcpy(l->events + l->len, bytes, len);
	l->len += len;
}

void log_take(struct sync_log *l, const uint8_t *bytes, size_t len)
{
	struct reader r = rd_init(bytes, len);
	struct registry_event unused;
	uint64_t count = 0;

	while (r.left > 0 && !l->is_wrong) {
		l->is_wrong = registry_event_decode(&unused, &r) != REGISTRY_OK ||
			      l->next + ++count > l->target;
	}
	if (l->is_wrong)
		return;
	append(l, bytes, len);
	l->next += count;
}

enum registry_result log_apply(const struct sync_log *l, uint64_t wall_s)
{
	const struct registry_update update = {.head = l->head,
					       .head_len = l->head_len,
					       .events = l->events,
					       .events_len = l->len,
					       .first = l->first};

	return registry_apply(l->registry, &update, wall_s, NULL);
}
