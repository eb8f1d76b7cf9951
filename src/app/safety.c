/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/safety.h"

#include <errno.h>
#include <stdio.h>

#include "app/safety_int.h"
#include "util/log.h"

#define TELL_NS (10 * NS_PER_S) /* between log lines about the same trouble */

/* ---- what is in force ---- */

const struct config_profile *safety_profile(const struct safety *s)
{
	const struct config_profile *p = config_profile_find(s->cfg, s->lock.profile);

	return p != NULL ? p : config_profile_find(s->cfg, s->cfg->client.profile);
}

static enum lock_setting mode_of(const struct safety *s)
{
	const struct config_profile *p = safety_profile(s);

	if (s->lock.setting != LOCK_BY_PROFILE)
		return s->lock.setting;
	switch (p != NULL ? p->killswitch : CONFIG_KILLSWITCH_OFF) {
	case CONFIG_KILLSWITCH_OFF:
		return LOCK_OFF;
	case CONFIG_KILLSWITCH_ON:
		return LOCK_ON;
	case CONFIG_KILLSWITCH_ALWAYS:
		return LOCK_ALWAYS;
	}
	return LOCK_OFF;
}

static bool is_locked(const struct safety *s)
{
	const enum lock_setting mode = mode_of(s);

	return s->lock.is_proven && (mode == LOCK_ALWAYS || (mode == LOCK_ON && s->lock.is_wanted));
}

bool safety_is_blocking(const struct safety *s)
{
	return s->saved.table == LOCK_TABLE_BLOCK;
}

static void pass_of(const struct config_profile *p, struct shield_pass *out)
{
	*out = (struct shield_pass){.lan = p->lan};
	for (size_t i = 0; i < MIN(p->interfaces.count, (size_t)SHIELD_INTERFACES_MAX); i++)
		snprintf(out->interfaces[out->interface_count++], IFNAMSIZ, "%s",
			 p->interfaces.items[i]);
	for (size_t i = 0; i < MIN(p->marks.count, (size_t)SHIELD_MARKS_MAX); i++)
		out->marks[out->mark_count++] =
		    (struct shield_mark){p->marks.items[i].value, p->marks.items[i].mask};
}

static uint32_t portal_left_s(const struct safety *s, const struct now *now)
{
	return s->portal_end_ns > now->mono_ns
		   ? (uint32_t)((s->portal_end_ns - now->mono_ns) / NS_PER_S) + 1
		   : 0;
}

static void rules_for(const struct safety *s, const struct safety_need *need, const struct now *now,
		      struct shield_rules *out)
{
	memset(out, 0, sizeof(*out)); /* they are compared as bytes */
	out->is_locked = is_locked(s);
	out->fwmark = s->cfg->client.fwmark;
	out->pass = s->lock.pass;
	if (need->tunnel != NULL) {
		snprintf(out->tun, sizeof(out->tun), "%s", need->tunnel->tun);
		memcpy(out->v4, need->tunnel->v4, sizeof(out->v4));
		memcpy(out->v6, need->tunnel->v6, sizeof(out->v6));
	}
	if (split_is_used(&s->split)) {
		out->split = &s->split;
		out->split_version = s->split_version;
	}
	if (!out->is_locked)
		return;
	out->entry_count = MIN(need->entry_count, (size_t)SHIELD_ENTRIES_MAX);
	memcpy(out->entries, need->entries, out->entry_count * sizeof(out->entries[0]));
	out->portal.seconds = portal_left_s(s, now);
	if (out->portal.seconds == 0)
		return;
	out->portal.uid = s->portal.uid;
	out->portal.dns = s->portal.dns;
}

/* ---- making it so ---- */

static int save(struct safety *s, struct host_error *err)
{
	int code;

	if (memcmp(&s->lock, &s->saved, sizeof(s->lock)) == 0)
		return 0;
	code = lock_store(&s->lock, s->cfg->daemon.state_dir, err);
	if (code == 0)
		s->saved = s->lock;
	return code;
}

/* Time alone changes nothing: the kernel counts it. */
static bool is_same(const struct shield_rules *a, const struct shield_rules *b)
{
	struct shield_rules copy = *a;

	if (a->portal.seconds > 0 && b->portal.seconds > 0)
		copy.portal.seconds = b->portal.seconds;
	return memcmp(&copy, b, sizeof(copy)) == 0;
}

/* Our own change is no news. */
void safety_forget_change(struct safety *s)
{
	if (nftmon_read(&s->mon) < 0)
		log_debug("nftables' notices cannot be read");
}

static int set_rules(struct safety *s, struct shield_rules *rules, const struct now *now,
		     struct host_error *err)
{
	int code;

	s->split.now_ns = now->mono_ns;
	code = shield_set(s->shield, rules, err);
	if (code != 0 && rules->split != NULL && safety_groups(s)) { /* one of them is gone */
		rules->split = split_is_used(&s->split) ? &s->split : NULL;
		rules->split_version = s->split_version;
		code = shield_set(s->shield, rules, err);
	}
	if (code == 0)
		s->rules = *rules;
	safety_forget_change(s);
	return code;
}

static int clear_rules(struct safety *s, struct host_error *err)
{
	const int code = shield_clear(s->shield, err);

	safety_forget_change(s);
	return code;
}

/* A table that is there without being in our file is not ours. */
static int check_free(const struct safety *s, struct host_error *err)
{
	const int code = s->saved.table == LOCK_TABLE_NONE ? shield_stands(err) : 0;

	return code <= 0
		   ? code
		   : host_refuse(err, -EEXIST,
				 "nftables table inet macromesh exists; another client runs here, "
				 "or run macrod --cleanup");
}

int safety_apply(struct safety *s, const struct safety_need *need, const struct now *now,
		 struct host_error *err)
{
	const struct config_profile *p = safety_profile(s);
	const enum lock_table before = s->saved.table;
	struct shield_rules rules;
	struct host_error later;
	int code, set;

	if (p != NULL)
		pass_of(p, &s->lock.pass);
	s->lock.is_only = s->split.is_only;
	rules_for(s, need, now, &rules);
	s->lock.table = rules.is_locked        ? LOCK_TABLE_BLOCK
			: rules.tun[0] != '\0' ? LOCK_TABLE_GUARD
					       : LOCK_TABLE_NONE;
	if (s->lock.table == before && (before == LOCK_TABLE_NONE || is_same(&rules, &s->rules)))
		return save(s, err);
	code = s->lock.table != LOCK_TABLE_NONE ? check_free(s, err) : 0;
	if (code != 0) {
		s->lock.table = before;
		return code;
	}
	/* On disk first: a crash in between leaves no table that nobody knows of. */
	code = save(s, err);
	if (s->lock.table == LOCK_TABLE_NONE)
		return code != 0 ? code : clear_rules(s, err);
	if (code != 0 && s->lock.table != LOCK_TABLE_BLOCK)
		return code; /* what stands stays until the disk can remember that it went */
	set = set_rules(s, &rules, now, code == 0 ? err : &later);
	if (code != 0 && set == 0)
		s->saved.table = LOCK_TABLE_BLOCK; /* in the kernel at least */
	return code != 0 ? code : set;
}

bool safety_watch(struct safety *s, const struct now *now)
{
	struct shield_rules rules = s->rules;
	struct host_error err;

	if (nftmon_read(&s->mon) <= 0 || s->saved.table == LOCK_TABLE_NONE)
		return false;
	rules.portal.seconds = portal_left_s(s, now);
	if (set_rules(s, &rules, now, &err) != 0)
		log_error("%s", err.text);
	else if (s->told_ns == 0 || now->mono_ns - s->told_ns > TELL_NS)
		log_warn("another program changed nftables table inet macromesh; it is set again");
	s->told_ns = now->mono_ns;
	return true;
}

/* ---- what is wanted ---- */

void safety_use(struct safety *s, const struct safety_wish *w)
{
	if (strcmp(s->lock.profile, w->profile) != 0)
		split_forget(&s->split);
	s->is_only_wished = w->is_only;
	s->lock.is_pinned = w->is_pinned;
	s->lock.hops = w->hops;
	snprintf(s->lock.profile, sizeof(s->lock.profile), "%s", w->profile);
	snprintf(s->lock.exit, sizeof(s->lock.exit), "%s", w->exit);
	(void)safety_groups(s);
	safety_split(s);
}

void safety_want(struct safety *s, const struct safety_wish *w)
{
	safety_use(s, w);
	s->lock.is_wanted = true;
	s->portal_end_ns = 0;
}

void safety_unwant(struct safety *s)
{
	split_forget(&s->split);
	s->lock.is_wanted = false;
	s->portal_end_ns = 0;
}

void safety_prove(struct safety *s)
{
	s->lock.is_proven = true;
}

void safety_portal(struct safety *s, uid_t uid, uint32_t seconds, const struct resolv_servers *dns,
		   const struct now *now)
{
	s->portal = (struct shield_portal){.uid = uid, .dns = *dns};
	s->portal_end_ns = seconds > 0 ? now->mono_ns + seconds * NS_PER_S : 0;
}

/* ---- begin and end ---- */

int safety_open(struct safety *s, const struct config *cfg, char *error, size_t error_len)
{
	static const struct safety_need nothing = {.tunnel = NULL};
	const struct now now = now_read();
	struct host_error err;
	int code;

	*s = (struct safety){.cfg = cfg};
	if (lock_load(&s->lock, cfg->daemon.state_dir, &err) != 0)
		log_error("%s", err.text);
	s->saved = s->lock;
	s->is_only_wished = s->lock.is_only && !safety_profile(s)->only.is_set;
	(void)safety_groups(s);
	safety_split(s);
	code = nftmon_open(&s->mon);
	if (code != 0) /* whoever may not watch it may not set it either, and will be told */
		log_debug("watching nftables: %s", strerror(-code));
	code = shield_open(&s->shield, &err);
	if (code == 0)
		code = safety_apply(s, &nothing, &now, &err);
	if (code == 0)
		return 0;
	snprintf(error, error_len, "%s", err.text);
	shield_close(s->shield);
	nftmon_close(&s->mon);
	return code;
}

void safety_close(struct safety *s)
{
	static const struct safety_need nothing = {.tunnel = NULL};
	const struct now now = now_read();
	struct host_error err;

	if (s->shield == NULL)
		return;
	s->portal_end_ns = 0;
	if (safety_apply(s, &nothing, &now, &err) != 0)
		log_error("%s", err.text);
	if (safety_is_blocking(s))
		log_warn("the kill switch goes on blocking this machine's traffic; 'macro unlock' "
			 "ends that");
	shield_close(s->shield);
	nftmon_close(&s->mon);
	s->shield = NULL;
}

/* ---- telling ---- */

void safety_view(const struct safety *s, struct kill_switch_view *out)
{
	const enum lock_setting mode = mode_of(s);

	*out = (struct kill_switch_view){
	    .is_by_profile = s->lock.setting == LOCK_BY_PROFILE,
	    .is_proven = s->lock.is_proven,
	    .is_blocking = safety_is_blocking(s),
	    .mode = mode == LOCK_ALWAYS ? VIEW_KILL_SWITCH_ALWAYS
		    : mode == LOCK_ON   ? VIEW_KILL_SWITCH_ON
					: VIEW_KILL_SWITCH_OFF,
	};
	if (!out->is_blocking)
		return;
	snprintf(out->undo, sizeof(out->undo), "%s",
		 mode == LOCK_ALWAYS ? "macro killswitch off" : "macro disconnect");
}
