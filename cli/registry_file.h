/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The registry that a verb works on: a file, without any daemon. */
#ifndef CLI_REGISTRY_FILE_H
#define CLI_REGISTRY_FILE_H

#include "cli/cli.h"
#include "registry/registrar.h"
#include "registry/store.h"

struct registry_file {
	char *path, *key_path;
	struct registry_store *store;
	struct registry *reg;
	struct registrar registrar; /* zero unless opened to sign */
};

/* registry_file_create(registrar): an empty one, whose heads that registrar signs. */
struct registry *registry_file_create(const uint8_t registrar[static REGISTRY_MESH_LEN]);

/* registry_file_paths(cli, f): where --file, or else the configuration, says it is; its key beside
 * it, or where --key says. */
enum code registry_file_paths(const struct cli *cli, struct registry_file *f);

/* registry_file_open(cli, f, will_sign): paths, store loaded and verified, the registrar's key.  On
 * any other code than CODE_OK nothing is left to close. */
enum code registry_file_open(const struct cli *cli, struct registry_file *f, bool will_sign);
void registry_file_close(struct registry_file *f);

/* registry_file_append(f, ev): one event (NULL: only renew the head), signed and stored. */
enum code registry_file_append(struct registry_file *f, const struct registry_event *ev);

uint64_t registry_file_wall_s(void);

/* registry_need_operands(cli, count): so many, or what to give. */
enum code registry_need_operands(const struct cli *cli, int count);

#endif
