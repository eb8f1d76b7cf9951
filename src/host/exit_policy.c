/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/exit_policy.h"

#include <stdio.h>

#include "util/xalloc.h"

#define REJECT_AS(counter) "counter name \"" counter "\" reject with icmpx type admin-prohibited"

/*
 * RFC 6890 and its registries: what is not global unicast, without overlaps.  The same as
 * endpoint_is_public(), in words that nftables takes; a test compares the two.
 */
static const char *const special_v4[] = {
    "0.0.0.0/8",     "10.0.0.0/8",      "100.64.0.0/10",  "127.0.0.0/8",    "169.254.0.0/16",
    "172.16.0.0/12", "192.0.0.0/24",    "192.0.2.0/24",   "192.88.99.0/24", "192.168.0.0/16",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",    "240.0.0.0/4",
};
static const char *const special_v6[] = {
    "::/3",         "4000::/2",     "8000::/1",      "2001::/32", "2001:2::/32",
    "2001:10::/28", "2001:20::/28", "2001:db8::/32", "2002::/16", "3fff::/20",
};

static void write_set(FILE *out, const char *name, const char *type, const char *const *items,
		      size_t count)
{
	fprintf(out, "\tset %s {\n\t\ttype %s; flags interval;\n\t\telements = {", name, type);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s %s", i > 0 ? "," : "", items[i]);
	fputs(" }\n\t}\n", out);
}

/* All of p is special: an operator who names it means it. */
static bool lies_in_special(const struct ip_prefix *p)
{
	const bool v4 = ip_prefix_is_v4(p);
	const char *const *items = v4 ? special_v4 : special_v6;
	const size_t count = v4 ? ARRAY_LEN(special_v4) : ARRAY_LEN(special_v6);
	struct ip_prefix special;

	for (size_t i = 0; i < count; i++)
		if (ip_prefix_parse(&special, items[i]) == 0 && p->len_bits >= special.len_bits &&
		    ip_prefix_has(&special, p->ip))
			return true;
	return false;
}

static void write_ports(FILE *out, const struct policy_rule *r)
{
	static const char *const protos[] = {
	    [POLICY_PROTO_ANY] = "{ tcp, udp }",
	    [POLICY_PROTO_TCP] = "tcp",
	    [POLICY_PROTO_UDP] = "udp",
	};
	const bool any_port = r->port_min <= 1 && r->port_max == UINT16_MAX;

	if (any_port && r->proto == POLICY_PROTO_ANY)
		return;
	fprintf(out, " meta l4proto %s", protos[r->proto]);
	if (!any_port)
		fprintf(out, " th dport %u-%u", (unsigned)r->port_min, (unsigned)r->port_max);
}

/* The destination of one family; false if the rule has nothing in it. */
static bool write_net(FILE *out, const struct policy_rule *r, bool v4)
{
	const char *const daddr = v4 ? "ip daddr" : "ip6 daddr";
	const char *const set = v4 ? "@special4" : "@special6";
	const struct ip_prefix net = ip_prefix_network(&r->prefix);
	char text[IP_PREFIX_TEXT_MAX];

	if (r->net == POLICY_NET_PREFIX && ip_prefix_is_v4(&net) != v4)
		return false;
	fprintf(out, "\t\tmeta nfproto %s", v4 ? "ipv4" : "ipv6");
	if (r->net == POLICY_NET_PRIVATE)
		fprintf(out, " %s %s", daddr, set);
	else if (r->net == POLICY_NET_PREFIX && ip_prefix_family_len(&net) > 0)
		fprintf(out, " %s %s", daddr, ip_prefix_format(&net, text));
	if (r->action == POLICY_ACCEPT &&
	    (r->net == POLICY_NET_ANY || (r->net == POLICY_NET_PREFIX && !lies_in_special(&net))))
		fprintf(out, " %s != %s", daddr, set);
	return true;
}

static const char *verdict(const struct policy_rule *r)
{
	if (r->action == POLICY_ACCEPT)
		return "accept";
	return r->net == POLICY_NET_PRIVATE ? REJECT_AS("private") : REJECT_AS("by_policy");
}

static void write_rule(FILE *out, const struct policy_rule *r)
{
	for (int v4 = 1; v4 >= 0; v4--) {
		if (!write_net(out, r, v4 != 0))
			continue;
		write_ports(out, r);
		fprintf(out, " %s\n", verdict(r));
	}
}

char *exit_policy_text(const struct policy_rule *rules, size_t count)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		abort(); /* only for want of memory, as in util/xalloc.h */
	write_set(out, "special4", "ipv4_addr", special_v4, ARRAY_LEN(special_v4));
	write_set(out, "special6", "ipv6_addr", special_v6, ARRAY_LEN(special_v6));
	fputs("\tchain destinations {\n", out);
	for (size_t i = 0; i < count; i++)
		write_rule(out, &rules[i]);
	fputs("\t\tip daddr @special4 " REJECT_AS("private") "\n", out);
	fputs("\t\tip6 daddr @special6 " REJECT_AS("private") "\n", out);
	fputs("\t\ttcp dport 25 " REJECT_AS("smtp") "\n\t}\n", out);
	fclose(out);
	return text;
}
