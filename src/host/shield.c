/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/shield.h"

#include <errno.h>
#include <stdio.h>

#include "host/firewall.h"
#include "host/ip_prefix.h"
#include "host/rules.h"
#include "util/xalloc.h"

#define PRIVATE_V4 "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16"
#define PRIVATE_V6 "fe80::/10, fc00::/7"

struct shield {
	struct firewall *fw;
	bool holds; /* the second table */
};

/* ---- sets ---- */

static void write_entries(FILE *f, const struct shield_rules *r, bool is_v4)
{
	const char *separator = "";
	char ip[ENDPOINT_TEXT_MAX];

	fprintf(f, "\tset entries%c {\n\t\ttype ipv%c_addr . inet_service\n", is_v4 ? '4' : '6',
		is_v4 ? '4' : '6');
	for (size_t i = 0; i < r->entry_count; i++) {
		const struct endpoint *e = &r->entries[i];

		if (endpoint_is_v4(e) != is_v4)
			continue;
		fprintf(f, "%s%s . %u", separator[0] == '\0' ? "\t\telements = { " : separator,
			endpoint_ip_format(e->ip, ip), (unsigned)e->port);
		separator = ", ";
	}
	fprintf(f, "%s\t}\n", separator[0] == '\0' ? "" : " }\n");
}

/* The kernel ends the hole when its elements expire, whatever becomes of us. */
static void write_portal_sets(FILE *f, const struct shield_portal *p)
{
	char ip[ENDPOINT_TEXT_MAX];

	fprintf(f,
		"\tset portal_users {\n\t\ttypeof meta skuid\n\t\tflags timeout\n"
		"\t\telements = { %u timeout %us }\n\t}\n",
		(unsigned)p->uid, p->seconds);
	for (int v4 = 0; v4 < 2; v4++) {
		const char *separator = "";

		fprintf(f, "\tset portal_dns%c {\n\t\ttype ipv%c_addr\n\t\tflags timeout\n",
			v4 ? '4' : '6', v4 ? '4' : '6');
		for (size_t i = 0; i < p->dns.count; i++) {
			const struct ip_prefix server = ip_prefix_host(p->dns.ip[i]);

			if ((ip_prefix_family(&server) == AF_INET) != (v4 != 0))
				continue;
			fprintf(f, "%s%s timeout %us",
				separator[0] == '\0' ? "\t\telements = { " : separator,
				endpoint_ip_format(p->dns.ip[i], ip), p->seconds);
			separator = ", ";
		}
		fprintf(f, "%s\t}\n", separator[0] == '\0' ? "" : " }\n");
	}
}

/* ---- the tunnel's own chains, locked or not ---- */

static void write_tunnel(FILE *f, const struct shield_rules *r)
{
	char ip[ENDPOINT_TEXT_MAX];

	/* Nobody on a LAN may probe for the inner address or slip packets into its connections. */
	fputs("\tchain guard {\n\t\ttype filter hook prerouting priority raw; policy accept;\n", f);
	if (ip_is_set(r->v4))
		fprintf(f, "\t\tiifname != \"%s\" ip daddr %s fib saddr type != local drop\n",
			r->tun, endpoint_ip_format(r->v4, ip));
	if (ip_is_set(r->v6))
		fprintf(f, "\t\tiifname != \"%s\" ip6 daddr %s fib saddr type != local drop\n",
			r->tun, endpoint_ip_format(r->v6, ip));
	fputs("\t}\n", f);
	/* Hosts behind this one do not see the TUN's MTU. */
	fprintf(f,
		"\tchain mss {\n\t\ttype filter hook forward priority mangle; policy accept;\n"
		"\t\toifname \"%s\" tcp flags syn tcp option maxseg size set rt mtu\n"
		"\t\tiifname \"%s\" tcp flags syn tcp option maxseg size set rt mtu\n\t}\n",
		r->tun, r->tun);
}

/* Answers to our marked packets carry the mark too, for reverse path filters. */
static void write_answers(FILE *f, const struct shield_rules *r)
{
	fprintf(
	    f,
	    "\tchain answers {\n\t\ttype filter hook prerouting priority mangle; policy accept;\n"
	    "\t\tmeta l4proto udp socket mark %u meta mark set %u\n\t}\n",
	    r->fwmark, r->fwmark);
}

/* The exit must not see another address of this machine than the one it gave. */
static void write_source(FILE *f, const struct shield_rules *r)
{
	char ip[ENDPOINT_TEXT_MAX];

	if (ip_is_set(r->v4))
		fprintf(f, "\t\toifname \"%s\" ip saddr != %s drop\n", r->tun,
			endpoint_ip_format(r->v4, ip));
	else
		fprintf(f, "\t\toifname \"%s\" meta nfproto ipv4 drop\n", r->tun);
	if (ip_is_set(r->v6))
		fprintf(f, "\t\toifname \"%s\" ip6 saddr != %s drop\n", r->tun,
			endpoint_ip_format(r->v6, ip));
	else
		fprintf(f, "\t\toifname \"%s\" meta nfproto ipv6 drop\n", r->tun);
}

/* ---- what passes ---- */

/* Of the host itself: the daemon's cells, what keeps the link usable, and the portal. */
static void write_own(FILE *f, const struct shield_rules *r)
{
	fprintf(f,
		"\tchain own {\n"
		"\t\tmeta mark %u ip daddr . udp dport @entries4 accept\n"
		"\t\tmeta mark %u ip6 daddr . udp dport @entries6 accept\n"
		"\t\tudp sport 68 udp dport 67 accept\n"
		"\t\tip6 saddr fe80::/10 udp sport 546 ip6 daddr { ff02::1:2, fe80::/10 } "
		"udp dport 547 accept\n"
		"\t\tip6 hoplimit 255 icmpv6 type { nd-router-solicit, nd-neighbor-solicit, "
		"nd-neighbor-advert } accept\n"
		"\t\tip6 daddr ff02::16 icmpv6 type mld2-listener-report accept\n"
		/* So that hosts behind this one learn at once what is refused, and the MTU. */
		"\t\tip daddr { " PRIVATE_V4 " } icmp type { destination-unreachable, "
		"time-exceeded } accept\n"
		"\t\tip6 daddr { " PRIVATE_V6 " } icmpv6 type { destination-unreachable, "
		"packet-too-big, time-exceeded } accept\n",
		r->fwmark, r->fwmark);
	if (r->portal.seconds > 0)
		fputs("\t\tmeta skuid @portal_users tcp dport { 80, 443 } accept\n"
		      "\t\tip daddr @portal_dns4 meta l4proto { tcp, udp } th dport 53 accept\n"
		      "\t\tip6 daddr @portal_dns6 meta l4proto { tcp, udp } th dport 53 accept\n",
		      f);
	fputs("\t}\n", f);
}

static bool is_only(const struct shield_rules *r)
{
	return r->split != NULL && r->split->is_only;
}

static struct split_tunnel split_tunnel(const struct shield_rules *r)
{
	return (struct split_tunnel){r->fwmark, r->tun, r->v4, r->v6};
}

static void write_outside(FILE *f, const struct shield_rules *r)
{
	if (r->split != NULL)
		fprintf(f, "\t\tmeta mark %u accept\n", r->fwmark | MARK_OUTSIDE);
}

static void write_pass(FILE *f, const struct shield_pass *p)
{
	for (size_t i = 0; i < p->interface_count; i++)
		fprintf(f, "\t\toifname \"%s\" accept\n", p->interfaces[i]);
	for (size_t i = 0; i < p->mark_count; i++)
		fprintf(f, "\t\tmeta mark & %u == %u accept\n", p->marks[i].mask,
			p->marks[i].value);
}

static void write_lan(FILE *f, const struct shield_pass *p)
{
	if (p->lan)
		fputs("\t\tmeta l4proto { tcp, udp } th dport { 53, 853 } return\n"
		      "\t\tip daddr { " PRIVATE_V4
		      ", 224.0.0.0/24, 239.255.0.0/16, 255.255.255.255 } accept\n"
		      "\t\tip6 daddr { " PRIVATE_V6 ", ff02::/16, ff05::/16 } accept\n",
		      f);
}

/*
 * Routes for what goes outside that lead nowhere for all else: see plan_last_route.  For the kernel
 * what leaves by the loopback is for us, so that no ICMP error about it reaches a TCP connection;
 * and the one about a first SYN always comes too early.
 */
static void write_nowhere(FILE *f, const struct shield_rules *r)
{
	static const char *const answers[] = {"meta l4proto tcp reject with tcp reset",
					      "reject with icmpx no-route"};

	for (size_t i = 0; r->split != NULL && i < ARRAY_LEN(answers); i++) {
		fprintf(f, "\t\toifname \"lo\" fib daddr type unicast %s\n", answers[i]);
		if (r->tun[0] != '\0' && !ip_is_set(r->v6))
			fprintf(f, "\t\toifname \"%s\" meta nfproto ipv6 %s\n", r->tun, answers[i]);
	}
}

/* Of the host and of those behind it. */
static void write_leave(FILE *f, const struct shield_rules *r)
{
	fputs("\tchain leave {\n\t\toifname \"lo\" accept\n", f);
	write_outside(f, r);
	if (r->tun[0] != '\0')
		/* Answers come back to where the tunnel's connections began, nothing else does. */
		fprintf(f,
			"\t\toifname \"%s\" accept\n"
			"\t\tiifname \"%s\" ct state established,related accept\n"
			"\t\tiifname \"%s\" drop\n",
			r->tun, r->tun, r->tun);
	write_pass(f, &r->pass);
	write_lan(f, &r->pass);
	fputs("\t}\n", f);
}

/* What comes out of the tunnel belongs to connections from here. */
static void write_input(FILE *f, const struct shield_rules *r)
{
	if (r->tun[0] != '\0')
		fprintf(f,
			"\tchain input {\n"
			"\t\ttype filter hook input priority filter; policy accept;\n"
			"\t\tiifname \"%s\" ct state established,related accept\n"
			"\t\tiifname \"%s\" drop\n\t}\n",
			r->tun, r->tun);
}

/* output and forward refuse with an answer; last sees where a packet really goes, after NAT. */
static void write_locked(FILE *f, const struct shield_rules *r)
{
	write_entries(f, r, true);
	write_entries(f, r, false);
	if (r->portal.seconds > 0)
		write_portal_sets(f, &r->portal);
	write_own(f, r);
	write_leave(f, r);
	fputs("\tchain output {\n\t\ttype filter hook output priority filter; policy drop;\n", f);
	write_outside(f, r);
	write_nowhere(f, r);
	fputs("\t\tjump own\n\t\tjump leave\n\t\treject with icmpx admin-prohibited\n\t}\n"
	      "\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n",
	      f);
	write_nowhere(f, r);
	fputs("\t\tjump leave\n\t\treject with icmpx admin-prohibited\n\t}\n"
	      "\tchain last {\n\t\ttype filter hook postrouting priority 300; policy drop;\n",
	      f);
	if (r->tun[0] != '\0')
		write_source(f, r);
	fputs("\t\tjump own\n\t\tjump leave\n\t}\n", f);
	write_input(f, r);
}

/*
 * Only what belongs inside is held: there, or nowhere.  Programs by their group too, for the mark
 * comes from chains that others can flush.  Output sees the device from before the mark was set, so
 * that it can refuse only where there is no tunnel; last sees the one after.
 */
static void write_locked_only(FILE *f, const struct shield_rules *r)
{
	const uint32_t inside = r->fwmark | MARK_INSIDE;
	char mark[48];

	write_leave(f, r);
	fputs("\tchain held {\n\t\tjump leave\n\t\treject with icmpx admin-prohibited\n\t}\n"
	      "\tchain output {\n\t\ttype filter hook output priority filter; policy accept;\n",
	      f);
	write_outside(f, r);
	snprintf(mark, sizeof(mark), "meta mark set %u", inside);
	split_write_group(f, r->split, CGROUP_INSIDE, mark);
	if (r->tun[0] == '\0')
		fprintf(f, "\t\tmeta mark %u goto held\n", inside);
	fprintf(f,
		"\t}\n"
		"\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n"
		"\t\tmeta mark %u goto held\n\t}\n"
		"\tchain last {\n\t\ttype filter hook postrouting priority 300; policy accept;\n",
		inside);
	if (r->tun[0] != '\0')
		write_source(f, r);
	fprintf(f, "\t\tmeta mark %u jump leave\n\t\tmeta mark %u drop\n\t}\n", inside, inside);
	write_input(f, r);
}

/* Nothing is locked: names go where programs ask, and only the tunnel is guarded. */
static void write_unlocked_only(FILE *f, const struct shield_rules *r)
{
	fputs("\tchain last {\n\t\ttype filter hook postrouting priority 300; policy accept;\n", f);
	write_source(f, r);
	fputs("\t}\n", f);
}

/* Nothing is locked, but questions of names must not pass by the tunnel that stands. */
static void write_unlocked(FILE *f, const struct shield_rules *r)
{
	fputs("\tchain dns {\n", f);
	write_outside(f, r);
	write_nowhere(f, r);
	fprintf(f, "\t\toifname { \"lo\", \"%s\" } accept\n\t\tmeta mark %u accept\n", r->tun,
		r->fwmark);
	write_pass(f, &r->pass);
	fputs("\t\tmeta l4proto { tcp, udp } th dport { 53, 853 } reject with icmpx "
	      "admin-prohibited\n\t}\n"
	      "\tchain output {\n\t\ttype filter hook output priority filter; policy accept;\n"
	      "\t\tjump dns\n\t}\n"
	      "\tchain last {\n\t\ttype filter hook postrouting priority 300; policy accept;\n",
	      f);
	write_source(f, r);
	fputs("\t}\n", f);
}

typedef void write_fn(FILE *f, const struct shield_rules *r);

static char *render(write_fn *write, const struct shield_rules *r)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		abort();
	write(f, r);
	fclose(f);
	return text;
}

static void write_filter(FILE *f, const struct shield_rules *r)
{
	if (r->is_locked)
		(is_only(r) ? write_locked_only : write_locked)(f, r);
	else if (r->tun[0] != '\0')
		(is_only(r) ? write_unlocked_only : write_unlocked)(f, r);
}

static void write_all(FILE *f, const struct shield_rules *r)
{
	const struct split_tunnel t = split_tunnel(r);

	write_answers(f, r);
	if (r->tun[0] != '\0')
		write_tunnel(f, r);
	if (r->split != NULL)
		split_write(f, r->split, &t);
	write_filter(f, r);
}

char *shield_render(const struct shield_rules *rules)
{
	return render(write_all, rules);
}

/* ---- the tables ---- */

#define HELD  FIREWALL_CLIENT_TABLE "_held"
#define OWNED " { flags owner; }"

int shield_open(struct shield **out, struct host_error *err)
{
	struct firewall *fw;
	const int code = firewall_open(&fw, err);

	if (code != 0)
		return code;
	*out = xcalloc(1, sizeof(**out));
	(*out)->fw = fw;
	return 0;
}

void shield_close(struct shield *s)
{
	if (s == NULL)
		return;
	firewall_close(s->fw); /* and with it the second table */
	free(s);
}

/* "add" first, so that "delete" finds a table in any case. */
#define FRESH(name, flags) "add table inet " name flags "\ndelete table inet " name "\n"
#define FRESH_TABLE        FRESH(FIREWALL_CLIENT_TABLE, "")
#define FRESH_HELD         FRESH(HELD, OWNED)

int shield_set(struct shield *s, const struct shield_rules *rules, struct host_error *err)
{
	char *all = shield_render(rules), *locked = render(write_filter, rules), *commands;
	int code;

	commands = rules->is_locked
		       ? xasprintf(FRESH_TABLE FRESH_HELD "table inet %s {\n%s}\n"
							  "table inet %s {\n\tflags owner\n%s}\n",
				   FIREWALL_CLIENT_TABLE, all, HELD, locked)
		       : xasprintf(FRESH_TABLE "%stable inet %s {\n%s}\n",
				   s->holds ? FRESH_HELD : "", FIREWALL_CLIENT_TABLE, all);
	code = firewall_run(s->fw, commands, err);
	if (code == 0)
		s->holds = rules->is_locked;
	free(commands);
	free(locked);
	free(all);
	return code;
}

int shield_learn(struct shield *s, enum cgroup_side side, const uint8_t ip[static 16],
		 unsigned seconds, struct host_error *err)
{
	char *commands = NULL;
	size_t size;
	FILE *f = open_memstream(&commands, &size);
	int code;

	if (f == NULL)
		abort();
	split_learnt_write(f, FIREWALL_CLIENT_TABLE, side, ip, seconds);
	fclose(f);
	code = firewall_run(s->fw, commands, err);
	free(commands);
	return code;
}

int shield_clear(struct shield *s, struct host_error *err)
{
	const int code = firewall_run(s->fw, s->holds ? FRESH_TABLE FRESH_HELD : FRESH_TABLE, err);

	if (code == 0)
		s->holds = false;
	return code;
}

int shield_stands(struct host_error *err)
{
	return firewall_exists(FIREWALL_CLIENT_TABLE, err);
}

int shield_remove(struct host_error *err)
{
	const int held = firewall_exists(HELD, err);

	if (held < 0)
		return held;
	if (held > 0)
		return host_refuse(err, -EBUSY,
				   "a macrod is running and keeps its kill switch; ask it with "
				   "'macro unlock', or stop it first");
	return shield_stands(err) == 0 ? 0 : firewall_delete(FIREWALL_CLIENT_TABLE, err);
}
