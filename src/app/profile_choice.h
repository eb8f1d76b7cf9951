/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which profile is used: one that was chosen by hand, or else the one that the present network is
 * bound to, or else [client] profile.  What was chosen and bound with commands is kept in a text
 * file "profiles" in the state directory: a first line with the version, then "use NAME" and "bind
 * NETWORK NAME" lines.
 */
#ifndef APP_PROFILE_CHOICE_H
#define APP_PROFILE_CHOICE_H

#include "config/config.h"
#include "host/error.h"

enum {
	PROFILE_NAME_LEN = 33,
	PROFILE_BOUND_MAX = 64,
	PROFILE_FILE_MAX = 16384,
};

struct profile_binding {
	struct netid network;
	char profile[PROFILE_NAME_LEN];
};

struct profile_choice {
	char by_hand[PROFILE_NAME_LEN]; /* empty: by the network */
	struct profile_binding bound[PROFILE_BOUND_MAX];
	size_t bound_count;
};

enum profile_reason {
	PROFILE_BY_DEFAULT,
	PROFILE_BY_NETWORK,
	PROFILE_BY_HAND,
};

/*
 * profile_choice_load(c, dir, err): nothing chosen or bound if there is no file.  -EINVAL: it
 * cannot be read, *err names the line; *c is then as without a file.
 */
MUST_USE int profile_choice_load(struct profile_choice *c, const char *dir, struct host_error *err);
MUST_USE int profile_choice_store(const struct profile_choice *c, const char *dir,
				  struct host_error *err);

/* profile_choice_parse(c, text, len): 0, or the number of the first line that is wrong, with *c
 * unchanged. */
MUST_USE unsigned profile_choice_parse(struct profile_choice *c, const char *text, size_t len);

/* profile_choice_format(c): what parse reads, for free(). */
char *profile_choice_format(const struct profile_choice *c);

/* profile_choice_bind(c, network, profile): it may have had another one.  -ENOSPC: too many. */
MUST_USE int profile_choice_bind(struct profile_choice *c, const struct netid *network,
				 const char *profile);
/* profile_choice_unbind(c, network): -ENOENT if no command has bound it. */
MUST_USE int profile_choice_unbind(struct profile_choice *c, const struct netid *network);

/* profile_choice_bound(c, cfg, network): the profile it is bound to, by command or by the file;
 * NULL if none, or one that is not there any more. */
const struct config_profile *profile_choice_bound(const struct profile_choice *c,
						  const struct config *cfg,
						  const struct netid *network);

/* profile_choice_pick(c, cfg, here, why): never NULL; here: NULL if the network is not known. */
const struct config_profile *profile_choice_pick(const struct profile_choice *c,
						 const struct config *cfg, const struct netid *here,
						 enum profile_reason *why);

/* profile_suggest(cfg, name): the profile whose name is most like it, or NULL if none is. */
const char *profile_suggest(const struct config *cfg, const char *name);

#endif
