/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lwIP's UDP, two functions of which are called as ours in io/udp.h: built under other names. */
#ifndef PROXY_LWIP_UDP_H
#define PROXY_LWIP_UDP_H

#define udp_recv lwip_udp_recv
#define udp_send lwip_udp_send

#include <lwip/udp.h>

#endif
