/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The exit's side of the machine: a TUN and a part of the pools for each worker, and what lies
 * behind the TUNs. */
#ifndef APP_NODE_EXIT_H
#define APP_NODE_EXIT_H

#include "config/config.h"
#include "core/engine.h"
#include "host/exit_net.h"

/* node_exit_check: whether the pools can be divided among so many workers. */
MUST_USE int node_exit_check(const struct config_exit *x, unsigned workers, char *error,
			     size_t error_len);

/* What is worker's of the pools and limits. */
struct exit_params node_exit_params(const struct config_exit *x, unsigned worker, unsigned workers);

/* macroexit0, and for the next workers macroexit1, ... */
void node_exit_tun_name(char out[static IFNAMSIZ], const struct config_exit *x, unsigned worker);

/* As exit_net_up and exit_net_reload. */
MUST_USE int node_exit_up(struct exit_net *net, const struct config *cfg, unsigned workers,
			  struct host_error *err);
MUST_USE int node_exit_reload(struct exit_net *net, const struct config *cfg, unsigned workers,
			      struct host_error *err);

#endif
