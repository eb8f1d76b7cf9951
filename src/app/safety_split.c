/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What goes outside of the tunnel, or alone inside: from the profile and the programs' groups to
 * the firewall's rules. */
#include <stdio.h>

#include "app/safety_int.h"
#include "util/log.h"

/* Another version of it, for the rules to be set again. */
static void changed(struct safety *s)
{
	s->split_version++;
}

bool safety_groups(struct safety *s)
{
	bool is_other = false;

	for (enum cgroup_side side = 0; side < CGROUP_SIDES; side++) {
		char path[CGROUP_PATH_MAX] = "", *group = s->split.way[side].group;

		if (!cgroup_path(side, path))
			path[0] = '\0';
		is_other |= strcmp(path, group) != 0;
		memcpy(group, path, sizeof(path));
	}
	changed(s); /* also where a group of the same name is another one */
	return is_other;
}

static void take(struct split_way *w, const struct config_destinations *d)
{
	w->net_count = MIN(d->prefix_count, (size_t)SPLIT_NETS_MAX);
	for (size_t i = 0; i < w->net_count; i++) {
		memcpy(w->nets[i].ip, d->prefixes[i].ip, sizeof(w->nets[i].ip));
		w->nets[i].len_bits = d->prefixes[i].len_bits;
	}
	w->has_names = d->name_count > 0;
}

void safety_split(struct safety *s)
{
	const struct config_profile *p = safety_profile(s);

	s->split.is_only = s->is_only_wished || p->only.is_set;
	take(&s->split.way[CGROUP_OUTSIDE], &p->exclude);
	take(&s->split.way[CGROUP_INSIDE], &p->only);
	changed(s);
}

bool safety_is_only(const struct safety *s)
{
	return s->split.is_only;
}

bool safety_has_outside(const struct safety *s)
{
	return !s->split.is_only && split_is_used(&s->split);
}

void safety_stubs(struct safety *s, const char *outside, const char *inside)
{
	const char *const stubs[CGROUP_SIDES] = {outside, inside};

	for (enum cgroup_side side = 0; side < CGROUP_SIDES; side++) {
		char *stub = s->split.way[side].stub;
		const char *now = stubs[side] != NULL ? stubs[side] : "";

		if (strcmp(stub, now) == 0)
			continue;
		snprintf(stub, ENDPOINT_TEXT_MAX, "%s", now);
		changed(s);
	}
}

void safety_learn(struct safety *s, enum cgroup_side side, const uint8_t ip[static 16],
		  unsigned seconds, const struct now *now)
{
	struct host_error err;

	s->split.now_ns = now->mono_ns;
	if (!split_learn(&s->split, side, ip, now->mono_ns + seconds * NS_PER_S) ||
	    s->saved.table == LOCK_TABLE_NONE || s->rules.split == NULL)
		return;
	if (shield_learn(s->shield, side, ip, seconds, &err) != 0)
		log_warn("%s", err.text);
	safety_forget_change(s);
}
