/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config/config.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/schema.h"
#include "tests/lib/test.h"
#include "util/xalloc.h"

#define KEY43    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP-"
#define SEED     KEY43 KEY43 "@192.0.2.1:4600"
#define SEED6    KEY43 KEY43 "@[2001:db8::1]:4600"
#define NETWORK  "02:00:5e:00:53:01@192.168.1.0/24"
#define KEY_REST "980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define KEY_HEX  "d75a" KEY_REST
#define NODE     "[node]\nname=abc\noperator=o\ncountry=DE\naddress=192.0.2.1:1\n"

static char *errors;

/* NULL and the messages in errors, or a config. */
static struct config *parse(const char *text, size_t len)
{
	struct config *cfg = NULL;
	size_t size;
	FILE *f;
	int err;

	free(errors);
	f = open_memstream(&errors, &size);
	err = config_parse(&cfg, text, len, "f", f);
	fclose(f);
	CHECK((err == 0) == (cfg != NULL));
	CHECK((err == 0) == (size == 0));
	return cfg;
}

static struct config *parse_text(const char *text)
{
	return parse(text, strlen(text));
}

/* The text must be refused, with this as its first (or only) message. */
static void check_error(const char *text, const char *message)
{
	struct config *cfg = parse_text(text);

	if (cfg != NULL || strncmp(errors, message, strlen(message)) != 0) {
		printf("# text: %s\n# got:  %s\n# want: %s\n", text, errors, message);
		CHECK(!"the right error");
	}
	config_free(cfg);
}

static void test_registrar(void)
{
	struct config *cfg = parse_text("");

	NEED(cfg != NULL);
	CHECK(!cfg->mesh.registrar.is_set && cfg->mesh.registry == NULL && !cfg->mesh.lan);
	CHECK_INT(cfg->mesh.head_max_age_s, 90 * 86400);
	config_free(cfg);
	cfg = parse_text("[mesh]\nregistrar=" KEY_HEX "\nhead_max_age=36h\nlan=yes\n[client]\n");
	NEED(cfg != NULL);
	CHECK(cfg->mesh.registrar.is_set && cfg->mesh.registrar.bytes[31] == 0x1a);
	CHECK_INT(cfg->mesh.head_max_age_s, 36 * 3600);
	CHECK(cfg->mesh.lan);
	config_free(cfg);
	cfg = parse_text("[mesh]\nhead_max_age=never\n");
	NEED(cfg != NULL);
	CHECK_INT(cfg->mesh.head_max_age_s, 0);
	config_free(cfg);
	check_error("[mesh]\nlan=yes\n", "f:1: [mesh] lan: needs a registrar");
}

static void test_defaults(void)
{
	struct config *cfg = parse_text("");

	NEED(cfg != NULL);
	CHECK_INT(cfg->version, 1);
	CHECK_INT(cfg->sections, 0);
	CHECK(strcmp(cfg->daemon.socket, "/run/macro/macro.sock") == 0);
	CHECK(strcmp(cfg->daemon.state_dir, "/var/lib/macro") == 0);
	CHECK_INT(cfg->daemon.log_level, LOG_LEVEL_INFO);
	CHECK_INT(cfg->daemon.aead, CONFIG_AEAD_AUTO);
	CHECK_INT(cfg->mesh.seeds.count, 0);
	CHECK(strcmp(cfg->client.tun, "macro0") == 0);
	CHECK(!cfg->client.autoconnect);
	CHECK(strcmp(cfg->client.profile, "default") == 0);
	CHECK_INT(cfg->client.fwmark, 0x6d6d);
	CHECK_INT(cfg->client.table, 27757);
	CHECK_INT(cfg->client.listen.port, 0);
	NEED(cfg->profile_count == 1);
	CHECK(strcmp(cfg->profiles[0].name, "default") == 0);
	CHECK(strcmp(cfg->profiles[0].exit, "auto") == 0);
	CHECK_INT(cfg->profiles[0].hops, 3);
	CHECK_INT(cfg->profiles[0].dns.count, 0);
	CHECK_INT(cfg->profiles[0].rotate_s, 0);
	CHECK(cfg->profiles[0].ipv6);
	CHECK_INT(cfg->profiles[0].paths, 2);
	CHECK_INT(cfg->profiles[0].backups, 2);
	CHECK_INT(cfg->profiles[0].isolate, CONFIG_ISOLATE_DESTINATION);
	CHECK(!cfg->profiles[0].duplicate);
	CHECK_INT(cfg->profiles[0].padding, CONFIG_PADDING_OFF);
	CHECK_INT(cfg->profiles[0].networks.count, 0);
	CHECK(!cfg->profiles[0].exclude.is_set && !cfg->profiles[0].only.is_set);
	CHECK_INT(cfg->node.listen.port, 4600);
	CHECK_INT(cfg->node.roles, CONFIG_ROLE_RELAY);
	CHECK_INT(cfg->node.bandwidth_bps, 200000000);
	CHECK_INT(cfg->node.max_circuits, 100000);
	CHECK(strcmp(cfg->exit.tun, "macroexit0") == 0);
	CHECK_INT(cfg->exit.pool_v4.len_bits, 96 + 16);
	CHECK_INT(cfg->exit.pool_v6.len_bits, 64);
	CHECK_INT(cfg->exit.packet_limit, 200000);
	CHECK_INT(cfg->exit.max_sessions, 4096);
	NEED(cfg->exit.policy.count == 2);
	CHECK_INT(cfg->exit.policy.items[0].net, CONFIG_NET_PRIVATE);
	CHECK_INT(cfg->exit.policy.items[0].port_max, 65535);
	CHECK_INT(cfg->exit.policy.items[1].net, CONFIG_NET_ANY);
	CHECK_INT(cfg->exit.policy.items[1].port_min, 25);
	CHECK_INT(cfg->exit.policy.items[1].port_max, 25);
	config_free(cfg);
}

static void test_everything_set(void)
{
	struct config *cfg =
	    parse_text("# comment \xc3\xa9\n"
		       "VERSION = 1\r\n"
		       "[Daemon]\n"
		       "  Socket=/tmp/s # why\n"
		       "state_dir = /tmp/d\nlog_level=DEBUG\naead=ipsec-mb\n"
		       "[mesh]\nseeds=" SEED ", " SEED6 "\nseeds=" SEED "\n"
		       "[client]\ntun=wg-x\nautoconnect=yes\nprofile=work\nfwmark=7\n"
		       "table=0x1000\nlisten=127.0.0.1:99\n"
		       "[profile work]\nexit=de\nhops=5\ndns=9.9.9.9 2620:fe::fe\n"
		       "rotate=60\nipv6=no\npaths=3\nbackups=0\nisolate=app\nduplicate=yes\n"
		       "[profile default]\nexit=de-berlin-01\ndns=exit\nrotate=auto\n"
		       "[health]\nloss_yellow=1\ndelay_red=200\nthroughput_red=1M\n"
		       "[node]\nlisten=0.0.0.0:1\naddress=192.0.2.1:1,[2001:db8::1]:2\n"
		       "roles=entry, exit\nname=n-1\noperator=Some One\ncountry=se\n"
		       "bandwidth=10G\nmax_circuits=16\n"
		       "[exit]\ntun=x0\npool_v4=100.64.0.0/10\npool_v6=fd00::/64\n"
		       "dns=192.0.2.53\npolicy=accept 10.1.0.0/16:*, reject *:80-90\n"
		       "policy = reject [2001:db8::/32]:443\npacket_limit=100\n"
		       "max_sessions=1\n"
		       "[profile third]");
	const struct config_profile *work, *other;
	const struct config_policy_rule *rule;

	NEED(cfg != NULL);
	CHECK(strcmp(cfg->daemon.socket, "/tmp/s") == 0);
	CHECK_INT(cfg->daemon.log_level, LOG_LEVEL_DEBUG);
	CHECK_INT(cfg->daemon.aead, CONFIG_AEAD_IPSEC_MB);
	NEED(cfg->mesh.seeds.count == 3);
	CHECK(strcmp(cfg->mesh.seeds.items[1], SEED6) == 0);
	CHECK(strcmp(cfg->client.tun, "wg-x") == 0);
	CHECK(cfg->client.autoconnect);
	CHECK_INT(cfg->client.fwmark, 7);
	CHECK_INT(cfg->client.table, 0x1000);
	CHECK_INT(cfg->client.listen.port, 99);
	CHECK_INT(cfg->profile_count, 3);
	work = config_profile_find(cfg, "work");
	NEED(work != NULL);
	CHECK(strcmp(work->exit, "DE") == 0);
	CHECK_INT(work->hops, 5);
	NEED(work->dns.count == 2);
	CHECK_INT(work->dns.items[1].ip[0], 0x26);
	CHECK_INT(work->rotate_s, 60);
	CHECK(!work->ipv6);
	CHECK_INT(work->paths, 3);
	CHECK_INT(work->backups, 0);
	CHECK_INT(work->isolate, CONFIG_ISOLATE_APP);
	CHECK(work->duplicate);
	other = config_profile_find(cfg, "default");
	NEED(other != NULL);
	CHECK(strcmp(other->exit, "de-berlin-01") == 0);
	CHECK_INT(other->dns.count, 0);
	CHECK(config_profile_find(cfg, "third") != NULL);
	CHECK(config_profile_find(cfg, "fourth") == NULL);
	CHECK_INT(cfg->health.loss_yellow_percent, 1);
	CHECK_INT(cfg->health.loss_red_percent, 5);
	CHECK_INT(cfg->health.delay_red_ms, 200);
	CHECK_INT(cfg->health.throughput_red_bps, 1000000);
	CHECK_INT(cfg->node.address.count, 2);
	CHECK_INT(cfg->node.roles, CONFIG_ROLE_ENTRY | CONFIG_ROLE_EXIT);
	CHECK(strcmp(cfg->node.operator, "Some One") == 0);
	CHECK(strcmp(cfg->node.country, "SE") == 0);
	CHECK(cfg->node.bandwidth_bps == 10000000000ull);
	NEED(cfg->exit.policy.count == 5);
	rule = cfg->exit.policy.items;
	CHECK(rule[0].is_accept && rule[0].net == CONFIG_NET_PREFIX);
	CHECK_INT(rule[0].prefix.len_bits, 112);
	CHECK(!rule[1].is_accept && rule[1].net == CONFIG_NET_ANY);
	CHECK_INT(rule[1].port_min, 80);
	CHECK_INT(rule[1].port_max, 90);
	CHECK_INT(rule[2].prefix.len_bits, 32);
	CHECK_INT(rule[2].port_min, 443);
	CHECK_INT(rule[3].net, CONFIG_NET_PRIVATE);
	CHECK_INT(rule[4].port_min, 25);
	CHECK_INT(cfg->sections, (1 << CONFIG_SECTION_COUNT) - 2);
	config_free(cfg);
}

static void test_destinations(void)
{
	struct config *cfg = parse_text("[profile p]\nexclude = 192.0.2.0/24, Corp.Example\n"
					"exclude = 2001:db8::/32 lan\nnetworks = " NETWORK "\n"
					"[profile q]\nonly = programs\n"
					"[profile r]\nonly = programs, 10.0.0.0/8\n");
	const struct config_profile *p;

	NEED(cfg != NULL);
	p = config_profile_find(cfg, "p");
	CHECK(p->exclude.is_set && !p->only.is_set);
	NEED(p->exclude.prefix_count == 2 && p->exclude.name_count == 2);
	CHECK_INT(p->exclude.prefixes[0].len_bits, 120);
	CHECK_INT(p->exclude.prefixes[1].ip[0], 0x20);
	CHECK(strcmp(p->exclude.names[0], "corp.example") == 0);
	CHECK(strcmp(p->exclude.names[1], "lan") == 0);
	NEED(p->networks.count == 1);
	CHECK_INT(p->networks.items[0].mac[0], 2);
	p = config_profile_find(cfg, "q");
	CHECK(p->only.is_set && p->only.prefix_count == 0 && p->only.name_count == 0);
	p = config_profile_find(cfg, "r");
	CHECK(p->only.is_set && p->only.prefix_count == 1);
	config_free(cfg);
}

static const struct {
	const char *section, *key;
	const char *good[5];
	const char *bad[12];  /* "is not understood" */
	const char *range[4]; /* "is out of range" */
} values[] = {
    {"daemon", "socket", {"/a"}, {"a", "./a"}, {0}},
    {"daemon", "group", {"macro", "wheel-2"}, {"a b", "a/b"}, {0}},
    {"daemon", "state_dir", {"/a b"}, {"a"}, {0}},
    {"daemon",
     "log_level",
     {"error", "warn", "info", "debug"},
     {"warning", "1", "error,warn"},
     {0}},
    {"daemon", "location_db", {"/var/lib/location/database.db"}, {"database.db"}, {0}},
    {"daemon", "aead", {"auto", "ipsec-mb", "openssl", "sodium"}, {"aes", "ipsec_mb"}, {0}},
    {"mesh",
     "seeds",
     {SEED, SEED6, SEED "," SEED6, SEED " " SEED, SEED ",  " SEED},
     {"x@192.0.2.1:1", KEY43 KEY43, KEY43 KEY43 "@192.0.2.1", KEY43 KEY43 "a@192.0.2.1:1",
      KEY43 KEY43 "@example.org:1", KEY43 KEY43 "@2001:db8::1:1", SEED ",x", ","},
     {0}},
    {"mesh", "seed_file", {"/seeds"}, {"seeds"}, {0}},
    {"mesh", "registrar", {KEY_HEX, "D75A" KEY_REST}, {"d75a", KEY_HEX "0", "x75a" KEY_REST}, {0}},
    {"mesh", "registry", {"/r.db"}, {"none"}, {0}},
    {"mesh",
     "head_max_age",
     {"never", "1s", "90m", "36h", "90d"},
     {"10", "d", "10w", "10 d", "-1d"},
     {"0s", "4000d", "99999999999999d"}},
    {"mesh", "sync_period", {"auto", "1s", "24h"}, {"10"}, {"0s", "86401s"}},
    {"mesh", "location_witnesses", {"off", "1", "8"}, {"none"}, {"0", "9"}},
    {"mesh", "epoch", {"auto", "2s", "1h"}, {"1"}, {"1s", "25h"}},
    {"client",
     "tun",
     {"a", "macro0", "fifteen-letters"},
     {"sixteen-letters-", "a/b", "..", "a b"},
     {0}},
    {"client", "autoconnect", {"yes", "no", "YES"}, {"true", "1", "y"}, {0}},
    {"client", "profile", {"default"}, {"a b", "a/b"}, {0}},
    {"client", "fwmark", {"1", "0x3fffffff"}, {"-1"}, {"0", "0x40000000", "0x100000000"}},
    {"client", "table", {"256", "4294967295"}, {"main"}, {"0", "255", "4294967296"}},
    {"client",
     "listen",
     {"127.0.0.1:1", "[::1]:65535"},
     {"127.0.0.1", "::1:1", "[::1]", "localhost:1", "127.0.0.1:0", "127.0.0.1:65536", ":1"},
     {0}},
    {"profile p",
     "exit",
     {"auto", "north-america", "de", "uk",
      "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
     {"XX", "d", "a b", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0"},
     {0}},
    {"profile p", "hops", {"1", "2", "3", "4", "5"}, {"three", "1-5", "auto"}, {"0", "6"}},
    {"profile p",
     "dns",
     {"exit", "9.9.9.9", "::1", "9.9.9.9,::1", "9.9.9.9 ::1"},
     {"auto", "9.9.9", "example.org", "9.9.9.9:53"},
     {0}},
    {"profile p", "rotate", {"auto", "30", "2700"}, {"5m", "never"}, {"29", "2701", "0"}},
    {"profile p", "paths", {"1", "4"}, {"all", "2.5"}, {"0", "5"}},
    {"profile p", "backups", {"0", "3"}, {"none", "-1"}, {"4"}},
    {"profile p", "isolate", {"off", "destination", "app", "APP"}, {"yes", "apps"}, {0}},
    {"profile p", "duplicate", {"yes", "no"}, {"twice"}, {0}},
    {"profile p", "ipv6", {"yes", "no"}, {"maybe"}, {0}},
    {"profile p", "killswitch", {"off", "on", "always", "ON"}, {"yes", "never"}, {0}},
    {"profile p", "dns_tls", {"dns.example.net", "a"}, {"a b", "tls://a"}, {0}},
    {"profile p", "private_names", {"lan", "corp.example, lan", "*"}, {".lan", "a/b"}, {0}},
    {"profile p", "lan", {"yes", "no"}, {"1"}, {0}},
    {"profile p",
     "interfaces",
     {"docker0", "tailscale0, wg-1"},
     {"a/b", ".a", "sixteen-letters-"},
     {0}},
    {"profile p",
     "marks",
     {"1", "0x80000/0xff0000", "1 2/2"},
     {"0", "0/1", "2/1", "x", "1/", "4294967296", "1/4294967296", "1/1x"},
     {0}},
    {"profile p", "padding", {"off", "OFF"}, {"low", "high", "on"}, {0}},
    {"profile p",
     "networks",
     {NETWORK, "02:00:5E:00:53:01@2001:db8::/64"},
     {"home", "192.168.1.0/24", "02:00:5e:00:53:01@192.168.1.1/24", NETWORK "9"},
     {0}},
    {"profile p",
     "exclude",
     {"192.0.2.0/24", "192.0.2.1", "2001:db8::/32, Corp.Example", "lan", "xn--bcher-kva.example"},
     {"programs?", "192.0.2.1/24", "192.0.2.0/33", "2001:db8::/129", "192.0.2.300", "192.0.2",
      "*.example.org", ".lan", "lan.", "a..b", "a/b", "192.0.2.0/x"},
     {0}},
    {"profile p", "only", {"programs", "programs, example.org 10.0.0.0/8"}, {"10.0.0.1/8"}, {0}},
    {"health", "loss_yellow", {"1", "5"}, {"-1", "two", "1.5"}, {"0", "101"}},
    {"health", "loss_red", {"2", "100"}, {"-1", "5%"}, {"0", "101"}},
    {"health", "delay_yellow", {"1", "150"}, {"60ms", "-60"}, {"0", "30001"}},
    {"health", "delay_red", {"60", "30000"}, {"nan", "inf"}, {"0", "30001"}},
    {"health", "throughput_yellow", {"2M", "1G"}, {"much", "-5M"}, {"999"}},
    {"health", "throughput_red", {"1000", "5M"}, {"much"}, {"999"}},
    {"health", "heal", {"1", "3600"}, {"soon"}, {"0", "3601"}},
    {"health", "improve", {"1s", "2m", "1d", "never"}, {"often"}, {"0s", "2d"}},
    {"node", "listen", {"[::]:4600", "0.0.0.0:1"}, {"4600", "*:4600"}, {0}},
    {"node",
     "roles",
     {"entry", "relay", "exit", "entry,relay,exit", "entry exit"},
     {"client", "entry,guard"},
     {0}},
    {"node", "port_mapping", {"yes", "no"}, {"maybe", "4600"}, {0}},
    {"node",
     "city",
     {"Berlin", "St. John's", "Baden-Baden", "X"},
     {"1Berlin", "Zue/rich", ".", "abcdefghijklmnopqrstuvwxyzabcdefg"},
     {0}},
    {"node", "workers", {"1", "8", "auto"}, {"many"}, {"0", "9"}},
    {"node", "validity", {"20s", "24h"}, {"20", "never"}, {"19s", "25h"}},
    {"node", "max_circuits", {"16", "10000000"}, {"many"}, {"15", "10000001"}},
    {"node",
     "bandwidth",
     {"1M", "1m", "1000K", "1000000", "1000G"},
     {"fast", "10MB", "10 M", "1T", "M", "-1M"},
     {"999999", "999K", "1001G", "99999999999999999G"}},
    {"exit", "tun", {"x0"}, {"a/b"}, {0}},
    {"exit",
     "pool_v4",
     {"10.0.0.0/8", "10.88.0.0/28"},
     {"10.88.0.1/16", "10.88.0.0/33", "10.88.0.0/x", "fd00::/64", "10.88.0/16", "10.88.0.0/"},
     {"0.0.0.0/0", "10.88.0.0/29", "10.88.0.0"}},
    {"exit",
     "pool_v6",
     {"fd00::/64"},
     {"fd00::1/64", "10.88.0.0/16", "fd00::/129"},
     {"fd00::/63", "fd00::/65"}},
    {"exit", "dns", {"9.9.9.9", "::1"}, {"exit"}, {0}},
    {"exit",
     "policy",
     {"reject *:25", "accept private:80", "ACCEPT [2001:db8::/32]:1-2",
      "reject 10.0.0.0/8:*,accept *:*", "reject 192.0.2.1:0"},
     {"reject", "drop *:25", "reject *", "reject *:65536", "reject *:2-1", "reject 2001:db8::/32:1",
      "reject [10.0.0.0/8]:1", "reject *:25;"},
     {0}},
    {"exit", "packet_limit", {"100", "100000000"}, {"none"}, {"99", "100000001"}},
    {"exit", "max_sessions", {"1", "1000000"}, {"none"}, {"0", "1000001"}},
};

static struct config *parse_value(size_t i, const char *value)
{
	const char *section = values[i].section;
	const char *before = strcmp(section, "exit") == 0     ? NODE
			     : strcmp(section, "client") == 0 ? "[mesh]\nseeds=" SEED "\n"
							      : "";
	const char *node = strcmp(section, "node") == 0 ? NODE : NULL;
	char *text = node != NULL
			 ? xasprintf("%s%s=%s\n", node, values[i].key, value)
			 : xasprintf("%s[%s]\n%s=%s\n", before, section, values[i].key, value);
	struct config *cfg = parse_text(text);

	free(text);
	return cfg;
}

static void check_refused(size_t i, const char *value, const char *why)
{
	struct config *cfg = parse_value(i, value);
	char *prefix = xasprintf("[%s] %s: \"", values[i].section, values[i].key);

	if (cfg != NULL || strstr(errors, prefix) == NULL || strstr(errors, why) == NULL ||
	    strstr(errors, "; give ") == NULL) {
		printf("# [%s] %s = %s: %s\n", values[i].section, values[i].key, value, errors);
		CHECK(!"refused with the right words");
	}
	free(prefix);
	config_free(cfg);
}

static void test_values(void)
{
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		for (size_t k = 0; k < ARRAY_LEN(values[i].good) && values[i].good[k]; k++) {
			struct config *cfg = parse_value(i, values[i].good[k]);

			if (cfg == NULL)
				printf("# %s: %s\n", values[i].good[k], errors);
			CHECK(cfg != NULL);
			config_free(cfg);
		}
		for (size_t k = 0; k < ARRAY_LEN(values[i].bad) && values[i].bad[k]; k++)
			if (strcmp(values[i].bad[k], ",") != 0)
				check_refused(i, values[i].bad[k], "is not understood");
		for (size_t k = 0; k < ARRAY_LEN(values[i].range) && values[i].range[k]; k++)
			check_refused(i, values[i].range[k], "is out of range");
	}
}

/* Every key of the table has rows above, or is tested by name below. */
static void test_values_cover_table(void)
{
	for (unsigned id = CONFIG_DAEMON; id < CONFIG_SECTION_COUNT; id++) {
		for (size_t k = 0; k < config_sections[id].key_count; k++) {
			const struct config_key *key = &config_sections[id].keys[k];
			bool found = key->is_required || strcmp(key->name, "lan") == 0;

			for (size_t i = 0; i < ARRAY_LEN(values); i++)
				found |= strcmp(key->name, values[i].key) == 0 &&
					 strncmp(values[i].section, config_sections[id].name,
						 strlen(config_sections[id].name)) == 0;
			if (!found)
				printf("# [%s] %s has no test\n", config_sections[id].name,
				       key->name);
			CHECK(found);
		}
	}
}

static void test_node_required(void)
{
	struct config *cfg = parse_text(NODE);

	CHECK(cfg != NULL);
	config_free(cfg);
	check_error("\n[node]\nname=abc\noperator=o\ncountry=DE\n",
		    "f:2: [node] address: is missing; give a list of IP:PORT");
	check_error("[node]\naddress=192.0.2.1:1\noperator=o\ncountry=DE\n[daemon]\n",
		    "f:1: [node] name: is missing; give a name of 3 to 32 small ");
	check_error("[node]\naddress=192.0.2.1:1\nname=abc\ncountry=DE",
		    "f:1: [node] operator: is missing;");
	check_error("[node]\naddress=192.0.2.1:1\nname=abc\noperator=o",
		    "f:1: [node] country: is missing;");
	check_error("[node]\nname=ab",
		    "f:2: [node] name: \"ab\" is not understood; give a name of 3");
	check_error("[node]\nname=Abc",
		    "f:2: [node] name: \"Abc\" is not understood; give a name ");
	check_error("[node]\nname=a_very_long_name_of_33_letters_xx", "f:2: [node] name: ");
	check_error("[node]\ncountry=XX", "f:2: [node] country: \"XX\" is not understood; give a ");
	check_error("[node]\ncountry=DEU", "f:2: [node] country: \"DEU\"");
	check_error("[node]\naddress=example.org:1",
		    "f:2: [node] address: \"example.org:1\" is not");
	check_error(
	    "[node]\noperator=12345678901234567890123456789012345678901234567890123456789012345",
	    "f:2: [node] operator: \"1234567890123456789012345678901234567890123456789012345"
	    "6789012345\" is out of range; give at most 64 characters");
}

static void test_structure_errors(void)
{
	check_error("version = 2\n", "f:1: version: \"2\" is out of range; give 1, the only ");
	check_error("hops = 3\n", "f:1: hops: no such key before the first section; see ");
	check_error("[daemon]\n\n# x\nsoket = /x\n", "f:4: [daemon] soket: no such key here; see ");
	check_error("[profile a]\nhop = 3\n", "f:2: [profile a] hop: no such key here; see ");
	check_error("[demon]\n", "f:1: [demon]: no such section; use daemon, mesh, ");
	check_error("[daemon x]\n", "f:1: [daemon x]: no such section; ");
	check_error("[]\n", "f:1: []: no such section; ");
	check_error("[profile]\n", "f:1: [profile ]: is not a name; write [profile NAME] with ");
	check_error("[profile a b]\n", "f:1: [profile a b]: is not a name; ");
	check_error("[profile a_very_long_name_of_33_letters_xx]\n", "f:1: [profile a_very_long_");
	check_error("[daemon\n", "f:1: \"[daemon\" is neither a [section] nor a setting; ");
	check_error("[daemon]\nsocket\n", "f:2: \"socket\" is neither a [section] nor a setting; ");
	check_error("[daemon]\nsocket =\n",
		    "f:2: [daemon] socket: has an empty value; give an abs");
	check_error("[daemon]\n= /x\n", "f:2: [daemon] : no such key here; ");
	check_error("[mesh]\nseeds = ,\n", "f:2: [mesh] seeds: has an empty value; give ");
	check_error(NODE "[exit]\npolicy = reject *:1,\n",
		    "f:7: [exit] policy: has an empty value;");
	check_error("[daemon]\nsocket=/a\nsocket=/a\n",
		    "f:3: [daemon] socket: is set already, on line 2; remove one of the two\n");
	check_error("[daemon]\n[mesh]\n[DAEMON]\n",
		    "f:3: [daemon]: is there already, on line 1; merge the two\n");
	check_error("[profile a]\n[profile a]\n",
		    "f:2: [profile a]: is there twice; merge the two");
	check_error("[client]\n", "f:1: [mesh] seeds: is missing; a client needs at least one ");
	check_error("[mesh]\nseeds=" SEED "\n[client]\nprofile=x\n",
		    "f:3: [client] profile: \"x\" is not defined; add [profile x] or name another");
	check_error("[profile Auto]\n",
		    "f:1: [profile Auto]: the word stands for the profile of the "
		    "network; take another name");
	check_error("[profile p]\nnetworks=" NETWORK "\n[profile a]\n[profile q]\n"
		    "networks=02:00:5e:00:53:01@10.0.0.0/8," NETWORK "\n",
		    "f:4: [profile q] networks: " NETWORK " is [profile p]'s already; remove one");
	check_error("[profile p]\nexclude=10.0.0.1/8\n",
		    "f:2: [profile p] exclude: \"10.0.0.1/8\" is not understood; give a list of "
		    "networks as 192.0.2.0/24, without bits of a host, and names as example.org");
	check_error("[health]\nloss_yellow=6\n",
		    "f:1: [health] loss_yellow: is above loss_red; give less");
	check_error("[health]\ndelay_red=59\n",
		    "f:1: [health] delay_yellow: is above delay_red; give less");
	check_error("[health]\nthroughput_red=6M\n",
		    "f:1: [health] throughput_yellow: is below throughput_red; give more");
	check_error("[exit]\n",
		    "f:1: [exit]: is only for nodes; add [node] with roles = exit, or ");
	check_error(NODE "[exit]\ntun=macro0\n", "f:6: [exit] tun: \"macro0\" is the client's ");
}

static void test_all_mistakes_are_reported(void)
{
	char text[400] = "[daemon]\n";

	CHECK(parse_text("[daemon]\na=1\naead=0\n[nope]\nskipped=1\nalso skipped\n[mesh]\nb=1\n") ==
	      NULL);
	CHECK(strstr(errors, "f:2: ") && strstr(errors, "f:3: ") && strstr(errors, "f:4: ") &&
	      strstr(errors, "f:8: "));
	CHECK(strstr(errors, "f:5: ") == NULL && strstr(errors, "f:6: ") == NULL);

	for (int i = 0; i < 50; i++)
		strcat(text, "x=1\n");
	CHECK(parse_text(text) == NULL);
	CHECK(strstr(errors, "f:20: ") != NULL && strstr(errors, "f:21: ") == NULL);
	CHECK(strstr(errors, "further mistakes are not shown") != NULL);
}

static void test_binary_junk(void)
{
	static const char zero[] = "[daemon]\nsocket=/a\0b\n";
	uint8_t junk[512];
	struct config *cfg;

	CHECK(parse(zero, sizeof(zero) - 1) == NULL);
	CHECK(strcmp(errors, "f:2: byte 10 is 0x00; use plain ASCII text outside of comments\n") ==
	      0);
	check_error("[daemon]\nsocket=/\xc3\xa9\n", "f:2: byte 9 is 0xc3; use plain ASCII text ");
	check_error("[daemon]\nsocket=/a\rb\n", "f:2: byte 10 is 0x0d; use plain ASCII text ");
	check_error("[node]\nname=\x01\n", "f:2: byte 6 is 0x01; use plain ASCII text outside of "
					   "comments\n");
	for (size_t i = 0; i < sizeof(junk); i++)
		junk[i] = (uint8_t)(i * 167 + 13);
	cfg = parse((const char *)junk, sizeof(junk));
	CHECK(cfg == NULL);
}

static void test_size_limits(void)
{
	const size_t max = 1 << 20;
	char *text = xcalloc(1, max + 64);
	struct config *cfg;
	size_t len;

	memset(text, '#', max + 1);
	cfg = parse(text, max);
	CHECK(cfg != NULL); /* one line of a MiB */
	config_free(cfg);
	CHECK(parse(text, max + 1) == NULL);
	CHECK(strncmp(errors, "f:1: has more than 1048576 bytes; ", 34) == 0);

	for (int extra = 0; extra <= 1; extra++) {
		len = (size_t)sprintf(text, NODE "[exit]\n");
		for (int i = 0; i < CONFIG_LIST_MAX + extra; i++)
			len += (size_t)sprintf(text + len, "policy=accept *:1\n");
		cfg = parse(text, len);
		CHECK((cfg != NULL) == (extra == 0));
		if (cfg != NULL)
			CHECK_INT(cfg->exit.policy.count, CONFIG_LIST_MAX + 2);
		config_free(cfg);
	}
	CHECK(strstr(errors, "\"accept *:1\" is one too many; give at most 256") != NULL);
	check_error(NODE "[exit]\ndns=9.9.9.9 ::1 ::2\n",
		    "f:7: [exit] dns: \"::2\" is one too many; give at most 2\n");
	check_error("[profile p]\ndns=::1 ::2\ndns=::3 ::4\n",
		    "f:3: [profile p] dns: \"::4\" is one too many; give at most 3\n");

	len = 0;
	for (int i = 0; i < 65; i++)
		len += (size_t)sprintf(text + len, "[profile p%d]\n", i);
	CHECK(parse(text, len) == NULL);
	CHECK(strcmp(errors, "f:65: [profile p64]: is one too many; keep at most 64\n") == 0);
	free(text);
}

/* For macro unlock, which has to find the lock whatever else is wrong. */
static void test_state_dir_of_a_broken_file(void)
{
	static const char *const texts[][2] = {
	    {"[daemon]\nstate_dir = /a/b\n", "/a/b"},
	    {"nonsense\n[daemon]\nnonsense = 1\nstate_dir = /a/b\n[profile x]\nhops = 99\n",
	     "/a/b"},
	    {"[daemon]\nstate_dir = relative\n", CONFIG_STATE_DIR_DEFAULT},
	    {"\xff[daemon]\nstate_dir = /a/b\n", CONFIG_STATE_DIR_DEFAULT},
	    {"", CONFIG_STATE_DIR_DEFAULT},
	};
	char path[] = "/tmp/macro-config-XXXXXX", *dir;
	const int fd = mkstemp(path);

	NEED(fd >= 0);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const size_t len = strlen(texts[i][0]);

		CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, texts[i][0], len, 0) == (ssize_t)len);
		dir = config_state_dir(path);
		CHECK(strcmp(dir, texts[i][1]) == 0);
		free(dir);
	}
	close(fd);
	unlink(path);
	dir = config_state_dir(path);
	CHECK(strcmp(dir, CONFIG_STATE_DIR_DEFAULT) == 0);
	free(dir);
}

static void test_load_files(void)
{
	char path[] = "/tmp/test_config_XXXXXX";
	const int fd = mkstemp(path);
	struct config *cfg = (struct config *)path; /* must stay as it is on failure */
	char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	NEED(fd >= 0);
	CHECK_INT(write(fd, "[daemon]\nx=1\n", 13), 13);
	CHECK_INT(config_load(&cfg, path, f), -EINVAL);
	CHECK_INT(config_load(&cfg, "/nonexistent/macro.conf", f), -ENOENT);
	CHECK_INT(config_load(&cfg, "/tmp", f), -EISDIR);
	CHECK((void *)cfg == path);
	fclose(f);
	CHECK(strstr(out, "_") != NULL && strstr(out, ":2: [daemon] x: no such key") != NULL);
	CHECK(strstr(out, "/nonexistent/macro.conf: No such file or directory; ") != NULL);
	CHECK(strstr(out, "/tmp: cannot be read: Is a directory") != NULL);
	free(out);
	CHECK_INT(ftruncate(fd, 9), 0);
	NEED(config_load(&cfg, path, stdout) == 0);
	CHECK(config_has(cfg, CONFIG_DAEMON));
	config_free(cfg);
	close(fd);
	unlink(path);
}

int main(void)
{
	RUN(test_defaults);
	RUN(test_registrar);
	RUN(test_everything_set);
	RUN(test_destinations);
	RUN(test_values);
	RUN(test_values_cover_table);
	RUN(test_node_required);
	RUN(test_structure_errors);
	RUN(test_all_mistakes_are_reported);
	RUN(test_binary_junk);
	RUN(test_size_limits);
	RUN(test_state_dir_of_a_broken_file);
	RUN(test_load_files);
	free(errors);
	return test_done();
}
