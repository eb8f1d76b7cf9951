/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A change as a line of words with single spaces.  In a word, bytes outside the printable ASCII,
 * and '%', are %XX; an empty word is "-".  The order of the words is part of the journal's version.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>

#include "host/change.h"
#include "host/firewall.h"
#include "util/xalloc.h"

static void put_bytes(FILE *out, const char *s, size_t len)
{
	if (len == 0 || (len == 1 && s[0] == '-')) {
		fputs(len == 0 ? " -" : " %2D", out);
		return;
	}
	fputc(' ', out);
	for (size_t i = 0; i < len; i++) {
		const unsigned char b = (unsigned char)s[i];

		if (b > ' ' && b <= '~' && b != '%')
			fputc(b, out);
		else
			fprintf(out, "%%%02X", b);
	}
}

static void put_text(FILE *out, const char *s)
{
	put_bytes(out, s, strlen(s));
}

static void put_number(FILE *out, uint32_t v)
{
	fprintf(out, " %u", v);
}

static void put_prefix(FILE *out, const struct ip_prefix *p)
{
	char text[IP_PREFIX_TEXT_MAX];

	fprintf(out, " %s", ip_prefix_format(p, text));
}

/* What is left of a line; bad once something did not fit, and then reads as nothing. */
struct words {
	const char *at;
	bool bad;
};

static int hex_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool decode(const char *s, size_t n, char *out, size_t *len)
{
	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if (c == '%') {
			const int hi = n - i > 2 ? hex_digit(s[i + 1]) : -1;
			const int lo = n - i > 2 ? hex_digit(s[i + 2]) : -1;

			if (hi < 0 || lo < 0)
				return false;
			c = (char)(hi << 4 | lo);
			i += 2;
		} else if (c <= ' ' || c > '~') {
			return false;
		}
		out[(*len)++] = c;
	}
	return true;
}

/* The next word, decoded and with a zero after it, for free(); NULL if bad. */
static char *take_bytes(struct words *w, size_t *len)
{
	const size_t n = strcspn(w->at, " ");
	char *out;

	*len = 0;
	w->bad |= n == 0;
	if (w->bad)
		return NULL;
	out = xcalloc(n + 1, 1);
	if (n != 1 || w->at[0] != '-')
		w->bad = !decode(w->at, n, out, len);
	w->at += n;
	if (*w->at == ' ' && *++w->at == '\0')
		w->bad = true;
	if (!w->bad)
		return out;
	free(out);
	return NULL;
}

/* The next word as text without a zero inside, for free(). */
static char *take_string(struct words *w)
{
	size_t len;
	char *s = take_bytes(w, &len);

	if (s == NULL || strlen(s) == len)
		return s;
	free(s);
	w->bad = true;
	return NULL;
}

static void take_text(struct words *w, char *out, size_t size)
{
	char *s = take_string(w);

	if (s != NULL && strlen(s) < size)
		memcpy(out, s, strlen(s) + 1);
	else
		w->bad = true;
	free(s);
}

static uint32_t take_number(struct words *w, uint32_t max)
{
	unsigned long long v;
	char *end;

	if (w->bad || !isdigit((unsigned char)*w->at)) {
		w->bad = true;
		return 0;
	}
	v = strtoull(w->at, &end, 10);
	w->bad = v > max || end - w->at > 10 || (*end != ' ' && *end != '\0') ||
		 (*end == ' ' && end[1] == '\0');
	w->at = end + (*end == ' ');
	return w->bad ? 0 : (uint32_t)v;
}

static void take_prefix(struct words *w, struct ip_prefix *p)
{
	char text[IP_PREFIX_TEXT_MAX];

	take_text(w, text, sizeof(text));
	if (!w->bad && ip_prefix_parse(p, text) != 0)
		w->bad = true;
}

/* An interface name, or nothing where that is allowed; never something that leads elsewhere. */
static void take_dev(struct words *w, char dev[static IFNAMSIZ], bool may_be_empty)
{
	take_text(w, dev, IFNAMSIZ);
	if (!w->bad && (strchr(dev, '/') != NULL || (dev[0] == '\0' && !may_be_empty)))
		w->bad = true;
}

static void write_tun(const struct change *c, FILE *out)
{
	put_text(out, c->tun.name);
	put_number(out, c->tun.index);
}

static void parse_tun(struct change *c, struct words *w)
{
	take_dev(w, c->tun.name, false);
	c->tun.index = take_number(w, INT32_MAX);
}

static void write_link(const struct change *c, FILE *out)
{
	put_text(out, c->link.was.name);
	put_number(out, c->link.was.index);
	put_number(out, c->link.was.mtu_bytes);
	put_number(out, c->link.was.is_up);
	put_number(out, c->link.was.addr_gen_mode);
}

static void parse_link(struct change *c, struct words *w)
{
	take_dev(w, c->link.was.name, false);
	c->link.was.index = take_number(w, INT32_MAX);
	c->link.was.mtu_bytes = take_number(w, UINT32_MAX);
	c->link.was.is_up = take_number(w, 1) != 0;
	c->link.was.addr_gen_mode = (uint8_t)take_number(w, UINT8_MAX);
}

static void write_address(const struct change *c, FILE *out)
{
	put_text(out, c->address.dev);
	put_prefix(out, &c->address.addr);
}

static void parse_address(struct change *c, struct words *w)
{
	take_dev(w, c->address.dev, false);
	take_prefix(w, &c->address.addr);
}

static void write_route(const struct change *c, FILE *out)
{
	put_number(out, c->route.table);
	put_prefix(out, &c->route.dst);
	put_text(out, c->route.dev);
}

static void parse_route(struct change *c, struct words *w)
{
	c->route.table = take_number(w, UINT32_MAX);
	take_prefix(w, &c->route.dst);
	take_dev(w, c->route.dev, true);
}

static void write_rule(const struct change *c, FILE *out)
{
	const struct netlink_rule *r = &c->rule;

	put_number(out, r->family == AF_INET ? 4 : 6);
	put_number(out, r->priority);
	put_number(out, r->table);
	put_number(out, r->fwmark);
	put_number(out, r->fwmask);
	put_number(out, r->is_inverted);
	put_number(out, r->is_specific_only);
	if (r->has_to)
		put_prefix(out, &r->to);
	else
		put_text(out, "");
	put_text(out, r->iif);
}

static void parse_rule(struct change *c, struct words *w)
{
	struct netlink_rule *r = &c->rule;
	const uint32_t family = take_number(w, 6);

	r->family = family == 4 ? AF_INET : AF_INET6;
	r->priority = take_number(w, UINT32_MAX);
	r->table = take_number(w, UINT32_MAX);
	r->fwmark = take_number(w, UINT32_MAX);
	r->fwmask = take_number(w, UINT32_MAX);
	r->is_inverted = take_number(w, 1) != 0;
	r->is_specific_only = take_number(w, 1) != 0;
	r->has_to = !w->bad && strncmp(w->at, "- ", 2) != 0;
	if (r->has_to)
		take_prefix(w, &r->to);
	else if (!w->bad)
		w->at += 2;
	take_dev(w, r->iif, true);
	if ((family != 4 && family != 6) || (r->has_to && ip_prefix_family(&r->to) != r->family))
		w->bad = true;
}

static void write_sysctl(const struct change *c, FILE *out)
{
	put_text(out, c->sysctl.key);
	put_text(out, c->sysctl.was);
}

static void parse_sysctl(struct change *c, struct words *w)
{
	take_text(w, c->sysctl.key, sizeof(c->sysctl.key));
	take_text(w, c->sysctl.was, sizeof(c->sysctl.was));
	if (!w->bad && !sysctl_key_is_valid(c->sysctl.key))
		w->bad = true;
}

static void write_nft(const struct change *c, FILE *out)
{
	put_text(out, c->nft.table);
}

static void parse_nft(struct change *c, struct words *w)
{
	take_text(w, c->nft.table, sizeof(c->nft.table));
	/* Only ours are ever deleted, whatever the file says. */
	if (!w->bad && strcmp(c->nft.table, FIREWALL_CLIENT_TABLE) != 0 &&
	    strcmp(c->nft.table, FIREWALL_EXIT_TABLE) != 0)
		w->bad = true;
}

static void write_resolv(const struct change *c, FILE *out)
{
	const struct resolv *r = &c->resolv;

	put_text(out, r->path);
	put_number(out, r->is_in_place);
	put_number(out, r->was);
	put_number(out, r->mode);
	put_number(out, r->uid);
	put_number(out, r->gid);
	put_bytes(out, r->original, r->original_len);
	put_text(out, r->ours);
}

static void parse_resolv(struct change *c, struct words *w)
{
	struct resolv *r = &c->resolv;

	r->path = take_string(w);
	r->is_in_place = take_number(w, 1) != 0;
	r->was = (enum resolv_was)take_number(w, RESOLV_WAS_LINK);
	r->mode = take_number(w, 07777);
	r->uid = take_number(w, UINT32_MAX);
	r->gid = take_number(w, UINT32_MAX);
	r->original = take_bytes(w, &r->original_len);
	r->ours = take_string(w);
	if (w->bad || r->path[0] != '/' ||
	    (r->was == RESOLV_WAS_LINK && strlen(r->original) != r->original_len))
		w->bad = true;
}

static void write_resolved(const struct change *c, FILE *out)
{
	put_text(out, c->resolved.link.name);
	put_number(out, c->resolved.link.index);
}

static void parse_resolved(struct change *c, struct words *w)
{
	take_dev(w, c->resolved.link.name, false);
	c->resolved.link.index = take_number(w, INT32_MAX);
}

static const struct {
	const char *name;
	void (*write)(const struct change *c, FILE *out);
	void (*parse)(struct change *c, struct words *w);
} formats[] = {
    [CHANGE_TUN] = {"tun", write_tun, parse_tun},
    [CHANGE_LINK] = {"link", write_link, parse_link},
    [CHANGE_ADDRESS] = {"address", write_address, parse_address},
    [CHANGE_ROUTE] = {"route", write_route, parse_route},
    [CHANGE_RULE] = {"rule", write_rule, parse_rule},
    [CHANGE_SYSCTL] = {"sysctl", write_sysctl, parse_sysctl},
    [CHANGE_NFT] = {"nft", write_nft, parse_nft},
    [CHANGE_RESOLV] = {"resolv", write_resolv, parse_resolv},
    [CHANGE_RESOLVED] = {"resolved", write_resolved, parse_resolved},
};

void change_write(const struct change *c, FILE *out)
{
	fputs(formats[c->kind].name, out);
	formats[c->kind].write(c, out);
	fputc('\n', out);
}

int change_parse(struct change *c, const char *line)
{
	const size_t name_len = strcspn(line, " ");
	struct words w = {.at = line + name_len};

	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		struct change out = {.kind = (enum change_kind)i};

		if (strlen(formats[i].name) != name_len ||
		    memcmp(formats[i].name, line, name_len) != 0 || *w.at++ != ' ')
			continue;
		formats[i].parse(&out, &w);
		if (!w.bad && *w.at == '\0') {
			*c = out;
			return 0;
		}
		change_fini(&out);
		return -EINVAL;
	}
	return -EINVAL;
}
