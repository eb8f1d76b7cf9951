/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the files behind client.h. */
#ifndef CLIENT_CLIENT_INT_H
#define CLIENT_CLIENT_INT_H

#include "client/client.h"
#include "client/takeover.h"
#include "client/train.h"

enum {
	ROUTES_MAX = CLIENT_PATHS_MAX,
	NOTES_MAX = 32,
	AVOIDED_MAX = 32,
	ASKS_MAX = 3,         /* of each question to the exit */
	ROUNDS_IDLE_MAX = 3,  /* of ECHOs to a path that is only thought to live */
	ROUNDS_DOUBT_MAX = 2, /* to one that the engine suspects: its traffic has waited already */
	AT_ONCE_MAX = 2,      /* routes being made while nothing carries the traffic */
	DEGRADED_MAX = 2,     /* routes that are watched for doing well again */
	WHY_MAX = 160,
	LOAD_FULL_PERCENT = 80,
	FULLS_MAX = 6,       /* routes in a row that are turned down for that ... */
	FULLS_FIRST_MAX = 2, /* ... before there is a session */
};

#define BUILD_TIMEOUT_NS   (4 * NS_PER_S)
#define ASK_TIMEOUT_MIN_NS (NS_PER_S / 2)
#define AVOID_MIN_NS       (8 * NS_PER_S) /* one that failed; twice that each time it does again */
#define AVOID_MAX_NS       (128 * NS_PER_S)
#define DRAIN_NS           (2 * NS_PER_S)
#define DRAIN_IDLE_NS      (NS_PER_S / 2)  /* it carried nothing */
#define SUCCESSOR_NS       (30 * NS_PER_S) /* before the hops forget a circuit */
#define STAGGER_NS         (NS_PER_S / 10) /* between routes that are not urgent */
#define SCARCE_NS          (30 * NS_PER_S) /* until the mesh may have nodes for one more */
#define RETRY_MIN_NS       (NS_PER_S / 4)
#define RETRY_MAX_NS       (15 * NS_PER_S)
#define RETRY_SESSION_NS   NS_PER_S       /* the longest while connections wait */
#define ECHO_IN_USE_NS     (2 * NS_PER_S) /* mean time between rounds of ECHOs */
#define ECHO_BACKUP_NS     (6 * NS_PER_S)
#define ECHO_TIMEOUT_NS    (NS_PER_S / 5) /* the least */
#define ECHO_SILENT_NS     (NS_PER_S / 2) /* between rounds to one that is silent */
#define GIVE_UP_NS         (NS_PER_S / 2) /* one that is silent, at the least */
#define ALERT_GAP_NS       (NS_PER_S / 4) /* between rounds while a verdict is about to change */
#define ALERT_MAX_NS       (10 * NS_PER_S)
#define DEGRADE_GAP_NS     (3 * NS_PER_S)   /* between routes that are left for doing badly */
#define DEGRADED_MAX_NS    (300 * NS_PER_S) /* then such a route is given up */
#define TRIAL_NS           (2 * NS_PER_S)   /* to measure what may be better */
#define SAMPLE_NS          NS_PER_S
#define DOUBT_MAX_NS       (5 * NS_PER_S) /* suspect, though the exit answers */
#define SILENT_TELL_NS     (NS_PER_S / 2) /* all are silent: time to say so */
#define EXIT_PATIENCE_NS   NS_PER_S       /* silent while others are heard: dead */
#define SEEDS_PATIENCE_NS  (3 * NS_PER_S)
#define HURRY_GAP_NS       (NS_PER_S / 4) /* changes of the network come in flocks */
#define ASLEEP_NS          (5 * NS_PER_S) /* later than due: the machine slept */

enum route_state {
	ROUTE_FREE,
	ROUTE_BUILDING,
	ROUTE_HELD,    /* a spare's circuit, without a session */
	ROUTE_READY,   /* a spare, attached to a session of its own */
	ROUTE_OPENING, /* asking for a session */
	ROUTE_ATTACHING,
	ROUTE_STANDING, /* attached */
	ROUTE_DRAINING,
};

/* One path of ours, from the choice of its nodes to its end. */
struct client_route {
	enum route_state state;
	uint32_t path, session;
	unsigned n;
	struct client_hop hop[HOPS_MAX];
	struct route_health health;
	uint64_t due_ns; /* of the state: time-out, end of draining */
	unsigned asks;
	uint64_t rtt_ns;       /* of the whole path */
	uint64_t successor_ns; /* another is to take over */
	uint64_t ready_wall_ns;

	bool is_spare;              /* to another exit than the session's */
	bool is_taken;              /* a spare that is to be the session's as soon as it can */
	struct session_grant grant; /* a spare's own */
	bool is_trial;              /* in place of the rival, if it turns out better */
	bool is_degraded;           /* left for doing badly, and watched */
	bool is_suspect;            /* the engine's word: its traffic is not acknowledged */
	bool is_silent;             /* ours: the exit does not answer ECHOs */
	bool is_leaving;            /* ends when another stands */
	bool is_poor;               /* its verdict is not green: others are used first */
	uint8_t weight;             /* in use, if not 0 */
	const char *why;            /* it leaves */
	uint32_t rival;             /* path of one that it may replace */
	uint64_t trial_ns;          /* when that is decided */
	uint64_t degraded_ns;       /* since when */

	uint64_t echo_ns;   /* next round of ECHOs, or the end of this one's time */
	bool is_asked;      /* a round is under way */
	unsigned rounds;    /* that the exit did not answer, in a row */
	unsigned reached;   /* farthest hop that answered in these */
	uint64_t doubt_ns;  /* since when the engine suspects it */
	uint64_t silent_ns; /* since when it is silent */
	uint64_t asked_ns;  /* when the last round was */
	bool is_near;       /* in it, the hop before the exit answered */
	bool is_witness;    /* the round before: that one did, and the exit did not */

	uint64_t alert_ns; /* since when rounds follow each other closely; 0: they do not */
	struct train train;

	uint64_t sample_ns;        /* next look at what its traffic shows */
	uint64_t sampled_ns;       /* last one */
	struct path_stats sampled; /* what it showed */
};

struct avoided {
	uint8_t id[NODE_ID_LEN];
	uint64_t until_ns, for_ns; /* 0: it never was */
};

struct client_session {
	uint32_t id; /* 0: none */
	struct session_grant grant;
	uint8_t exit[NODE_ID_LEN];
	bool is_new;        /* the owner has not been told yet */
	uint64_t silent_ns; /* since when no path of it lives; 0: one does */
	uint64_t heard_ns;  /* since then, anything else answered first; 0: nothing has */
	uint64_t asked_ns;  /* since when the exit owes an answer; 0: it does not */
	struct closings closed;
};

struct client {
	struct client_params params;
	struct path_chooser *chooser;
	enum client_state state;
	char reason[CLIENT_REASON_MAX];
	uint64_t since_wall_ns;
	struct client_wish wish;
	struct client_session session;

	struct client_route route[ROUTES_MAX];
	struct client_route *primary;    /* first of those in use, or NULL */
	struct path_use use[ROUTES_MAX]; /* as the engine was told last */
	size_t use_count;

	struct avoided avoid[AVOIDED_MAX];
	unsigned fulls;       /* routes turned down in a row, because a hop was full */
	uint64_t degraded_ns; /* when a route was left for doing badly, last */
	uint64_t improve_ns;  /* next look for better ones; 0: not set yet */
	uint64_t retry_ns;    /* no new route before */
	uint64_t spare_ns;    /* no new spare before */
	uint64_t backoff_ns;
	uint64_t view_due_ns; /* seeds should have answered */
	uint64_t hurry_ns;    /* a change of the network is to be followed then; NEVER: none is */
	uint64_t hurried_ns;  /* the last time */
	uint64_t due_ns;      /* what client_deadline said after the last tick */
	int64_t clock_ns;     /* wall clock less mono when a route stood, last; 0: none has */

	struct client_note notes[NOTES_MAX];
	unsigned note_head, note_count;
};

/* ---- client.c ---- */
void client_set_state(struct client *c, enum client_state state, const struct now *now,
		      const char *fmt, ...) __attribute__((format(printf, 4, 5)));
struct client_note *client_note(struct client *c, enum client_note_type type, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* What something is about, and why. */
struct cause {
	const char *text;
	unsigned hop; /* 0: none in particular */
	const struct client_hop *who;
	const struct verdict *verdict;       /* or NULL */
	const struct client_route *over_now; /* or NULL: the first of those in use */
};
/* client_note_cause: the same, about that hop. */
struct client_note *client_note_cause(struct client *c, enum client_note_type type,
				      const struct cause *cause, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- session.c: which paths there should be, and which of them carry the traffic ---- */

/* session_use(c, why, now): tell the engine, after any change of what there is to use; why (or
 * NULL) those who look on. */
void session_use(struct client *c, const struct cause *why, const struct now *now);
/* session_new(c, r, grant, now): the route's session is ours now; what the last one had ends. */
void session_new(struct client *c, struct client_route *r, const struct session_grant *grant,
		 const struct now *now);
/* session_forget(c, now): as if there had been none; its routes go. */
void session_forget(struct client *c, const struct now *now);
/* session_stands(c, r, now): one more route of it. */
void session_stands(struct client *c, struct client_route *r, const struct now *now);
/* session_any_lives: some path of it answers. */
bool session_any_lives(const struct client *c);
/* session_connections: those with packets in the last minute. */
uint32_t session_connections(const struct client *c);
/* session_is_complete: there are as many paths as there should be. */
bool session_is_complete(const struct client *c);
/* session_trim(c, keep, now): there may be one too many; not that one (or NULL). */
void session_trim(struct client *c, const struct client_route *keep, const struct now *now);
void session_tick(struct client *c, const struct now *now);
uint64_t session_deadline(const struct client *c);

/* ---- route.c: one route's life ---- */

enum route_aim {
	AIM_SESSION, /* the session's exit; without a session any that is wished */
	AIM_SPARE,   /* another than the session's */
};

/* route_start(c, aim, now, why): choose nodes and build; false with why filled. */
bool route_start(struct client *c, enum route_aim aim, const struct now *now,
		 char why[static PATH_WHY_MAX]);
/* route_build: over these nodes; NULL with why filled. */
struct client_route *route_build(struct client *c, const struct path_route *pr,
				 const struct now *now, char why[static PATH_WHY_MAX]);
void route_open(struct client *c, struct client_route *r, const struct now *now);
/* route_attach: to the session that it names.  route_stand: it is attached. */
void route_attach(struct client *c, struct client_route *r, uint32_t session,
		  const struct now *now);
void route_stand(struct client *c, struct client_route *r, const struct now *now);
/* route_hold: a spare's circuit stands; the session that it may have ends. */
void route_hold(struct client *c, struct client_route *r, const struct now *now);
void route_on_event(struct client *c, struct client_route *r, const struct engine_event *ev,
		    const struct now *now);
void route_tick(struct client *c, struct client_route *r, const struct now *now);
uint64_t route_deadline(const struct client_route *r);
/* route_fail(c, r, hop, now, what): it cannot be had, or not any more; hop 0: nobody knows why. */
void route_fail(struct client *c, struct client_route *r, unsigned hop, const struct now *now,
		const char *what, ...) __attribute__((format(printf, 5, 6)));
void route_drop(struct client *c, struct client_route *r, const struct now *now);
void route_drain(struct client_route *r, const struct now *now);
const char *route_hop_text(const struct client_route *r, unsigned hop,
			   char out[static DESCRIPTOR_TEXT_MAX]);

/* To the exit and back, smoothed; at first what the circuit's making took. */
static inline uint64_t route_rtt_ns(const struct client_route *r)
{
	const uint64_t smooth_ns = r->n > 0 ? r->health.way[r->n - 1].rtt.smooth_ns : 0;

	return smooth_ns != 0 ? smooth_ns : r->rtt_ns;
}

static inline bool route_is_coming(const struct client_route *r)
{
	return r->state == ROUTE_BUILDING || r->state == ROUTE_OPENING ||
	       r->state == ROUTE_ATTACHING;
}

static inline bool route_lives(const struct client_route *r)
{
	return r->state == ROUTE_STANDING && !r->is_suspect && !r->is_silent;
}

/* shares_node: a node other than the exit is on both. */
bool route_shares_node(const struct client_route *a, const struct client_route *b);

/* ---- watch.c: does a standing route live, and which hop does not ---- */
void watch_begin(struct client *c, struct client_route *r, const struct now *now);
/* watch_hold: a spare is only asked whether it lives. */
void watch_hold(struct client_route *r, const struct now *now);
/* watch_now(c, r, now): ask at once. */
void watch_now(struct client *c, struct client_route *r, const struct now *now);
void watch_on_event(struct client *c, struct client_route *r, const struct engine_event *ev,
		    const struct now *now);
void watch_tick(struct client *c, struct client_route *r, const struct now *now);
uint64_t watch_deadline(const struct client_route *r);

/* ---- degrade.c: what follows from verdicts ---- */
/* degrade_judge(c, r, now): after whatever was measured. */
void degrade_judge(struct client *c, struct client_route *r, const struct now *now);

/* ---- improve.c: better routes than there are ---- */
void improve_tick(struct client *c, const struct now *now);
uint64_t improve_deadline(const struct client *c);
/* improve_soon: there may well be some. */
void improve_soon(struct client *c, const struct now *now);

/* ---- mirror.c ---- */
void mirror_offer_paths(struct client *c);

/* ---- choice.c ---- */
void choice_avoid(struct client *c, const uint8_t id[static NODE_ID_LEN], const struct now *now);
void choice_forget(struct client *c);
/* choice_again_ns: when the next of those to avoid may be tried again; NEVER: there are none. */
uint64_t choice_again_ns(const struct client *c, const struct now *now);
/* choice_readmit: it does well again. */
void choice_readmit(struct client *c, const uint8_t id[static NODE_ID_LEN]);
/* choice_exit: into w, what is wished for as the exit.  False with why filled. */
bool choice_exit(const struct client *c, const char *text, struct path_wish *w,
		 char why[static PATH_WHY_MAX]);
/* choice_make: nodes for a new path, apart from those of the other routes as far as can be.  False
 * with why filled. */
bool choice_make(struct client *c, enum route_aim aim, const struct now *now,
		 struct path_route *out, char why[static PATH_WHY_MAX]);
/* choice_better: nodes for one that may take the rival's place; false: none at the moment. */
bool choice_better(struct client *c, const struct client_route *rival, const struct now *now,
		   struct path_route *out);
/* choice_cost(c, r, now): of the nodes of a route that stands, beside all others; UINT64_MAX when
 * one of them is no longer known. */
uint64_t choice_cost(struct client *c, const struct client_route *r, const struct now *now);

#endif
