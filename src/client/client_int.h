/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the files behind client.h. */
#ifndef CLIENT_CLIENT_INT_H
#define CLIENT_CLIENT_INT_H

#include "client/client.h"

enum {
	ROUTES_MAX = 4, /* in use, being made, draining */
	NOTES_MAX = 32,
	AVOID_MAX = 32,
	TRIES_MAX = 3,      /* of each question */
	EXIT_TRIES_MAX = 4, /* new paths to the session's exit, before the session is given up */
};

#define BUILD_TIMEOUT_NS     (4 * NS_PER_S)
#define ASK_TIMEOUT_MIN_NS   (NS_PER_S / 2)
#define AVOID_NS             (60 * NS_PER_S)
#define ECHO_MIN_NS          (5 * NS_PER_S)
#define ECHO_RAND_NS         (5 * NS_PER_S)
#define DRAIN_NS             (5 * NS_PER_S)
#define SUCCESSOR_BEFORE_NS  (30 * NS_PER_S)
#define RETRY_MIN_NS         (NS_PER_S / 2)
#define RETRY_MAX_NS         (15 * NS_PER_S)
#define RETRY_SESSION_MAX_NS (2 * NS_PER_S)   /* connections wait */
#define EXIT_GIVE_UP_NS      (120 * NS_PER_S) /* exits keep a session without paths for 180 s */
#define SILENT_NS            (3 * NS_PER_S)
#define PAUSE_NS             NS_PER_S
#define SEEDS_PATIENCE_NS    (3 * NS_PER_S)
#define HURRY_GAP_NS         (NS_PER_S / 4) /* changes of the network come in flocks */
#define ASLEEP_NS            (5 * NS_PER_S) /* later than due: the machine slept */

enum route_state {
	ROUTE_FREE,
	ROUTE_BUILDING,
	ROUTE_OPENING, /* asking for a session */
	ROUTE_ATTACHING,
	ROUTE_READY, /* attached; carries the traffic */
	ROUTE_DRAINING,
};

/* One path of ours, from the choice of its nodes to its end. */
struct client_route {
	enum route_state state;
	uint32_t path;
	uint32_t session; /* while OPENING: the one asked for */
	unsigned n;
	struct client_hop hop[HOPS_MAX];
	uint64_t due_ns; /* of the state: time-out, successor, end of draining */
	unsigned tries;
	uint64_t rtt_ns;          /* of the whole path */
	uint64_t successor_ns;    /* when another is to take over, before the hops forget it */
	uint64_t echo_ns;         /* next round of ECHOs */
	unsigned echo_unanswered; /* rounds in which the exit did not answer */
	uint64_t rx_cells;        /* at the last pause */
	uint64_t ready_wall_ns;
};

struct avoided {
	uint8_t id[NODE_ID_LEN];
	uint64_t until_ns;
};

struct client {
	struct client_params params;
	struct path_chooser *chooser;
	enum client_state state;
	char reason[CLIENT_REASON_MAX];
	uint64_t since_wall_ns;
	struct client_wish wish;

	bool has_session;
	uint32_t session; /* the engine's name of it */
	struct session_grant grant;
	uint8_t session_exit[NODE_ID_LEN];
	bool session_is_new;    /* the owner has not been told yet */
	uint64_t lost_ns;       /* when the last path of the session went */
	unsigned exit_failures; /* paths to it that failed, since one stood */

	struct client_route route[ROUTES_MAX];
	struct client_route *active; /* READY and in use, or NULL */
	struct avoided avoid[AVOID_MAX];
	uint64_t retry_ns; /* no new path before */
	uint64_t backoff_ns;
	uint64_t watch_ns;    /* next look at the path in use */
	uint64_t view_due_ns; /* seeds should have answered */
	uint64_t hurry_ns;    /* a change of the network is to be followed then; NEVER: none is */
	uint64_t hurried_ns;  /* the last time */
	uint64_t due_ns;      /* what client_deadline said after the last tick */

	struct client_note notes[NOTES_MAX];
	unsigned note_head, note_count;
};

/* ---- client.c ---- */
void client_set_state(struct client *c, enum client_state state, const struct now *now,
		      const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void client_note(struct client *c, enum client_note_type type, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- route.c ---- */

/* route_start(c, keep_exit, now): choose nodes and build; false with the reason noted. */
bool route_start(struct client *c, bool keep_exit, const struct now *now);
void route_on_event(struct client *c, struct client_route *r, const struct engine_event *ev,
		    const struct now *now);
void route_tick(struct client *c, struct client_route *r, const struct now *now);
void route_drop(struct client *c, struct client_route *r, const struct now *now);
uint64_t route_deadline(const struct client_route *r);
struct client_route *route_by_path(struct client *c, uint32_t path);
/* A route is being made. */
bool route_is_coming(const struct client *c);

/* ---- choice.c ---- */
void choice_avoid(struct client *c, const uint8_t id[static NODE_ID_LEN], const struct now *now);
void choice_forget(struct client *c);
/* choice_make: nodes for a new path.  False with why filled. */
bool choice_make(struct client *c, bool keep_exit, const struct now *now, struct path_route *out,
		 char why[static PATH_WHY_MAX]);

#endif
