/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/registry_file.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "util/now.h"
#include "util/xalloc.h"

enum {
	WAIT_MS = 5000, /* for a daemon that writes */
};

uint64_t registry_file_wall_s(void)
{
	return now_read().wall_ns / NS_PER_S;
}

struct registry *registry_file_create(const uint8_t registrar[static REGISTRY_MESH_LEN])
{
	const struct registry_backend backend = local_backend(registrar);

	return registry_create(&backend, &rng_system);
}

static enum code configured_path(const struct cli *cli, char **out)
{
	struct config *cfg = NULL;

	/* Whoever only keeps the registry needs no configuration. */
	if (access(cli->config_path, F_OK) == 0 && config_load(&cfg, cli->config_path, stderr) != 0)
		return CODE_FAILED;
	if (cfg != NULL && cfg->mesh.registry != NULL)
		*out = xstrdup(cfg->mesh.registry);
	else
		*out = xasprintf("%s/" CONFIG_REGISTRY_FILE,
				 cfg != NULL ? cfg->daemon.state_dir : "/var/lib/macro");
	if (cfg != NULL)
		config_free(cfg);
	return CODE_OK;
}

enum code registry_file_paths(const struct cli *cli, struct registry_file *f)
{
	const char *path = cli_option(cli, "file"), *key = cli_option(cli, "key");

	*f = (struct registry_file){0};
	if (path != NULL)
		f->path = xstrdup(path);
	else if (configured_path(cli, &f->path) != CODE_OK)
		return CODE_FAILED;
	f->key_path = key != NULL ? xstrdup(key) : xasprintf("%s.key", f->path);
	return CODE_OK;
}

static enum code open_store(struct registry_file *f)
{
	char error[REGISTRY_STORE_ERROR_MAX];
	const struct registry_store_params p = {.path = f->path, .wait_ms = WAIT_MS};
	const int err = registry_store_open(&f->store, &p, error);

	if (err == -ENOENT)
		return cli_error(CODE_FAILED,
				 "%s; name another with --file, or make one: macro registry init",
				 error);
	if (err != 0)
		return cli_error(CODE_FAILED, "%s", error);
	f->reg = registry_file_create(registry_store_mesh(f->store));
	if (registry_store_load(f->store, f->reg, registry_file_wall_s(), error) != 0)
		return cli_error(CODE_FAILED, "%s", error);
	return CODE_OK;
}

static enum code open_key(struct registry_file *f)
{
	char error[KEYFILE_ERROR_MAX];

	if (registrar_load(&f->registrar, f->key_path, error) != 0)
		return cli_error(CODE_FAILED, "%s; only the registrar can do this", error);
	if (sodium_memcmp(f->registrar.key, registry_backend(f->reg)->mesh, REGISTRY_MESH_LEN) == 0)
		return CODE_OK;
	return cli_error(CODE_FAILED, "%s is not the key of the registry %s; name it with --key",
			 f->key_path, f->path);
}

enum code registry_file_open(const struct cli *cli, struct registry_file *f, bool will_sign)
{
	enum code code = registry_file_paths(cli, f);

	if (code == CODE_OK && sodium_init() < 0)
		code = cli_error(CODE_FAILED, "libsodium does not start");
	if (code == CODE_OK)
		code = open_store(f);
	if (code == CODE_OK && will_sign)
		code = open_key(f);
	if (code != CODE_OK)
		registry_file_close(f);
	return code;
}

void registry_file_close(struct registry_file *f)
{
	registry_store_close(f->store);
	registry_free(f->reg);
	registrar_wipe(&f->registrar);
	free(f->path);
	free(f->key_path);
}

struct append {
	const struct registrar *registrar;
	const struct registry_event *ev;
	uint64_t wall_s;
	enum registry_result result;
};

static int append(void *ctx, struct registry *reg)
{
	struct append *a = ctx;

	a->result = registrar_append(a->registrar, reg, a->ev, a->wall_s);
	/* Two renewals within a second are one. */
	return a->result == REGISTRY_OK || a->result == REGISTRY_KNOWN ? 0 : -EINVAL;
}

enum code registry_file_append(struct registry_file *f, const struct registry_event *ev)
{
	struct append a = {.registrar = &f->registrar, .ev = ev, .wall_s = registry_file_wall_s()};
	char error[REGISTRY_STORE_ERROR_MAX];
	const int err = registry_store_change(f->store, f->reg, append, &a, a.wall_s, error);

	if (err == 0)
		return CODE_OK;
	if (a.result != REGISTRY_OK)
		return cli_error(CODE_FAILED, "registry %s: %s", f->path,
				 registry_result_text(a.result));
	return cli_error(CODE_FAILED, "%s", error);
}

enum code registry_need_operands(const struct cli *cli, int count)
{
	if (cli->operand_count == count)
		return CODE_OK;
	return cli_error(CODE_USAGE, "%s: give %s; see: macro help %s", cli->verb->name,
			 cli->verb->operands, cli->verb->name);
}
