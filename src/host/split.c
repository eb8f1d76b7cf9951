/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/split.h"

#include <sys/socket.h>

#include "host/rules.h"
#include "util/now.h"

static const char *const side_names[CGROUP_SIDES] = {"outside", "inside"};

static uint32_t mark_of(const struct split_tunnel *t, enum cgroup_side side)
{
	return t->fwmark | (side == CGROUP_OUTSIDE ? MARK_OUTSIDE : MARK_INSIDE);
}

static bool is_way_used(const struct split_way *w)
{
	return w->group[0] != '\0' || w->net_count > 0 || w->has_names;
}

bool split_is_used(const struct split *s)
{
	return s->is_only || is_way_used(&s->way[CGROUP_OUTSIDE]);
}

/* ---- learnt addresses ---- */

bool split_learn(struct split *s, enum cgroup_side side, const uint8_t ip[static 16],
		 uint64_t until_ns)
{
	struct split_learnt *list = s->way[side].learnt, *slot = &list[0];

	for (size_t i = 0; i < SPLIT_LEARNT_MAX; i++) {
		if (list[i].until_ns != 0 && memcmp(list[i].ip, ip, sizeof(list[i].ip)) == 0) {
			const bool is_longer = list[i].until_ns < until_ns;
			const uint64_t more_ns = is_longer ? until_ns - list[i].until_ns : 0;
			const uint64_t left_ns = until_ns - MIN(until_ns, s->now_ns);

			if (more_ns <= left_ns / 4)
				return false;
			slot = &list[i];
			break;
		}
		if (list[i].until_ns < slot->until_ns)
			slot = &list[i];
	}
	memcpy(slot->ip, ip, sizeof(slot->ip));
	slot->until_ns = until_ns;
	return true;
}

void split_forget(struct split *s)
{
	for (size_t side = 0; side < CGROUP_SIDES; side++)
		memset(s->way[side].learnt, 0, sizeof(s->way[side].learnt));
}

static char family_digit(const uint8_t ip[static 16])
{
	const struct ip_prefix p = ip_prefix_host(ip);

	return ip_prefix_is_v4(&p) ? '4' : '6';
}

/* Adding what is there does not make it last longer: it has to go in between. */
void split_learnt_write(FILE *f, const char *table, enum cgroup_side side,
			const uint8_t ip[static 16], unsigned seconds)
{
	char text[ENDPOINT_TEXT_MAX], set[32];

	snprintf(set, sizeof(set), "%s_named%c", side_names[side], family_digit(ip));
	endpoint_ip_format(ip, text);
	fprintf(f,
		"add element inet %s %s { %s timeout %us }\n"
		"delete element inet %s %s { %s }\n"
		"add element inet %s %s { %s timeout %us }\n",
		table, set, text, seconds, table, set, text, table, set, text, seconds);
}

/* ---- sets ---- */

static void write_nets(FILE *f, const struct split_way *w, const char *name, char family)
{
	const char *separator = "\t\telements = { ";
	char text[IP_PREFIX_TEXT_MAX];

	fprintf(f,
		"\tset %s%c {\n\t\ttype ipv%c_addr\n\t\tflags interval\n"
		"\t\tauto-merge\n",
		name, family, family);
	for (size_t i = 0; i < w->net_count; i++) {
		if (ip_prefix_is_v4(&w->nets[i]) != (family == '4'))
			continue;
		fprintf(f, "%s%s", separator, ip_prefix_format(&w->nets[i], text));
		separator = ", ";
	}
	fprintf(f, "%s\t}\n", separator[0] == ',' ? " }\n" : "");
}

static void write_learnt(FILE *f, const struct split *s, enum cgroup_side side, char family)
{
	const char *separator = "\t\telements = { ";
	const struct split_way *w = &s->way[side];
	char text[ENDPOINT_TEXT_MAX];

	fprintf(f, "\tset %s_named%c {\n\t\ttype ipv%c_addr\n\t\tflags timeout\n", side_names[side],
		family, family);
	for (size_t i = 0; i < SPLIT_LEARNT_MAX; i++) {
		const struct split_learnt *l = &w->learnt[i];

		if (l->until_ns <= s->now_ns || family_digit(l->ip) != family)
			continue;
		fprintf(f, "%s%s timeout %llus", separator, endpoint_ip_format(l->ip, text),
			(unsigned long long)((l->until_ns - s->now_ns) / NS_PER_S + 1));
		separator = ", ";
	}
	fprintf(f, "%s\t}\n", separator[0] == ',' ? " }\n" : "");
}

static void write_sets(FILE *f, const struct split *s, enum cgroup_side side)
{
	for (char family = '4'; family <= '6'; family = (char)(family + 2)) {
		write_nets(f, &s->way[side], side_names[side], family);
		write_learnt(f, s, side, family);
	}
}

/* ---- marks ---- */

static bool is_side_used(const struct split *s, enum cgroup_side side)
{
	return side == CGROUP_INSIDE ? s->is_only : is_way_used(&s->way[side]);
}

void split_write_group(FILE *f, const struct split *s, enum cgroup_side side, const char *then)
{
	if (s->way[side].group[0] != '\0')
		fprintf(f, "\t\tsocket cgroupv2 level %d \"%s\" %s\n", CGROUP_LEVEL,
			s->way[side].group, then);
}

static void write_side(FILE *f, const struct split *s, const struct split_tunnel *t,
		       enum cgroup_side side)
{
	const char *name = side_names[side];

	fprintf(f, "\t\tct mark %u meta mark set %u return\n", mark_of(t, side), mark_of(t, side));
	split_write_group(f, s, side, side == CGROUP_OUTSIDE ? "goto outside" : "goto inside");
	for (char family = '4'; family <= '6'; family = (char)(family + 2))
		fprintf(f,
			"\t\t%s daddr @%s%c goto %s\n"
			"\t\t%s daddr @%s_named%c goto %s\n",
			family == '4' ? "ip" : "ip6", name, family, name,
			family == '4' ? "ip" : "ip6", name, family, name);
}

/* What is outside goes first: it is left out of what is inside, too. */
static void write_marks(FILE *f, const struct split *s, const struct split_tunnel *t)
{
	for (enum cgroup_side side = 0; side < CGROUP_SIDES; side++)
		if (is_side_used(s, side))
			fprintf(f, "\tchain %s {\n\t\tmeta mark set %u ct mark set %u\n\t}\n",
				side_names[side], mark_of(t, side), mark_of(t, side));
	fputs("\tchain split {\n", f);
	for (enum cgroup_side side = 0; side < CGROUP_SIDES; side++)
		if (is_side_used(s, side))
			write_side(f, s, t, side);
	/* A change of the mark here has the packet routed anew. */
	fputs("\t}\n"
	      "\tchain split_output {\n"
	      "\t\ttype route hook output priority mangle; policy accept;\n"
	      "\t\tmeta mark != 0 return\n"
	      "\t\tfib daddr type { local, broadcast, multicast } return\n"
	      "\t\tjump split\n\t}\n",
	      f);
}

/* For what comes in: answers carry the mark for reverse path filters, and hosts behind this one go
 * by the networks as its own programs do. */
static void write_arrivals(FILE *f, const struct split *s, const struct split_tunnel *t)
{
	fputs("\tchain split_arrivals {\n"
	      "\t\ttype filter hook prerouting priority mangle; policy accept;\n"
	      "\t\tmeta mark != 0 return\n",
	      f);
	for (enum cgroup_side side = 0; side < CGROUP_SIDES; side++)
		if (is_side_used(s, side))
			fprintf(f, "\t\tct mark %u meta mark set %u return\n", mark_of(t, side),
				mark_of(t, side));
	fprintf(f,
		"\t\tiifname { \"lo\"%s%s%s } return\n"
		"\t\tfib daddr type { local, broadcast, multicast } return\n"
		"\t\tjump split\n\t}\n",
		t->tun[0] != '\0' ? ", \"" : "", t->tun, t->tun[0] != '\0' ? "\"" : "");
}

/* Where a packet goes was changed after its source was chosen. */
static void write_sources(FILE *f, const struct split *s, const struct split_tunnel *t)
{
	char ip[ENDPOINT_TEXT_MAX];

	if (t->tun[0] == '\0')
		return;
	fputs("\tchain split_sources {\n"
	      "\t\ttype nat hook postrouting priority srcnat; policy accept;\n",
	      f);
	for (unsigned v4 = 0; v4 < 2; v4++) {
		const uint8_t *own = v4 ? t->v4 : t->v6;
		const char *family = v4 ? "ip" : "ip6";

		if (!ip_is_set(own))
			continue;
		endpoint_ip_format(own, ip);
		if (is_side_used(s, CGROUP_OUTSIDE))
			fprintf(f, "\t\tmeta mark %u oifname != \"%s\" %s saddr %s masquerade\n",
				mark_of(t, CGROUP_OUTSIDE), t->tun, family, ip);
		if (is_side_used(s, CGROUP_INSIDE))
			fprintf(f, "\t\tmeta mark %u oifname \"%s\" %s saddr != %s masquerade\n",
				mark_of(t, CGROUP_INSIDE), t->tun, family, ip);
	}
	fputs("\t}\n", f);
}

/* Programs ask whom resolv.conf names; those of a side are answered by that side's. */
static void write_questions(FILE *f, const struct split *s)
{
	static const char *const whom[CGROUP_SIDES] = {
	    /* Outside they may ask whom they like. */
	    "ip daddr 127.0.0.0/8 meta l4proto { tcp, udp } th dport 53",
	    "meta nfproto ipv4 meta l4proto { tcp, udp } th dport 53",
	};

	fputs("\tchain split_questions {\n"
	      "\t\ttype nat hook output priority -100; policy accept;\n",
	      f);
	for (enum cgroup_side side = 0; side < CGROUP_SIDES; side++) {
		const struct split_way *w = &s->way[side];
		char then[160];

		if (!is_side_used(s, side) || w->stub[0] == '\0')
			continue;
		snprintf(then, sizeof(then), "%s dnat ip to %s", whom[side], w->stub);
		split_write_group(f, s, side, then);
	}
	fputs("\t}\n", f);
}

void split_write(FILE *f, const struct split *s, const struct split_tunnel *t)
{
	for (enum cgroup_side side = 0; side < CGROUP_SIDES; side++)
		if (is_side_used(s, side))
			write_sets(f, s, side);
	write_marks(f, s, t);
	write_arrivals(f, s, t);
	write_sources(f, s, t);
	write_questions(f, s);
}
