/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The client's half of engine_int.h: its circuits, its sessions, and what goes over them. */
#ifndef CORE_PATH_INT_H
#define CORE_PATH_INT_H

#include "core/engine_int.h"

/* ---- path.c: the client's circuits ---- */
enum path_state {
	PATH_LINKING,
	PATH_BUILDING,
	PATH_OPEN,
};

enum {
	PATH_ASKED_MAX = 32
};

/* A control request whose answer is awaited. */
struct path_asked {
	uint64_t b1;  /* first counter under which an answer may reach us; 0: free */
	uint64_t got; /* of several: a bit for each that has come */
	uint64_t sent_ns;
	uint64_t sent_cells; /* COUNTERS: path_sent when it was asked */
	uint32_t session;    /* SESS_NEW, ATTACH: for whom */
	uint8_t type;        /* enum control_type */
	uint8_t hop;
	uint8_t answers; /* how many there may be */
	uint8_t nonce[ECHO_NONCE_LEN];
};

struct path {
	uint32_t id;
	uint8_t state; /* enum path_state */
	uint8_t n;
	struct neighbour *entry;
	uint32_t circ_id;
	uint64_t seq_next;   /* counter of the next cell on the first link */
	uint64_t reply_next; /* control replies asked so far */
	struct hop_keys keys[HOPS_MAX];
	struct hop_binding binding;   /* the last hop's */
	struct create_client *create; /* while building */
	struct path_spec spec;
	uint64_t built_ns; /* CREATE sent */
	uint64_t ends_ns;  /* lifetime at the hops */
	struct path_asked asked[PATH_ASKED_MAX];
	struct window window;
	uint64_t window_bits[CIRCUIT_WINDOW_WORDS];
	struct session *owner;   /* that it is attached to, or NULL */
	uint8_t slot;            /* there */
	struct spath session;    /* valid with an owner */
	struct spath *attaching; /* between ATTACH and ATTACHED */
	struct outcell *open_cell;
	/* Cells by whom they were sealed for, and who made them: [0] is the entry. */
	uint64_t sent_to[HOPS_MAX], got_from[HOPS_MAX];
	uint64_t bwd_ok, bwd_failed, bwd_last_ns;
	struct list in_engine;
};

struct path *path_by_id(const struct engine *e, uint32_t id);
uint64_t path_seq_at(const struct path *p, unsigned hop, uint64_t seq);
/* Whether a data cell of the exit's counter seq came in on the path. */
bool path_has_come(const struct path *p, uint64_t seq);
void path_on_created(struct engine *e, struct path *p, const uint8_t *body, const struct now *now);
void path_on_destroy(struct engine *e, struct path *p);
struct path_cell {
	struct path *path;
	uint8_t *cell;
	struct cell_header header;
};
void path_backward(struct engine *e, const struct path_cell *cells, size_t n,
		   const struct now *now);
/* Ask hop a control question, maybe for a session; body follows the head. */
bool path_ask(struct engine *e, struct path *p, unsigned hop, const struct session *s,
	      enum control_type type, const uint8_t *body, size_t len, const uint8_t *nonce,
	      const struct now *now);
void path_neighbour_up(struct engine *e, struct neighbour *nb, const struct now *now);
void path_neighbour_dead(struct engine *e, struct neighbour *nb);
void path_free_all(struct engine *e);
/* ---- session.c: the client's sessions ---- */
struct session {
	uint32_t id;
	bool is_open;
	struct noise_hs opening; /* SESS_NEW under way ... */
	uint32_t opening_on;     /* ... on this path, or 0 */
	uint8_t root[KEY_LEN];
	struct session_grant grant;
	uint32_t last_path_id;
	struct path *path[SESSION_PATHS_MAX]; /* attached, by slot; NULL: free */
	struct steer steer;                   /* its lanes are the slots */
	struct session_options options;
	struct group *group;           /* that it serves, or NULL */
	struct paths told;             /* what the exit is to know of the paths ... */
	bool is_changed;               /* ... is not this any more */
	uint32_t told_version;         /* that it has confirmed */
	uint64_t tell_ns, tell_gap_ns; /* when it is told again */
	struct list in_engine;
};

struct session *session_by_id(const struct engine *e, uint32_t id);
void session_path_gone(struct engine *e, struct path *p);
void session_on_answer(struct engine *e, struct path *p, uint32_t session, uint8_t type,
		       enum control_status status, const uint8_t *body, size_t len,
		       uint64_t rtt_ns);
void session_free_all(struct engine *e);
/* ---- failover.c: which of a session's paths are used ---- */
/* The path took its slot, where it had been in use as before if that was its own; or leaves it. */
void failover_attached(struct session *s, unsigned slot, const struct lane *before);
void failover_detached(struct session *s, unsigned slot);
/* What the exit says of the paths. */
void failover_on_paths(struct session *s, const struct paths *p);
/* Ask all paths now whether they live. */
void failover_hurry(struct engine *e);
void failover_tick(struct engine *e, const struct now *now);
uint64_t failover_deadline(const struct engine *e);
/* ---- group.c: sessions behind one address ---- */
void group_free_all(struct engine *e);
void group_session_gone(struct session *s);
/* Whose address is the packet's source; NULL: no group's. */
struct group *group_of_packet(const struct engine *e, const struct packet *p);
/* *out: the session that p, with another source if need be, leaves through; NULL (and DROP_NONE): p
 * waits for one. */
enum drop group_divert(struct engine *e, struct group *g, struct packet *p, struct session **out,
		       const struct now *now);
/* A packet that came to a session of a group gets the group's address.  False: there is none. */
bool group_restore(const struct session *s, uint8_t *p, size_t len, uint8_t flags);
/* ---- tunnel.c: packets of the client's sessions ---- */
/* The path's open cell with room for len more bytes, a new one if need be; NULL: no buffer. */
struct outcell *tunnel_cell(struct engine *e, struct path *p, size_t len, const struct now *now);
/* What the path in that slot was given and has not acknowledged goes over others, once. */
void tunnel_resend(struct engine *e, struct session *s, unsigned slot, const struct now *now);
void tunnel_flush(struct engine *e, const struct now *now);
void tunnel_deliver(struct engine *e, const struct incell *cells, size_t n, const struct now *now);
void tunnel_tick(struct engine *e, const struct now *now);
uint64_t tunnel_deadline(const struct engine *e);

#endif
