/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kill switch's memory: what was set, whether the machine is to be blocked although no daemon
 * runs, and what to connect to when one does.  A text file "lock" in the state directory: a first
 * line with the version, then "key value" lines.  It alone is read at early boot.
 */
#ifndef HOST_LOCK_H
#define HOST_LOCK_H

#include "host/shield.h"

enum {
	LOCK_SIZE_MAX = 8192,
	LOCK_NAME_MAX = 32,
	LOCK_EXIT_MAX = 64,
};

enum lock_setting {
	LOCK_BY_PROFILE, /* nothing was set by hand */
	LOCK_OFF,
	LOCK_ON,
	LOCK_ALWAYS,
};

/* Which table of ours may be found after a crash. */
enum lock_table {
	LOCK_TABLE_NONE,
	LOCK_TABLE_GUARD, /* goes with the tunnel */
	LOCK_TABLE_BLOCK, /* stays, and is set again at boot */
};

struct lock {
	enum lock_setting setting;
	enum lock_table table;
	bool is_proven; /* a connection has stood here once: only then may anything be blocked */
	bool is_wanted; /* the user has connected and not disconnected; to: */
	bool is_only;   /* for what belongs inside alone: nothing else is ever blocked */
	bool is_pinned; /* these, whatever profile the network has */
	char profile[LOCK_NAME_MAX + 1];
	char exit[LOCK_EXIT_MAX + 1];
	uint32_t hops;
	struct shield_pass pass;
};

/*
 * lock_load(l, dir, err): all zero if there is no file.  -EINVAL: it cannot be read, *err names the
 * line; *l is then as after lock_distrust.
 */
MUST_USE int lock_load(struct lock *l, const char *dir, struct host_error *err);

/* lock_distrust(l): what to go by when the file is spoilt: everything stays blocked. */
void lock_distrust(struct lock *l);

MUST_USE int lock_store(const struct lock *l, const char *dir, struct host_error *err);

/* lock_free(dir, err): set to off, or if the disk is full, forgotten.  Works on a spoilt file. */
MUST_USE int lock_free(const char *dir, struct host_error *err);

/* lock_parse(l, text, len): 0, or the number of the first line that is wrong, with *l unchanged. */
MUST_USE unsigned lock_parse(struct lock *l, const char *text, size_t len);

/* lock_setting_name(s): "profile", "off", "on", "always". */
const char *lock_setting_name(enum lock_setting s);
/* lock_setting_parse(s, name): 0 or -EINVAL. */
MUST_USE int lock_setting_parse(enum lock_setting *s, const char *name);

#endif
