/* SPDX-License-Identifier: GPL-3.0-or-later */
/* macro notify on a real session bus, before a server that keeps what it is told. */
#include "cli/notify.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "tests/lib/test.h"

#define NAME "org.freedesktop.Notifications"

/* ---- a bus of our own ---- */

static pid_t bus_start(void)
{
	char address[256];
	int out[2];
	ssize_t len;
	pid_t pid;

	if (pipe(out) != 0)
		abort();
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(out[1], STDOUT_FILENO);
		close(out[0]);
		close(out[1]);
		execlp("dbus-daemon", "dbus-daemon", "--session", "--nofork", "--print-address",
		       (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	len = read(out[0], address, sizeof(address) - 1);
	close(out[0]);
	if (len <= 0)
		return -1;
	address[len] = '\0';
	address[strcspn(address, "\n")] = '\0';
	setenv("DBUS_SESSION_BUS_ADDRESS", address, 1);
	return pid;
}

static void bus_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- who shows notifications ---- */

struct server {
	sd_bus *bus;
	pthread_t thread;
	atomic_bool is_ending;
	unsigned count;
	uint32_t replaces;
	uint8_t urgency;
	char app[64], summary[64], body[1200];
};

static int on_notify(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
	struct server *s = ctx;
	const char *app, *icon, *summary, *body, *key;

	(void)error;
	if (sd_bus_message_read(m, "susss", &app, &s->replaces, &icon, &summary, &body) < 0 ||
	    sd_bus_message_skip(m, "as") < 0 ||
	    sd_bus_message_enter_container(m, 'a', "{sv}") < 0 ||
	    sd_bus_message_enter_container(m, 'e', "sv") < 0 ||
	    sd_bus_message_read(m, "s", &key) < 0 || strcmp(key, "urgency") != 0 ||
	    sd_bus_message_read(m, "v", "y", &s->urgency) < 0)
		return -EINVAL;
	snprintf(s->app, sizeof(s->app), "%s", app);
	snprintf(s->summary, sizeof(s->summary), "%s", summary);
	snprintf(s->body, sizeof(s->body), "%s", body);
	return sd_bus_reply_method_return(m, "u", 41 + ++s->count);
}

static const sd_bus_vtable methods[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Notify", "susssasa{sv}i", "u", on_notify, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

static void *serve(void *ctx)
{
	struct server *s = ctx;

	while (!s->is_ending)
		if (sd_bus_process(s->bus, NULL) == 0)
			sd_bus_wait(s->bus, 10000);
	return NULL;
}

static bool server_start(struct server *s)
{
	*s = (struct server){.count = 0};
	return sd_bus_open_user(&s->bus) >= 0 &&
	       sd_bus_add_object_vtable(s->bus, NULL, "/org/freedesktop/Notifications", NAME,
					methods, s) >= 0 &&
	       sd_bus_request_name(s->bus, NAME, 0) >= 0 &&
	       pthread_create(&s->thread, NULL, serve, s) == 0;
}

static void server_stop(struct server *s)
{
	s->is_ending = true;
	pthread_join(s->thread, NULL);
	sd_bus_flush_close_unref(s->bus);
}

/* ---- tests ---- */

static void test_without_a_bus(void)
{
	struct notifier n;

	setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
	CHECK(notify_open(&n) < 0);
	notify_close(&n);
}

static void test_without_a_server(void)
{
	const pid_t bus = bus_start();
	struct notifier n;

	NEED(bus > 0);
	CHECK_INT(notify_open(&n), 0);
	CHECK(notify_send(&n, "a", "b", false) < 0);
	notify_close(&n);
	bus_stop(bus);
}

static void test_shown(void)
{
	const pid_t bus = bus_start();
	struct notifier n;
	struct server s;
	char longest[4000];

	NEED(bus > 0);
	NEED(server_start(&s));
	CHECK_INT(notify_open(&n), 0);
	CHECK_INT(notify_send(&n, "MacroMesh: route changed", "hop 2: no answer", false), 0);
	CHECK_INT(s.count, 1);
	CHECK(strcmp(s.app, "MacroMesh") == 0);
	CHECK(strcmp(s.summary, "MacroMesh: route changed") == 0);
	CHECK(strcmp(s.body, "hop 2: no answer") == 0);
	CHECK_INT(s.urgency, 1);
	CHECK_INT(s.replaces, 0);
	/* The next one takes its place; what could be markup is none. */
	CHECK_INT(notify_send(&n, "x", "a > b & <i>", true), 0);
	CHECK_INT(s.replaces, 42);
	CHECK_INT(s.urgency, 2);
	CHECK(strcmp(s.body, "a \u203a b + \u2039i\u203a") == 0);
	memset(longest, '>', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	CHECK_INT(notify_send(&n, "x", longest, false), 0);
	CHECK(strlen(s.body) <= 1023 && strlen(s.body) % 3 == 0);
	notify_close(&n);
	server_stop(&s);
	bus_stop(bus);
}

int main(void)
{
	RUN(test_without_a_bus);
	RUN(test_without_a_server);
	RUN(test_shown);
	return test_done();
}
