/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The TCP/IP of the proxy: lwIP between sockets of ours and the packets of sessions.  There is one
 * in a process, as lwIP keeps its state in globals, and one thread uses it.
 */
#ifndef PROXY_STACK_H
#define PROXY_STACK_H

#include "util/dgram.h"
#include "util/now.h"

#include <lwip/netif.h>

struct tcp_pcb;
struct udp_pcb;

/* The addresses of one session, and what is bound to them. */
struct stack_net {
	struct netif netif;
	bool is_up, has_v4, has_v6;
};

/* What leaves: valid during the call. */
typedef void stack_send(void *ctx, const struct packet *p, size_t n);

void stack_open(stack_send *send, void *ctx);

/* stack_net_up(n, v4, v6, mtu): addresses of all zeros: none.  stack_net_down: first close what is
 * bound to it. */
void stack_net_up(struct stack_net *n, const uint8_t v4[static 4], const uint8_t v6[static 16],
		  uint16_t mtu_bytes);
void stack_net_set_mtu(struct stack_net *n, uint16_t mtu_bytes);
void stack_net_down(struct stack_net *n);
bool stack_net_has(const struct stack_net *n, const uint8_t ip[static 16]);

/* stack_input(p, n): packets that came for any of the nets; callbacks of pcbs run. */
void stack_input(const struct packet *p, size_t n);

/* stack_flush(): hand what the stack has produced to send. */
void stack_flush(void);

uint64_t stack_deadline(const struct now *now);
void stack_tick(void);

/*
 * stack_tcp, stack_udp: bound to the net's address of the family of ip and to a random port; NULL
 * when the net has no such address.
 */
struct tcp_pcb *stack_tcp(struct stack_net *n, const uint8_t ip[static 16]);
struct udp_pcb *stack_udp(struct stack_net *n, const uint8_t ip[static 16]);

void stack_addr(ip_addr_t *out, const uint8_t ip[static 16]);
void stack_ip(uint8_t out[static 16], const ip_addr_t *addr);

#endif
