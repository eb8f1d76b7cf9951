/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/log.h"

#include "util/xalloc.h"

enum {
	SLACK_MAX = 1 << 16,
};

void event_log_fini(struct event_log *l)
{
	free(l->bytes);
	free(l->offset);
	*l = (struct event_log){0};
}

/* Little more than is needed: there may be a hundred thousand, of which most come at once. */
static size_t room_for(size_t needed)
{
	return needed + MIN(needed / 4, (size_t)SLACK_MAX);
}

static void make_room(struct event_log *l, size_t len, uint32_t count)
{
	if (l->len + len > l->room) {
		l->room = room_for(l->len + len);
		l->bytes = xrealloc(l->bytes, l->room, 1);
	}
	if (l->count + count > l->offset_room) {
		l->offset_room = (uint32_t)room_for(l->count + count);
		l->offset = xrealloc(l->offset, l->offset_room, sizeof(*l->offset));
	}
}

void event_log_append(struct event_log *l, const uint8_t *bytes, size_t len, uint32_t count)
{
	struct reader in = rd_init(bytes, len);
	struct registry_event ev;

	if (count == 0)
		return;
	make_room(l, len, count);
	memcpy(l->bytes + l->len, bytes, len);
	for (uint32_t i = 0; i < count; i++) {
		l->offset[l->count++] = (uint32_t)(l->len + len - in.left);
		if (registry_event_decode(&ev, &in) != REGISTRY_OK)
			abort();
	}
	l->len += len;
}

void event_log_cut(struct event_log *l, uint32_t count)
{
	if (count >= l->count)
		return;
	l->len = l->offset[count];
	l->count = count;
}

size_t event_log_end(const struct event_log *l, uint32_t i)
{
	return i + 1 < l->count ? l->offset[i + 1] : l->len;
}

const uint8_t *event_log_bytes(const struct event_log *l, uint32_t i, size_t *len)
{
	*len = event_log_end(l, i) - l->offset[i];
	return l->bytes + l->offset[i];
}

void event_log_get(const struct event_log *l, uint32_t i, struct registry_event *ev)
{
	size_t len;
	const uint8_t *bytes = event_log_bytes(l, i, &len);
	struct reader in = rd_init(bytes, len);

	if (registry_event_decode(ev, &in) != REGISTRY_OK)
		abort(); /* checked when it came */
}
