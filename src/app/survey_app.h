/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What nodes say of this machine: mesh/survey.h with sockets, in the caller's thread, without the
 * daemon.  First the mesh is learnt from the seeds; then some of its nodes are asked, over IPv4 and
 * IPv6 each from a socket of its own.  Where the mesh cannot be learnt the seeds are asked.
 */
#ifndef APP_SURVEY_APP_H
#define APP_SURVEY_APP_H

#include "config/config.h"
#include "mesh/identity.h"
#include "mesh/survey.h"

#define SURVEY_TEXT_MAX 256

struct survey_app_params {
	const struct config *cfg;        /* borrowed */
	uint8_t roles;                   /* nodes with any of them are asked */
	uint32_t mark;                   /* of the sockets, where that is allowed */
	const struct identity *identity; /* borrowed; NULL: a client's.  Ask to be called: */
	struct endpoint listen;          /* answered there, if the port is free */
	uint16_t dial_port;
};

/* One node that was asked. */
struct survey_app_node {
	char name[33];
	char country[3];
	struct endpoint endpoint;
	struct survey_result said;
};

struct survey_app_family {
	bool has_route; /* this machine has an address and a way to the nodes */
	bool has_local;
	struct endpoint local; /* from where it sends to them */
	unsigned count;
	struct survey_app_node nodes[SURVEY_TARGETS_MAX];
};

struct survey_app_report {
	struct survey_app_family v4, v6;
	unsigned known;     /* nodes of the mesh; 0: it could not be learnt, seeds were asked */
	bool is_head_old;   /* of the registry */
	bool is_port_taken; /* somebody has the port: the daemon, if it answered for the key */
	bool is_listed;     /* the mesh has the identity's descriptor */
	uint64_t listed_until_s;
};

/* survey_app_run(params, out, error): takes seconds.  0, or -errno with error saying why nobody
 * could be asked. */
MUST_USE int survey_app_run(const struct survey_app_params *params, struct survey_app_report *out,
			    char error[static SURVEY_TEXT_MAX]);

#endif
