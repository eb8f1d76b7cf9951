/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The client's side of the engine's door (core/engine.h): its circuits ("paths"), and the sessions
 * that they are attached to. */
#ifndef CORE_ENGINE_CLIENT_H
#define CORE_ENGINE_CLIENT_H

#include "core/flow.h"
#include "onion/create.h"
#include "wire/control.h"

struct engine;

struct path_spec {
	unsigned n;
	struct create_hop hop[HOPS_MAX];
	uint8_t entry_link_key[DH_LEN];
	uint8_t exit_session_key[DH_LEN];
	uint8_t exit_workers; /* as its descriptor says; 0 is taken for 1 */
	uint16_t lifetime_s;
};

/* engine_path_build: its id (never 0), or 0 when limits or a degenerate key forbid.  Answers:
 * EVENT_PATH_OPEN, EVENT_PATH_FAILED. */
uint32_t engine_path_build(struct engine *e, const struct path_spec *spec, const struct now *now);
void engine_path_close(struct engine *e, uint32_t path, const struct now *now);
/* engine_path_echo(e, path, hop (1-based), now): answered by EVENT_ECHO. */
void engine_path_echo(struct engine *e, uint32_t path, unsigned hop, const struct now *now);
/* engine_path_counters: what the hop has forwarded on this path; answered by EVENT_COUNTERS. */
void engine_path_counters(struct engine *e, uint32_t path, unsigned hop, const struct now *now);
/*
 * engine_path_message(e, path, body, answers, now): the first MESH_QUESTION_LEN bytes of a question
 * about the mesh to the last hop of an open path; up to so many answers (MESH_ANSWERS_MAX) may
 * come: EVENT_PATH_MESSAGE.
 */
void engine_path_message(struct engine *e, uint32_t path, const uint8_t body[static CELL_BODY_LEN],
			 unsigned answers, const struct now *now);

/*
 * Sessions: each has its own inner addresses at one exit, outlives its paths and may have several
 * at once.  A path is attached to at most one.
 *
 * engine_session_open(e, path, now): ask the exit of this open path for one.  Its id (never 0),
 * carried by EVENT_SESSION_OPEN / _FAILED; 0 when there are too many or the path is not open.  An
 * answer may be lost: the caller closes the session after a while, and opens another.
 */
#define SESSIONS_MAX      16
#define SESSION_PATHS_MAX ATTACH_PATHS_MAX

uint32_t engine_session_open(struct engine *e, uint32_t path, const struct now *now);
/* engine_session_attach: make the path one of the open session's, not used before
 * engine_session_use says so.  EVENT_PATH_ATTACHED / _ATTACH_FAILED. */
void engine_session_attach(struct engine *e, uint32_t session, uint32_t path,
			   const struct now *now);
/* engine_session_close: tell the exit, forget the session.  Paths stay. */
void engine_session_close(struct engine *e, uint32_t session, const struct now *now);

struct path_use {
	uint32_t path;
	uint8_t weight; /* 1..255: its share of the flows; 0: a backup */
};

/*
 * engine_session_use(e, session, use, n, now): flows are pinned to carriers by weighted rendezvous,
 * and stay there.  A carrier that turns suspect hands its flows to the other carriers or, when
 * there are none, to the first backup that lives, in the order given.  Attached paths that are not
 * named carry nothing.  Both directions follow.
 */
void engine_session_use(struct engine *e, uint32_t session, const struct path_use *use, size_t n,
			const struct now *now);

struct session_options {
	enum flow_isolation isolate;
	bool duplicate; /* small packets of interactive flows go over two paths, both ways */
};
void engine_session_options(struct engine *e, uint32_t session, const struct session_options *o,
			    const struct now *now);

struct path_stats {
	uint32_t path;
	uint32_t session; /* that it is attached to, or 0 */
	bool is_attached;
	bool is_active;              /* named by engine_session_use as a carrier */
	bool is_suspect;             /* see EVENT_PATH_SUSPECT */
	uint32_t flows;              /* pinned to it, with packets in the last minute */
	uint64_t srtt_ns, rttvar_ns; /* RFC 6298, without the other end's delay; 0: not known */
	uint64_t tx_cells, acked_cells, rx_cells;
	uint64_t tx_bytes, rx_bytes;       /* of inner packets */
	uint64_t tx_ce;                    /* of our cells: met congestion */
	uint64_t tx_lost;                  /* of our cells: never acknowledged, later ones were */
	uint64_t rx_lost;                  /* gaps in the exit's counters */
	uint64_t proofs_ok, proofs_failed; /* PACK digests: the forward half of the path proof */
	uint64_t bwd_ok, bwd_failed;       /* recomputed backward chains */
	uint64_t bwd_last_ns;              /* mono time of the last good one */
	uint64_t acked_last_ns, sent_last_ns, last_rx_ns; /* mono times, of session cells */
	uint64_t unanswered_ns; /* since when cells wait for anything to come back; 0: none does */
};
bool engine_path_stats(const struct engine *e, uint32_t path, struct path_stats *out);

#endif
