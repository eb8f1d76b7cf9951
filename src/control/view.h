/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the control API shows, as plain structs that own nothing: the application fills them, all
 * zeros means "nothing known", view_json.c renders them.  New fields go here and there.
 */
#ifndef CONTROL_VIEW_H
#define CONTROL_VIEW_H

#include "control/view_place.h"
#include "util/endpoint.h"

#define VIEW_HOPS_MAX   5
#define VIEW_NAME_LEN   33
#define VIEW_ID_LEN     65 /* hex */
#define VIEW_TEXT_LEN   256
#define VIEW_REASON_LEN 96
#define VIEW_PATHS_MAX  12

enum view_state {
	VIEW_DISCONNECTED,
	VIEW_CONNECTING,
	VIEW_CONNECTED, /* the exit has answered inside the tunnel */
	VIEW_RECONNECTING,
	VIEW_DISCONNECTING,
	VIEW_BLOCKED, /* neither connected nor trying, and the kill switch lets nothing out */
	VIEW_ERROR,
};

enum view_role { /* bits */
	VIEW_ROLE_ENTRY = 1 << 0,
	VIEW_ROLE_RELAY = 1 << 1,
	VIEW_ROLE_EXIT = 1 << 2,
};

enum view_hop_status {
	VIEW_HOP_UNKNOWN,
	VIEW_HOP_BUILDING,
	VIEW_HOP_OK,
	VIEW_HOP_FAILED,
};

enum view_kill_switch {
	VIEW_KILL_SWITCH_OFF,
	VIEW_KILL_SWITCH_ON,
	VIEW_KILL_SWITCH_ALWAYS,
};

struct kill_switch_view {
	enum view_kill_switch mode;
	bool is_by_profile;       /* nothing was set by hand */
	bool is_proven;           /* a connection has stood once; before that it never blocks */
	bool is_blocking;         /* now: only what docs/killswitch.md names leaves the machine */
	char undo[VIEW_NAME_LEN]; /* if it is: the command that ends that */
};

struct node_ref {
	char name[VIEW_NAME_LEN];
	char id[VIEW_ID_LEN];
	char country[3];
};

enum view_verdict {
	VIEW_VERDICT_UNKNOWN,
	VIEW_VERDICT_GREEN,
	VIEW_VERDICT_YELLOW,
	VIEW_VERDICT_RED,
};

/* How a hop (or a path) does: what it adds to the hop before it, and what follows from that. */
struct health_view {
	bool is_measured; /* the rest is known */
	uint64_t jitter_ns;
	uint32_t loss_out_ppm, loss_in_ppm; /* away from here, and back */
	uint64_t out_bps, in_bps;           /* what lately came through */
	uint32_t uptime_ppm;
	enum view_verdict verdict;
	char reason[VIEW_REASON_LEN]; /* empty when green */
};

struct hop_view {
	uint8_t roles; /* enum view_role: what the node does on this route */
	struct node_ref node;
	char address[ENDPOINT_TEXT_MAX];
	uint64_t rtt_ns; /* from here through the tunnel to it and back; 0: not measured */
	enum view_hop_status status;
	struct health_view health;
};

struct route_view {
	unsigned hop_count; /* 0: there is no route */
	struct hop_view hop[VIEW_HOPS_MAX];
	uint64_t created_ns; /* wall clock */
	uint64_t build_ns;   /* from CREATE to CREATED */
};

enum view_path_role {
	VIEW_PATH_MAKING,
	VIEW_PATH_IN_USE,
	VIEW_PATH_BACKUP,
	VIEW_PATH_DEGRADED, /* left for doing badly, and watched until it does well */
	VIEW_PATH_TRIAL,    /* may be better than another */
	VIEW_PATH_SPARE,    /* to another exit, in case ours is dead */
	VIEW_PATH_ENDING,
};

/* One of the session's paths. */
struct path_view {
	enum view_path_role role;
	bool is_suspect;        /* its traffic is not acknowledged */
	uint32_t share_percent; /* of the connections, if in use */
	uint32_t flows;         /* connections on it */
	uint64_t rtt_ns;        /* 0: not measured */
	uint64_t tx_bytes, rx_bytes;
	struct health_view health;
	struct route_view route;
};

struct traffic_view {
	uint64_t rx_bytes, tx_bytes, rx_packets, tx_packets;
};

/* Evidence that every cell took the whole path: recomputed tags, acknowledged digests. */
struct proof_view {
	uint64_t verified_cells, failed_cells;
	bool has_verified;
	uint64_t last_verified_age_ns; /* if has_verified */
};

struct address_pair_view {
	char v4[ENDPOINT_TEXT_MAX], v6[ENDPOINT_TEXT_MAX];
};

/* What the mesh costs, beside doing without it. */
struct cost_view {
	bool is_known; /* the times; else why, or nothing, is said */
	bool is_guess; /* partly from countries */
	uint64_t rtt_ns, added_ns;
	bool has_goodput;
	uint32_t goodput_ppm; /* of what the line carries, how much is the user's */
	char why[VIEW_TEXT_LEN];
};

struct status_view {
	enum view_state state;
	char reason[VIEW_TEXT_LEN]; /* why not connected: what, which hop, what to do */
	uint64_t since_ns;          /* in this state; wall clock */
	char profile[VIEW_NAME_LEN];
	struct node_ref exit;
	struct address_pair_view visible; /* what destinations see */
	struct address_pair_view inner;
	uint32_t mtu_bytes;
	struct route_view route;
	uint32_t paths_active, paths_backup;
	unsigned path_count;
	struct path_view path[VIEW_PATHS_MAX]; /* those in use first */
	struct traffic_view traffic;
	bool has_throughput;
	uint64_t rx_bps, tx_bps;     /* inside the tunnel, over the last seconds */
	char session[VIEW_NAME_LEN]; /* start of its id */
	struct proof_view proof;
	struct kill_switch_view kill_switch;
	struct cost_view expected, measured;
};

/* A node of the mesh, as its descriptor tells. */
struct node_view {
	struct node_ref node;
	char city[VIEW_NAME_LEN]; /* "": not told */
	struct place_view place;
	uint8_t roles;
	char address[ENDPOINT_TEXT_MAX];
	char operator_tag[VIEW_ID_LEN];
	uint64_t bandwidth_bps;
	bool has_load;
	uint8_t load_percent; /* if has_load */
	bool exits_v4, exits_v6;
	/* What this client has seen of it, on whatever routes. */
	enum view_verdict health;
	bool has_uptime;
	uint32_t uptime_ppm; /* if has_uptime */
	uint64_t rtt_ns;     /* from here; 0: not measured */
	uint64_t valid_until_ns;
	bool has_slot;
	uint32_t slot;      /* in the registry, if has_slot */
	const char *region; /* static; "" or NULL: none */
	uint64_t since_ns;  /* running since, as it says */
	char software[VIEW_NAME_LEN];
	bool is_in_view; /* routes may use it */
};

struct counter {
	const char *name; /* static, snake_case */
	uint64_t value;
};

#define VIEW_MIRRORS_MAX 32
#define VIEW_REFUSED_MAX 48

/* Another node, as one that told us about the mesh. */
struct mirror_view {
	char id[VIEW_ID_LEN];
	const char *outcome; /* static: "done", "failed", "lied" */
	uint64_t age_ns;
	uint32_t told, lacked,
	    undelivered; /* nodes; lacked: of those known after it had told all */
};

/* What is known of the mesh as a whole, and how. */
struct mesh_view {
	bool is_part; /* false: all else is zero */
	uint32_t known;
	uint32_t in_view;
	char view_digest[VIEW_NAME_LEN];
	uint64_t epoch_ns; /* began; 0: no epochs */
	bool has_registry;
	uint32_t members, missing; /* if has_registry; missing: members without a descriptor */
	uint64_t events, head_ns;
	bool is_head_old;
	uint64_t rounds, pulls, pulls_failed, lies, cells_received;
	uint64_t pulls_unseen;                         /* of pulls: through circuits */
	uint64_t questions, cells_given, rate_limited; /* of others that we answered, or did not */
	struct counter refused[VIEW_REFUSED_MAX];      /* descriptors, by what was wrong */
	unsigned refused_count;
	const char
	    *own_refusal; /* static: why this node's own is not taken; NULL: it is, or none */
	uint32_t equivocations;
	unsigned mirror_count;
	struct mirror_view mirrors[VIEW_MIRRORS_MAX];
};

#define VIEW_DESCRIPTOR_LEN 1369 /* base64 of the largest, and a zero */

/* A node that said different things at once: both, signed, for anybody to verify. */
struct equivocation_view {
	struct node_ref node; /* name and country are empty when it is not known any more */
	uint64_t sequence, seen_ns;
	char descriptor[2][VIEW_DESCRIPTOR_LEN];
};

struct equivocation_list_view {
	struct equivocation_view *items; /* xcalloc'ed by the application, freed by control */
	size_t count;
};

struct node_list_view {
	struct node_view *items; /* xcalloc'ed by the application, freed by control */
	size_t count;
};

/* This daemon as a node. */
#define VIEW_WORKERS_MAX 8

struct own_node_view {
	bool is_node;
	struct node_ref node;
	uint8_t roles;
	char operator[VIEW_ID_LEN];
	char listen[ENDPOINT_TEXT_MAX];
	char address[4][ENDPOINT_TEXT_MAX];
	unsigned address_count;
	uint64_t bandwidth_bps;
	uint64_t since_ns;                  /* started; wall clock */
	uint64_t descriptor_valid_until_ns; /* wall clock */
	uint32_t links, circuits, sessions, known_nodes;
	uint64_t forward_cells, backward_cells; /* carried for others */
	unsigned worker_count;
	struct worker_view {
		uint64_t rx_datagrams, tx_datagrams;
		uint64_t handed_on; /* received for other workers */
	} workers[VIEW_WORKERS_MAX];
	struct traffic_view exit_traffic; /* as seen by the exit's interface */
};

#define VIEW_DROPS_MAX  64
#define VIEW_TOTALS_MAX 32

struct counters_view {
	struct counter drops[VIEW_DROPS_MAX]; /* why datagrams and packets went no further */
	unsigned drop_count;
	struct counter totals[VIEW_TOTALS_MAX]; /* links, circuits, sessions, cells ... */
	unsigned total_count;
};

#endif
