/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What macro.conf says: parsed, checked, defaults filled in.  Read-only once loaded; a reload makes
 * a new one.  Each key is described in schema.c, which also makes the sample and the man page.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdio.h>

#include "util/endpoint.h"
#include "util/log.h"
#include "util/netid.h"

#define CONFIG_PATH_DEFAULT      "/etc/macro/macro.conf"
#define CONFIG_STATE_DIR_DEFAULT "/var/lib/macro"
#define CONFIG_IDENTITY_FILE     "identity"    /* in state_dir */
#define CONFIG_REGISTRY_FILE     "registry.db" /* there, too */
#define CONFIG_PROFILE_AUTO      "auto"        /* no profile: the one of the network */
#define CONFIG_KEYS_MAX          32            /* in one section */

enum config_section_id {
	CONFIG_TOP, /* before the first section */
	CONFIG_DAEMON,
	CONFIG_MESH,
	CONFIG_CLIENT,
	CONFIG_PROFILE,
	CONFIG_HEALTH,
	CONFIG_NODE,
	CONFIG_EXIT,
	CONFIG_SECTION_COUNT,
};

enum config_aead {
	CONFIG_AEAD_AUTO,
	CONFIG_AEAD_IPSEC_MB,
	CONFIG_AEAD_OPENSSL,
	CONFIG_AEAD_SODIUM,
};

enum config_isolate {
	CONFIG_ISOLATE_OFF,
	CONFIG_ISOLATE_DESTINATION,
	CONFIG_ISOLATE_APP,
};

enum config_role {
	CONFIG_ROLE_ENTRY = 1 << 0,
	CONFIG_ROLE_RELAY = 1 << 1,
	CONFIG_ROLE_EXIT = 1 << 2,
};

struct config_strings {
	char **items;
	size_t count;
};

struct config_endpoints {
	struct endpoint *items;
	size_t count;
};

struct config_ip {
	uint8_t ip[16]; /* IPv4 as ::ffff:a.b.c.d */
};

struct config_ips {
	struct config_ip *items;
	size_t count;
};

struct config_prefix {
	uint8_t ip[16];
	uint8_t len_bits; /* of the 16 bytes: an IPv4 /16 has 112 */
};

enum config_policy_net {
	CONFIG_NET_ANY,
	CONFIG_NET_PRIVATE, /* whatever is not globally routable unicast */
	CONFIG_NET_PREFIX,
};

struct config_policy_rule {
	bool is_accept;
	enum config_policy_net net;
	struct config_prefix prefix; /* CONFIG_NET_PREFIX */
	uint16_t port_min, port_max;
};

/* The first rule that matches decides; no match accepts.  Ends with the built-in rejections. */
struct config_policy {
	struct config_policy_rule *items;
	size_t count;
};

/* Marks of other programs' packets. */
struct config_mark {
	uint32_t value, mask;
};

struct config_marks {
	struct config_mark *items;
	size_t count;
};

/* Networks that a profile is for. */
struct config_networks {
	struct netid *items;
	size_t count;
};

/* Where traffic may go: networks, and names with all below them. */
struct config_destinations {
	bool is_set; /* possibly to nothing but programs, for "only" */
	struct config_prefix *prefixes;
	size_t prefix_count;
	char **names; /* in small letters */
	size_t name_count;
};

enum config_padding {
	CONFIG_PADDING_OFF,
};

enum config_killswitch {
	CONFIG_KILLSWITCH_OFF,
	CONFIG_KILLSWITCH_ON,     /* from connect to disconnect */
	CONFIG_KILLSWITCH_ALWAYS, /* and while disconnected, and from boot on */
};

struct config_daemon {
	char *socket;
	char *group;
	char *state_dir;
	enum log_level log_level;
	enum config_aead aead;
	char *location_db; /* NULL: the usual places */
};

/* An Ed25519 key. */
struct config_public {
	bool is_set;
	uint8_t bytes[32];
};

struct config_mesh {
	struct config_strings seeds;
	char *seed_file;                /* NULL: none */
	struct config_public registrar; /* not set: an open mesh */
	char *registry;                 /* NULL: CONFIG_REGISTRY_FILE */
	uint64_t head_max_age_s;        /* 0: for ever */
	bool lan;
	uint64_t sync_period_s;      /* 0: 30 s for a node, 10 minutes for a client */
	uint64_t epoch_s;            /* 0: auto */
	uint32_t location_witnesses; /* 0: no claim is judged */
};

struct config_client {
	char tun[16];
	bool autoconnect;
	char *profile;
	uint32_t fwmark;
	uint32_t table;
	struct endpoint listen; /* port 0: any */
};

struct config_profile {
	char *name;
	unsigned line; /* where it begins; 0: not in the file */
	char *exit;    /* "auto", an upper-case country code, or a node's name or id */
	uint32_t hops;
	struct config_ips dns;               /* none: the exit's */
	char *dns_tls;                       /* whose certificate they have; NULL: plain text */
	struct config_strings private_names; /* may have private addresses; "*": all */
	uint32_t rotate_s;                   /* 0: the protocol's own choice */
	bool ipv6;
	uint32_t paths, backups;
	enum config_isolate isolate;
	bool duplicate;
	enum config_killswitch killswitch;
	bool lan; /* what passes the kill switch: this, and those: */
	struct config_strings interfaces;
	struct config_marks marks;
	enum config_padding padding;
	struct config_networks networks;    /* that it is for */
	struct config_destinations exclude; /* not through the tunnel */
	struct config_destinations only;    /* nothing else through it */
};

/* Limits of verdicts: beyond the first yellow, beyond the second red. */
struct config_health {
	uint32_t loss_yellow_percent, loss_red_percent;
	uint32_t delay_yellow_ms, delay_red_ms;
	uint64_t throughput_yellow_bps, throughput_red_bps;
	uint32_t heal_s;
	uint64_t improve_s; /* mean time between looks for better routes; 0: none */
};

struct config_node {
	struct endpoint listen;
	struct config_endpoints address;
	uint32_t roles;    /* enum config_role */
	bool port_mapping; /* asks the router to forward the port */
	char *name;
	char *operator;
	char country[3]; /* upper case */
	char *city;      /* NULL: not told */
	uint64_t bandwidth_bps;
	uint64_t validity_s; /* of its descriptor */
	uint32_t max_circuits;
	uint32_t workers; /* 0: as many as there are cores */
};

struct config_exit {
	char tun[16];
	struct config_prefix pool_v4;
	struct config_prefix pool_v6;
	struct config_ips dns;
	struct config_policy policy;
	uint32_t packet_limit; /* packets/s per session */
	uint32_t max_sessions;
};

struct config {
	uint32_t version;
	uint32_t sections; /* 1 << enum config_section_id for each one in the file */
	struct config_daemon daemon;
	struct config_mesh mesh;
	struct config_client client;
	struct config_profile *profiles; /* one named "default" is always there */
	size_t profile_count;
	struct config_health health;
	struct config_node node;
	struct config_exit exit;
	/* Of each key's text as it stands in the file, or of its default; profiles apart. */
	uint64_t text_hash[CONFIG_SECTION_COUNT][CONFIG_KEYS_MAX];
};

/*
 * config_load(out, path, errors): read and check a file.  Each mistake is one line on errors:
 * "FILE:LINE: [section] key: what is wrong; what to do".  0 with *out for config_free, or a
 * negative errno (-EINVAL: the content) with *out unchanged.
 */
MUST_USE int config_load(struct config **out, const char *path, FILE *errors);

/* config_parse(out, text, len, name, errors): the same for text in memory; name is for messages. */
MUST_USE int config_parse(struct config **out, const char *text, size_t len, const char *name,
			  FILE *errors);

/* config_state_dir(path): [daemon] state_dir even of a file with mistakes, as far as it can be
 * found, else the default; for free(). */
char *config_state_dir(const char *path);

void config_free(struct config *cfg);

/*
 * config_take(running, fresh, section): exchange the settings of the section that may change while
 * the daemon runs, so that running has the fresh ones.  Doing it again takes them back.
 */
void config_take(struct config *running, struct config *fresh, enum config_section_id section);

/*
 * config_restart_keys(running, fresh, out, len): "[node] listen, [exit] tun": what fresh has
 * otherwise and only a restart changes; empty if there is none.
 */
void config_restart_keys(const struct config *running, const struct config *fresh, char *out,
			 size_t len);

static inline bool config_has(const struct config *cfg, enum config_section_id section)
{
	return (cfg->sections & 1u << section) != 0;
}

/* config_profile_find(cfg, name): NULL if there is none of that name. */
const struct config_profile *config_profile_find(const struct config *cfg, const char *name);

/*
 * config_exit_is_valid(text): "auto", a country code or what can be a node's name or id: for
 * choices that come from elsewhere than the file.
 */
bool config_exit_is_valid(const char *text);

/* A setting to put into a sample instead of the commented default. */
struct config_setting {
	enum config_section_id section;
	const char *key;
	const char *value;
};

/*
 * config_sample_write(out, set, count): a macro.conf with every key explained and commented out at
 * its default, except for those in set.
 */
void config_sample_write(FILE *out, const struct config_setting *set, size_t count);

/* config_man_write(out): the list of sections and keys of macro.conf(5), in mdoc. */
void config_man_write(FILE *out);

#endif
