/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/notify.h"

#include <string.h>
#include <systemd/sd-bus.h>

#define NAME "org.freedesktop.Notifications"
#define PATH "/org/freedesktop/Notifications"

enum {
	BODY_MAX = 1024,
	CALL_TIMEOUT_US = 5000000,
	BY_SERVER = -1, /* when it goes away */
	URGENCY_NORMAL = 1,
	URGENCY_CRITICAL = 2,
};

int notify_open(struct notifier *n)
{
	int rc;

	*n = (struct notifier){.bus = NULL};
	rc = sd_bus_open_user(&n->bus);
	if (rc >= 0)
		rc = sd_bus_set_method_call_timeout(n->bus, CALL_TIMEOUT_US);
	return MIN(rc, 0);
}

void notify_close(struct notifier *n)
{
	n->bus = sd_bus_flush_close_unref(n->bus);
}

/* Some servers take a body for markup and some do not: it has nothing that could be any. */
static void plain(const char *text, char out[static BODY_MAX])
{
	static const struct {
		char from;
		const char *to;
	} marks[] = {{'<', "\u2039"}, {'>', "\u203a"}, {'&', "+"}};
	size_t len = 0;

	for (; *text != '\0' && len < BODY_MAX - 4; text++) {
		const char one[] = {*text, '\0'}, *as = one;

		for (size_t i = 0; i < ARRAY_LEN(marks); i++)
			if (*text == marks[i].from)
				as = marks[i].to;
		memcpy(out + len, as, strlen(as));
		len += strlen(as);
	}
	out[len] = '\0';
}

int notify_send(struct notifier *n, const char *summary, const char *body, bool is_urgent)
{
	const uint8_t urgency = is_urgent ? URGENCY_CRITICAL : URGENCY_NORMAL;
	sd_bus_message *reply = NULL;
	char text[BODY_MAX];
	uint32_t id;
	int rc;

	plain(body, text);
	rc = sd_bus_call_method(n->bus, NAME, PATH, NAME, "Notify", NULL, &reply, "susssasa{sv}i",
				"MacroMesh", n->last, "network-vpn", summary, text, 0, 1, "urgency",
				"y", urgency, BY_SERVER);
	if (rc >= 0)
		rc = sd_bus_message_read(reply, "u", &id);
	if (rc >= 0)
		n->last = id;
	sd_bus_message_unref(reply);
	return MIN(rc, 0);
}
