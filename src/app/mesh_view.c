/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/mesh_view.h"

#include "health/ways.h"
#include "mesh/region.h"
#include "util/xalloc.h"

#include <sodium.h>
#include <stdio.h>

void node_ref_fill(struct node_ref *ref, const uint8_t id[static NODE_ID_LEN], const char *name,
		   const char *country)
{
	sodium_bin2hex(ref->id, sizeof(ref->id), id, NODE_ID_LEN);
	snprintf(ref->name, sizeof(ref->name), "%s", name);
	snprintf(ref->country, sizeof(ref->country), "%s", country);
}

static void place_fill(const struct places *places, const struct descriptor *d,
		       struct place_view *out)
{
	struct place_report r;

	places_report(places, d->id, &r);
	*out = (struct place_view){
	    .verdict = place_verdict_name(r.verdict),
	    .witnesses = r.witnesses,
	    .against = r.against,
	    .nearest_ns = r.nearest_ns,
	    .asn = r.origin.asn,
	};
	memcpy(out->nearest_country, r.nearest_country, sizeof(out->nearest_country));
	memcpy(out->database_country, r.origin.country, sizeof(out->database_country));
}

static void seen_fill(const struct book *b, const struct ways *ways, const struct descriptor *d,
		      struct node_view *v)
{
	static const enum view_verdict verdicts[HEALTH_LEVEL_COUNT] = {
	    [HEALTH_GREEN] = VIEW_VERDICT_GREEN,
	    [HEALTH_YELLOW] = VIEW_VERDICT_YELLOW,
	    [HEALTH_RED] = VIEW_VERDICT_RED,
	};
	const struct book_node *n = book_node(b, d->id);

	v->rtt_ns = ways_rtt_ns(ways, d->id);
	if (n == NULL)
		return;
	v->health = verdicts[n->level];
	v->has_uptime = n->up_ns + n->down_ns > 0;
	v->uptime_ppm = book_node_uptime_ppm(n);
}

static void node_fill(const struct directory *dir, const struct places *places,
		      const struct descriptor *d, struct node_view *v)
{
	descriptor_city(d, v->city);
	place_fill(places, d, &v->place);
	node_ref_fill(&v->node, d->id, d->name, d->country);
	v->roles = d->roles; /* the same bits, see the assertions below */
	if (d->addr_count > 0)
		endpoint_format(&d->addrs[0], v->address);
	sodium_bin2hex(v->operator_tag, sizeof(v->operator_tag), d->operator_tag, OPERATOR_LEN);
	v->bandwidth_bps = d->capacity_kbit * 1000ull;
	v->has_load = d->load_percent != LOAD_UNKNOWN;
	v->load_percent = d->load_percent;
	v->exits_v4 = d->exit_flags & EXIT_V4;
	v->exits_v6 = d->exit_flags & EXIT_V6;
	v->valid_until_ns = d->valid_until_s * NS_PER_S;
	v->has_slot = d->slot != SLOT_NONE;
	v->slot = d->slot;
	v->region = region_name(region_of(d->country));
	v->since_ns = d->since_s * NS_PER_S;
	snprintf(v->software, sizeof(v->software), "%s", d->software);
	v->is_in_view = directory_in_view(dir, d);
}

static const char *outcome_name(enum pull_verdict v)
{
	switch (v) {
	case PULL_DONE:
		return "done";
	case PULL_LIED:
		return "lied";
	case PULL_GOES_ON:
	case PULL_UNASKED:
	case PULL_FAILED:
		return "failed";
	}
	return "failed";
}

static void add_refused(struct mesh_view *out, const char *name, uint64_t count)
{
	if (count > 0 && out->refused_count < VIEW_REFUSED_MAX)
		out->refused[out->refused_count++] = (struct counter){name, count};
}

static void refused_fill(const struct directory_stats *s, struct mesh_view *out)
{
	for (unsigned r = DIRECTORY_KNOWN + 1; r < DIRECTORY_RESULT_COUNT; r++)
		if (r != DIRECTORY_INVALID)
			add_refused(out, directory_result_name((enum directory_result)r),
				    s->results[r]);
	for (unsigned e = DESCRIPTOR_OK + 1; e < DESCRIPTOR_ERROR_COUNT; e++)
		add_refused(out, descriptor_error_name((enum descriptor_error)e), s->invalid[e]);
}

_Static_assert((int)VIEW_NAME_LEN > (int)DESCRIPTOR_CITY_MAX, "a view has room for a city");
_Static_assert(DIRECTORY_RESULT_COUNT + DESCRIPTOR_ERROR_COUNT <= VIEW_REFUSED_MAX,
	       "every reason has room");

static const char *refusal_name(const struct membership_view *v)
{
	if (v->refusal == DIRECTORY_ADDED)
		return NULL;
	return v->refusal == DIRECTORY_INVALID ? descriptor_error_name(v->refusal_error)
					       : directory_result_name(v->refusal);
}

void mesh_view_fill(const struct membership *m, const struct directory *dir, const struct now *now,
		    struct mesh_view *out)
{
	struct membership_view *v = xcalloc(1, sizeof(*v)); /* large */

	membership_view(m, v);
	*out = (struct mesh_view){
	    .is_part = true,
	    .known = (uint32_t)v->known,
	    .in_view = (uint32_t)v->view_count,
	    .epoch_ns = v->epoch_s * NS_PER_S,
	    .has_registry = v->has_registry,
	    .members = v->members,
	    .missing = v->missing,
	    .events = v->events,
	    .head_ns = v->head_time_s * NS_PER_S,
	    .is_head_old = v->is_head_old,
	    .rounds = v->rounds,
	    .pulls = v->sync.pulls_done,
	    .pulls_failed = v->sync.pulls_failed,
	    .pulls_unseen = v->path_pulls,
	    .lies = v->sync.mirrors_lied,
	    .cells_received = v->sync.cells_received,
	    .questions = v->sync.serve.questions,
	    .cells_given = v->sync.serve.cells,
	    .rate_limited = v->sync.serve.rate_limited,
	    .own_refusal = refusal_name(v),
	};
	sodium_bin2hex(out->view_digest, sizeof(out->view_digest), v->view_digest, TREE_DIGEST_LEN);
	refused_fill(directory_stats(dir), out);
	while (directory_evidence(dir, out->equivocations) != NULL)
		out->equivocations++;
	for (size_t i = 0; i < MIN(v->mirror_count, (size_t)VIEW_MIRRORS_MAX); i++) {
		const struct mirror_score *s = &v->mirrors[i];
		struct mirror_view *mirror = &out->mirrors[out->mirror_count++];

		*mirror = (struct mirror_view){
		    .outcome = outcome_name(s->verdict),
		    .age_ns = now->mono_ns - s->at_ns,
		    .told = s->total,
		    .lacked = s->lacked,
		    .undelivered = s->undelivered,
		};
		sodium_bin2hex(mirror->id, sizeof(mirror->id), s->id, NODE_ID_LEN);
	}
	free(v);
}

_Static_assert((int)VIEW_ROLE_ENTRY == (int)ROLE_ENTRY && (int)VIEW_ROLE_RELAY == (int)ROLE_RELAY &&
		   (int)VIEW_ROLE_EXIT == (int)ROLE_EXIT,
	       "views show role bits as descriptors have them");

void mesh_nodes_view(const struct mesh_knowledge *known, uint8_t roles, struct node_list_view *out)
{
	const struct directory *dir = known->dir;
	struct ways *ways = known->book != NULL ? ways_create(known->book, &rng_system) : NULL;

	out->count = 0;
	out->items = xcalloc(directory_count(dir), sizeof(*out->items));
	for (const struct descriptor *d = directory_next(dir, NULL); d != NULL;
	     d = directory_next(dir, d)) {
		struct node_view *v = &out->items[out->count];

		if ((d->roles & roles) == 0)
			continue;
		node_fill(dir, known->places, d, v);
		if (ways != NULL)
			seen_fill(known->book, ways, d, v);
		out->count++;
	}
	ways_free(ways);
}

static void equivocation_fill(const struct directory *dir, const struct directory_evidence *e,
			      struct equivocation_view *out)
{
	const struct descriptor *d = directory_by_id(dir, e->id);

	node_ref_fill(&out->node, e->id, d != NULL ? d->name : "", d != NULL ? d->country : "");
	out->sequence = e->sequence;
	out->seen_ns = e->seen_s * NS_PER_S;
	for (unsigned i = 0; i < 2; i++)
		sodium_bin2base64(out->descriptor[i], sizeof(out->descriptor[i]), e->bytes[i],
				  e->len[i], sodium_base64_VARIANT_ORIGINAL);
}

_Static_assert(sodium_base64_ENCODED_LEN(DESCRIPTOR_MAX, sodium_base64_VARIANT_ORIGINAL) <=
		   VIEW_DESCRIPTOR_LEN,
	       "the largest fits");

void mesh_equivocations_view(const struct directory *dir, struct equivocation_list_view *out)
{
	const struct directory_evidence *e;

	*out = (struct equivocation_list_view){
	    .items = xcalloc(DIRECTORY_EVIDENCE_MAX, sizeof(*out->items))};
	while ((e = directory_evidence(dir, (unsigned)out->count)) != NULL)
		equivocation_fill(dir, e, &out->items[out->count++]);
}
