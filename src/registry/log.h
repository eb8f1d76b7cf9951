/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The events as they came, back to back, and where each begins. */
#ifndef REGISTRY_LOG_H
#define REGISTRY_LOG_H

#include "registry/event.h"

struct event_log {
	uint8_t *bytes;
	size_t len, room;
	uint32_t *offset; /* of each event */
	uint32_t count, offset_room;
};

void event_log_fini(struct event_log *l);

/* event_log_append(l, bytes, len, count): so many events, which were checked for form. */
void event_log_append(struct event_log *l, const uint8_t *bytes, size_t len, uint32_t count);

/* event_log_cut(l, count): as it was when it had so many. */
void event_log_cut(struct event_log *l, uint32_t count);

/* event_log_bytes(l, i, len): event i, which there is.  event_log_get: the same, decoded. */
const uint8_t *event_log_bytes(const struct event_log *l, uint32_t i, size_t *len);
void event_log_get(const struct event_log *l, uint32_t i, struct registry_event *ev);

/* event_log_end(l, i): where event i ends in bytes. */
size_t event_log_end(const struct event_log *l, uint32_t i);

#endif
