/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Is the exit dead, and which one takes its place. */
#ifndef CLIENT_TAKEOVER_H
#define CLIENT_TAKEOVER_H

#include "client/client.h"

enum {
	CLOSED_MAX = 4,
};

struct client_route;

/* Routes of the session that hops have closed, close behind each other. */
struct closings {
	struct route_nodes route[CLOSED_MAX];
	uint64_t last_ns;
	unsigned count;
};

/* takeover_heard(c, now): someone has answered: our network works. */
void takeover_heard(struct client *c, const struct now *now);
/* takeover_asked(c, at_ns): something to the exit left then.  takeover_answered: the exit lives. */
void takeover_asked(struct client *c, uint64_t at_ns);
void takeover_answered(struct client *c, const struct now *now);
/* takeover_doubts(c): the exit owes an answer. */
bool takeover_doubts(const struct client *c);
/* takeover_closed(c, r, now): a hop has closed that route of the session. */
void takeover_closed(struct client *c, const struct client_route *r, const struct now *now);
/* takeover_lives_again(c, now): some path of the session does. */
void takeover_lives_again(struct client *c, const struct now *now);
/* takeover_granted, takeover_ready: of a spare: its exit granted a session; it is attached. */
void takeover_granted(struct client *c, struct client_route *r, const struct now *now);
void takeover_ready(struct client *c, struct client_route *r, const struct now *now);
void takeover_tick(struct client *c, const struct now *now);
uint64_t takeover_deadline(const struct client *c);

#endif
