/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The daemon's control API, from the other side: HTTP over the Unix socket by libcurl. */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <jansson.h>

#include "cli/cli.h"

/*
 * client_get(cli, path, out), client_post(cli, path, body), client_ask(cli, path, body, out): GET,
 * POST, and a POST for its answer.  CODE_OK with *out for json_decref, or another code after a
 * message.  body: a reference taken, or NULL.
 */
enum code client_get(const struct cli *cli, const char *path, json_t **out);
enum code client_post(const struct cli *cli, const char *path, json_t *body);
enum code client_ask(const struct cli *cli, const char *path, json_t *body, json_t **out);

/*
 * client_follow(cli, timeout_s, on_event, ctx): each event from now on, beginning with the present
 * state, until on_event returns false: CODE_OK.  CODE_NOT_CONNECTED when timeout_s (0: none) has
 * passed, without a message; CODE_UNREACHABLE when the daemon has gone.
 */
enum code client_follow(const struct cli *cli, long timeout_s,
			bool (*on_event)(void *ctx, json_t *event), void *ctx);

/* The same for what may fail: they never print.  client_try_get: NULL if nobody answers;
 * client_try_post: whether it was done. */
json_t *client_try_get(const struct cli *cli, const char *path);
bool client_try_post(const struct cli *cli, const char *path, json_t *body);

#endif
