/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/node_exit.h"

#include "host/resolv.h"
#include "util/log.h"
#include "util/xalloc.h"

#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	EXIT_MTU = 1360,    /* fits every backward cell, whatever the circuit's length */
	PART_BITS_MAX = 29, /* the smallest part of the IPv4 pool: five addresses to give out */
};

/* ---- parts ---- */

/* A power of two of parts, so that each is a prefix. */
static unsigned part_bits(unsigned workers)
{
	unsigned bits = 0;

	while (1u << bits < workers)
		bits++;
	return bits;
}

static unsigned pool_bits(const struct config_exit *x)
{
	return x->pool_v4.len_bits - 96u;
}

int node_exit_check(const struct config_exit *x, unsigned workers, char *error, size_t error_len)
{
	const unsigned room = PART_BITS_MAX - part_bits(workers);

	if (workers == 1 || pool_bits(x) <= room)
		return 0;
	snprintf(error, error_len,
		 "[exit] pool_v4: a /%u is too small for [node] workers = %u; give at least a /%u",
		 pool_bits(x), workers, room);
	return -EINVAL;
}

/* Hosts have the same number in both pools, so the parts begin at the same number too. */
struct exit_params node_exit_params(const struct config_exit *x, unsigned worker, unsigned workers)
{
	const unsigned bits = pool_bits(x) + part_bits(workers);
	const uint32_t first = worker == 0 ? 0 : worker << (32 - bits);
	struct exit_params p = {
	    .pool_v4_bits = (uint8_t)bits,
	    .has_v6 = true,
	    .max_sessions = (x->max_sessions + workers - 1) / workers,
	    .packets_per_s = x->packet_limit,
	};

	memcpy(p.pool_v4, x->pool_v4.ip + 12, 4);
	memcpy(p.pool_v6, x->pool_v6.ip, 16);
	put_be32(p.pool_v4, get_be32(p.pool_v4) + first);
	put_be32(p.pool_v6 + 12, first);
	return p;
}

void node_exit_tun_name(char out[static IFNAMSIZ], const struct config_exit *x, unsigned worker)
{
	size_t len = strlen(x->tun);
	char number[12];

	snprintf(out, IFNAMSIZ, "%s", x->tun);
	if (worker == 0)
		return;
	while (len > 0 && isdigit((unsigned char)x->tun[len - 1]))
		len--;
	snprintf(number, sizeof(number), "%lu", strtoul(x->tun + len, NULL, 10) % 1000000 + worker);
	len = MIN(len, IFNAMSIZ - 1 - strlen(number));
	snprintf(out + len, IFNAMSIZ - len, "%s", number);
}

/* ---- what lies behind ---- */

static struct policy_rule rule_of(const struct config_policy_rule *r)
{
	struct policy_rule out = {
	    .action = r->is_accept ? POLICY_ACCEPT : POLICY_REJECT,
	    .port_min = r->port_min,
	    .port_max = r->port_max,
	};

	switch (r->net) {
	case CONFIG_NET_ANY:
		out.net = POLICY_NET_ANY;
		break;
	case CONFIG_NET_PRIVATE:
		out.net = POLICY_NET_PRIVATE;
		break;
	case CONFIG_NET_PREFIX:
		out.net = POLICY_NET_PREFIX;
		break;
	}
	memcpy(out.prefix.ip, r->prefix.ip, sizeof(out.prefix.ip));
	out.prefix.len_bits = r->prefix.len_bits;
	return out;
}

static void dns_add(struct exit_net_config *n, const uint8_t ip[static 16])
{
	struct endpoint e = {0};
	uint8_t *slot;

	memcpy(e.ip, ip, sizeof(e.ip));
	slot = endpoint_is_v4(&e) ? n->dns4 : n->dns6;
	if (sodium_is_zero(slot, 16))
		memcpy(slot, ip, 16);
}

/* Who answers the clients: as configured, or whoever answers this machine. */
static void dns_fill(const struct config_exit *x, struct exit_net_config *n)
{
	struct resolv_servers own = resolv_list(RESOLV_PATH_DEFAULT);

	for (size_t i = 0; i < x->dns.count; i++)
		dns_add(n, x->dns.items[i].ip);
	if (x->dns.count > 0)
		return;
	if (own.count == 0)
		own = resolv_list("/run/systemd/resolve/resolv.conf");
	for (size_t i = 0; i < own.count; i++)
		dns_add(n, own.ip[i]);
	if (own.count == 0)
		log_warn(
		    "[exit] dns is not set and this machine has no name server that others can "
		    "ask: clients will find no names through this exit");
}

static struct exit_dev dev_of(const struct config_exit *x, unsigned worker, unsigned workers,
			      char name[static IFNAMSIZ])
{
	const struct exit_params p = node_exit_params(x, worker, workers);
	struct exit_dev d = {
	    .tun = name,
	    .gateway4.len_bits = (uint8_t)(96 + p.pool_v4_bits),
	    .gateway6.len_bits =
		(uint8_t)(workers == 1 ? x->pool_v6.len_bits : 96u + p.pool_v4_bits),
	};

	node_exit_tun_name(name, x, worker);
	memset(d.gateway4.ip + 10, 0xff, 2);
	memcpy(d.gateway4.ip + 12, p.pool_v4, 4);
	memcpy(d.gateway6.ip, p.pool_v6, 16);
	d.gateway4.ip[15] |= 1;
	d.gateway6.ip[15] |= 1;
	return d;
}

static int with_config(struct exit_net *net, const struct config *cfg, unsigned workers,
		       int (*apply)(struct exit_net *n, const struct exit_net_config *cfg,
				    struct host_error *err),
		       struct host_error *err)
{
	const struct config_exit *x = &cfg->exit;
	struct policy_rule *policy = xcalloc(x->policy.count, sizeof(*policy));
	char names[EXIT_DEVS_MAX][IFNAMSIZ];
	struct exit_net_config n = {
	    .state_dir = cfg->daemon.state_dir,
	    .dev_count = workers,
	    .mtu_bytes = EXIT_MTU,
	    .policy = policy,
	    .policy_count = x->policy.count,
	};
	int rc;

	for (unsigned i = 0; i < workers; i++)
		n.dev[i] = dev_of(x, i, workers, names[i]);
	for (size_t i = 0; i < x->policy.count; i++)
		policy[i] = rule_of(&x->policy.items[i]);
	dns_fill(x, &n);
	rc = apply(net, &n, err);
	free(policy);
	return rc;
}

int node_exit_up(struct exit_net *net, const struct config *cfg, unsigned workers,
		 struct host_error *err)
{
	return with_config(net, cfg, workers, exit_net_up, err);
}

int node_exit_reload(struct exit_net *net, const struct config *cfg, unsigned workers,
		     struct host_error *err)
{
	return with_config(net, cfg, workers, exit_net_reload, err);
}
