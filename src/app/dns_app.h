/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A stub resolver's sockets: programs ask it on a loopback address, and it asks its name servers on
 * its own way and no other: through the tunnel, or outside of it.  Lives on the loop of the
 * client's worker.  There may be two, for either way; which one answers a name need not be the one
 * asked.
 */
#ifndef APP_DNS_APP_H
#define APP_DNS_APP_H

#include <net/if.h>

#include "app/dns_stream.h"
#include "dns/stub.h"
#include "host/resolv.h"
#include "io/loop.h"

#define DNS_APP_ADDRESS       "127.109.109.53"
#define DNS_APP_OTHER_ADDRESS "127.109.109.54"
#define DNS_APP_TCP_MAX       16

struct dns_tcp;
struct dns_tls;

struct dns_app_config {
	const char *address; /* on which programs ask it */
	uint32_t mark;       /* of what it sends to servers; 0: none */
	void *ctx;
	/* way: who of them is to answer this name.  NULL: this one answers all. */
	struct dns_app *(*way)(void *ctx, const char *name);
	/* answered: before a program is told.  NULL: nobody wants to know. */
	void (*answered)(void *ctx, const uint8_t *msg, size_t len, const struct now *now);
};

struct dns_app {
	struct dns_app_config cfg;
	struct loop *loop;
	struct stub *stub;
	struct loop_fd programs, tcp, server; /* fd -1: not open */
	bool server_is_v6;                    /* the socket; it reaches IPv4 as well */
	char device[IFNAMSIZ];                /* that it asks through; empty: any */
	struct resolv_servers servers;
	SSL_CTX *tls; /* NULL: they are asked in plain text */
	char tls_name[DNS_NAME_MAX + 1];
	struct dns_tls *tls_conn;
	struct dns_tcp *streams[DNS_APP_TCP_MAX];
};

/* dns_app_open(d, loop, cfg): -EADDRINUSE and others when the address cannot be had; d is then as
 * closed. */
MUST_USE int dns_app_open(struct dns_app *d, struct loop *loop, const struct dns_app_config *cfg);
void dns_app_close(struct dns_app *d);
bool dns_app_is_open(const struct dns_app *d);

/*
 * dns_app_use(d, device, servers, tls_name, now): ask these, through that device if it is not "",
 * from now on; with tls_name only over TLS, and only who has a certificate for it.
 */
void dns_app_use(struct dns_app *d, const char *device, const struct resolv_servers *servers,
		 const char *tls_name, const struct now *now);

void dns_app_tick(struct dns_app *d, const struct now *now);
uint64_t dns_app_deadline(const struct dns_app *d);

/* dns_app_flush(d, now): send what the stub has to say; for dns_tls.c. */
void dns_app_flush(struct dns_app *d, const struct now *now);

/* dns_app_way(d, msg, len): who answers this question. */
struct dns_app *dns_app_way(struct dns_app *d, const uint8_t *msg, size_t len);
/* dns_app_tell(d, msg, len, now): a program is about to be answered. */
void dns_app_tell(const struct dns_app *d, const uint8_t *msg, size_t len, const struct now *now);

/* ---- dns_tcp.c: one program's connection at a time ---- */

/* dns_tcp_open(d, slot, fd, now): takes fd. */
void dns_tcp_open(struct dns_app *d, size_t slot, int fd, const struct now *now);
void dns_tcp_close(struct dns_app *d, size_t slot);
/* dns_tcp_forget: closes it if it waits for a server. */
void dns_tcp_forget(struct dns_app *d, size_t slot);
uint64_t dns_tcp_deadline(const struct dns_tcp *t);

/* dns_app_socket(d, type): towards a server, on its way only.  Negative errno. */
MUST_USE int dns_app_socket(const struct dns_app *d, int type, bool is_v4);

#endif
