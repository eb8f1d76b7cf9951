/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How lwIP is built for the proxy: one thread, no operating system below, no links with neighbours,
 * windows for fast paths, and nothing by which a server could tell that two connections come from
 * one client.
 */
#ifndef PROXY_LWIPOPTS_H
#define PROXY_LWIPOPTS_H

#define NO_SYS               1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_SOCKET          0
#define LWIP_NETCONN         0
#define LWIP_ARP             0
#define LWIP_ETHERNET        0
#define LWIP_DHCP            0
#define LWIP_IGMP            0
#define LWIP_DNS             0 /* its cache would be one for all users; see lookup.c */
#define LWIP_RAW             0
#define LWIP_STATS           0
#define PPP_SUPPORT          0

#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1
#define MEM_ALIGNMENT   8

#define LWIP_IPV4                     1
#define LWIP_IPV6                     1
#define LWIP_IPV6_MLD                 0
#define LWIP_IPV6_AUTOCONFIG          0
#define LWIP_IPV6_SEND_ROUTER_SOLICIT 0
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS 0
#define LWIP_ND6_NUM_NEIGHBORS        1
#define LWIP_ND6_NUM_DESTINATIONS     1
#define LWIP_ND6_ALLOW_RA_UPDATES     0
#define LWIP_IPV6_SCOPES              0
#define IP_REASSEMBLY                 1
#define IP_FRAG                       1
#define LWIP_IPV6_FRAG                1
#define LWIP_IPV6_REASS               1
#define IPV6_FRAG_COPYHEADER          1

#define TCP_MSS                         1340 /* a route of one hop's over IPv4; the device's MTU lowers it */
#define TCP_WND                         (1 << 20)
#define LWIP_WND_SCALE                  1
#define TCP_RCV_SCALE                   5
#define TCP_SND_BUF                     (1 << 19)
#define TCP_SNDLOWAT                    (1 << 15)
#define TCP_SND_QUEUELEN                4096
#define MEMP_NUM_TCP_SEG                TCP_SND_QUEUELEN
#define LWIP_TCP_SACK_OUT               1
#define TCP_QUEUE_OOSEQ                 1
#define TCP_TMR_INTERVAL                50 /* ms: answers wait as long at most; time-outs are from 300 */
#define TCP_MSL                         2000 /* ms: ports are random, the time to rest can be short */
#define TCP_SYNMAXRTX                   4
#define LWIP_TCP_KEEPALIVE              0
#define SO_REUSE                        1
#define LWIP_TCP_CALC_INITIAL_CWND(mss) ((tcpwnd_size_t)(10U * (mss))) /* RFC 6928 */

/* The exit's kernel or our own io/ip.c does these sums: see stack.c. */
#define CHECKSUM_GEN_TCP   0
#define CHECKSUM_CHECK_TCP 0
#define CHECKSUM_CHECK_UDP 0
#define CHECKSUM_CHECK_IP  0

unsigned int stack_random(void);
#define LWIP_HOOK_TCP_ISN(local_ip, local_port, remote_ip, remote_port) stack_random()

#endif
