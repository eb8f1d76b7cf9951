/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a standing route can carry: trains of ECHOs to its hops, a bounded share of its bytes. */
#ifndef CLIENT_TRAIN_H
#define CLIENT_TRAIN_H

#include "client/client.h"

enum {
	TRAIN_CELLS = 12,
};

struct client_route;

/* Cells to a hop close behind each other, and how far apart their answers come. */
struct train {
	uint8_t hop; /* 0: none is under way */
	uint8_t sent, gaps;
	uint64_t begun_ns, next_ns, end_ns; /* next_ns: of the next cells; else of the next train */
	uint64_t last_ns, last_cells;       /* the answer before, and what had come in then */
	uint64_t bps[TRAIN_CELLS];          /* by each gap, in order of size */
	uint64_t budget_bytes;
};

void train_begin(struct client_route *r, const struct now *now);
/* train_earn: it has carried so many bytes: trains may take a share of that. */
void train_earn(struct client_route *r, uint64_t bytes);
/* train_hurry: something is odd: the next one now, if there is the budget. */
void train_hurry(struct client_route *r, const struct now *now);
/* train_on_echo: true when the answer was one of a train's, and not its first. */
bool train_on_echo(struct client *c, struct client_route *r, const struct engine_event *ev,
		   const struct now *now);
void train_tick(struct client *c, struct client_route *r, const struct now *now);
uint64_t train_deadline(const struct client_route *r);

#endif
