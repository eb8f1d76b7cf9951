/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Paths on which membership asks other nodes about the mesh, without telling them who asks. */
#include "client/client_int.h"

enum {
	MIRROR_HOPS = 3,
	MIRROR_LIFETIME_S = 120, /* of which a few seconds are used */
};

static uint32_t open_path(void *ctx, const uint8_t id[static NODE_ID_LEN], const struct now *now)
{
	struct client *c = ctx;
	struct path_wish w = {
	    .hops = MIRROR_HOPS,
	    .exit = PATH_EXIT_NODE,
	    .is_only_asked = true,
	    .book = c->params.book,
	    .guards = c->params.guards,
	};
	struct path_spec spec = {.lifetime_s = MIRROR_LIFETIME_S};
	char why[PATH_WHY_MAX];
	struct path_route pr;

	memcpy(w.exit_id, id, NODE_ID_LEN);
	if (path_choose(c->chooser, &w, now, c->params.rng, &pr, why) != PATH_OK)
		return 0;
	spec.n = pr.hops;
	memcpy(spec.hop, pr.hop, sizeof(spec.hop));
	memcpy(spec.entry_link_key, pr.entry_link_key, DH_LEN);
	return engine_path_build(c->params.engine, &spec, now);
}

void mirror_offer_paths(struct client *c)
{
	membership_use_paths(c->params.membership,
			     &(struct membership_paths){.ctx = c, .open = open_path});
}
