/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/resolved.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include "host/ip_prefix.h"
#include "util/log.h"

#define NAME      "org.freedesktop.resolve1"
#define PATH      "/org/freedesktop/resolve1"
#define INTERFACE NAME ".Manager"
#define NO_LINK   NAME ".NoSuchLink"

enum {
	CALL_TIMEOUT_US = 2000000, /* traffic waits meanwhile */
	LINK_TRIES = 50,           /* until resolved has heard of a link that was just made */
	LINK_PAUSE_NS = 20000000,
};

static int open_bus(sd_bus **bus)
{
	int rc = sd_bus_open_system(bus);

	if (rc >= 0)
		rc = sd_bus_set_method_call_timeout(*bus, CALL_TIMEOUT_US);
	return MIN(rc, 0);
}

static bool is_on(sd_bus *bus)
{
	sd_bus_message *reply = NULL;
	int answer = 0;

	if (sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
			       "org.freedesktop.DBus", "NameHasOwner", NULL, &reply, "s",
			       NAME) < 0 ||
	    sd_bus_message_read(reply, "b", &answer) < 0)
		answer = 0;
	sd_bus_message_unref(reply);
	return answer != 0;
}

bool resolved_is_running(void)
{
	sd_bus *bus = NULL;
	const bool running = open_bus(&bus) == 0 && is_on(bus);

	sd_bus_flush_close_unref(bus);
	return running;
}

/* The call's outcome as an errno; why it failed is kept in *err. */
static int finish(sd_bus_error *error, int rc, const char *method, struct host_error *err)
{
	if (rc < 0)
		rc = host_refuse(err, rc, "systemd-resolved: %s: %s", method,
				 error->message != NULL ? error->message : strerror(-rc));
	sd_bus_error_free(error);
	return MIN(rc, 0);
}

static int call(sd_bus *bus, struct host_error *err, const char *method, const char *types, ...)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	va_list ap;
	int rc;

	va_start(ap, types);
	rc = sd_bus_call_methodv(bus, NAME, PATH, INTERFACE, method, &error, NULL, types, ap);
	va_end(ap);
	return finish(&error, rc, method, err);
}

static int append_servers(sd_bus_message *m, uint32_t ifindex, const struct resolv_servers *servers)
{
	int rc = sd_bus_message_append(m, "i", (int)ifindex);

	if (rc >= 0)
		rc = sd_bus_message_open_container(m, 'a', "(iay)");
	for (size_t i = 0; i < servers->count && rc >= 0; i++) {
		const struct ip_prefix host = ip_prefix_host(servers->ip[i]);

		rc = sd_bus_message_open_container(m, 'r', "iay");
		if (rc >= 0)
			rc = sd_bus_message_append(m, "i", ip_prefix_family(&host));
		if (rc >= 0)
			rc = sd_bus_message_append_array(m, 'y', ip_prefix_bytes(&host),
							 ip_prefix_bytes_len(&host));
		if (rc >= 0)
			rc = sd_bus_message_close_container(m);
	}
	return rc >= 0 ? sd_bus_message_close_container(m) : rc;
}

/* -EAGAIN: resolved does not know the link. */
static int try_servers(sd_bus *bus, uint32_t ifindex, const struct resolv_servers *servers,
		       struct host_error *err)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *m = NULL;
	int rc = sd_bus_message_new_method_call(bus, &m, NAME, PATH, INTERFACE, "SetLinkDNS");

	if (rc >= 0)
		rc = append_servers(m, ifindex, servers);
	if (rc >= 0)
		rc = sd_bus_call(bus, m, 0, &error, NULL);
	if (rc < 0 && sd_bus_error_has_name(&error, NO_LINK))
		rc = -EAGAIN;
	sd_bus_message_unref(m);
	return finish(&error, rc, "SetLinkDNS", err);
}

static int set_servers(sd_bus *bus, uint32_t ifindex, const struct resolv_servers *servers,
		       struct host_error *err)
{
	static const struct timespec pause = {.tv_nsec = LINK_PAUSE_NS};
	int rc = -EAGAIN;

	for (int i = 0; i < LINK_TRIES && rc == -EAGAIN; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		rc = try_servers(bus, ifindex, servers, err);
	}
	return rc;
}

/* Neither the neighbourhood nor a TLS that our stub does not speak is asked. */
static int set_modes(sd_bus *bus, int link, struct host_error *err)
{
	int rc = call(bus, err, "SetLinkDomains", "ia(sb)", link, 1, ".", 1);

	if (rc == 0)
		rc = call(bus, err, "SetLinkDefaultRoute", "ib", link, 1);
	if (rc == 0)
		rc = call(bus, err, "SetLinkDNSOverTLS", "is", link, "no");
	if (rc == 0)
		rc = call(bus, err, "SetLinkLLMNR", "is", link, "no");
	if (rc == 0)
		rc = call(bus, err, "SetLinkMulticastDNS", "is", link, "no");
	return rc == 0 ? call(bus, err, "FlushCaches", "") : rc;
}

int resolved_set(uint32_t ifindex, const struct resolv_servers *servers, struct host_error *err)
{
	struct host_error ignored;
	sd_bus *bus = NULL;
	int rc = open_bus(&bus);

	if (rc != 0)
		return host_fail(err, rc, "asking systemd-resolved");
	rc = set_servers(bus, ifindex, servers, err);
	if (rc == 0)
		rc = set_modes(bus, (int)ifindex, err);
	if (rc != 0 && call(bus, &ignored, "RevertLink", "i", (int)ifindex) != 0)
		log_debug("%s", ignored.text);
	sd_bus_flush_close_unref(bus);
	return rc;
}

static int revert(sd_bus *bus, uint32_t ifindex, struct host_error *err)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	struct host_error ignored;
	int rc = sd_bus_call_method(bus, NAME, PATH, INTERFACE, "RevertLink", &error, NULL, "i",
				    (int)ifindex);

	if (rc < 0 && sd_bus_error_has_name(&error, NO_LINK))
		rc = 0;
	if (call(bus, &ignored, "FlushCaches", "") != 0)
		log_debug("%s", ignored.text);
	return finish(&error, rc, "RevertLink", err);
}

int resolved_revert(uint32_t ifindex, struct host_error *err)
{
	sd_bus *bus = NULL;
	int rc = 0;

	if (open_bus(&bus) == 0 && is_on(bus))
		rc = revert(bus, ifindex, err);
	sd_bus_flush_close_unref(bus);
	return rc;
}

void resolved_flush(void)
{
	struct host_error err;
	sd_bus *bus = NULL;

	if (open_bus(&bus) == 0 && is_on(bus) && call(bus, &err, "FlushCaches", "") != 0)
		log_warn("%s", err.text);
	sd_bus_flush_close_unref(bus);
}
