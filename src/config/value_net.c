/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values that are about the network: endpoints, addresses, networks, seeds and the exit's policy.
 */
#include "config/schema.h"

#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <strings.h>

#include "util/xalloc.h"

#define SEED_KEY_CHARS 86 /* 64 bytes in unpadded base64url */

/* A list starts as all zeros.  LIST_APPEND is 0 or -E2BIG. */
#define LIST_APPEND(key, list, item)                                                      \
	((list)->count >= ((key)->max != 0 ? (key)->max : CONFIG_LIST_MAX)                \
	     ? -E2BIG                                                                     \
	     : ((list)->items =                                                           \
		    xrealloc((list)->items, (list)->count + 1, sizeof((list)->items[0])), \
		(list)->items[(list)->count++] = (item), 0))

static int parse_endpoint(const struct config_key *key, void *field, const char *text)
{
	(void)key;
	return endpoint_parse(field, text);
}

static int parse_endpoints(const struct config_key *key, void *field, const char *text)
{
	struct config_endpoints *list = field;
	struct endpoint e;

	return endpoint_parse(&e, text) != 0 ? -EINVAL : LIST_APPEND(key, list, e);
}

static void clear_endpoints(void *field)
{
	struct config_endpoints *list = field;

	free(list->items);
	*list = (struct config_endpoints){0};
}

static int parse_ips(const struct config_key *key, void *field, const char *text)
{
	struct config_ips *list = field;
	struct config_ip ip;

	if (key->zero_word != NULL && strcasecmp(text, key->zero_word) == 0)
		return 0;
	return endpoint_ip_parse(ip.ip, text) != 0 ? -EINVAL : LIST_APPEND(key, list, ip);
}

static void clear_ips(void *field)
{
	struct config_ips *list = field;

	free(list->items);
	*list = (struct config_ips){0};
}

static int parse_seed(const struct config_key *key, void *field, const char *text)
{
	struct config_strings *list = field;
	struct endpoint e;
	size_t len = 0;

	while (isalnum((unsigned char)text[len]) || text[len] == '-' || text[len] == '_')
		len++;
	if (len != SEED_KEY_CHARS || text[len] != '@' || endpoint_parse(&e, text + len + 1) != 0)
		return -EINVAL;
	return LIST_APPEND(key, list, xstrdup(text));
}

static void clear_strings(void *field)
{
	struct config_strings *list = field;

	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct config_strings){0};
}

static int parse_ifnames(const struct config_key *key, void *field, const char *text)
{
	struct config_strings *list = field;

	if (!name_is_valid(text, IFNAMSIZ - 1) || text[0] == '.')
		return -EINVAL;
	return LIST_APPEND(key, list, xstrdup(text));
}

static int parse_domains(const struct config_key *key, void *field, const char *text)
{
	struct config_strings *list = field;

	if (strcmp(text, "*") != 0 && (!name_is_valid(text, 253) || text[0] == '.'))
		return -EINVAL;
	return LIST_APPEND(key, list, xstrdup(text));
}

/* "MARK" or "MARK/MASK" */
static int parse_mark(const struct config_key *key, void *field, const char *text)
{
	uint64_t value, mask = UINT32_MAX;
	struct config_marks *list = field;
	struct config_mark m;
	const char *end;

	if (config_digits(text, &value, &end) != 0 ||
	    (*end == '/' && config_digits(end + 1, &mask, &end) != 0) || *end != '\0')
		return -EINVAL;
	if (value > UINT32_MAX || mask > UINT32_MAX || (value & mask) == 0 || (value & ~mask) != 0)
		return -EINVAL;
	m = (struct config_mark){(uint32_t)value, (uint32_t)mask};
	return LIST_APPEND(key, list, m);
}

static void clear_marks(void *field)
{
	struct config_marks *list = field;

	free(list->items);
	*list = (struct config_marks){0};
}

int prefix_parse(struct config_prefix *out, const char *text)
{
	const char *slash = strchr(text, '/');
	const size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	const bool is_v6 = memchr(text, ':', len) != NULL;
	char address[ENDPOINT_TEXT_MAX];
	struct config_prefix p;
	const char *end;
	uint64_t bits = is_v6 ? 128 : 32;

	if (len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, len);
	address[len] = '\0';
	if (endpoint_ip_parse(p.ip, address) != 0)
		return -EINVAL;
	if (slash != NULL && (config_digits(slash + 1, &bits, &end) != 0 || *end != '\0' ||
			      bits > (is_v6 ? 128 : 32)))
		return -EINVAL;
	p.len_bits = (uint8_t)(bits + (is_v6 ? 0 : 96));
	for (unsigned i = p.len_bits; i < 128; i++)
		if (p.ip[i / 8] & 0x80 >> i % 8)
			return -EINVAL; /* bits of a host: the writer meant something else */
	*out = p;
	return 0;
}

static int parse_pool(const struct config_key *key, void *field, const char *text, bool want_v6)
{
	const bool is_v6 = strchr(text, ':') != NULL;
	const unsigned shift = is_v6 ? 0 : 96;
	struct config_prefix p;

	if (is_v6 != want_v6 || prefix_parse(&p, text) != 0)
		return -EINVAL;
	if (p.len_bits < key->min + shift || p.len_bits > key->max + shift)
		return -ERANGE;
	*(struct config_prefix *)field = p;
	return 0;
}

static int parse_prefix4(const struct config_key *key, void *field, const char *text)
{
	return parse_pool(key, field, text, false);
}

static int parse_prefix6(const struct config_key *key, void *field, const char *text)
{
	return parse_pool(key, field, text, true);
}

/* "*", "25" or "6881-6999" */
static int parse_ports(struct config_policy_rule *rule, const char *text)
{
	uint64_t first, last;
	const char *end;

	if (strcmp(text, "*") == 0) {
		rule->port_min = 0;
		rule->port_max = UINT16_MAX;
		return 0;
	}
	if (config_digits(text, &first, &end) != 0)
		return -EINVAL;
	last = first;
	if (*end == '-' && config_digits(end + 1, &last, &end) != 0)
		return -EINVAL;
	if (*end != '\0' || first > last || last > UINT16_MAX)
		return -EINVAL;
	rule->port_min = (uint16_t)first;
	rule->port_max = (uint16_t)last;
	return 0;
}

/* "*", "private", "10.1.0.0/16" or "[2001:db8::/32]" */
static int parse_net(struct config_policy_rule *rule, char *text)
{
	const size_t len = strlen(text);
	const bool bracket = len >= 2 && text[0] == '[' && text[len - 1] == ']';

	rule->net = CONFIG_NET_ANY;
	if (strcmp(text, "*") == 0)
		return 0;
	rule->net = CONFIG_NET_PRIVATE;
	if (strcasecmp(text, "private") == 0)
		return 0;
	rule->net = CONFIG_NET_PREFIX;
	if (bracket) {
		text[len - 1] = '\0';
		text++;
	}
	return bracket != (strchr(text, ':') != NULL) ? -EINVAL : prefix_parse(&rule->prefix, text);
}

static int parse_policy(const struct config_key *key, void *field, const char *text)
{
	struct config_policy *list = field;
	struct config_policy_rule rule = {0};
	char buf[128], *net, *ports;

	if (strlen(text) >= sizeof(buf))
		return -EINVAL;
	memcpy(buf, text, strlen(text) + 1);
	net = buf + strcspn(buf, " \t");
	if (*net != '\0')
		*net++ = '\0';
	rule.is_accept = strcasecmp(buf, "accept") == 0;
	ports = strrchr(net, ':');
	if ((!rule.is_accept && strcasecmp(buf, "reject") != 0) || ports == NULL)
		return -EINVAL;
	*ports++ = '\0';
	if (parse_net(&rule, text_trim(net)) != 0 || parse_ports(&rule, ports) != 0)
		return -EINVAL;
	return LIST_APPEND(key, list, rule);
}

static void clear_policy(void *field)
{
	struct config_policy *list = field;

	free(list->items);
	*list = (struct config_policy){0};
}

const struct value_type value_endpoint = {NULL, "IP:PORT or [IPV6]:PORT", parse_endpoint, NULL};
const struct value_type value_endpoints = {", \t", "a list of IP:PORT or [IPV6]:PORT",
					   parse_endpoints, clear_endpoints};
const struct value_type value_ips = {", \t", "a list of IP addresses", parse_ips, clear_ips};
const struct value_type value_seeds = {
    ", \t", "a list of seed tokens as printed by \"macro node seed\"", parse_seed, clear_strings};
const struct value_type value_ifnames = {", \t", "a list of interface names", parse_ifnames,
					 clear_strings};
const struct value_type value_domains = {", \t", "a list of names, or *", parse_domains,
					 clear_strings};
const struct value_type value_marks = {
    ", \t", "a list of MARK or MARK/MASK, not 0 and within the mask", parse_mark, clear_marks};
const struct value_type value_prefix4 = {NULL, NULL, parse_prefix4, NULL};
const struct value_type value_prefix6 = {NULL, NULL, parse_prefix6, NULL};
const struct value_type value_policy = {
    ",",
    "a list of \"accept NET:PORTS\" or \"reject NET:PORTS\", NET: *, private, A.B.C.D/N or "
    "[IPV6/N], PORTS: *, N or N-M",
    parse_policy, clear_policy};
