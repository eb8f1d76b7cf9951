/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The client's will: be connected through a path of the wished kind.  Sans-I/O: chooses paths,
 * builds them, opens the session, attaches, replaces what dies or ages (make before break), and
 * says what it does.  The engine moves the cells; the owner sets up the machine when told to.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "core/engine.h"
#include "mesh/membership.h"
#include "mesh/path_choice.h"

struct client;

struct client_params {
	struct engine *engine; /* borrowed, as all here */
	struct membership *membership;
	const struct directory *dir;
	const struct rng *rng;
};

#define CLIENT_EXIT_MAX   65
#define CLIENT_REASON_MAX 256

struct client_wish {
	char exit[CLIENT_EXIT_MAX]; /* "auto", a country, a node's name or id (hex, or its
				       beginning) */
	unsigned hops;
	uint32_t rotate_s; /* 0: the protocol's own lifetimes */
};

enum client_state {
	CLIENT_OFF,
	CLIENT_CONNECTING,
	CLIENT_CONNECTED,    /* the exit has answered inside the tunnel */
	CLIENT_RECONNECTING, /* was connected; the session lives on if the exit does */
};

struct client *client_create(const struct client_params *params);
void client_free(struct client *c);

/* The three commands take effect in the background; a new client_connect replaces the last wish. */
void client_connect(struct client *c, const struct client_wish *wish, const struct now *now);
void client_disconnect(struct client *c, const struct now *now);
/* client_reconnect: another route now, to the same exit unless new_exit. */
void client_reconnect(struct client *c, bool new_exit, const struct now *now);

/* client_network_changed: links, addresses or routes of the machine did, or it was asleep: what
 * waits is tried now. */
void client_network_changed(struct client *c, const struct now *now);

/* Give it every engine event, and time. */
void client_on_event(struct client *c, const struct engine_event *ev, const struct now *now);
void client_tick(struct client *c, const struct now *now);
uint64_t client_deadline(const struct client *c);

struct client_hop {
	uint8_t id[NODE_ID_LEN];
	char name[DESCRIPTOR_NAME_MAX + 1];
	char country[3];
	struct endpoint addr;
	uint64_t rtt_ns; /* from here to it and back, smoothed; 0: not measured yet */
};

/* What there is to show. */
struct client_view {
	enum client_state state;
	char reason[CLIENT_REASON_MAX]; /* why it is not connected, or what it waits for */
	uint64_t since_wall_ns;
	unsigned hops;
	struct client_hop hop[HOPS_MAX]; /* of the path in use */
	uint64_t route_wall_ns;          /* since when */
	uint64_t build_ns;               /* from its CREATE to CREATED */
	struct path_stats stats;
	bool has_session;
	struct session_grant grant;
	unsigned paths; /* ready, the one in use among them */
};
void client_view(const struct client *c, struct client_view *out);

/* What the owner must know, in order. */
enum client_note_type {
	CLIENT_NOTE_STATE,   /* state or reason changed */
	CLIENT_NOTE_SESSION, /* new inner addresses: set up the machine (client_view has them) */
	CLIENT_NOTE_ROUTE,   /* another path carries the traffic */
	CLIENT_NOTE_ERROR,   /* text says what failed; it goes on trying */
};
struct client_note {
	enum client_note_type type;
	char text[CLIENT_REASON_MAX];
};
bool client_next_note(struct client *c, struct client_note *out);

#endif
