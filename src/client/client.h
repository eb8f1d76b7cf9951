/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The client's will: be connected through paths of the wished kind.  Sans-I/O: chooses paths,
 * builds them, opens the session, keeps some paths in use and others ready, replaces what dies,
 * ages or does badly (make before break), moves to another exit when ours is dead, and says what it
 * does.  The engine moves the cells; the owner sets up the machine when told to.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "core/engine.h"
#include "health/book.h"
#include "mesh/exit_wish.h"
#include "mesh/membership.h"
#include "mesh/path_explain.h"

struct client;

struct client_params {
	struct engine *engine; /* borrowed, as all here */
	struct membership *membership;
	const struct directory *dir;
	struct path_chooser *chooser; /* of dir, that others use too; NULL: its own */
	const struct rng *rng;
	struct book *book;                  /* of what is known of nodes; NULL: nothing is kept */
	struct guard_set *guards;           /* the entries we keep to; NULL: any */
	const struct health_limits *limits; /* NULL: the usual ones */
	const struct places *places;        /* where nodes are; NULL: as they say */
	uint64_t improve_ns;                /* mean time between looks for better routes; 0: none */
};

#define CLIENT_EXIT_MAX    EXIT_TEXT_MAX
#define CLIENT_REASON_MAX  256
#define CLIENT_IN_USE_MAX  4
#define CLIENT_BACKUPS_MAX 3
/* In use, ready, being made, ending. */
#define CLIENT_PATHS_MAX 12

struct client_wish {
	char exit[CLIENT_EXIT_MAX]; /* see exit_wish_parse */
	unsigned hops;
	unsigned paths;    /* in use at once, 1..CLIENT_IN_USE_MAX; 0: 1 */
	unsigned backups;  /* besides, 0..CLIENT_BACKUPS_MAX */
	uint32_t rotate_s; /* 0: the protocol's own lifetimes */
	struct session_options options;
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
/* client_reconnect: other routes now, to the same exit unless new_exit. */
void client_reconnect(struct client *c, bool new_exit, const struct now *now);

/* client_network_changed: links, addresses or routes of the machine did, or it was asleep: what
 * waits is tried now. */
void client_network_changed(struct client *c, const struct now *now);

/* Give it every engine event, and time. */
void client_on_event(struct client *c, const struct engine_event *ev, const struct now *now);
void client_tick(struct client *c, const struct now *now);
uint64_t client_deadline(const struct client *c);

/* ---- what there is to show ---- */

struct client_hop {
	uint8_t id[NODE_ID_LEN];
	char name[DESCRIPTOR_NAME_MAX + 1];
	char country[3];
	struct endpoint addr;
	/* Only in views: */
	uint64_t rtt_ns;               /* from here to it and back, smoothed; 0: not measured yet */
	struct health_figures figures; /* what it adds to the hop before */
	struct verdict verdict;
	uint32_t uptime_ppm; /* as far as we have seen, on whatever route */
};

enum client_path_role {
	CLIENT_PATH_MAKING, /* being built or attached */
	CLIENT_PATH_IN_USE,
	CLIENT_PATH_BACKUP,
	CLIENT_PATH_DEGRADED, /* left for doing badly, and watched until it does well */
	CLIENT_PATH_TRIAL,    /* may be better than one in use or ready */
	CLIENT_PATH_SPARE,    /* to another exit, should ours be dead */
	CLIENT_PATH_ENDING,   /* what is still under way may arrive */
};

struct client_path {
	enum client_path_role role;
	uint8_t weight; /* its share of the flows, of 255 */
	unsigned hops;
	struct client_hop hop[HOPS_MAX];
	uint64_t since_wall_ns; /* it stands */
	uint64_t build_ns;      /* from its CREATE to CREATED */
	struct path_stats stats;
	struct health_figures figures; /* of the whole way */
	struct verdict verdict;
};

struct client_view {
	enum client_state state;
	char reason[CLIENT_REASON_MAX]; /* why it is not connected, or what it waits for */
	uint64_t since_wall_ns;
	bool has_session;
	struct session_grant grant;
	/* The first one in use, as far as there is one: what is shown as the route. */
	unsigned hops;
	struct client_hop hop[HOPS_MAX];
	uint64_t route_wall_ns, build_ns;
	struct path_stats stats;
	/* All of them; those in use first, in order of importance. */
	unsigned paths, in_use, backups;
	struct client_path path[CLIENT_PATHS_MAX];
};
void client_view(const struct client *c, const struct now *now, struct client_view *out);

/* What a connection by some wish would cost, beside none at all. */
struct client_cost {
	bool is_known;      /* else why says what is missing */
	bool is_measured;   /* all of it by ourselves; else partly guessed from countries */
	uint64_t rtt_ns;    /* to the exit and back, through the mesh */
	uint64_t direct_ns; /* to where the exit is and back, without */
	uint32_t
	    goodput_ppm; /* of what the line carries, how much is the user's; at full packets */
	char why[CLIENT_REASON_MAX];
};
/* client_expect(c, wish, now, out): the middle one of a few routes that may be drawn. */
void client_expect(struct client *c, const struct client_wish *wish, const struct now *now,
		   struct client_cost *out);
/* client_goodput_ppm(hops): of full packets on that many.  client_share_ppm: of these cells' bytes
 * on the line, how much the bytes inside are. */
uint32_t client_goodput_ppm(unsigned hops);
uint32_t client_share_ppm(uint64_t bytes, uint64_t cells);

/* client_explain(c, now, out): why the first route in use goes through these nodes and not others.
 * -ENOENT: there is none, or one of its nodes is no longer known. */
MUST_USE int client_explain(struct client *c, const struct now *now, struct path_explanation *out);

/* What the owner must know, in order. */
enum client_note_type {
	CLIENT_NOTE_STATE,   /* state or reason changed */
	CLIENT_NOTE_SESSION, /* new inner addresses: set up the machine (client_view has them) */
	CLIENT_NOTE_ROUTE,   /* other paths carry the traffic; text says why */
	CLIENT_NOTE_PATH,    /* a path that carries nothing failed, or was replaced */
	CLIENT_NOTE_HEALTH,  /* the verdict on a hop of a path has changed */
	CLIENT_NOTE_ERROR,   /* text says what failed; it goes on trying */
};
#define CLIENT_NOTE_COUNT (CLIENT_NOTE_ERROR + 1)

struct client_note {
	enum client_note_type type;
	char text[CLIENT_REASON_MAX];
	unsigned hop;          /* that it is about; 0: none */
	struct client_hop who; /* if hop: id, name, country */
	bool has_verdict;
	struct verdict verdict; /* if has_verdict: of that hop */
	bool has_dropped;
	uint32_t dropped; /* if has_dropped: connections that it ended */
};
bool client_next_note(struct client *c, struct client_note *out);

#endif
