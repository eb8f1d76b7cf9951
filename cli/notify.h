/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Notifications on the desktop of whoever runs this, over the session bus (org.freedesktop's
 * Desktop Notifications Specification 1.2). */
#ifndef CLI_NOTIFY_H
#define CLI_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "util/bytes.h"

struct notifier {
	struct sd_bus *bus;
	uint32_t last; /* the server's number of the last one, which the next replaces */
};

/* notify_open(n): 0, or a negative errno where there is no session bus.  notify_close also undoes
 * one that failed. */
MUST_USE int notify_open(struct notifier *n);
void notify_close(struct notifier *n);

/* notify_send(n, summary, body, is_urgent): in place of the last one, so that they do not pile up.
 * 0, or a negative errno when nobody shows it. */
MUST_USE int notify_send(struct notifier *n, const char *summary, const char *body, bool is_urgent);

#endif
