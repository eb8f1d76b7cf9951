/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every key of macro.conf, once.  Parsing, messages, the sample and the man page all come from
 * here; to add a key, add a field to config.h and a row to its section.
 */
#include "config/schema.h"

#include <stddef.h>

/* Offset and size of a field, refused by the compiler if the field is not of the type given. */
#define FIELD(s, f, t)                                                                           \
	.offset =                                                                                \
	    offsetof(struct s, f) + 0 * sizeof((__typeof__(t) *)NULL == &((struct s *)NULL)->f), \
	.size = sizeof(t)

static const char *const log_levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const aeads[] = {"auto", "ipsec-mb", "openssl", "sodium", NULL};
static const char *const isolations[] = {"off", "destination", "app", NULL};
static const char *const killswitches[] = {"off", "on", "always", NULL};
static const char *const paddings[] = {"off", NULL};
static const char *const roles[] = {"entry", "relay", "exit", NULL};

static const struct config_key top_keys[] = {
    {"version", &value_u32, FIELD(config, version, uint32_t), .fallback = "1", .min = 1, .max = 1,
     .expect = "1, the only version of this file there is",
     .help = "Version of the file's format. Stands before the first section."},
};

static const struct config_key daemon_keys[] = {
    {"socket", &value_path, FIELD(config_daemon, socket, char *),
     .fallback = "/run/macro/macro.sock", .max = 107,
     .help = "Unix socket of the control API, which macro(1) talks to. Open to root, the daemon's "
	     "own user and the group below."},
    {"group", &value_name, FIELD(config_daemon, group, char *), .fallback = "macro",
     .max = CONFIG_NAME_MAX,
     .help =
	 "Whose members may control the daemon. Where there is no such group, only root and the "
	 "daemon's own user may."},
    {"state_dir", &value_path, FIELD(config_daemon, state_dir, char *),
     .fallback = CONFIG_STATE_DIR_DEFAULT, .max = 1024,
     .help = "Directory of what must outlive the daemon: the node's identity, known descriptors, "
	     "and what to undo on this machine after a crash."},
    {"log_level", &value_enum, FIELD(config_daemon, log_level, enum log_level), .fallback = "info",
     .words = log_levels, .is_live = true,
     .help = "Least important message that is logged to standard error. Keys, addresses of "
	     "clients and contents are never logged."},
    {"location_db", &value_path, FIELD(config_daemon, location_db, char *),
     .example = "/var/lib/location/database.db", .max = 1024,
     .help = "Database that tells the country and the network of an address, in libloc's format. "
	     "Without it: the one that location-update keeps, or that of the package "
	     "libloc-database. With none, macro exit set nearest is not possible."},
    {"aead", &value_enum, FIELD(config_daemon, aead, enum config_aead), .fallback = "auto",
     .words = aeads,
     .help = "Library that encrypts. auto takes the fastest one this processor supports; all give "
	     "the same bytes."},
};

static const struct config_key mesh_keys[] = {
    {"seeds", &value_seeds, FIELD(config_mesh, seeds, struct config_strings),
     .example = "TOKEN@192.0.2.1:4600",
     .help = "Nodes to learn the mesh from, as printed by macro node seed. More of them make "
	     "the start more reliable; what they say about other nodes is verified."},
    {"seed_file", &value_path, FIELD(config_mesh, seed_file, char *), .example = "/etc/macro/seeds",
     .max = 1024, .help = "File with more seeds, one a line; what follows a # is a comment."},
    {"registrar", &value_public, FIELD(config_mesh, registrar, struct config_public),
     .example = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
     .help = "Public key of the mesh's registrar, as macro registry init prints it: only nodes "
	     "that this key has signed for are members. Whoever holds it is trusted. Without it "
	     "the mesh is open: any node that is heard of may be used."},
    {"registry", &value_path, FIELD(config_mesh, registry, char *),
     .example = "/var/lib/macro/registry.db", .max = 1024,
     .help = "File that the list of members is kept in. Without it: registry.db in state_dir."},
    {"head_max_age", &value_duration, FIELD(config_mesh, head_max_age_s, uint64_t),
     .fallback = "90d", .zero_word = "never", .min = 1, .max = 10 * 365 * 86400,
     .help = "How long ago the registrar may have signed the list of members, at most: an older "
	     "one could hide a removal, and no new routes are made with it. macro registry renew "
	     "signs it anew."},
    {"lan", &value_bool, FIELD(config_mesh, lan, bool), .fallback = "no",
     .help = "Look for members on the local network by multicast, and as a node be found. Only "
	     "for a mesh with a registrar."},
    {"sync_period", &value_duration, FIELD(config_mesh, sync_period_s, uint64_t),
     .fallback = "auto", .zero_word = "auto", .min = 1, .max = 86400,
     .help = "How often to compare the list of nodes with others'. auto: every 30s as a node, "
	     "every 10m as a client."},
    {"location_witnesses", &value_u32, FIELD(config_mesh, location_witnesses, uint32_t),
     .fallback = "3", .zero_word = "off", .min = 1, .max = 8,
     .help = "Independent nodes whose round trips must contradict the country that a node claims "
	     "before it counts as refuted: fewer find more lies, and let fewer liars slander. "
	     "off: nobody is judged."},
    {"epoch", &value_duration, FIELD(config_mesh, epoch_s, uint64_t), .fallback = "auto",
     .zero_word = "auto", .min = 2, .max = 86400,
     .help = "Routes are chosen from nodes that were there for a sixth of this time before the "
	     "present epoch began, so that all clients choose from the same ones. auto: 1h in a "
	     "mesh with a registrar once it is a day old; otherwise from all that are known."},
};

static const struct config_key client_keys[] = {
    {"tun", &value_ifname, FIELD(config_client, tun, char[16]), .fallback = "macro0",
     .help = "Name of the client's network interface."},
    {"autoconnect", &value_bool, FIELD(config_client, autoconnect, bool), .fallback = "no",
     .help = "Connect when the daemon starts."},
    {"profile", &value_name, FIELD(config_client, profile, char *), .fallback = "default",
     .max = CONFIG_NAME_MAX, .is_live = true, .help = "Profile used where none is named."},
    {"fwmark", &value_u32, FIELD(config_client, fwmark, uint32_t), .fallback = "0x6d6d", .min = 1,
     .max = 0x3fffffff,
     .help = "Mark of the daemon's own packets, the only ones that go outside the tunnel. With "
	     "bit 31 or bit 30 also set: of what a profile or macro exclude has outside, or macro "
	     "only inside."},
    {"table", &value_u32, FIELD(config_client, table, uint32_t), .fallback = "27757", .min = 256,
     .max = UINT32_MAX, .help = "Number of the routing table that leads into the tunnel."},
    {"listen", &value_endpoint, FIELD(config_client, listen, struct endpoint),
     .example = "[::]:4601",
     .help = "Local UDP address and port to use. Without it: all addresses, a port the system "
	     "picks."},
};

static const struct config_key profile_keys[] = {
    {"exit", &value_exit, FIELD(config_profile, exit, char *), .fallback = "auto", .is_live = true,
     .help = "Where traffic leaves the mesh: the exit that does best, one in a country or region, "
	     "for each destination the nearest, any at random with another one from time to time, "
	     "or one node. macro exit set overrides it."},
    {"hops", &value_u32, FIELD(config_profile, hops, uint32_t), .fallback = "3", .min = 1, .max = 5,
     .is_live = true,
     .help = "Nodes on the route. With 1 the exit knows who you are; with 2 entry and exit "
	     "together do."},
    {"dns", &value_ips, FIELD(config_profile, dns, struct config_ips), .fallback = "exit",
     .zero_word = "exit", .max = 3, .is_live = true,
     .help = "Name servers asked through the tunnel: the ones the exit offers, or these."},
    {"dns_tls", &value_name, FIELD(config_profile, dns_tls, char *), .example = "dns.example.net",
     .min = 1, .max = 253, .is_live = true,
     .help = "Ask the servers of dns over TLS, port 853, and only one whose certificate is for "
	     "this name. Then the exit does not see names."},
    {"private_names", &value_domains, FIELD(config_profile, private_names, struct config_strings),
     .example = "corp.example, lan", .max = 64, .is_live = true,
     .help = "Names that may have private addresses, with all below them; * for all names. For "
	     "others such answers are withheld, as a hostile server could lead your browser into "
	     "your own network."},
    {"rotate", &value_u32, FIELD(config_profile, rotate_s, uint32_t), .fallback = "auto",
     .zero_word = "auto", .min = 30, .max = 2700, .is_live = true,
     .help = "Seconds after which the route is replaced, without a break. auto: 10 to 15 minutes, "
	     "at random."},
    {"ipv6", &value_bool, FIELD(config_profile, ipv6, bool), .fallback = "yes", .is_live = true,
     .help = "Carry IPv6. With no, IPv6 destinations are refused at once instead of leaking."},
    {"paths", &value_u32, FIELD(config_profile, paths, uint32_t), .fallback = "2", .min = 1,
     .max = 4, .is_live = true,
     .help = "Routes in use at once, over different relays to the same exit. Each connection stays "
	     "on one of them."},
    {"backups", &value_u32, FIELD(config_profile, backups, uint32_t), .fallback = "2", .min = 0,
     .max = 3, .is_live = true,
     .help = "Further routes kept ready, so that a dead or slow node is no more than a hiccup; as "
	     "many as the mesh has nodes for. With 0 a failure interrupts the traffic that it "
	     "meets until another route is made."},
    {"isolate", &value_enum, FIELD(config_profile, isolate, enum config_isolate),
     .fallback = "destination", .words = isolations, .is_live = true,
     .help =
	 "Which connections share a route: any, those to one address, or those of one "
	 "application (its user and its control group). Calls, shells and short questions take a "
	 "clearly shorter route than that, if there is one."},
    {"duplicate", &value_bool, FIELD(config_profile, duplicate, bool), .fallback = "no",
     .is_live = true,
     .help = "Send the small packets of calls and games over two routes at once, so that losing "
	     "one route costs them nothing. Doubles that traffic."},
    {"killswitch", &value_enum, FIELD(config_profile, killswitch, enum config_killswitch),
     .fallback = "off", .words = killswitches, .is_live = true,
     .help =
	 "Block what does not go through the mesh: on, from connecting until you disconnect, "
	 "whatever happens to the daemon; always, also while disconnected and from boot on. Not "
	 "before the first connection has stood. macro killswitch overrides it, macro unlock ends "
	 "it."},
    {"lan", &value_bool, FIELD(config_profile, lan, bool), .fallback = "no",
     .help = "Let private and link-local addresses pass the kill switch, but for DNS."},
    {"interfaces", &value_ifnames, FIELD(config_profile, interfaces, struct config_strings),
     .example = "tailscale0, docker0", .max = 8, .is_live = true,
     .help = "Interfaces that the kill switch lets traffic out of: of other tunnels, or bridges to "
	     "containers."},
    {"marks", &value_marks, FIELD(config_profile, marks, struct config_marks),
     .example = "0x80000/0xff0000", .max = 8, .is_live = true,
     .help = "Marks of other tunnels' own packets, which the kill switch lets pass."},
    {"padding", &value_enum, FIELD(config_profile, padding, enum config_padding), .fallback = "off",
     .words = paddings, .is_live = true,
     .help = "Traffic made up to hide when there is any. There is none yet: only off is taken."},
    {"networks", &value_networks, FIELD(config_profile, networks, struct config_networks),
     .example = "02:00:5e:00:53:01@192.168.1.0/24", .max = 64, .is_live = true,
     .help = "Networks on which this profile is used, unless another one is chosen by hand: the "
	     "hardware address of the gateway and the subnet, as macro network show prints them. "
	     "macro profile bind does the same without a change of this file."},
    {"exclude", &value_destinations, FIELD(config_profile, exclude, struct config_destinations),
     .example = "192.0.2.0/24, corp.example", .max = 64, .is_live = true,
     .help = "What goes outside of the tunnel: networks, and names with all below them, whose "
	     "addresses are asked of the network's own name servers. For programs: macro exclude."},
    {"only", &value_destinations, FIELD(config_profile, only, struct config_destinations),
     .example = "198.51.100.0/24, example.org", .zero_word = "programs", .max = 64, .is_live = true,
     .help =
	 "What alone goes through the tunnel: networks, names with all below them, and in any "
	 "case programs started by macro only; the word programs stands for these alone. "
	 "All else takes its usual way, as does what exclude names, and a kill switch holds only "
	 "for what belongs inside."},
};

static const struct config_key health_keys[] = {
    {"loss_yellow", &value_u32, FIELD(config_health, loss_yellow_percent, uint32_t),
     .fallback = "2", .min = 1, .max = 100,
     .help = "Percent of cells lost beyond which a hop or a route is yellow: left when another "
	     "is clearly better."},
    {"loss_red", &value_u32, FIELD(config_health, loss_red_percent, uint32_t), .fallback = "5",
     .min = 1, .max = 100,
     .help = "Percent lost beyond which it is red: left as soon as possible."},
    {"delay_yellow", &value_u32, FIELD(config_health, delay_yellow_ms, uint32_t), .fallback = "60",
     .min = 1, .max = 30000,
     .help = "Milliseconds that a round trip may be above its shortest of the last minutes."},
    {"delay_red", &value_u32, FIELD(config_health, delay_red_ms, uint32_t), .fallback = "150",
     .min = 1, .max = 30000, .help = "The same for red."},
    {"throughput_yellow", &value_bandwidth, FIELD(config_health, throughput_yellow_bps, uint64_t),
     .fallback = "5M", .min = 1000, .max = 1000000000000,
     .help = "Bits per second that a hop lets through, as trains of cells show, below which it is "
	     "yellow."},
    {"throughput_red", &value_bandwidth, FIELD(config_health, throughput_red_bps, uint64_t),
     .fallback = "2M", .min = 1000, .max = 1000000000000, .help = "The same for red."},
    {"heal", &value_u32, FIELD(config_health, heal_s, uint32_t), .fallback = "10", .min = 1,
     .max = 3600,
     .help = "Seconds for which all must be well again, by a quarter of the limits, before a "
	     "verdict gets better; twice as long after each relapse."},
    {"improve", &value_duration, FIELD(config_health, improve_s, uint64_t), .fallback = "2m",
     .zero_word = "never", .min = 1, .max = 86400,
     .help = "How often, on average, to look whether there is a clearly better route. It takes the "
	     "place of one of yours without a break."},
};

static const struct config_key node_keys[] = {
    {"listen", &value_endpoint, FIELD(config_node, listen, struct endpoint),
     .fallback = "[::]:4600", .help = "Local UDP address and port of the node."},
    {"address", &value_endpoints, FIELD(config_node, address, struct config_endpoints),
     .example = "192.0.2.1:4600, [2001:db8::1]:4600", .is_required = true, .max = 4,
     .help = "Where others reach this node."},
    {"port_mapping", &value_bool, FIELD(config_node, port_mapping, bool), .fallback = "no",
     .help = "Have the router forward the node's UDP port to this machine while the daemon runs, "
	     "by NAT-PMP or UPnP."},
    {"roles", &value_flags, FIELD(config_node, roles, uint32_t), .fallback = "relay",
     .words = roles,
     .help = "What this node does for others. An entry sees the addresses of clients; an exit "
	     "sends their traffic out under its own address."},
    {"name", &value_nodename, FIELD(config_node, name, char *), .example = "de-berlin-01", .min = 3,
     .max = CONFIG_NAME_MAX, .is_required = true, .help = "Name of the node, for people."},
    {"operator", &value_label, FIELD(config_node, operator, char *), .example = "example.org",
     .max = 64, .is_required = true,
     .help = "Who runs the node. The same on all nodes of one operator: no route uses two."},
    {"country", &value_country, FIELD(config_node, country, char[3]), .example = "DE",
     .is_required = true, .help = "Country the node stands in."},
    {"city", &value_city, FIELD(config_node, city, char *), .example = "Berlin",
     .help = "City the node stands in, for people."},
    {"bandwidth", &value_bandwidth, FIELD(config_node, bandwidth_bps, uint64_t), .fallback = "200M",
     .min = 1000000, .max = 1000000000000, .is_live = true,
     .help = "What the node can carry for others in each direction; routes are chosen in "
	     "proportion."},
    {"validity", &value_duration, FIELD(config_node, validity_s, uint64_t), .fallback = "12h",
     .min = 20, .max = 86400,
     .help = "How long others believe what this node says of itself; it says it anew after a "
	     "sixth of that. A node that is gone is forgotten when this has passed."},
    {"max_circuits", &value_u32, FIELD(config_node, max_circuits, uint32_t), .fallback = "100000",
     .min = 16, .max = 10000000, .help = "Circuits held at once; further ones are refused."},
    {"workers", &value_u32, FIELD(config_node, workers, uint32_t), .fallback = "1",
     .zero_word = "auto", .min = 1, .max = 8,
     .help = "Threads that share the node's links. auto: as many as there are cores, at most 8. "
	     "An exit has an interface and an equal part of its pools for each."},
};

static const struct config_key exit_keys[] = {
    {"tun", &value_ifname, FIELD(config_exit, tun, char[16]), .fallback = "macroexit0",
     .help = "Name of the exit's network interface."},
    {"pool_v4", &value_prefix4, FIELD(config_exit, pool_v4, struct config_prefix),
     .fallback = "10.88.0.0/16", .min = 8, .max = 28,
     .help = "IPv4 addresses given to sessions; translated to the node's own on the way out."},
    {"pool_v6", &value_prefix6, FIELD(config_exit, pool_v6, struct config_prefix),
     .fallback = "fd6d:6d00::/64", .min = 64, .max = 64,
     .help = "IPv6 addresses given to sessions; translated to the node's own on the way out."},
    {"dns", &value_ips, FIELD(config_exit, dns, struct config_ips),
     .example = "9.9.9.9, 2620:fe::fe", .max = 2, .is_live = true,
     .help =
	 "Name servers offered to clients, one IPv4 and one IPv6. Without it: those this machine uses itself."},
    {"policy", &value_policy, FIELD(config_exit, policy, struct config_policy),
     .example = "accept 10.1.0.0/16:443, reject *:6881-6999", .is_live = true,
     .help = "Destinations that clients may reach. The first rule that matches decides. After "
	     "the rules given here come reject private:* (what is not on the public Internet) and "
	     "reject *:25, then everything is accepted."},
    {"packet_limit", &value_u32, FIELD(config_exit, packet_limit, uint32_t), .fallback = "200000",
     .min = 100, .max = 100000000, .help = "Packets per second that one session may send."},
    {"max_sessions", &value_u32, FIELD(config_exit, max_sessions, uint32_t), .fallback = "4096",
     .min = 1, .max = 1000000, .help = "Sessions held at once; further ones are refused."},
};

_Static_assert(ARRAY_LEN(profile_keys) <= CONFIG_KEYS_MAX &&
		   ARRAY_LEN(node_keys) <= CONFIG_KEYS_MAX &&
		   ARRAY_LEN(exit_keys) <= CONFIG_KEYS_MAX,
	       "CONFIG_KEYS_MAX");

#define KEYS(k) .keys = (k), .key_count = ARRAY_LEN(k)

const struct config_section config_sections[CONFIG_SECTION_COUNT] = {
    [CONFIG_TOP] = {"", "", 0, KEYS(top_keys)},
    [CONFIG_DAEMON] = {"daemon", "The daemon as a whole.", offsetof(struct config, daemon),
		       KEYS(daemon_keys)},
    [CONFIG_MESH] = {"mesh", "The mesh to take part in; for clients and nodes.",
		     offsetof(struct config, mesh), KEYS(mesh_keys)},
    [CONFIG_CLIENT] = {"client",
		       "Present where this machine's own traffic is to go through the mesh.",
		       offsetof(struct config, client), KEYS(client_keys)},
    [CONFIG_PROFILE] = {"profile",
			"A way of being connected, under a name. Any number of them; [profile "
			"default] is there even if not written.",
			0, KEYS(profile_keys)},
    [CONFIG_HEALTH] = {"health",
		       "When a hop or a route counts as degraded (yellow) or failed (red).",
		       offsetof(struct config, health), KEYS(health_keys)},
    [CONFIG_NODE] = {"node", "Present where this machine carries the traffic of others.",
		     offsetof(struct config, node), KEYS(node_keys)},
    [CONFIG_EXIT] = {"exit", "How a node with the role exit lets traffic out.",
		     offsetof(struct config, exit), KEYS(exit_keys)},
};
