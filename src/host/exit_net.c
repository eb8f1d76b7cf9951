/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/exit_net.h"

#include <errno.h>
#include <linux/rtnetlink.h>

#include "host/firewall.h"
#include "host/plan.h"
#include "host/recover.h"
#include "host/rules.h"
#include "util/endpoint.h"
#include "util/log.h"
#include "util/xalloc.h"

static const char *const refusal_names[] = {
    [EXIT_SPOOFED] = "spoofed",         [EXIT_PEER] = "peer", [EXIT_OWN] = "own",
    [EXIT_PRIVATE] = "private",         [EXIT_SMTP] = "smtp", [EXIT_POLICY] = "by_policy",
    [EXIT_UNSOLICITED] = "unsolicited",
};
_Static_assert(ARRAY_LEN(refusal_names) == EXIT_REFUSALS, "a name for each");

#define REJECT "reject with icmpx type admin-prohibited"

const char *exit_refusal_name(enum exit_refusal why)
{
	return refusal_names[why];
}

uint64_t exit_net_refused(enum exit_refusal why)
{
	return firewall_counter(FIREWALL_EXIT_TABLE, refusal_names[why]);
}

/* What the text below needs to know about one family. */
struct family {
	const char *ip;      /* nftables' word for its header */
	const char *nfproto; /* and for the family */
	const char *echo;
	const struct ip_prefix *gateway;
	const uint8_t *dns;
	char pool[IP_PREFIX_TEXT_MAX];
	char gateway_text[ENDPOINT_TEXT_MAX];
};

static void families_init(struct family f[static 2], const struct exit_net_config *cfg)
{
	f[0] = (struct family){.ip = "ip",
			       .nfproto = "ipv4",
			       .echo = "icmp type echo-request",
			       .gateway = &cfg->gateway4,
			       .dns = cfg->dns4};
	f[1] = (struct family){.ip = "ip6",
			       .nfproto = "ipv6",
			       .echo = "icmpv6 type echo-request",
			       .gateway = &cfg->gateway6,
			       .dns = cfg->dns6};
	for (int i = 0; i < 2; i++) {
		const struct ip_prefix pool = ip_prefix_network(f[i].gateway);

		ip_prefix_format(&pool, f[i].pool);
		endpoint_ip_format(f[i].gateway->ip, f[i].gateway_text);
	}
}

static bool is_used(const struct family *f)
{
	return ip_is_set(f->gateway->ip);
}

static void write_counters(FILE *out)
{
	for (size_t i = 0; i < EXIT_REFUSALS; i++)
		fprintf(out, "\tcounter %s { }\n", refusal_names[i]);
}

static void write_source_check(FILE *out, const struct family *f)
{
	if (is_used(f))
		fprintf(out,
			"\t\t%s saddr != %s counter name \"spoofed\" drop\n"
			"\t\t%s saddr %s counter name \"spoofed\" drop\n",
			f->ip, f->pool, f->ip, f->gateway_text);
	else
		fprintf(out, "\t\tmeta nfproto %s counter name \"spoofed\" drop\n", f->nfproto);
}

static void write_pool_check(FILE *out, const struct family *f)
{
	if (!is_used(f))
		return;
	if (ip_is_set(f->dns))
		fprintf(out, "\t\t%s daddr %s meta l4proto { tcp, udp } th dport 53 accept\n",
			f->ip, f->gateway_text);
	fprintf(out, "\t\t%s daddr %s %s accept\n", f->ip, f->gateway_text, f->echo);
	fprintf(out, "\t\t%s daddr %s counter name \"peer\" " REJECT "\n", f->ip, f->pool);
}

/* After connection tracking, before any address translation (which is at -100). */
static void write_check(FILE *out, const struct exit_net_config *cfg, const struct family f[2])
{
	fprintf(out,
		"\tchain check {\n"
		"\t\ttype filter hook prerouting priority -110; policy accept;\n"
		"\t\tiifname != \"%s\" accept\n",
		cfg->tun);
	write_source_check(out, &f[0]);
	write_source_check(out, &f[1]);
	fputs("\t\tct state established,related accept\n", out);
	write_pool_check(out, &f[0]);
	write_pool_check(out, &f[1]);
	fputs("\t\tfib daddr type { local, broadcast, anycast } counter name \"own\" " REJECT "\n"
	      "\t\tjump destinations\n\t}\n",
	      out);
}

static void write_dns(FILE *out, const struct exit_net_config *cfg, const struct family f[2])
{
	char ip[ENDPOINT_TEXT_MAX];

	fputs("\tchain resolver {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n",
	      out);
	for (int i = 0; i < 2; i++)
		if (is_used(&f[i]) && ip_is_set(f[i].dns))
			fprintf(out,
				"\t\tiifname \"%s\" %s daddr %s meta l4proto { tcp, udp } "
				"th dport 53 dnat %s to %s\n",
				cfg->tun, f[i].ip, f[i].gateway_text, f[i].ip,
				endpoint_ip_format(f[i].dns, ip));
	fputs("\t}\n", out);
}

static void write_masquerade(FILE *out, const struct exit_net_config *cfg, const struct family f[2])
{
	fputs("\tchain outgoing {\n"
	      "\t\ttype nat hook postrouting priority srcnat; policy accept;\n",
	      out);
	for (int i = 0; i < 2; i++)
		if (is_used(&f[i]))
			fprintf(out, "\t\t%s saddr %s oifname != { \"%s\", \"lo\" } masquerade\n",
				f[i].ip, f[i].pool, cfg->tun);
	fputs("\t}\n", out);
}

static void write_forward(FILE *out, const struct exit_net_config *cfg)
{
	fprintf(out,
		"\tchain passing {\n"
		"\t\ttype filter hook forward priority filter; policy accept;\n"
		"\t\tiifname \"%s\" oifname \"%s\" counter name \"peer\" " REJECT "\n"
		"\t\toifname \"%s\" ct state != { established, related } "
		"counter name \"unsolicited\" drop\n"
		"\t\toifname \"%s\" tcp flags syn tcp option maxseg size set rt mtu\n"
		"\t\tiifname \"%s\" tcp flags syn tcp option maxseg size set rt mtu\n\t}\n",
		cfg->tun, cfg->tun, cfg->tun, cfg->tun, cfg->tun);
}

static char *table_body(const struct exit_net_config *cfg)
{
	char *policy = exit_policy_text(cfg->policy, cfg->policy_count), *text = NULL;
	struct family f[2];
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		abort(); /* only for want of memory, as in util/xalloc.h */
	families_init(f, cfg);
	write_counters(out);
	fputs(policy, out);
	write_check(out, cfg, f);
	write_dns(out, cfg, f);
	write_masquerade(out, cfg, f);
	write_forward(out, cfg);
	fclose(out);
	free(policy);
	return text;
}

struct forwarding {
	struct change_list *list;
	const char *family_dir;
	char now[SYSCTL_VALUE_MAX];
};

static void conf_key(char key[static SYSCTL_KEY_MAX], const char *family_dir, const char *dev,
		     const char *setting)
{
	snprintf(key, SYSCTL_KEY_MAX, "net/%s/conf/%s/%s", family_dir, dev, setting);
}

/*
 * The switch for all devices sets the one of each device; those that stood otherwise are to stand
 * so again.  And a device that learns its default route from router advertisements would lose it
 * with forwarding on, unless accept_ra is 2.
 */
static void plan_dev_forwarding(void *ctx, const char *dev)
{
	const struct forwarding *f = ctx;
	char key[SYSCTL_KEY_MAX], value[SYSCTL_VALUE_MAX];

	if (strcmp(dev, "all") == 0)
		return;
	conf_key(key, f->family_dir, dev, "forwarding");
	if (sysctl_read(key, value) == 0 && strcmp(value, f->now) != 0)
		plan_sysctl(f->list, key, NULL);
	conf_key(key, f->family_dir, dev, "accept_ra");
	if (strcmp(f->family_dir, "ipv6") == 0 && strcmp(dev, "default") != 0 &&
	    sysctl_read(key, value) == 0 && strcmp(value, "1") == 0)
		plan_sysctl(f->list, key, "2");
}

static int plan_forwarding(struct change_list *list, const char *family_dir, struct host_error *err)
{
	struct forwarding f = {.list = list, .family_dir = family_dir};
	char key[SYSCTL_KEY_MAX];
	int code;

	conf_key(key, family_dir, "all", "forwarding");
	code = sysctl_read(key, f.now);
	if (code == 0 && strcmp(f.now, "1") == 0)
		return 0;
	if (code == 0)
		code = sysctl_each_dev(family_dir, plan_dev_forwarding, &f);
	if (code != 0)
		return host_fail(err, code, "reading /proc/sys/%s", key);
	/* Follows from forwarding, the other way round (IPv4 only). */
	if (strcmp(family_dir, "ipv4") == 0)
		plan_sysctl(list, "net/ipv4/conf/all/accept_redirects", NULL);
	plan_sysctl(list, key, "1");
	return 0;
}

/* One family: forwarding, the address with the pool's route, and the way past a client's tunnel. */
static int plan_family(struct change_list *list, const struct exit_net_config *cfg,
		       const struct ip_prefix *gateway, const char *family_dir,
		       struct host_error *err)
{
	struct netlink_rule *r;
	const int code = plan_forwarding(list, family_dir, err);

	if (code != 0)
		return code;
	plan_address(list, cfg->tun, gateway);
	r = plan_rule(list, ip_prefix_family(gateway), RULE_EXIT_FORWARD, RT_TABLE_MAIN);
	snprintf(r->iif, sizeof(r->iif), "%s", cfg->tun);
	return 0;
}

static int check_ipv6(const struct exit_net_config *cfg, struct host_error *err)
{
	if (!ip_is_set(cfg->gateway6.ip) || plan_has_ipv6(cfg->tun))
		return 0;
	return host_refuse(err, -EAFNOSUPPORT,
			   "the exit has an IPv6 pool, but IPv6 is switched off on this machine; "
			   "set net.ipv6.conf.default.disable_ipv6=0, or no pool");
}

/* The checks come first, forwarding last: nothing passes before it is checked. */
static int plan(struct transaction *t, const struct exit_net_config *cfg, struct host_error *err)
{
	const struct plan_tun tun = {cfg->tun, cfg->mtu_bytes, cfg->is_tun_persistent};
	struct change *c = change_list_add(&t->list, CHANGE_NFT);
	int code;

	snprintf(c->nft.table, sizeof(c->nft.table), "%s", FIREWALL_EXIT_TABLE);
	c->nft.body = table_body(cfg);
	code = plan_tun(&t->list, t->nl, &tun, err);
	if (code == 0)
		code = check_ipv6(cfg, err);
	if (code == 0 && ip_is_set(cfg->gateway4.ip))
		code = plan_family(&t->list, cfg, &cfg->gateway4, "ipv4", err);
	if (code == 0 && ip_is_set(cfg->gateway6.ip))
		code = plan_family(&t->list, cfg, &cfg->gateway6, "ipv6", err);
	return code;
}

static int check_config(const struct exit_net_config *cfg, struct host_error *err)
{
	const bool v4 = ip_is_set(cfg->gateway4.ip), v6 = ip_is_set(cfg->gateway6.ip);
	const struct ip_prefix dns4 = ip_prefix_host(cfg->dns4), dns6 = ip_prefix_host(cfg->dns6);

	if (!plan_name_is_plain(cfg->tun) || (!v4 && !v6) ||
	    (v4 && !ip_prefix_is_v4(&cfg->gateway4)) || (v6 && ip_prefix_is_v4(&cfg->gateway6)) ||
	    (ip_is_set(dns4.ip) && !ip_prefix_is_v4(&dns4)) ||
	    (ip_is_set(dns6.ip) && ip_prefix_is_v4(&dns6)))
		return host_refuse(err, -EINVAL,
				   "the exit needs a device and a gateway address, each of its "
				   "own family");
	if (ip_is_loopback(cfg->dns4) || ip_is_loopback(cfg->dns6))
		return host_refuse(err, -EINVAL,
				   "the exit's name server is on the loopback, where clients' "
				   "packets cannot be sent; set [exit] dns to another address");
	return 0;
}

static int check_free(struct host_error *err)
{
	const int code = firewall_exists(FIREWALL_EXIT_TABLE, err);

	return code <= 0 ? code
			 : host_refuse(err, -EEXIST,
				       "nftables table inet %s exists; another exit runs here, or "
				       "run macrod --cleanup",
				       FIREWALL_EXIT_TABLE);
}

static void warn_of_forward_drop(void)
{
	char table[96];

	if (firewall_forward_drop(table, sizeof(table)))
		log_warn("the firewall table %s drops forwarded packets by policy, clients' too; "
			 "accept those from and to the exit's device there",
			 table);
}

int exit_net_up(struct exit_net *n, const struct exit_net_config *cfg, struct host_error *err)
{
	struct transaction t;
	int code = check_config(cfg, err);

	if (code == 0)
		code = transaction_open(&t, cfg->state_dir, HOST_EXIT, err);
	if (code != 0)
		return code;
	t.hook = cfg->hook;
	code = check_free(err);
	if (code == 0)
		code = plan(&t, cfg, err);
	if (code == 0)
		code = transaction_apply(&t, 0, err);
	if (code != 0) {
		transaction_close(&t);
		return code;
	}
	warn_of_forward_drop();
	n->t = t;
	return 0;
}

int exit_net_reload(struct exit_net *n, const struct exit_net_config *cfg, struct host_error *err)
{
	char *body;
	int code = check_config(cfg, err);

	(void)n; /* the journal has the table already */
	if (code != 0)
		return code;
	body = table_body(cfg);
	code = firewall_replace(FIREWALL_EXIT_TABLE, body, err);
	free(body);
	return code;
}

int exit_net_down(struct exit_net *n, struct host_error *err)
{
	const int code = transaction_undo(&n->t, 0, n->t.list.count, err);

	transaction_close(&n->t);
	return code;
}
