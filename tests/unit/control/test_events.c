/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Streams of events: their order, their ends, slow readers, readers that vanish. */
#include "control/events.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/lib/test.h"
#include "tests/unit/control/fake.h"
#include "util/xalloc.h"

#define PATIENCE_MS 20000

static struct fake fake;

/* A connection that has asked for something, and what came back so far. */
struct client {
	int fd;
	char *text;
	size_t len, size;
	bool is_at_end;
};

static struct client ask(const char *target)
{
	struct client c = {.fd = socket(AF_UNIX, SOCK_STREAM, 0), .size = 1 << 23};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char *text = xasprintf("GET %s HTTP/1.1\r\nHost: macro\r\n\r\n", target);

	memcpy(addr.sun_path, fake.path, strlen(fake.path) + 1);
	if (connect(c.fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    write(c.fd, text, strlen(text)) != (ssize_t)strlen(text))
		printf("# cannot ask: %s\n", strerror(errno));
	free(text);
	c.text = xcalloc(1, c.size);
	return c;
}

static void hang_up(struct client *c)
{
	close(c->fd);
	free(c->text);
}

/* Reads on until the text is there; false at the end of the stream or of our patience. */
static bool wait_for(struct client *c, const char *text)
{
	const char *from = c->text;

	while ((from = strstr(from, text)) == NULL) {
		struct pollfd p = {.fd = c->fd, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, PATIENCE_MS) != 1 || c->len + 1 >= c->size)
			return false;
		n = read(c->fd, c->text + c->len, c->size - c->len - 1);
		if (n <= 0) {
			c->is_at_end = n == 0;
			return false;
		}
		from = c->text + (c->len > 64 ? c->len - 64 : 0);
		c->len += (size_t)n;
	}
	return true;
}

static void test_follow_starts_with_the_state(void)
{
	struct client c;

	fake_post(&fake, VIEW_EVENT_ERROR, "long ago");
	c = ask("/v1/events?follow=1");
	CHECK(wait_for(
	    &c,
	    "\"event\":\"state\",\"state\":\"disconnected\",\"text\":null,"
	    "\"hop\":null,\"node\":null,\"verdict\":null,\"cause\":null,"
	    "\"connections_dropped\":null,\"route\":null,\"paths\":{\"active\":0,\"backup\":0}}\n"));
	CHECK(strstr(c.text, "200 OK") != NULL);
	CHECK(strstr(c.text, "application/x-ndjson") != NULL);
	CHECK(strstr(c.text, "long ago") == NULL);
	fake_post(&fake, VIEW_EVENT_ROUTE, "first");
	CHECK(wait_for(
	    &c, "{\"schema\":1,\"time\":\"2026-01-02T03:04:05.678Z\",\"event\":\"route\","
		"\"state\":\"disconnected\",\"text\":\"first\",\"hop\":null,\"node\":null,"
		"\"verdict\":null,\"cause\":null,\"connections_dropped\":null,\"route\":null,"
		"\"paths\":{\"active\":0,\"backup\":0}}\n"));
	fake_set(&fake, VIEW_CONNECTED, "");
	fake_post(&fake, VIEW_EVENT_STATE, "second");
	CHECK(wait_for(&c, "\"connections_dropped\":null,\"route\":{\"created\":"));
	fake_set(&fake, VIEW_DISCONNECTED, "");
	hang_up(&c);
}

static void test_remembered(void)
{
	struct client c;
	char text[32];

	for (int i = 0; i < EVENTS_KEPT + 10; i++) {
		snprintf(text, sizeof(text), "number %d!", i);
		fake_post(&fake, VIEW_EVENT_ROUTE, text);
	}
	c = ask("/v1/events");
	CHECK(wait_for(&c, "\r\n0\r\n\r\n")); /* the last chunk */
	CHECK(strstr(c.text, "number 9!") == NULL);
	CHECK(strstr(c.text, "number 10!") != NULL);
	CHECK(strstr(c.text, "number 265!") != NULL);
	hang_up(&c);
}

static void test_slow_reader_is_told(void)
{
	struct client c = ask("/v1/events?follow=1");
	const char *lost;
	char text[32];
	int n;

	CHECK(wait_for(&c, "\"state\":\"disconnected\""));
	for (int i = 0; i < 20000; i++) {
		snprintf(text, sizeof(text), "number %d!", i);
		fake_post(&fake, VIEW_EVENT_ROUTE, text);
	}
	CHECK(wait_for(&c, "number 19999!"));
	lost = strstr(c.text, "{\"schema\":1,\"event\":\"lost\",\"lost_events\":");
	NEED(lost != NULL);
	CHECK(sscanf(strstr(lost, "events\":"), "events\":%d", &n) == 1 && n > 0 && n < 20000);
	hang_up(&c);
}

/* Streams whose reader has gone make room for new ones; living ones do not. */
static void test_stream_limit(void)
{
	struct client c[EVENTS_STREAMS_MAX], more;

	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < EVENTS_STREAMS_MAX; i++) {
			c[i] = ask("/v1/events?follow=1");
			CHECK(wait_for(&c[i], "\"state\":\"disconnected\""));
		}
		more = ask("/v1/events?follow=1");
		CHECK(wait_for(&more, "too many streams of events"));
		CHECK(strstr(more.text, " 503 ") != NULL);
		hang_up(&more);
		for (size_t i = 0; i < EVENTS_STREAMS_MAX; i++)
			hang_up(&c[i]);
	}
}

enum {
	POSTERS = 4,
	FOLLOWERS = 6,
	POSTS = 500,
};

static void *post_many(void *ctx)
{
	char text[32];

	for (int i = 0; i < POSTS; i++) {
		snprintf(text, sizeof(text), "poster %d: %d!", *(int *)ctx, i);
		fake_post(&fake, VIEW_EVENT_ROUTE, text);
	}
	return NULL;
}

/* From many threads to many readers: whatever arrives does so once and in order. */
static void test_many_at_once(void)
{
	struct client c[FOLLOWERS];
	pthread_t thread[POSTERS];
	int number[POSTERS];

	for (int i = 0; i < FOLLOWERS; i++) {
		c[i] = ask("/v1/events?follow=1");
		CHECK(wait_for(&c[i], "\"state\":\"disconnected\""));
	}
	for (int i = 0; i < POSTERS; i++) {
		number[i] = i;
		CHECK(pthread_create(&thread[i], NULL, post_many, &number[i]) == 0);
	}
	for (int i = 0; i < POSTERS; i++)
		pthread_join(thread[i], NULL);
	fake_post(&fake, VIEW_EVENT_ROUTE, "the end");
	for (int i = 0; i < FOLLOWERS; i++) {
		int last[POSTERS] = {-1, -1, -1, -1}, poster, value;

		CHECK(wait_for(&c[i], "the end"));
		for (const char *p = c[i].text; (p = strstr(p, "poster ")) != NULL; p++) {
			NEED(sscanf(p, "poster %d: %d!", &poster, &value) == 2);
			CHECK(value > last[poster]);
			last[poster] = value;
		}
		hang_up(&c[i]);
	}
}

static void test_stop_ends_streams(void)
{
	struct client c = ask("/v1/events?follow=1");

	CHECK(wait_for(&c, "\"state\":\"disconnected\""));
	fake_stop(&fake);
	CHECK(!wait_for(&c, "no such text"));
	CHECK(c.is_at_end);
	CHECK(strstr(c.text, "\r\n0\r\n\r\n") != NULL); /* properly, not by a broken connection */
	hang_up(&c);
}

int main(void)
{
	fake_start(&fake);
	RUN(test_follow_starts_with_the_state);
	RUN(test_remembered);
	RUN(test_slow_reader_is_told);
	RUN(test_stream_limit);
	RUN(test_many_at_once);
	RUN(test_stop_ends_streams);
	return test_done();
}
