/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Packets out are not copied: header and data are lwIP's, and the data of TCP is still where it was
 * read from the program's socket.  Their TCP checksum is left to the exit's kernel.  Packets in are
 * copied once, into what lwIP keeps until the program's socket takes it.
 */
#include "proxy/stack.h"

#include "io/ip.h"
#include "proxy/lwip_udp.h"
#include "util/rng.h"

#include <lwip/init.h>
#include <lwip/ip.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/sys.h>
#include <lwip/timeouts.h>

enum {
	OUT_MAX = 1024,
	PORT_MIN = 32768,
	PORTS = 28000,
	PORT_TRIES = 16,
	ICMP_UNREACHABLE = 3,
	ICMP6_UNREACHABLE = 1,
	ICMP_QUOTE_OFF = 8,
};

static struct {
	stack_send *send;
	void *ctx;
	struct packet packet[OUT_MAX];
	struct pbuf *held[OUT_MAX]; /* one reference each */
	size_t n;
} out;

/* ---- what lwIP asks for ---- */

unsigned int stack_random(void)
{
	return rng_u32(&rng_system);
}

u32_t sys_now(void)
{
	return (u32_t)(now_read().mono_ns / NS_PER_MS);
}

/* ---- out ---- */

/* The sum of the pseudo-header; whoever sends it on from the exit adds the rest. */
static uint8_t sum_pseudo(uint8_t *p, size_t len)
{
	const bool v6 = p[0] >> 4 == 6;
	struct ip_layout l = {
	    .v6 = v6,
	    .proto = v6 ? p[6] : p[9],
	    .l4_off = (uint16_t)(v6 ? IPV6_HEAD_LEN : (p[0] & 0xf) * 4),
	};

	if (l.proto != IPPROTO_TCP)
		return 0;
	put_be16(p + ip_csum_off(&l), ip_fold(ip_pseudo_sum(&l, p) + len - l.l4_off));
	return PACKET_CSUM_PARTIAL;
}

static err_t emit(struct pbuf *p)
{
	struct packet *to = &out.packet[out.n];

	if (out.n == OUT_MAX) /* as on a wire: TCP finds out */
		return ERR_MEM;
	if (p->next != NULL && p->next->next != NULL)
		p = pbuf_clone(PBUF_RAW, PBUF_RAM, p);
	else
		pbuf_ref(p);
	if (p == NULL)
		return ERR_MEM;
	*to = (struct packet){.head = p->payload, .head_len = p->len};
	if (p->next != NULL) {
		to->body = p->next->payload;
		to->body_len = p->next->len;
	}
	to->flags = sum_pseudo(p->payload, p->tot_len);
	out.held[out.n++] = p;
	return ERR_OK;
}

static err_t output_v4(struct netif *netif, struct pbuf *p, const ip4_addr_t *to)
{
	(void)netif;
	(void)to;
	return emit(p);
}

static err_t output_v6(struct netif *netif, struct pbuf *p, const ip6_addr_t *to)
{
	(void)netif;
	(void)to;
	return emit(p);
}

void stack_flush(void)
{
	if (out.n > 0)
		out.send(out.ctx, out.packet, out.n);
	for (size_t i = 0; i < out.n; i++)
		pbuf_free(out.held[i]);
	out.n = 0;
}

/* ---- in ---- */

static struct pbuf *copy_in(const struct packet *p)
{
	struct pbuf *b = pbuf_alloc(PBUF_RAW, (u16_t)(p->head_len + p->body_len), PBUF_RAM);

	if (b == NULL)
		return NULL;
	memcpy(b->payload, p->head, p->head_len);
	if (p->body_len > 0)
		memcpy((uint8_t *)b->payload + p->head_len, p->body, p->body_len);
	return b;
}

/* Of what is no whole TCP or UDP packet lwIP judges itself. */
static bool sum_is_good(const uint8_t *p, size_t len, uint8_t flags)
{
	struct ip_layout l;

	if ((flags & PACKET_CSUM_PARTIAL) != 0 || !ip_parse(&l, p, len, len))
		return true;
	if (l.proto == IPPROTO_UDP && !l.v6 && get_be16(p + ip_csum_off(&l)) == 0)
		return true;
	return ip_fold(ip_sum(p + l.l4_off, len - l.l4_off) + ip_pseudo_sum(&l, p) + len -
		       l.l4_off) == 0xffff;
}

static struct netif *netif_of(const uint8_t *p, size_t len)
{
	const unsigned version = len > 0 ? p[0] >> 4 : 0;
	struct netif *netif;

	if (!(version == 4 && len >= IPV4_HEAD_LEN) && !(version == 6 && len >= IPV6_HEAD_LEN))
		return NULL;
	NETIF_FOREACH(netif)
	{
		if (version == 4 ? memcmp(p + 16, netif_ip4_addr(netif), 4) == 0
				 : memcmp(p + 24, netif_ip6_addr(netif, 0)->addr, 16) == 0)
			return netif;
	}
	return NULL;
}

static void give_up(const uint8_t *quote, const struct ip_layout *l)
{
	const uint8_t *ports = quote + l->l4_off;
	struct tcp_pcb *pcb;

	for (pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next) {
		const void *remote = l->v6 ? (const void *)ip_2_ip6(&pcb->remote_ip)->addr
					   : (const void *)ip_2_ip4(&pcb->remote_ip);

		if (pcb->state == SYN_SENT && pcb->local_port == get_be16(ports) &&
		    pcb->remote_port == get_be16(ports + 2) && IP_IS_V6(&pcb->remote_ip) == l->v6 &&
		    memcmp(remote, quote + (l->v6 ? 24 : 16), l->v6 ? 16 : 4) == 0) {
			tcp_abandon(pcb, 0);
			return;
		}
	}
}

/* An exit that may not reach a place says so by ICMP, which lwIP does not tell TCP. */
static void heed_unreachable(const uint8_t *p, size_t len)
{
	const bool v6 = p[0] >> 4 == 6;
	const size_t off = v6 ? IPV6_HEAD_LEN : (p[0] & 0xf) * 4u;
	const size_t head_min = v6 ? IPV6_HEAD_LEN : IPV4_HEAD_LEN;
	const uint8_t *quote = p + off + ICMP_QUOTE_OFF;
	struct ip_layout l = {.v6 = v6};

	if ((v6 ? p[6] != IPPROTO_ICMPV6 : p[9] != IPPROTO_ICMP) ||
	    len < off + ICMP_QUOTE_OFF + head_min ||
	    p[off] != (v6 ? ICMP6_UNREACHABLE : ICMP_UNREACHABLE))
		return;
	l.l4_off = (uint16_t)(v6 ? IPV6_HEAD_LEN : (quote[0] & 0xf) * 4);
	if (quote[v6 ? 6 : 9] == IPPROTO_TCP && len >= off + ICMP_QUOTE_OFF + l.l4_off + 4u)
		give_up(quote, &l);
}

void stack_input(const struct packet *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct pbuf *b = copy_in(&p[i]);
		struct netif *netif;

		if (b == NULL)
			continue;
		netif = netif_of(b->payload, b->len);
		if (netif == NULL || !sum_is_good(b->payload, b->len, p[i].flags)) {
			pbuf_free(b);
			continue;
		}
		heed_unreachable(b->payload, b->len);
		(void)ip_input(b, netif); /* takes b, whatever it answers */
	}
}

/* ---- nets ---- */

static err_t set_up(struct netif *netif)
{
	netif->name[0] = 'm';
	netif->name[1] = 'm';
	netif->output = output_v4;
	netif->output_ip6 = output_v6;
	return ERR_OK;
}

void stack_open(stack_send *send, void *ctx)
{
	static bool is_open;

	out.send = send;
	out.ctx = ctx;
	if (!is_open)
		lwip_init();
	is_open = true;
}

void stack_net_set_mtu(struct stack_net *n, uint16_t mtu_bytes)
{
	n->netif.mtu = mtu_bytes;
}

void stack_net_up(struct stack_net *n, const uint8_t v4[static 4], const uint8_t v6[static 16],
		  uint16_t mtu_bytes)
{
	static const uint8_t none[16];
	ip4_addr_t addr, mask, gateway = {0};

	n->has_v4 = memcmp(v4, none, 4) != 0;
	n->has_v6 = memcmp(v6, none, 16) != 0;
	memcpy(&addr, v4, 4);
	memset(&mask, 0xff, sizeof(mask));
	netif_add(&n->netif, &addr, &mask, &gateway, NULL, set_up, ip_input);
	stack_net_set_mtu(n, mtu_bytes);
	if (n->has_v6) {
		memcpy(n->netif.ip6_addr[0].u_addr.ip6.addr, v6, 16);
		netif_ip6_addr_set_state(&n->netif, 0, IP6_ADDR_PREFERRED);
	}
	netif_set_link_up(&n->netif);
	netif_set_up(&n->netif);
	n->is_up = true;
}

void stack_net_down(struct stack_net *n)
{
	if (n->is_up)
		netif_remove(&n->netif);
	n->is_up = false;
}

/* ---- addresses and ports ---- */

void stack_addr(ip_addr_t *addr, const uint8_t ip[static 16])
{
	struct endpoint e;

	memcpy(e.ip, ip, sizeof(e.ip));
	memset(addr, 0, sizeof(*addr));
	if (endpoint_is_v4(&e)) {
		IP_SET_TYPE(addr, IPADDR_TYPE_V4);
		memcpy(ip_2_ip4(addr), ip + 12, 4);
	} else {
		IP_SET_TYPE(addr, IPADDR_TYPE_V6);
		memcpy(ip_2_ip6(addr)->addr, ip, 16);
	}
}

void stack_ip(uint8_t ip[static 16], const ip_addr_t *addr)
{
	memset(ip, 0, 16);
	if (IP_IS_V6(addr)) {
		memcpy(ip, ip_2_ip6(addr)->addr, 16);
	} else {
		ip[10] = ip[11] = 0xff;
		memcpy(ip + 12, ip_2_ip4(addr), 4);
	}
}

/* Ours towards ip; NULL when there is none of its family. */
static const ip_addr_t *own(const struct stack_net *n, const uint8_t ip[static 16])
{
	ip_addr_t to;

	stack_addr(&to, ip);
	if (!n->is_up || !(IP_IS_V6(&to) ? n->has_v6 : n->has_v4))
		return NULL;
	return IP_IS_V6(&to) ? netif_ip_addr6(&n->netif, 0) : netif_ip_addr4(&n->netif);
}

bool stack_net_has(const struct stack_net *n, const uint8_t ip[static 16])
{
	const ip_addr_t *addr = own(n, ip);
	ip_addr_t other;

	stack_addr(&other, ip);
	return addr != NULL && ip_addr_cmp(addr, &other);
}

/* Drawn, so that ports of different users do not follow on each other. */
static u16_t random_port(void)
{
	return (u16_t)(PORT_MIN + rng_below(&rng_system, PORTS));
}

struct tcp_pcb *stack_tcp(struct stack_net *n, const uint8_t ip[static 16])
{
	const ip_addr_t *from = own(n, ip);
	struct tcp_pcb *pcb = from != NULL ? tcp_new() : NULL;
	err_t err = ERR_USE;

	if (pcb == NULL)
		return NULL;
	for (unsigned i = 0; i < PORT_TRIES && err == ERR_USE; i++)
		err = tcp_bind(pcb, from, random_port());
	if (err != ERR_OK) {
		tcp_close(pcb);
		return NULL;
	}
	tcp_bind_netif(pcb, &n->netif);
	tcp_nagle_disable(pcb);
	return pcb;
}

struct udp_pcb *stack_udp(struct stack_net *n, const uint8_t ip[static 16])
{
	const ip_addr_t *from = own(n, ip);
	struct udp_pcb *pcb = from != NULL ? udp_new() : NULL;
	err_t err = ERR_USE;

	if (pcb == NULL)
		return NULL;
	for (unsigned i = 0; i < PORT_TRIES && err == ERR_USE; i++)
		err = udp_bind(pcb, from, random_port());
	if (err != ERR_OK) {
		udp_remove(pcb);
		return NULL;
	}
	udp_bind_netif(pcb, &n->netif);
	return pcb;
}

/* ---- time ---- */

uint64_t stack_deadline(const struct now *now)
{
	const u32_t wait_ms = sys_timeouts_sleeptime();

	return wait_ms == SYS_TIMEOUTS_SLEEPTIME_INFINITE ? NEVER
							  : now->mono_ns + wait_ms * NS_PER_MS;
}

void stack_tick(void)
{
	sys_check_timeouts();
}
