/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The ring of lines and the streams over it share one lock.  A stream with nothing to send suspends
 * its connection (the server would spin otherwise) and is resumed by the next event.  The server
 * does not watch suspended connections, so those whose peer has gone are found when a new stream
 * is opened: there are never more of them than EVENTS_STREAMS_MAX.
 */
#include "control/events.h"

#include <poll.h>
#include <pthread.h>
#include <time.h>

#include "control/control.h"
#include "util/list.h"
#include "util/xalloc.h"

#define CLOSE_PATIENCE_S 1 /* for readers to take what is under way */

struct events {
	pthread_mutex_t lock;
	pthread_cond_t no_streams;
	char *lines[EVENTS_KEPT];
	uint64_t next; /* number of the next event; line n is at lines[n % EVENTS_KEPT] */
	struct list streams;
	unsigned stream_count;
	bool is_closing;
};

struct stream {
	struct list link;
	struct events *events;
	struct MHD_Connection *connection;
	uint64_t position; /* next event to send */
	char *line;        /* being sent; own copy */
	size_t sent;       /* of it */
	bool is_following, is_suspended, is_dead;
};

/* One line with its newline; takes the reference. */
static char *to_line(json_t *event)
{
	char *text = json_dumps(event, JSON_COMPACT | JSON_REAL_PRECISION(9));
	char *line = text != NULL ? xasprintf("%s\n", text) : xstrdup("");

	json_decref(event);
	free(text);
	return line;
}

struct events *events_create(void)
{
	struct events *e = xcalloc(1, sizeof(*e));

	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->no_streams, NULL);
	list_init(&e->streams);
	return e;
}

static void resume(struct stream *s)
{
	if (s->is_suspended) {
		s->is_suspended = false;
		MHD_resume_connection(s->connection);
	}
}

static void resume_all(struct events *e)
{
	list_for_each (it, &e->streams)
		resume(container_of(it, struct stream, link));
}

void events_close(struct events *e)
{
	struct timespec until;
	int err = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += CLOSE_PATIENCE_S;
	pthread_mutex_lock(&e->lock);
	e->is_closing = true;
	resume_all(e);
	while (!list_is_empty(&e->streams) && err == 0)
		err = pthread_cond_timedwait(&e->no_streams, &e->lock, &until);
	pthread_mutex_unlock(&e->lock);
}

void events_free(struct events *e)
{
	for (size_t i = 0; i < EVENTS_KEPT; i++)
		free(e->lines[i]);
	pthread_cond_destroy(&e->no_streams);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

void events_post(struct events *e, json_t *event)
{
	char *line = to_line(event);

	pthread_mutex_lock(&e->lock);
	free(e->lines[e->next % EVENTS_KEPT]);
	e->lines[e->next % EVENTS_KEPT] = line;
	e->next++;
	resume_all(e);
	pthread_mutex_unlock(&e->lock);
}

uint64_t events_position(struct events *e)
{
	uint64_t position;

	pthread_mutex_lock(&e->lock);
	position = e->next;
	pthread_mutex_unlock(&e->lock);
	return position;
}

static uint64_t oldest_event(const struct events *e)
{
	return e->next > EVENTS_KEPT ? e->next - EVENTS_KEPT : 0;
}

/* The next line into s->line, if there is one. */
static void take_line(struct stream *s)
{
	struct events *e = s->events;
	const uint64_t oldest = oldest_event(e);

	free(s->line);
	s->line = NULL;
	s->sent = 0;
	if (s->position < oldest) {
		s->line =
		    to_line(json_pack("{s:i, s:s, s:I}", "schema", CONTROL_SCHEMA, "event", "lost",
				      "lost_events", (json_int_t)(oldest - s->position)));
		s->position = oldest;
		return;
	}
	if (s->position < e->next)
		s->line = xstrdup(e->lines[s->position++ % EVENTS_KEPT]);
}

static ssize_t read_locked(struct stream *s, char *buf, size_t max)
{
	size_t len;

	if (s->events->is_closing)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (s->is_dead)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (s->line == NULL || s->line[s->sent] == '\0')
		take_line(s);
	if (s->line == NULL && !s->is_following)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (s->line == NULL) {
		s->is_suspended = true;
		MHD_suspend_connection(s->connection);
		return 0;
	}
	len = MIN(strlen(s->line + s->sent), max);
	memcpy(buf, s->line + s->sent, len);
	s->sent += len;
	return (ssize_t)len;
}

static ssize_t stream_read(void *ctx, uint64_t pos, char *buf, size_t max)
{
	struct stream *s = ctx;
	ssize_t n;

	(void)pos;
	pthread_mutex_lock(&s->events->lock);
	n = read_locked(s, buf, max);
	pthread_mutex_unlock(&s->events->lock);
	return n;
}

static void stream_free(void *ctx)
{
	struct stream *s = ctx;

	pthread_mutex_lock(&s->events->lock);
	list_del(&s->link);
	s->events->stream_count -= !s->is_dead;
	if (list_is_empty(&s->events->streams))
		pthread_cond_signal(&s->events->no_streams);
	pthread_mutex_unlock(&s->events->lock);
	free(s->line);
	free(s);
}

static struct MHD_Response *response(struct stream *s)
{
	return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, stream_read, s,
						 stream_free);
}

static void reap(struct events *e)
{
	list_for_each (it, &e->streams) {
		struct stream *s = container_of(it, struct stream, link);
		const union MHD_ConnectionInfo *info =
		    MHD_get_connection_info(s->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		struct pollfd p = {.fd = info->connect_fd, .events = POLLRDHUP};

		if (s->is_suspended && poll(&p, 1, 0) == 1) {
			s->is_dead = true;
			e->stream_count--;
			resume(s);
		}
	}
}

static struct stream *add_stream(struct events *e, struct MHD_Connection *connection)
{
	struct stream *s;

	reap(e);
	if (e->stream_count >= EVENTS_STREAMS_MAX || e->is_closing)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	s->events = e;
	s->connection = connection;
	list_add_tail(&e->streams, &s->link);
	e->stream_count++;
	return s;
}

struct MHD_Response *events_follow(struct events *e, struct MHD_Connection *connection,
				   uint64_t position, json_t *first)
{
	char *line = to_line(first);
	struct stream *s;

	pthread_mutex_lock(&e->lock);
	s = add_stream(e, connection);
	if (s != NULL) {
		s->position = position;
		s->line = line;
		s->is_following = true;
	}
	pthread_mutex_unlock(&e->lock);
	if (s != NULL)
		return response(s);
	free(line);
	return NULL;
}

struct MHD_Response *events_remembered(struct events *e, struct MHD_Connection *connection)
{
	struct stream *s;

	pthread_mutex_lock(&e->lock);
	s = add_stream(e, connection);
	if (s != NULL)
		s->position = oldest_event(e);
	pthread_mutex_unlock(&e->lock);
	return s != NULL ? response(s) : NULL;
}
