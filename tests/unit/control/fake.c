/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/control/fake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/now.h"
#include "util/xalloc.h"

#define FIXED_TIME_NS (1767323045ull * NS_PER_S + 678 * NS_PER_MS) /* 2026-01-02T03:04:05.678Z */

static const struct route_view route = {
    .hop_count = 3,
    .hop = {{VIEW_ROLE_ENTRY,
	     {"entry-1", "aaaaaaaa11", "DE"},
	     "192.0.2.1:4600",
	     12345678,
	     VIEW_HOP_OK,
	     {true, 250 * NS_PER_US, 12000, 0, 8000000, 90000000, 999000, VIEW_VERDICT_GREEN, ""}},
	    {VIEW_ROLE_RELAY,
	     {"relay-2", "bbbbbbbb22", "FR"},
	     "192.0.2.2:4600",
	     20 * NS_PER_MS,
	     VIEW_HOP_OK,
	     {true, 4 * NS_PER_MS, 0, 98000, 8000000, 90000000, 1000000, VIEW_VERDICT_RED,
	      "loss 9.8 %, limit 5 %"}},
	    {VIEW_ROLE_EXIT,
	     {"exit-3", "cccccccc33", "NL"},
	     "192.0.2.3:4600",
	     0,
	     VIEW_HOP_UNKNOWN,
	     {0}}},
    .created_ns = FIXED_TIME_NS,
    .build_ns = 60125 * NS_PER_US,
};

static const struct status_view connected = {
    .state = VIEW_CONNECTED,
    .since_ns = FIXED_TIME_NS,
    .profile = "default",
    .exit = {"exit-3", "cccccccc33", "NL"},
    .visible = {"203.0.113.7", ""},
    .inner = {"10.88.0.2", "fd6d:6d00::2"},
    .mtu_bytes = 1324,
    .paths_active = 1,
    .traffic = {1500, 2500000, 10, 20},
    .session = "0123abcd",
    .proof = {4000, 0, true, 400 * NS_PER_MS},
    .expected = {true, true, 54 * NS_PER_MS, 32 * NS_PER_MS, true, 906800, ""},
    .measured = {true, true, 61 * NS_PER_MS, 39 * NS_PER_MS, true, 871000, ""},
};

static void fake_paths(struct status_view *s)
{
	static const enum view_path_role roles[] = {VIEW_PATH_IN_USE, VIEW_PATH_IN_USE,
						    VIEW_PATH_BACKUP};

	s->path_count = ARRAY_LEN(roles);
	s->paths_active = 2;
	s->paths_backup = 1;
	for (unsigned i = 0; i < ARRAY_LEN(roles); i++) {
		s->path[i] = (struct path_view){.role = roles[i], .rtt_ns = 43 * NS_PER_MS};
		s->path[i].route = route;
	}
	s->path[0].share_percent = 60;
	s->path[1].share_percent = 40;
	s->path[1].flows = 12;
	s->path[2].is_suspect = true;
	s->has_throughput = true;
	s->rx_bps = 12000000;
	s->tx_bps = 480000;
}

void fake_set(struct fake *f, enum view_state state, const char *reason)
{
	pthread_mutex_lock(&f->lock);
	f->status = (struct status_view){.profile = "default", .since_ns = FIXED_TIME_NS};
	if (state == VIEW_CONNECTED) {
		f->status = connected;
		f->status.route = route;
		fake_paths(&f->status);
		f->status.route.created_ns += f->reconnects * NS_PER_MS;
	}
	f->status.state = state;
	snprintf(f->status.reason, sizeof(f->status.reason), "%s", reason);
	pthread_mutex_unlock(&f->lock);
}

void fake_post(struct fake *f, enum view_event event, const char *text)
{
	struct event_view view = {.event = event, .time_ns = FIXED_TIME_NS};

	pthread_mutex_lock(&f->lock);
	view.state = f->status.state;
	view.route = f->status.route;
	pthread_mutex_unlock(&f->lock);
	snprintf(view.text, sizeof(view.text), "%s", text);
	control_event_post(f->control, &view);
}

static void *finish_connecting(void *ctx)
{
	struct fake *f = ctx;

	if (f->outcome == FAKE_CONNECTS) {
		fake_set(f, VIEW_CONNECTED, "");
		fake_post(f, VIEW_EVENT_STATE, "entry-1 > relay-2 > exit-3");
	} else {
		fake_set(f, VIEW_ERROR, "hop 2 (relay-2) does not answer");
		fake_post(f, VIEW_EVENT_STATE, "hop 2 (relay-2) does not answer");
	}
	return NULL;
}

static void join_finisher(struct fake *f)
{
	if (f->has_finisher)
		pthread_join(f->finisher, NULL);
	f->has_finisher = false;
}

static int begin(struct fake *f, enum view_state state, char *why)
{
	if (f->outcome == FAKE_REFUSES) {
		snprintf(why, VIEW_TEXT_LEN, "no node is known yet; wait a moment");
		return -EAGAIN;
	}
	fake_set(f, state, "");
	fake_post(f, VIEW_EVENT_STATE, "looking for a route");
	if (f->outcome == FAKE_HANGS)
		return 0;
	join_finisher(f);
	if (pthread_create(&f->finisher, NULL, finish_connecting, f) != 0)
		abort();
	f->has_finisher = true;
	return 0;
}

static void op_status(void *ctx, struct status_view *out)
{
	struct fake *f = ctx;

	pthread_mutex_lock(&f->lock);
	*out = f->status;
	pthread_mutex_unlock(&f->lock);
}

static const struct explanation_view explanation = {
    .hop_count = 2,
    .cost_ns = 64500 * NS_PER_US,
    .hop =
	{
	    {
		.node = {"entry-1", "aaaaaaaa11", "DE"},
		.roles = VIEW_ROLE_ENTRY,
		.link_rtt_ns = 12345678,
		.is_measured = true,
		.load_ns = 2 * NS_PER_MS,
		.bandwidth_bps = 100000000,
		.has_load = true,
		.load_percent = 57,
		.is_guard = true,
		.candidates = 3,
		.other_count = 2,
		.other = {{{"entry-4", "aaaaaaaa44", "SE"}, NULL, true, 1500 * NS_PER_US},
			  {{"entry-5", "aaaaaaaa55", "NL"},
			   "in a network already on the path",
			   false,
			   NS_PER_MS}},
	    },
	    {
		.node = {"exit-3", "cccccccc33", "NL"},
		.roles = VIEW_ROLE_EXIT,
		.link_rtt_ns = 20 * NS_PER_MS,
		.health_ns = 30200 * NS_PER_US,
		.bandwidth_bps = 1000000000,
		.candidates = 1,
	    },
	},
};

static void op_explain(void *ctx, struct explanation_view *out)
{
	struct fake *f = ctx;

	pthread_mutex_lock(&f->lock);
	if (f->status.route.hop_count > 0)
		*out = explanation;
	pthread_mutex_unlock(&f->lock);
}

static void op_mesh(void *ctx, struct mesh_view *out)
{
	(void)ctx;
	*out = (struct mesh_view){
	    .is_part = true,
	    .known = 12,
	    .in_view = 11,
	    .view_digest = "00ff",
	    .has_registry = true,
	    .members = 13,
	    .missing = 1,
	    .events = 20,
	    .head_ns = FIXED_TIME_NS,
	    .rounds = 5,
	    .refused = {{"stranger", 7}, {"signature", 2}},
	    .refused_count = 2,
	    .own_refusal = "wrong_roles",
	    .equivocations = 1,
	    .mirror_count = 1,
	    .mirrors = {{"aaaaaaaa11", "done", 400 * NS_PER_MS, 12, 3, 0}},
	};
}

static void op_equivocations(void *ctx, struct equivocation_list_view *out)
{
	static const struct equivocation_view one = {
	    .node = {"relay-9", "99999999ff", "SE"},
	    .sequence = 41,
	    .seen_ns = FIXED_TIME_NS,
	    .descriptor = {"AAAA", "AAEC"},
	};

	(void)ctx;
	out->items = xcalloc(1, sizeof(one));
	out->items[0] = one;
	out->count = 1;
}

static void op_nodes(void *ctx, struct node_list_view *out)
{
	static const struct node_view nodes[] = {
	    {.node = {"exit-3", "cccccccc33", "NL"},
	     .city = "Amsterdam",
	     .place = {.verdict = "consistent",
		       .witnesses = 5,
		       .nearest_ns = 1200 * NS_PER_US,
		       .nearest_country = "DE",
		       .database_country = "NL",
		       .asn = 64496},
	     .health = VIEW_VERDICT_GREEN,
	     .has_uptime = true,
	     .uptime_ppm = 999000,
	     .rtt_ns = 24500 * NS_PER_US,
	     .roles = VIEW_ROLE_EXIT,
	     .address = "192.0.2.3:4600",
	     .operator_tag = "0f0f",
	     .bandwidth_bps = 200000000,
	     .has_load = true,
	     .load_percent = 12,
	     .exits_v4 = true,
	     .exits_v6 = true,
	     .valid_until_ns = FIXED_TIME_NS,
	     .has_slot = true,
	     .slot = 4,
	     .region = "europe",
	     .since_ns = FIXED_TIME_NS,
	     .software = "0.1.0",
	     .is_in_view = true},
	    {.node = {"exit-4", "dddddddd44", "SE"},
	     .place = {.verdict = "refuted", .against = 3, .database_country = "DE"},
	     .roles = VIEW_ROLE_ENTRY | VIEW_ROLE_EXIT,
	     .address = "[2001:db8::4]:4600",
	     .bandwidth_bps = 1000000000,
	     .exits_v4 = true},
	};

	(void)ctx;
	out->items = xcalloc(ARRAY_LEN(nodes), sizeof(nodes[0]));
	out->count = ARRAY_LEN(nodes);
	memcpy(out->items, nodes, sizeof(nodes));
}

static void op_node(void *ctx, struct own_node_view *out)
{
	struct fake *f = ctx;

	pthread_mutex_lock(&f->lock);
	*out = f->node;
	pthread_mutex_unlock(&f->lock);
}

static void op_counters(void *ctx, struct counters_view *out)
{
	(void)ctx;
	out->drops[out->drop_count++] = (struct counter){"replay", 3};
	out->drops[out->drop_count++] = (struct counter){"link_tag", 0};
	out->totals[out->total_count++] = (struct counter){"circuits", 7};
}

static int op_connect(void *ctx, const struct connect_request *request, char why[VIEW_TEXT_LEN])
{
	struct fake *f = ctx;

	pthread_mutex_lock(&f->lock);
	f->connect = *request;
	f->connects++;
	pthread_mutex_unlock(&f->lock);
	if (strcmp(request->profile, "missing") == 0) {
		snprintf(why, VIEW_TEXT_LEN, "there is no profile \"missing\"");
		return -EINVAL;
	}
	return begin(f, VIEW_CONNECTING, why);
}

static int op_disconnect(void *ctx, char why[VIEW_TEXT_LEN])
{
	struct fake *f = ctx;

	(void)why;
	f->disconnects++;
	fake_set(f, VIEW_DISCONNECTED, "");
	fake_post(f, VIEW_EVENT_STATE, "");
	return 0;
}

static int op_reconnect(void *ctx, const struct reconnect_request *request, char why[VIEW_TEXT_LEN])
{
	struct fake *f = ctx;

	f->reconnect = *request;
	f->reconnects++;
	return begin(f, VIEW_RECONNECTING, why);
}

static void op_kill_switch(void *ctx, struct kill_switch_view *out)
{
	struct fake *f = ctx;

	*out = f->kill_switch;
}

static int op_set_kill_switch(void *ctx, const struct kill_switch_request *request,
			      char why[VIEW_TEXT_LEN])
{
	struct fake *f = ctx;

	if (strcmp(request->setting, "always") != 0) {
		snprintf(why, VIEW_TEXT_LEN, "setting must be profile, off, on or always");
		return -EINVAL;
	}
	f->kill_switch = (struct kill_switch_view){.mode = VIEW_KILL_SWITCH_ALWAYS,
						   .is_proven = true,
						   .is_blocking = true,
						   .undo = "macro killswitch off"};
	f->status.kill_switch = f->kill_switch;
	return 0;
}

static int op_unlock(void *ctx, char why[VIEW_TEXT_LEN])
{
	struct fake *f = ctx;

	(void)why;
	f->kill_switch = (struct kill_switch_view){.is_proven = true};
	f->status.kill_switch = f->kill_switch;
	return 0;
}

static int op_portal(void *ctx, const struct portal_request *request, char why[VIEW_TEXT_LEN])
{
	struct fake *f = ctx;

	(void)why;
	f->portal = *request;
	return 0;
}

static int op_split(void *ctx, const struct split_request *request, char why[VIEW_TEXT_LEN])
{
	struct fake *f = ctx;

	f->split = *request;
	if (strcmp(request->side, "outside") == 0 || strcmp(request->side, "inside") == 0)
		return 0;
	snprintf(why, VIEW_TEXT_LEN, "side must be outside or inside");
	return -EINVAL;
}

/* ---- profiles ---- */

static int known_profile(const char *name, char why[VIEW_TEXT_LEN])
{
	if (strcmp(name, "missing") == 0) {
		snprintf(why, VIEW_TEXT_LEN, "there is no profile \"missing\"");
		return -EINVAL;
	}
	return 0;
}

static struct cost_view cost_of(const char *profile, unsigned hops)
{
	struct cost_view c = {.has_goodput = true, .goodput_ppm = hops == 2 ? 919000 : 906800};

	if (strcmp(profile, "default") == 0) {
		c.is_known = true;
		c.rtt_ns = 54321 * NS_PER_US;
		c.added_ns = 32100 * NS_PER_US;
	} else {
		snprintf(c.why, sizeof(c.why), "no node is known");
	}
	return c;
}

static void fake_network(struct network_view *out)
{
	*out = (struct network_view){.is_online = true,
				     .device = "eth0",
				     .gateway = "192.168.1.1",
				     .id = "02:00:5e:00:53:01@192.168.1.0/24",
				     .profile = "work"};
}

static void op_profiles(void *ctx, struct profile_list_view *out)
{
	struct profile_view *p = xcalloc(2, sizeof(*p));

	(void)ctx;
	p[0] = (struct profile_view){.name = "default",
				     .exit = "auto",
				     .hops = 3,
				     .paths = 2,
				     .backups = 2,
				     .ipv6 = true,
				     .isolate = "destination",
				     .padding = "off",
				     .cost = cost_of("default", 3)};
	p[1] = (struct profile_view){.name = "work",
				     .exit = "DE",
				     .hops = 2,
				     .paths = 1,
				     .rotate_s = 60,
				     .kill_switch = VIEW_KILL_SWITCH_ALWAYS,
				     .lan = true,
				     .duplicate = true,
				     .isolate = "app",
				     .padding = "off",
				     .is_only = true,
				     .cost = cost_of("work", 2)};
	view_texts_add(&p[1].dns, "9.9.9.9");
	view_texts_add(&p[1].networks, "02:00:5e:00:53:01@192.168.1.0/24");
	view_texts_add(&p[1].exclude, "192.0.2.0/24");
	view_texts_add(&p[1].exclude, "corp.example");
	*out = (struct profile_list_view){
	    .in_use = "work", .reason = "network", .items = p, .count = 2};
	fake_network(&out->network);
}

static void op_network(void *ctx, struct network_view *out)
{
	(void)ctx;
	fake_network(out);
}

static int op_cost(void *ctx, const struct connect_request *request, char profile[VIEW_NAME_LEN],
		   struct cost_view *out, char why[VIEW_TEXT_LEN])
{
	struct fake *f = ctx;

	f->cost = *request;
	snprintf(profile, VIEW_NAME_LEN, "%s",
		 request->profile[0] != '\0' ? request->profile : "default");
	*out = cost_of(profile, request->hops);
	return known_profile(profile, why);
}

static int note_profile(struct fake *f, const char *what, const struct profile_request *request,
			char why[VIEW_TEXT_LEN])
{
	f->profile = *request;
	snprintf(f->profile_asked, sizeof(f->profile_asked), "%s", what);
	return known_profile(request->profile, why);
}

static int op_use_profile(void *ctx, const struct profile_request *request, char why[VIEW_TEXT_LEN])
{
	return note_profile(ctx, "use", request, why);
}

static int op_bind_profile(void *ctx, const struct profile_request *request,
			   char why[VIEW_TEXT_LEN])
{
	return note_profile(ctx, "bind", request, why);
}

static int op_unbind_profile(void *ctx, const struct profile_request *request,
			     char why[VIEW_TEXT_LEN])
{
	return note_profile(ctx, "unbind", request, why);
}

const struct control_ops fake_ops = {
    .status = op_status,
    .explain = op_explain,
    .exits = op_nodes,
    .nodes = op_nodes,
    .node = op_node,
    .mesh = op_mesh,
    .equivocations = op_equivocations,
    .counters = op_counters,
    .connect = op_connect,
    .disconnect = op_disconnect,
    .reconnect = op_reconnect,
    .kill_switch = op_kill_switch,
    .set_kill_switch = op_set_kill_switch,
    .unlock = op_unlock,
    .portal = op_portal,
    .split = op_split,
    .profiles = op_profiles,
    .network = op_network,
    .cost = op_cost,
    .use_profile = op_use_profile,
    .bind_profile = op_bind_profile,
    .unbind_profile = op_unbind_profile,
};

void fake_start(struct fake *f)
{
	char error[CONTROL_ERROR_MAX];

	*f = (struct fake){.node = {.is_node = true,
				    .node = {"relay-2", "bbbbbbbb22", "FR"},
				    .roles = VIEW_ROLE_ENTRY | VIEW_ROLE_RELAY,
				    .operator= "example.org",
				    .listen = "[::]:4600",
				    .address = {"192.0.2.2:4600"},
				    .address_count = 1,
				    .bandwidth_bps = 200000000,
				    .since_ns = FIXED_TIME_NS,
				    .descriptor_valid_until_ns = FIXED_TIME_NS,
				    .links = 2,
				    .circuits = 7,
				    .known_nodes = 11,
				    .forward_cells = 1000,
				    .backward_cells = 2000}};
	pthread_mutex_init(&f->lock, NULL);
	strcpy(f->dir, "/tmp/macro_fake_XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		abort();
	snprintf(f->path, sizeof(f->path), "%s/run/macro.sock", f->dir);
	fake_set(f, VIEW_DISCONNECTED, "");
	if (control_start(&f->control, f->path, "macro", &fake_ops, f, error) != 0) {
		printf("Bail out! %s\n", error);
		exit(EXIT_FAILURE);
	}
}

void fake_stop(struct fake *f)
{
	char path[128];

	join_finisher(f);
	control_stop(f->control);
	snprintf(path, sizeof(path), "%s.lock", f->path);
	unlink(path);
	snprintf(path, sizeof(path), "%s/run", f->dir);
	rmdir(path);
	rmdir(f->dir);
	pthread_mutex_destroy(&f->lock);
}
