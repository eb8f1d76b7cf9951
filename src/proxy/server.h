/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The proxy's ports: programs connect here and their connections go on through tunnels, one per
 * user, never by any other way.  All in one thread, the one of its loop.
 */
#ifndef PROXY_SERVER_H
#define PROXY_SERVER_H

#include "io/loop.h"
#include "proxy/lookup.h"
#include "proxy/stack.h"
#include "proxy/target.h"
#include "util/list.h"

/* One user's session with an exit, as far as connections see it. */
struct tunnel {
	struct stack_net net;
	struct lookup_servers dns;
	bool is_ready;
	unsigned conns; /* that belong to it */
};

enum server_port {
	SERVER_SOCKS,
	SERVER_HTTP,
	SERVER_PORTS,
};

struct server_stats {
	uint64_t accepted;
	uint64_t malformed; /* not SOCKS 5 or CONNECT, or badly so */
	uint64_t too_slow;  /* no whole request in time */
	uint64_t no_tunnel; /* too many users at once, or none stood in time */
	uint64_t no_name;   /* not found by the exit's resolver */
	uint64_t failed;    /* could not be connected */
	uint64_t opened;
	uint64_t associations; /* UDP */
};

struct server_listener {
	struct loop_fd fd;
	struct server *server;
	bool is_open;
};

struct server_params {
	struct loop *loop;
	/* Port 0 at both: any; an address of all zeros: this one not at all. */
	struct endpoint listen[SERVER_PORTS];
	unsigned conns_max;
	/* The tunnel of a user, soon to be ready if not yet; NULL: there are too many users. */
	struct tunnel *(*tunnel_for)(void *ctx, const struct proxy_user *user,
				     const struct now *now);
	void *ctx;
};

struct server {
	struct server_params params;
	struct server_listener listener[SERVER_PORTS];
	struct list conns, busy, dead;
	unsigned count;
	bool is_full; /* programs wait until a connection ends */
	uint64_t tick_ns;
	struct server_stats stats;
};

/* server_open(s, params, error): 0, or -errno with error filled. */
MUST_USE int server_open(struct server *s, const struct server_params *params, char *error,
			 size_t error_len);
void server_close(struct server *s);

/* server_local(s, port, out): where it listens. */
void server_local(const struct server *s, enum server_port port, struct endpoint *out);

/* server_tunnel_up: those who wait for the tunnel go on.  server_tunnel_down: all its connections
 * end. */
void server_tunnel_up(struct server *s, struct tunnel *t, const struct now *now);
void server_tunnel_down(struct server *s, struct tunnel *t);

/* server_turn(s, now): after sockets or the stack have moved: does what follows from it, and lets
 * the stack send. */
void server_turn(struct server *s, const struct now *now);
bool server_is_busy(const struct server *s);

void server_tick(struct server *s, const struct now *now);
uint64_t server_deadline(const struct server *s, const struct now *now);

#endif
