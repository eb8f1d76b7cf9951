/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>

#include "config/schema.h"
#include "tests/lib/test.h"
#include "util/xalloc.h"

#define SEED                                          \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP-" \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP-@192.0.2.1:4600"

static char *sample(const struct config_setting *set, size_t count)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	config_sample_write(f, set, count);
	fclose(f);
	return text;
}

/* Settings as sample would write them again, to compare two configs by what they say. */
static void check_same(const struct config *a, const struct config *b)
{
	CHECK_INT(a->version, b->version);
	CHECK(strcmp(a->daemon.socket, b->daemon.socket) == 0);
	CHECK(strcmp(a->daemon.state_dir, b->daemon.state_dir) == 0);
	CHECK_INT(a->daemon.log_level, b->daemon.log_level);
	CHECK_INT(a->daemon.aead, b->daemon.aead);
	CHECK(strcmp(a->client.tun, b->client.tun) == 0);
	CHECK_INT(a->client.autoconnect, b->client.autoconnect);
	CHECK(strcmp(a->client.profile, b->client.profile) == 0);
	CHECK_INT(a->client.fwmark, b->client.fwmark);
	CHECK_INT(a->client.table, b->client.table);
	CHECK_INT(a->profile_count, b->profile_count);
	CHECK(strcmp(a->profiles[0].exit, b->profiles[0].exit) == 0);
	CHECK_INT(a->profiles[0].hops, b->profiles[0].hops);
	CHECK_INT(a->profiles[0].dns.count, b->profiles[0].dns.count);
	CHECK_INT(a->profiles[0].rotate_s, b->profiles[0].rotate_s);
	CHECK_INT(a->profiles[0].ipv6, b->profiles[0].ipv6);
	CHECK_INT(a->profiles[0].killswitch, b->profiles[0].killswitch);
	CHECK_INT(a->profiles[0].lan, b->profiles[0].lan);
	CHECK(endpoint_equal(&a->node.listen, &b->node.listen));
	CHECK_INT(a->node.roles, b->node.roles);
	CHECK(a->node.bandwidth_bps == b->node.bandwidth_bps);
	CHECK_INT(a->node.max_circuits, b->node.max_circuits);
	CHECK(strcmp(a->exit.tun, b->exit.tun) == 0);
	CHECK_MEM(&a->exit.pool_v4, &b->exit.pool_v4, sizeof(a->exit.pool_v4));
	CHECK_MEM(&a->exit.pool_v6, &b->exit.pool_v6, sizeof(a->exit.pool_v6));
	CHECK_INT(a->exit.packet_limit, b->exit.packet_limit);
	CHECK_INT(a->exit.max_sessions, b->exit.max_sessions);
}

static void test_sample_is_the_defaults(void)
{
	char *text = sample(NULL, 0);
	struct config *from_sample = NULL, *defaults = NULL;

	NEED(config_parse(&from_sample, text, strlen(text), "sample", stdout) == 0);
	NEED(config_parse(&defaults, "", 0, "empty", stdout) == 0);
	check_same(from_sample, defaults);
	CHECK_INT(from_sample->sections, 0);
	CHECK_INT(from_sample->exit.policy.count, defaults->exit.policy.count);
	config_free(from_sample);
	config_free(defaults);
	free(text);
}

/* Removing each # before a name or section gives the defaults too, and valid examples. */
static void test_sample_uncommented(void)
{
	static const struct config_setting seed = {CONFIG_MESH, "seeds", SEED};
	char *text = sample(&seed, 1);
	struct config *cfg = NULL, *defaults = NULL;

	for (char *line = text; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (line[0] == '#' && (line[1] == '[' || islower((unsigned char)line[1])))
			line[0] = ' ';
	}
	NEED(config_parse(&cfg, text, strlen(text), "sample", stdout) == 0);
	NEED(config_parse(&defaults, "", 0, "empty", stdout) == 0);
	check_same(cfg, defaults);
	CHECK_INT(cfg->sections, (1 << CONFIG_SECTION_COUNT) - 2);
	CHECK_INT(cfg->mesh.seeds.count, 1);
	config_free(cfg);
	config_free(defaults);
	free(text);
}

static void test_sample_with_settings(void)
{
	static const struct config_setting set[] = {
	    {CONFIG_DAEMON, "state_dir", "/tmp/x"},
	    {CONFIG_NODE, "address", "192.0.2.1:1, 192.0.2.2:1"},
	    {CONFIG_NODE, "name", "node-1"},
	    {CONFIG_NODE, "operator", "example.org"},
	    {CONFIG_NODE, "country", "DE"},
	};
	char *text = sample(set, ARRAY_LEN(set));
	struct config *cfg = NULL;

	NEED(config_parse(&cfg, text, strlen(text), "sample", stdout) == 0);
	CHECK_INT(cfg->sections, 1 << CONFIG_DAEMON | 1 << CONFIG_NODE);
	CHECK(strcmp(cfg->daemon.state_dir, "/tmp/x") == 0);
	CHECK_INT(cfg->node.address.count, 2);
	CHECK(strcmp(cfg->node.name, "node-1") == 0);
	CHECK_INT(cfg->node.roles, CONFIG_ROLE_RELAY);
	config_free(cfg);
	free(text);
}

static void test_checked_in_sample(const char *path)
{
	char *text = sample(NULL, 0), *file = xcalloc(1, strlen(text) + 2);
	FILE *f = fopen(path, "r");

	NEED(f != NULL);
	CHECK_INT(fread(file, 1, strlen(text) + 1, f), strlen(text));
	if (strcmp(file, text) != 0)
		printf("# contrib/macro.conf.sample is old: macro config sample > it\n");
	CHECK(strcmp(file, text) == 0);
	fclose(f);
	free(file);
	free(text);
}

static const char *sample_path;

static void test_contrib(void)
{
	test_checked_in_sample(sample_path);
}

static void test_man_has_every_key(void)
{
	char *man = NULL, *item;
	size_t size;
	FILE *f = open_memstream(&man, &size);

	config_man_write(f);
	fclose(f);
	for (unsigned id = 0; id < CONFIG_SECTION_COUNT; id++) {
		for (size_t i = 0; i < config_sections[id].key_count; i++) {
			item = xasprintf(".It Ic %s\n", config_sections[id].keys[i].name);
			CHECK(strstr(man, item) != NULL);
			free(item);
		}
	}
	for (const char *line = strchr(man, '\n'); line != NULL; line = strchr(line + 1, '\n'))
		CHECK(line[1] != '\''); /* would be a roff command */
	free(man);
}

int main(int argc, char **argv)
{
	sample_path = argc > 1 ? argv[1] : "contrib/macro.conf.sample";
	RUN(test_sample_is_the_defaults);
	RUN(test_sample_uncommented);
	RUN(test_sample_with_settings);
	RUN(test_contrib);
	RUN(test_man_has_every_key);
	return test_done();
}
