/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What membership knows: who is a member, whether that can be relied on, and what there is to show.
 */
#include "mesh/membership_int.h"

#include <stdio.h>

static bool find_member(void *ctx, const uint8_t id[static NODE_ID_LEN],
			struct directory_member *out)
{
	struct registry_member r;

	if (!registry_by_key(ctx, id, &r))
		return false;
	*out = (struct directory_member){
	    .slot = r.slot,
	    .added_s = r.added_s,
	    .has_operator = true,
	    .roles = r.record.roles,
	};
	memcpy(out->operator_tag, r.record.operator_tag, sizeof(out->operator_tag));
	return true;
}

struct directory_members membership_members(struct registry *registry)
{
	return (struct directory_members){.ctx = registry,
					  .find = registry != NULL ? find_member : NULL};
}

static bool is_head_old(const struct membership *m)
{
	return m->params.registry != NULL &&
	       registry_is_old(m->params.registry, m->params.head_max_age_s, m->wall_s);
}

bool membership_has_view(const struct membership *m)
{
	return m->is_heard && !is_head_old(m);
}

bool membership_trouble(const struct membership *m, char out[static MEMBERSHIP_TROUBLE_MAX])
{
	const struct registry_backend *b;
	uint64_t time_s;

	if (!is_head_old(m) || !m->is_heard)
		return false;
	b = registry_backend(m->params.registry);
	time_s = registry_head(m->params.registry)->time_s;
	if (time_s == 0)
		snprintf(out, MEMBERSHIP_TROUBLE_MAX,
			 "no node has shown the registry of this mesh yet; check %s", b->setting);
	else
		snprintf(out, MEMBERSHIP_TROUBLE_MAX,
			 "the registry's head is %llu hours old, more than [mesh] head_max_age "
			 "allows; %s has to vouch for it anew",
			 (unsigned long long)(m->wall_s > time_s ? (m->wall_s - time_s) / 3600 : 0),
			 b->voucher);
	return true;
}

/* How many members' descriptors we do not have. */
static uint32_t count_missing(const struct membership *m)
{
	const size_t known = directory_count(m->params.dir);
	const uint32_t members = registry_members(m->params.registry);

	return members > known ? members - (uint32_t)known : 0;
}

void membership_seeds_text(const struct membership *m, char *out, size_t len)
{
	char addr[ENDPOINT_TEXT_MAX];
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < m->mirrors.seed_count && used < len; i++)
		used += (size_t)snprintf(out + used, len - used, "%s%s", i > 0 ? ", " : "",
					 endpoint_format(&m->mirrors.seeds[i].addr, addr));
}

size_t membership_known(const struct membership *m)
{
	return directory_count(m->params.dir);
}

uint32_t membership_slot(const struct membership *m)
{
	struct registry_member r;

	return m->params.registry != NULL && membership_is_node(m) &&
		       registry_by_key(m->params.registry, m->params.own_id, &r)
		   ? r.slot
		   : SLOT_NONE;
}

unsigned membership_rtts(struct membership *m,
			 uint8_t out[static DESCRIPTOR_RTTS_MAX * LINK_RTT_LEN])
{
	return rtts_tell(&m->rtts, m->params.dir, out);
}

bool membership_has_news(struct membership *m, const struct now *now)
{
	const struct descriptor *own =
	    membership_is_node(m) ? directory_by_id(m->params.dir, m->params.own_id) : NULL;

	return own != NULL && rtts_has_news(&m->rtts, m->params.dir, own->country, now);
}

void membership_view(const struct membership *m, struct membership_view *out)
{
	*out = (struct membership_view){
	    .epoch_s = m->epoch_s,
	    .known = directory_count(m->params.dir),
	    .rounds = m->rounds,
	    .reverse_pulls = m->reverse_pulls,
	    .path_pulls = m->path_pulls,
	    .refusal = m->refusal,
	    .refusal_error = m->refusal_error,
	    .sync = dirsync_stats(m->sync),
	};
	if (m->params.registry != NULL) {
		out->has_registry = true;
		out->members = registry_members(m->params.registry);
		out->missing = count_missing(m);
		out->events = registry_head(m->params.registry)->events;
		out->head_time_s = registry_head(m->params.registry)->time_s;
		out->is_head_old = is_head_old(m);
	}
	out->view_count = directory_view_digest(m->params.dir, out->view_digest);
	for (size_t i = 0; i < MIRRORS_MAX; i++)
		if (m->mirrors.scores[i].at_ns != 0)
			out->mirrors[out->mirror_count++] = m->mirrors.scores[i];
}
