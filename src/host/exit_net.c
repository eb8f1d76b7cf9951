/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/exit_net.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

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

/* What the text below needs to know about one family of one device. */
struct family {
	const char *tun;
	const char *ip;      /* nftables' word for its header */
	const char *nfproto; /* and for the family */
	const char *echo;
	const struct ip_prefix *gateway;
	const uint8_t *dns;
	char pool[IP_PREFIX_TEXT_MAX];
	char gateway_text[ENDPOINT_TEXT_MAX];
};

/* All devices, as nftables names them: one, or a set. */
struct families {
	struct family f[2 * EXIT_DEVS_MAX];
	size_t count;
	char names[EXIT_DEVS_MAX * (IFNAMSIZ + 4)]; /* "a", "b" */
};

static bool is_used(const struct family *f)
{
	return ip_is_set(f->gateway->ip);
}

static void families_init(struct families *fs, const struct exit_net_config *cfg)
{
	size_t used = 0;

	fs->count = 2 * cfg->dev_count;
	for (size_t i = 0; i < fs->count; i++) {
		const struct exit_dev *d = &cfg->dev[i / 2];
		const bool is_v4 = i % 2 == 0;
		struct family *f = &fs->f[i];
		struct ip_prefix pool;

		*f = (struct family){
		    .tun = d->tun,
		    .ip = is_v4 ? "ip" : "ip6",
		    .nfproto = is_v4 ? "ipv4" : "ipv6",
		    .echo = is_v4 ? "icmp type echo-request" : "icmpv6 type echo-request",
		    .gateway = is_v4 ? &d->gateway4 : &d->gateway6,
		    .dns = is_v4 ? cfg->dns4 : cfg->dns6,
		};
		pool = ip_prefix_network(f->gateway);
		ip_prefix_format(&pool, f->pool);
		endpoint_ip_format(f->gateway->ip, f->gateway_text);
		if (is_v4)
			used += (size_t)snprintf(fs->names + used, sizeof(fs->names) - used,
						 "%s\"%s\"", used > 0 ? ", " : "", d->tun);
	}
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
			"\t\tiifname \"%s\" %s saddr != %s counter name \"spoofed\" drop\n"
			"\t\t%s saddr %s counter name \"spoofed\" drop\n",
			f->tun, f->ip, f->pool, f->ip, f->gateway_text);
	else
		fprintf(out, "\t\tmeta nfproto %s counter name \"spoofed\" drop\n", f->nfproto);
}

static void write_gateway_check(FILE *out, const struct family *f)
{
	if (!is_used(f))
		return;
	if (ip_is_set(f->dns))
		fprintf(out,
			"\t\tiifname \"%s\" %s daddr %s meta l4proto { tcp, udp } "
			"th dport 53 accept\n",
			f->tun, f->ip, f->gateway_text);
	fprintf(out, "\t\tiifname \"%s\" %s daddr %s %s accept\n", f->tun, f->ip, f->gateway_text,
		f->echo);
}

static void write_peer_check(FILE *out, const struct family *f)
{
	if (is_used(f))
		fprintf(out, "\t\t%s daddr %s counter name \"peer\" " REJECT "\n", f->ip, f->pool);
}

static void write_each(FILE *out, const struct families *fs,
		       void (*write)(FILE *out, const struct family *f))
{
	for (size_t i = 0; i < fs->count; i++)
		write(out, &fs->f[i]);
}

/* After connection tracking, before any address translation (which is at -100). */
static void write_check(FILE *out, const struct families *fs)
{
	fprintf(out,
		"\tchain check {\n"
		"\t\ttype filter hook prerouting priority -110; policy accept;\n"
		"\t\tiifname != { %s } accept\n",
		fs->names);
	write_each(out, fs, write_source_check);
	fputs("\t\tct state established,related accept\n", out);
	write_each(out, fs, write_gateway_check);
	write_each(out, fs, write_peer_check);
	fputs("\t\tfib daddr type { local, broadcast, anycast } counter name \"own\" " REJECT "\n"
	      "\t\tjump destinations\n\t}\n",
	      out);
}

static void write_resolver(FILE *out, const struct family *f)
{
	char ip[ENDPOINT_TEXT_MAX];

	if (is_used(f) && ip_is_set(f->dns))
		fprintf(out,
			"\t\tiifname \"%s\" %s daddr %s meta l4proto { tcp, udp } "
			"th dport 53 dnat %s to %s\n",
			f->tun, f->ip, f->gateway_text, f->ip, endpoint_ip_format(f->dns, ip));
}

static void write_dns(FILE *out, const struct families *fs)
{
	fputs("\tchain resolver {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n",
	      out);
	write_each(out, fs, write_resolver);
	fputs("\t}\n", out);
}

static void write_masquerade(FILE *out, const struct families *fs)
{
	fputs("\tchain outgoing {\n"
	      "\t\ttype nat hook postrouting priority srcnat; policy accept;\n",
	      out);
	for (size_t i = 0; i < fs->count; i++)
		if (is_used(&fs->f[i]))
			fprintf(out, "\t\t%s saddr %s oifname != { %s, \"lo\" } masquerade\n",
				fs->f[i].ip, fs->f[i].pool, fs->names);
	fputs("\t}\n", out);
}

static void write_forward(FILE *out, const struct families *fs)
{
	const char *n = fs->names;

	fprintf(out,
		"\tchain passing {\n"
		"\t\ttype filter hook forward priority filter; policy accept;\n"
		"\t\tiifname { %s } oifname { %s } counter name \"peer\" " REJECT "\n"
		"\t\toifname { %s } ct state != { established, related } "
		"counter name \"unsolicited\" drop\n"
		"\t\toifname { %s } tcp flags syn tcp option maxseg size set rt mtu\n"
		"\t\tiifname { %s } tcp flags syn tcp option maxseg size set rt mtu\n\t}\n",
		n, n, n, n, n);
}

static char *table_body(const struct exit_net_config *cfg)
{
	char *policy = exit_policy_text(cfg->policy, cfg->policy_count), *text = NULL;
	struct families fs;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		abort(); /* only for want of memory, as in util/xalloc.h */
	families_init(&fs, cfg);
	write_counters(out);
	fputs(policy, out);
	write_check(out, &fs);
	write_dns(out, &fs);
	write_masquerade(out, &fs);
	write_forward(out, &fs);
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

/* One family: the address with the pool's route, and the way past a client's tunnel. */
static void plan_family(struct change_list *list, const char *tun, const struct ip_prefix *gateway)
{
	struct netlink_rule *r;

	plan_address(list, tun, gateway);
	r = plan_rule(list, ip_prefix_family(gateway), RULE_EXIT_FORWARD, RT_TABLE_MAIN);
	snprintf(r->iif, sizeof(r->iif), "%s", tun);
}

static int plan_families(struct change_list *list, const struct exit_net_config *cfg,
			 struct host_error *err)
{
	const bool v4 = ip_is_set(cfg->dev[0].gateway4.ip), v6 = ip_is_set(cfg->dev[0].gateway6.ip);
	int code = 0;

	if (v4)
		code = plan_forwarding(list, "ipv4", err);
	for (size_t i = 0; code == 0 && v4 && i < cfg->dev_count; i++)
		plan_family(list, cfg->dev[i].tun, &cfg->dev[i].gateway4);
	if (code == 0 && v6)
		code = plan_forwarding(list, "ipv6", err);
	for (size_t i = 0; code == 0 && v6 && i < cfg->dev_count; i++)
		plan_family(list, cfg->dev[i].tun, &cfg->dev[i].gateway6);
	return code;
}

static int check_ipv6(const struct exit_net_config *cfg, struct host_error *err)
{
	if (!ip_is_set(cfg->dev[0].gateway6.ip) || plan_has_ipv6(cfg->dev[0].tun))
		return 0;
	return host_refuse(err, -EAFNOSUPPORT,
			   "the exit has an IPv6 pool, but IPv6 is switched off on this machine; "
			   "set net.ipv6.conf.default.disable_ipv6=0, or no pool");
}

/* The checks come first, forwarding last: nothing passes before it is checked. */
static int plan(struct transaction *t, const struct exit_net_config *cfg, struct host_error *err)
{
	struct change *c = change_list_add(&t->list, CHANGE_NFT);
	int code = 0;

	snprintf(c->nft.table, sizeof(c->nft.table), "%s", FIREWALL_EXIT_TABLE);
	c->nft.body = table_body(cfg);
	for (size_t i = 0; code == 0 && i < cfg->dev_count; i++) {
		const struct plan_tun tun = {cfg->dev[i].tun, cfg->mtu_bytes,
					     cfg->is_tun_persistent};

		code = plan_tun(&t->list, t->nl, &tun, err);
	}
	if (code == 0)
		code = check_ipv6(cfg, err);
	return code == 0 ? plan_families(&t->list, cfg, err) : code;
}

static bool dev_is_right(const struct exit_dev *d)
{
	const bool v4 = ip_is_set(d->gateway4.ip), v6 = ip_is_set(d->gateway6.ip);

	return plan_name_is_plain(d->tun) && (v4 || v6) && (!v4 || ip_prefix_is_v4(&d->gateway4)) &&
	       (!v6 || !ip_prefix_is_v4(&d->gateway6));
}

static int check_config(const struct exit_net_config *cfg, struct host_error *err)
{
	const struct ip_prefix dns4 = ip_prefix_host(cfg->dns4), dns6 = ip_prefix_host(cfg->dns6);
	bool is_right = cfg->dev_count > 0 && cfg->dev_count <= EXIT_DEVS_MAX;

	for (size_t i = 0; is_right && i < cfg->dev_count; i++)
		is_right = dev_is_right(&cfg->dev[i]);
	if (!is_right || (ip_is_set(dns4.ip) && !ip_prefix_is_v4(&dns4)) ||
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
