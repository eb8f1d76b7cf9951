/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who the hosts are: identities, the registry, and the descriptors that nodes sign. */
#include "tests/sim/directory/world_int.h"

#include <stdio.h>

#include "tests/sim/directory/thin.h"
#include "util/xalloc.h"

enum {
	JITTER_PART = 16
};

static bool find_not_withheld(void *ctx, const uint8_t id[static NODE_ID_LEN],
			      struct directory_member *out)
{
	const struct host *h = ctx;

	if (h->withholds && id[NODE_ID_LEN - 2] % 5 == 0 &&
	    memcmp(id, h->identity.id, NODE_ID_LEN) != 0)
		return false;
	return membership_members(h->registry).find(h->registry, id, out);
}

void members_name(struct world *w, unsigned i)
{
	struct host *h = &w->hosts[i];

	*h = (struct host){.world = w, .index = i, .is_client = i >= w->members, .tick_ns = NEVER};
	h->rng = rng_seeded(w->params.seed * 1000003 + i);
	identity_generate(&h->identity, &h->rng);
	h->side = i % 2;
	h->place[0] = rng_u32(&w->rng);
	h->place[1] = rng_u32(&w->rng);
	h->sign_ns = NEVER;
	endpoint_ip_from_v4(h->addr.ip,
			    (uint8_t[4]){11, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i});
	h->addr.port = 4600;
	map_put(&w->by_id, get_le64(h->identity.id), (void *)((uintptr_t)i + 1));
	map_put(&w->by_link, get_le64(h->identity.link.public), (void *)((uintptr_t)i + 1));
}

static void operator_of(const struct host *h, uint8_t out[static OPERATOR_LEN])
{
	char name[24];

	snprintf(name, sizeof(name), "operator-%u", h->index);
	operator_tag(out, name);
}

void members_append(struct world *w, const struct registry_event *ev)
{
	struct registry *reg = w->hosts[0].registry;

	if (registrar_append(&w->registrar, reg, ev, w->now.wall_ns / NS_PER_S) > REGISTRY_KNOWN)
		abort();
}

void members_register(struct world *w, unsigned i)
{
	const struct host *h = &w->hosts[i];
	struct registry_event ev = {.type = REGISTRY_ADD,
				    .slot = i,
				    .fields = REGISTRY_HAS_KEY | REGISTRY_HAS_OPERATOR |
					      REGISTRY_HAS_ROLES | REGISTRY_HAS_CONTACT};

	memcpy(ev.record.key, h->identity.id, sizeof(ev.record.key));
	operator_of(h, ev.record.operator_tag);
	ev.record.roles = ROLE_ALL;
	memcpy(ev.record.contact.link_key, h->identity.link.public, DH_LEN);
	ev.record.contact.addr = h->addr;
	members_append(w, &ev);
}

void members_copy_registry(struct world *w, struct registry *to)
{
	const struct registry *from = w->hosts[0].registry;
	struct registry_update u = {.first = 0};
	uint64_t events;

	u.head = registry_head_bytes(from, &u.head_len);
	u.events = registry_events(from, 0, SIZE_MAX, &events, &u.events_len);
	if (registry_apply(to, &u, w->now.wall_ns / NS_PER_S, NULL) != REGISTRY_OK)
		abort();
}

void members_equip(struct host *h)
{
	const struct registry_backend b = local_backend(h->world->registrar.key);

	h->registry = registry_create(&b, &h->rng);
	h->dir = directory_create(&(struct directory_params){
	    .rng = &h->rng, .members = {.ctx = h, .find = find_not_withheld}});
	if (!h->is_client)
		thin_watch(h->dir, h->world);
}

static struct seed seed_of(const struct host *h)
{
	struct seed s = {.addr = h->addr};

	memcpy(s.id, h->identity.id, NODE_ID_LEN);
	memcpy(s.link_public, h->identity.link.public, DH_LEN);
	return s;
}

struct seed members_seed(struct world *w, const struct host *for_whom)
{
	const struct host *h;

	do
		h = &w->hosts[rng_below(&w->rng, w->joined)];
	while (h == for_whom || (!h->is_up && world_up(w) > 1));
	return seed_of(h);
}

/* ---- descriptors ---- */

/* 0: it does not know yet that it is a member. */
static size_t make_descriptor(struct host *h, uint8_t bytes[static DESCRIPTOR_MAX])
{
	struct world *w = h->world;
	const uint64_t wall_s = w->now.wall_ns / NS_PER_S;
	uint8_t rtts[DESCRIPTOR_RTTS_MAX * LINK_RTT_LEN];
	struct registry_member member;
	size_t len = 0;
	struct descriptor d = {
	    .sequence = ++h->sequence,
	    .published_s = wall_s - 30,
	    .valid_until_s = wall_s + w->params.valid_s,
	    .since_s = h->since_s,
	    .capacity_kbit = 100000,
	    .roles = ROLE_ALL,
	    .exit_flags = EXIT_V4 | EXIT_V6,
	    .load_percent = 25,
	    .country = "NL",
	    .link_versions = {1, 1},
	    .circuit_versions = {1, 1},
	    .session_versions = {1, 1},
	    .onion_key_count = 2,
	    .addr_count = 1,
	    .addrs = {h->addr},
	    .rtts = rtts,
	};

	if (!registry_by_key(h->registry, h->identity.id, &member))
		return 0;
	d.slot = member.slot;
	if (h->membership != NULL)
		d.rtt_count = (uint8_t)membership_rtts(h->membership, rtts);
	snprintf(d.name, sizeof(d.name), "node-%u", h->index);
	snprintf(d.software, sizeof(d.software), "0.1.0");
	operator_of(h, d.operator_tag);
	rng_fill(&h->rng, d.session_key, sizeof(d.session_key));
	for (unsigned i = 0; i < 2; i++) {
		d.onion_keys[i] =
		    (struct onion_public){.id = 2 * h->index + i,
					  .valid_from_s = wall_s - 3600 + i * 21600,
					  .valid_until_s = wall_s + 18000 + i * 21600};
		rng_fill(&h->rng, d.onion_keys[i].key, DH_LEN);
	}
	if (descriptor_sign(&d, &h->identity, wall_s, bytes, &len) != DESCRIPTOR_OK)
		abort();
	w->descriptors++;
	h->descriptors++;
	return len;
}

/* The second one soon, for by then a node has met others and can tell how far they are; then at any
 * time, as if the mesh were old. */
static void plan_signing(struct host *h)
{
	const uint64_t often_ns = h->world->params.resign_s * NS_PER_S;
	const uint64_t gap_ns = h->descriptors == 0   ? NS_PER_S
				: h->descriptors == 1 ? 60 * NS_PER_S
				: h->descriptors == 2 ? rng_below(&h->rng, often_ns)
						      : often_ns;

	h->sign_ns = h->world->now.mono_ns + gap_ns - gap_ns / JITTER_PART +
		     rng_below(&h->rng, 2 * gap_ns / JITTER_PART + 1);
}

void members_sign(struct host *h)
{
	struct world *w = h->world;
	uint8_t bytes[DESCRIPTOR_MAX];
	const size_t len = make_descriptor(h, bytes);

	plan_signing(h);
	if (len == 0)
		return;
	spread_signed(h);
	membership_publish(h->membership, bytes, len, &w->now);
}

void members_restart(struct host *h)
{
	h->since_s = h->world->now.wall_ns / NS_PER_S;
	h->sign_ns = h->world->now.mono_ns;
	h->descriptors = 0;
}

void members_acquaint(struct world *w)
{
	for (unsigned i = 0; i < w->joined; i++) {
		struct host *h = &w->hosts[i];
		uint8_t bytes[DESCRIPTOR_MAX];
		size_t len;

		h->since_s = WORLD_WALL_S - 86400;
		len = make_descriptor(h, bytes);
		if (directory_add(w->hosts[0].dir, bytes, len, &w->now, NULL) != DIRECTORY_ADDED)
			abort();
		h->descriptors = 2; /* the next one at any time */
		plan_signing(h);
	}
	for (unsigned i = 1; i < w->joined; i++)
		thin_copy(w->hosts[i].dir, w->hosts[0].dir);
}
