/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whether what a descriptor says is possible, each refusal by its own name. */
#include <string.h>

#include "mesh/descriptor.h"

/* X25519 public keys of small order (u = 0, 1, two of order 8, and p - 1, p, p + 1): whoever agrees
 * on a secret with one of them agrees with everybody.  Bit 255 does not count. */
static const uint8_t weak_keys[][DH_LEN] = {
    {0},
    {1},
    {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
     0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
     0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
    {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
     0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
     0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    {0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
};

static bool is_weak(const uint8_t key[static DH_LEN])
{
	for (size_t i = 0; i < ARRAY_LEN(weak_keys); i++)
		if (memcmp(key, weak_keys[i], DH_LEN - 1) == 0 &&
		    ((key[DH_LEN - 1] ^ weak_keys[i][DH_LEN - 1]) & 0x7f) == 0)
			return true;
	return false;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != 0)
			return false;
	return true;
}

static enum descriptor_error check_times(const struct descriptor *d, uint64_t wall_s)
{
	if (d->valid_until_s <= d->published_s ||
	    d->valid_until_s - d->published_s > DESCRIPTOR_VALID_MAX_S)
		return DESCRIPTOR_VALIDITY;
	if (d->valid_until_s <= wall_s)
		return DESCRIPTOR_EXPIRED;
	if (d->published_s > wall_s && d->published_s - wall_s > DESCRIPTOR_SKEW_S)
		return DESCRIPTOR_NOT_YET_VALID;
	if (d->since_s == 0 ||
	    (d->since_s > d->published_s && d->since_s - d->published_s > DESCRIPTOR_SKEW_S))
		return DESCRIPTOR_SINCE;
	return DESCRIPTOR_OK;
}

static enum descriptor_error check_roles(const struct descriptor *d)
{
	const bool is_exit = (d->roles & ROLE_EXIT) != 0;

	if (d->roles == 0 || (d->roles & ~ROLE_ALL) != 0)
		return DESCRIPTOR_ROLES;
	if ((d->exit_flags & ~EXIT_ALL) != 0 || is_exit != (d->exit_flags != 0))
		return DESCRIPTOR_EXIT;
	if (is_exit == is_zero(d->session_key, sizeof(d->session_key)))
		return is_exit ? DESCRIPTOR_NO_SESSION_KEY : DESCRIPTOR_EXIT;
	return DESCRIPTOR_OK;
}

static enum descriptor_error check_keys(const struct descriptor *d)
{
	const struct onion_public *k = d->onion_keys;

	if (d->onion_key_count == 0)
		return DESCRIPTOR_NO_ONION_KEY;
	for (unsigned i = 0; i < d->onion_key_count; i++) {
		if (k[i].valid_until_s <= k[i].valid_from_s ||
		    k[i].valid_until_s - k[i].valid_from_s > DESCRIPTOR_VALID_MAX_S)
			return DESCRIPTOR_ONION_KEY;
		if (is_weak(k[i].key))
			return DESCRIPTOR_WEAK_KEY;
	}
	if (d->onion_key_count == 2 && k[0].id == k[1].id)
		return DESCRIPTOR_ONION_KEY;
	if (is_weak(d->link_key) || ((d->roles & ROLE_EXIT) != 0 && is_weak(d->session_key)))
		return DESCRIPTOR_WEAK_KEY;
	return DESCRIPTOR_OK;
}

/* Whether a node could be called there at all; private networks are networks too. */
static bool is_callable(const struct endpoint *e)
{
	static const uint8_t high_zero[12];
	const uint8_t *ip = e->ip;

	if (endpoint_is_v4(e)) /* not 0/8, 127/8, 169.254/16, 224/3 */
		return ip[12] != 0 && ip[12] != 127 && !(ip[12] == 169 && ip[13] == 254) &&
		       ip[12] < 224;
	if (memcmp(ip, high_zero, sizeof(high_zero)) == 0) /* ::, ::1, v4-compatible */
		return false;
	return ip[0] != 0xff && !(ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80);
}

static enum descriptor_error check_addrs(const struct descriptor *d)
{
	if (d->addr_count == 0)
		return DESCRIPTOR_NO_ADDRESS;
	for (unsigned i = 0; i < d->addr_count; i++) {
		if (d->addrs[i].port == 0)
			return DESCRIPTOR_PORT;
		if (!is_callable(&d->addrs[i]))
			return DESCRIPTOR_ADDRESS;
		for (unsigned j = 0; j < i; j++)
			if (endpoint_equal(&d->addrs[i], &d->addrs[j]))
				return DESCRIPTOR_ADDRESS;
	}
	return DESCRIPTOR_OK;
}

static bool is_country(const char *c)
{
	return c[0] >= 'A' && c[0] <= 'Z' && c[1] >= 'A' && c[1] <= 'Z';
}

static bool is_name(const char *name)
{
	return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-._")] == '\0';
}

static bool is_range(const struct version_range *v)
{
	return v->min >= 1 && v->min <= v->max;
}

static enum descriptor_error check_policy(const struct descriptor *d)
{
	unsigned next = 1;

	if (d->policy_count > 0 && (d->roles & ROLE_EXIT) == 0)
		return DESCRIPTOR_POLICY;
	for (unsigned i = 0; i < d->policy_count; i++) {
		if (d->policy[i].min < next || d->policy[i].max < d->policy[i].min)
			return DESCRIPTOR_POLICY;
		next = d->policy[i].max + 2u; /* adjacent ranges are one */
	}
	return DESCRIPTOR_OK;
}

static enum descriptor_error check_rtts(const struct descriptor *d)
{
	for (unsigned i = 0; i < d->rtt_count; i++)
		if (descriptor_rtt(d, i).rtt_ns == 0)
			return DESCRIPTOR_RTT;
	return DESCRIPTOR_OK;
}

static enum descriptor_error check_traits(const struct descriptor *d)
{
	if (!is_country(d->country))
		return DESCRIPTOR_COUNTRY;
	if (!is_name(d->name))
		return DESCRIPTOR_NAME;
	if (!is_name(d->software))
		return DESCRIPTOR_SOFTWARE;
	if (is_zero(d->operator_tag, sizeof(d->operator_tag)))
		return DESCRIPTOR_OPERATOR;
	if (d->capacity_kbit == 0)
		return DESCRIPTOR_CAPACITY;
	if (d->load_percent > 100 && d->load_percent != LOAD_UNKNOWN)
		return DESCRIPTOR_LOAD;
	if (!is_range(&d->link_versions) || !is_range(&d->circuit_versions) ||
	    !is_range(&d->session_versions))
		return DESCRIPTOR_PROTOCOL;
	return DESCRIPTOR_OK;
}

enum descriptor_error descriptor_check(const struct descriptor *d, uint64_t wall_s)
{
	enum descriptor_error err = check_times(d, wall_s);

	if (err == DESCRIPTOR_OK)
		err = check_roles(d);
	if (err == DESCRIPTOR_OK)
		err = check_keys(d);
	if (err == DESCRIPTOR_OK)
		err = check_addrs(d);
	if (err == DESCRIPTOR_OK)
		err = check_traits(d);
	if (err == DESCRIPTOR_OK)
		err = check_policy(d);
	if (err == DESCRIPTOR_OK)
		err = check_rtts(d);
	return err;
}
