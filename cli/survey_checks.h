/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Verdicts on this machine's way to the mesh, from what nodes said of it (app/survey_app.h). */
#ifndef CLI_SURVEY_CHECKS_H
#define CLI_SURVEY_CHECKS_H

#include "app/survey_app.h"
#include "cli/verdict.h"

enum nat_kind {
	NAT_UNKNOWN,
	NAT_NONE,
	NAT_EASY, /* one address and port for all that is called */
	NAT_HARD, /* another for each */
};

/* nat_kind(f): of this family.  nat_name: for programs. */
enum nat_kind nat_kind(const struct survey_app_family *f);
const char *nat_name(enum nat_kind kind);

/* survey_seen(f): as whom the nodes see this machine; NULL: unknown. */
const struct endpoint *survey_seen(const struct survey_app_family *f);

/* survey_answered(f): how many nodes answered. */
unsigned survey_answered(const struct survey_app_family *f);

/* survey_was_called(f): some node called us, and got the right answer. */
bool survey_was_called(const struct survey_app_family *f);

/* check_network(v, r): the mesh, UDP, IPv4 and IPv6, MTU, NAT, clock. */
void check_network(struct verdicts *v, const struct survey_app_report *r);

/* check_called(v, r, port): whether others reach the node's port. */
void check_called(struct verdicts *v, const struct survey_app_report *r, unsigned port);

#endif
