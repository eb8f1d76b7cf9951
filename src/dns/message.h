/* SPDX-License-Identifier: GPL-3.0-or-later */
/* As much of a DNS message as a forwarder must understand: its question, and addresses in answers.
 */
#ifndef DNS_MESSAGE_H
#define DNS_MESSAGE_H

#include "util/bytes.h"

enum {
	DNS_HEADER_LEN = 12,
	DNS_TRUNCATED = 0x02, /* in byte 2 */
	DNS_NAME_MAX = 255,
	DNS_UDP_MAX = 4096, /* of what is passed on; longer answers come by TCP */
};

/*
 * dns_question(msg, len, name): the length of header and question, of a message with exactly one
 * question; its name as small text without the last dot, when name is not NULL.  0: it is not one.
 */
size_t dns_question(const uint8_t *msg, size_t len, char name[DNS_NAME_MAX + 1]);

enum dns_addresses {
	DNS_PUBLIC,  /* or none at all */
	DNS_PRIVATE, /* at least one that is not globally routable */
	DNS_BROKEN,
};

/* dns_addresses(msg, len): of A, AAAA, SVCB and HTTPS records, wherever in the message. */
enum dns_addresses dns_addresses(const uint8_t *msg, size_t len);

/* dns_truncate(msg): marks an answer as one that has to be asked for by TCP. */
void dns_truncate(uint8_t *msg);

/* dns_each_address(msg, len, fn, ctx): fn for each A and AAAA record among the answers of a message
 * that is not broken; IPv4 as ::ffff:a.b.c.d. */
typedef void dns_address_fn(void *ctx, const uint8_t ip[static 16], uint32_t ttl_s);
void dns_each_address(const uint8_t *msg, size_t len, dns_address_fn *fn, void *ctx);

/* dns_is_below(name, domain): it is that domain, or lies below it. */
bool dns_is_below(const char *name, const char *domain);

/* dns_refuse(msg, question_len, rcode): turns a message in place into an answer without records;
 * its length. */
size_t dns_refuse(uint8_t *msg, size_t question_len, uint8_t rcode);

#endif
