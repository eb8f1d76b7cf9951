/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Another address in an IP packet, one for one and without state: checksums follow the change
 * (RFC 1624), in the header, behind it, and in the packet that an ICMP error is about.
 */
#ifndef CORE_READDRESS_H
#define CORE_READDRESS_H

#include "util/dgram.h"

enum readdress_end {
	READDRESS_SOURCE,
	READDRESS_DESTINATION,
};

/*
 * readdress(p, len, end, addr, flags): p is a whole packet (inner_parse), addr 4 or 16 bytes as its
 * version has.  An ICMP error about a packet that has the old address at its other end gets the new
 * one there, too.  flags: enum packet_flag.
 */
void readdress(uint8_t *p, size_t len, enum readdress_end end, const uint8_t *addr, uint8_t flags);

#endif
