/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/survey_checks.h"

#include <stdlib.h>

enum {
	CLOCK_WARN_MS = 10 * 1000,
	CLOCK_FAIL_MS = 90 * 1000, /* of the 120 s beyond which circuits and descriptors fail */
	MTU_V4 = CELL_LEN + 28,
	MTU_V6 = CELL_LEN + 48,
};

unsigned survey_answered(const struct survey_app_family *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < f->count; i++)
		n += f->nodes[i].said.is_up;
	return n;
}

static unsigned small_answered(const struct survey_app_family *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < f->count; i++)
		n += f->nodes[i].said.is_small_answered;
	return n;
}

const struct endpoint *survey_seen(const struct survey_app_family *f)
{
	for (unsigned i = 0; i < f->count; i++)
		if (f->nodes[i].said.is_seen)
			return &f->nodes[i].said.seen;
	return NULL;
}

bool survey_was_called(const struct survey_app_family *f)
{
	for (unsigned i = 0; i < f->count; i++)
		if (f->nodes[i].said.is_dialed && f->nodes[i].said.dial == REACH_OK)
			return true;
	return false;
}

/* ---- NAT ---- */

enum nat_kind nat_kind(const struct survey_app_family *f)
{
	const struct endpoint *first = survey_seen(f);
	unsigned seen = 0;
	bool is_same = true;

	for (unsigned i = 0; i < f->count; i++) {
		const struct survey_result *said = &f->nodes[i].said;

		if (!said->is_seen)
			continue;
		seen++;
		is_same &= endpoint_equal(&said->seen, first);
	}
	if (seen == 0 || !f->has_local)
		return NAT_UNKNOWN;
	if (memcmp(first->ip, f->local.ip, sizeof(first->ip)) == 0)
		return NAT_NONE;
	if (!is_same)
		return NAT_HARD;
	return seen > 1 ? NAT_EASY : NAT_UNKNOWN;
}

const char *nat_name(enum nat_kind kind)
{
	switch (kind) {
	case NAT_UNKNOWN:
		break;
	case NAT_NONE:
		return "none";
	case NAT_EASY:
		return "endpoint_independent";
	case NAT_HARD:
		return "endpoint_dependent";
	}
	return "unknown";
}

static void check_nat(struct verdicts *v, const struct survey_app_family *f)
{
	if (survey_seen(f) == NULL)
		return;
	switch (nat_kind(f)) {
	case NAT_UNKNOWN:
		verdict_add(v, VERDICT_NOTE, "NAT",
			    "there is one; only one node answered, so its kind cannot be told");
		break;
	case NAT_NONE:
		verdict_add(v, VERDICT_OK, "NAT", "none: nodes see this machine's own address");
		break;
	case NAT_EASY:
		verdict_add(v, VERDICT_OK, "NAT",
			    "endpoint-independent: one address and port for all nodes");
		break;
	case NAT_HARD:
		verdict_add(v, VERDICT_OK, "NAT",
			    "endpoint-dependent: each node sees another address or port; clients "
			    "work, a node needs a forwarded port");
		break;
	}
}

/* ---- the way there ---- */

static void check_udp(struct verdicts *v, const struct survey_app_report *r)
{
	const unsigned asked = r->v4.count + r->v6.count;
	const unsigned up = survey_answered(&r->v4) + survey_answered(&r->v6);
	const unsigned small = small_answered(&r->v4) + small_answered(&r->v6);

	if (up > 0) {
		verdict_add(v, VERDICT_OK, "UDP", "%u of %u calls to nodes answered", up, asked);
	} else if (small > 0) {
		verdict_add(v, VERDICT_OK, "UDP", "passes, but only in small packets: see MTU");
	} else {
		verdict_add(v, VERDICT_FAIL, "UDP", "none of %u calls to nodes answered", asked);
		verdict_advise(v, "allow outgoing UDP to any port in this network's firewall, or "
				  "try another network; if it works there, this one blocks UDP");
	}
}

static void check_family(struct verdicts *v, const struct survey_app_family *f, const char *name)
{
	const struct endpoint *seen = survey_seen(f);
	char text[ENDPOINT_TEXT_MAX];

	if (f->count == 0)
		verdict_add(v, VERDICT_NOTE, name, "not checked: no node that was asked has it");
	else if (!f->has_route)
		verdict_add(v, VERDICT_NOTE, name, "this machine has none");
	else if (seen != NULL)
		verdict_add(v, VERDICT_OK, name, "works; nodes see %s",
			    endpoint_ip_format(seen->ip, text));
	else
		verdict_add(v, VERDICT_WARN, name, "configured here, but no node answers over it");
}

static void check_mtu(struct verdicts *v, const struct survey_app_report *r)
{
	const bool narrow_v4 = survey_answered(&r->v4) == 0 && small_answered(&r->v4) > 0;
	const bool narrow_v6 = survey_answered(&r->v6) == 0 && small_answered(&r->v6) > 0;

	if (narrow_v4 || narrow_v6) {
		verdict_add(v, VERDICT_FAIL, "MTU",
			    "packets of 64 bytes pass over %s, cells of %d do not",
			    !narrow_v6   ? "IPv4"
			    : !narrow_v4 ? "IPv6"
					 : "IPv4 and IPv6",
			    CELL_LEN);
		verdict_advise(v,
			       "the way needs an MTU of %d (IPv4) or %d (IPv6): look at the "
			       "interface's (ip link), and at tunnels and PPPoE on the router",
			       MTU_V4, MTU_V6);
	} else if (survey_answered(&r->v4) + survey_answered(&r->v6) > 0) {
		verdict_add(v, VERDICT_OK, "MTU", "cells of %d bytes pass both ways", CELL_LEN);
	}
}

/* ---- the clock ---- */

static int compare(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static unsigned offsets_of(const struct survey_app_family *f, int64_t *out)
{
	unsigned n = 0;

	for (unsigned i = 0; i < f->count; i++)
		if (f->nodes[i].said.is_seen)
			out[n++] = f->nodes[i].said.offset_ms;
	return n;
}

/* Against the middle one: a few nodes may be wrong themselves. */
static void check_clock(struct verdicts *v, const struct survey_app_report *r)
{
	int64_t all[2 * SURVEY_TARGETS_MAX], off;
	unsigned n = offsets_of(&r->v4, all);

	n += offsets_of(&r->v6, all + n);
	if (n == 0)
		return;
	qsort(all, n, sizeof(all[0]), compare);
	off = all[n / 2];
	if (llabs(off) < CLOCK_WARN_MS) {
		verdict_add(v, VERDICT_OK, "Clock", "%.1f s from that of %u nodes",
			    (double)llabs(off) / 1000, n);
		return;
	}
	verdict_add(v, llabs(off) < CLOCK_FAIL_MS ? VERDICT_WARN : VERDICT_FAIL, "Clock",
		    "%.0f s %s those of %u nodes; beyond 120 s nothing works",
		    (double)llabs(off) / 1000, off > 0 ? "behind" : "ahead of", n);
	verdict_advise(v, "set it and keep it right: timedatectl set-ntp true");
}

void check_network(struct verdicts *v, const struct survey_app_report *r)
{
	if (r->known > 0)
		verdict_add(v, VERDICT_OK, "Mesh", "%u nodes known", r->known);
	else if (survey_answered(&r->v4) + survey_answered(&r->v6) > 0)
		verdict_add(v, VERDICT_WARN, "Mesh",
			    "seeds answer, but tell of no node that can be believed: see Clock, "
			    "and [mesh] registrar");
	if (r->is_head_old) {
		verdict_add(v, VERDICT_FAIL, "Registry",
			    "its signature is older than [mesh] head_max_age");
		verdict_advise(v, "the mesh's registrar has to sign it anew: macro registry renew");
	}
	check_udp(v, r);
	check_family(v, &r->v4, "IPv4");
	check_family(v, &r->v6, "IPv6");
	check_mtu(v, r);
	check_nat(v, &r->v4);
	check_clock(v, r);
}

/* ---- being called ---- */

static void count_calls(const struct survey_app_family *f, unsigned *asked, unsigned *reached)
{
	*asked = *reached = 0;
	for (unsigned i = 0; i < f->count; i++) {
		*asked += f->nodes[i].said.is_dialed;
		*reached += f->nodes[i].said.is_dialed && f->nodes[i].said.dial == REACH_OK;
	}
}

static void advise_port(struct verdicts *v, const struct survey_app_family *f, unsigned port)
{
	if (nat_kind(f) == NAT_NONE)
		verdict_advise(v,
			       "allow UDP port %u in this machine's firewall (ufw allow %u/udp, or "
			       "nft add rule inet filter input udp dport %u accept) and in your "
			       "provider's",
			       port, port, port);
	else
		verdict_advise(v,
			       "forward UDP port %u on the router to this machine, or let macrod "
			       "ask it to: [node] port_mapping = yes; and allow it in this "
			       "machine's firewall",
			       port);
}

static void check_called_family(struct verdicts *v, const struct survey_app_family *f,
				const char *check, unsigned port)
{
	unsigned asked, reached;

	count_calls(f, &asked, &reached);
	if (asked == 0)
		return;
	if (reached > 0) {
		verdict_add(v, VERDICT_OK, check,
			    "open: %u of %u nodes called it and got an answer", reached, asked);
		return;
	}
	verdict_add(v, VERDICT_FAIL, check, "blocked: %u node%s called UDP port %u, nothing came",
		    asked, asked > 1 ? "s" : "", port);
	advise_port(v, f, port);
}

void check_called(struct verdicts *v, const struct survey_app_report *r, unsigned port)
{
	const unsigned before = v->count;

	check_called_family(v, &r->v4, "Port, IPv4", port);
	check_called_family(v, &r->v6, "Port, IPv6", port);
	if (v->count == before)
		verdict_add(v, VERDICT_WARN, "Port",
			    "not checked: no node could be asked to call UDP port %u", port);
	if (r->is_port_taken && !survey_was_called(&r->v4) && !survey_was_called(&r->v6)) {
		verdict_add(v, VERDICT_WARN, "Port",
			    "another program has UDP port %u here; fine if it is macrod", port);
		verdict_advise(v, "see which: ss -ulpn sport = :%u", port);
	}
}
