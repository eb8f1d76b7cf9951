/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The stub's questions over one TLS connection, made when there is something to ask; answers come
 * in any order.  What a broken connection swallows the stub asks again. */
#ifndef APP_DNS_TLS_H
#define APP_DNS_TLS_H

#include "app/dns_stream.h"

struct dns_tls;

struct dns_tls *dns_tls_create(struct dns_app *app);
void dns_tls_free(struct dns_tls *t); /* NULL allowed */

/* dns_tls_ask(t, msg, len, now): soon on the wire, or lost. */
void dns_tls_ask(struct dns_tls *t, const uint8_t *msg, size_t len, const struct now *now);

void dns_tls_tick(struct dns_tls *t, const struct now *now);
uint64_t dns_tls_deadline(const struct dns_tls *t);

#endif
