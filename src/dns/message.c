/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dns/message.h"

#include <ctype.h>
#include <strings.h>

#include "util/endpoint.h"

enum {
	TYPE_A = 1,
	TYPE_AAAA = 28,
	TYPE_SVCB = 64,
	TYPE_HTTPS = 65,
	KEY_IPV4HINT = 4,
	KEY_IPV6HINT = 6,
	POINTER = 0xc0, /* the top bits of a compressed name's last two bytes */
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Where the name at *at ends; pointers are not followed.  False if it does not. */
static bool skip_name(const uint8_t *msg, size_t len, size_t *at)
{
	while (*at < len) {
		const uint8_t n = msg[*at];

		if (n == 0) {
			*at += 1;
			return true;
		}
		if ((n & POINTER) == POINTER) {
			*at += 2;
			return *at <= len;
		}
		if ((n & POINTER) != 0)
			return false;
		*at += 1u + n;
	}
	return false;
}

/* An uncompressed name as text; bytes that names do not have become '?'. */
static void name_text(const uint8_t *name, char *out)
{
	size_t len = 0;

	for (uint8_t n = *name; n != 0; name += n + 1u, n = *name) {
		for (uint8_t i = 1; i <= n; i++) {
			const int c = tolower(name[i]);

			out[len++] = (char)(isalnum(c) || c == '-' || c == '_' ? c : '?');
		}
		out[len++] = '.';
	}
	out[len > 0 ? len - 1 : 0] = '\0';
}

size_t dns_question(const uint8_t *msg, size_t len, char name[DNS_NAME_MAX + 1])
{
	size_t at = DNS_HEADER_LEN;

	if (len < DNS_HEADER_LEN || get16(msg + 4) != 1)
		return 0;
	while (at < len && msg[at] != 0) {
		if ((msg[at] & POINTER) != 0 || at + msg[at] + 1u - DNS_HEADER_LEN >= DNS_NAME_MAX)
			return 0;
		at += msg[at] + 1u;
	}
	if (at + 5 > len)
		return 0;
	if (name != NULL)
		name_text(msg + DNS_HEADER_LEN, name);
	return at + 5;
}

static bool is_private_v4(const uint8_t *p)
{
	uint8_t ip[16] = {[10] = 0xff, [11] = 0xff};

	memcpy(ip + 12, p, 4);
	return !endpoint_is_public(ip);
}

/* All addresses of one length, one after the other. */
static enum dns_addresses look_at_list(const uint8_t *p, size_t len, size_t each)
{
	if (len % each != 0)
		return DNS_BROKEN;
	for (; len > 0; p += each, len -= each)
		if (each == 4 ? is_private_v4(p) : !endpoint_is_public(p))
			return DNS_PRIVATE;
	return DNS_PUBLIC;
}

/* Service parameters may hint at addresses (RFC 9460). */
static enum dns_addresses look_at_service(const uint8_t *p, size_t len)
{
	size_t at = 2; /* the priority */

	if (len < at || !skip_name(p, len, &at))
		return DNS_BROKEN;
	while (at < len) {
		enum dns_addresses a = DNS_PUBLIC;
		size_t n;

		if (len - at < 4)
			return DNS_BROKEN;
		n = get16(p + at + 2);
		if (len - at - 4 < n)
			return DNS_BROKEN;
		if (get16(p + at) == KEY_IPV4HINT)
			a = look_at_list(p + at + 4, n, 4);
		else if (get16(p + at) == KEY_IPV6HINT)
			a = look_at_list(p + at + 4, n, 16);
		if (a != DNS_PUBLIC)
			return a;
		at += 4 + n;
	}
	return DNS_PUBLIC;
}

static enum dns_addresses look_at_record(uint16_t type, const uint8_t *p, size_t len)
{
	switch (type) {
	case TYPE_A:
		return len == 4 ? look_at_list(p, len, 4) : DNS_BROKEN;
	case TYPE_AAAA:
		return len == 16 ? look_at_list(p, len, 16) : DNS_BROKEN;
	case TYPE_SVCB:
	case TYPE_HTTPS:
		return look_at_service(p, len);
	default:
		return DNS_PUBLIC;
	}
}

enum dns_addresses dns_addresses(const uint8_t *msg, size_t len)
{
	size_t at = dns_question(msg, len, NULL), records;

	if (at == 0)
		return DNS_BROKEN;
	records = (size_t)get16(msg + 6) + get16(msg + 8) + get16(msg + 10);
	for (; records > 0; records--) {
		enum dns_addresses a;
		size_t n;

		if (!skip_name(msg, len, &at) || len - at < 10)
			return DNS_BROKEN;
		n = get16(msg + at + 8);
		if (len - at - 10 < n)
			return DNS_BROKEN;
		a = look_at_record(get16(msg + at), msg + at + 10, n);
		if (a != DNS_PUBLIC)
			return a;
		at += 10 + n;
	}
	return DNS_PUBLIC;
}

void dns_each_address(const uint8_t *msg, size_t len, dns_address_fn *fn, void *ctx)
{
	size_t at = dns_question(msg, len, NULL), records = at == 0 ? 0 : get16(msg + 6);

	for (; records > 0; records--) {
		uint8_t ip[16];
		uint16_t type;
		size_t n;

		if (!skip_name(msg, len, &at) || len - at < 10)
			return;
		type = get16(msg + at);
		n = get16(msg + at + 8);
		if (len - at - 10 < n)
			return;
		if (type == TYPE_A && n == 4) {
			endpoint_ip_from_v4(ip, msg + at + 10);
			fn(ctx, ip, get_be32(msg + at + 4));
		} else if (type == TYPE_AAAA && n == 16) {
			memcpy(ip, msg + at + 10, sizeof(ip));
			fn(ctx, ip, get_be32(msg + at + 4));
		}
		at += 10 + n;
	}
}

bool dns_is_below(const char *name, const char *domain)
{
	const size_t n = strlen(name), d = strlen(domain);

	return n >= d && strcasecmp(name + n - d, domain) == 0 &&
	       (n == d || name[n - d - 1] == '.');
}

size_t dns_refuse(uint8_t *msg, size_t question_len, uint8_t rcode)
{
	msg[2] = (uint8_t)((msg[2] & 0x79) | 0x80); /* an answer; opcode and RD as asked */
	msg[3] = (uint8_t)(0x80 | rcode);           /* recursion available */
	memset(msg + 6, 0, 6);
	return question_len;
}

void dns_truncate(uint8_t *msg)
{
	msg[2] |= DNS_TRUNCATED;
}
