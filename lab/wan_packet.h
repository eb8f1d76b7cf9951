/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Surgery on IP packets, as someone on the path would do it: after each change lengths and
 * checksums are right again, so that the receiving kernel hands the damage to the program.
 */
#ifndef LAB_WAN_PACKET_H
#define LAB_WAN_PACKET_H

#include "util/rng.h"

#include <stdbool.h>

#define WAN_PACKET_MAX 2048 /* room for one packet; the devices' MTU is 1500 */

/*
 * packet_pair(ip, len): the two networks that the packet goes between, as one key: each half is
 * the first 16 bits of an IPv4 address or the first 32 of an IPv6 one.  0: not an IP packet.
 */
uint64_t packet_pair(const uint8_t *ip, size_t len);

/* packet_is_udp(ip, len): with a payload, and whole. */
bool packet_is_udp(const uint8_t *ip, size_t len);

/* Both leave the packet alone and say false when there is no transport payload to change. */
bool packet_flip_bit(uint8_t *ip, size_t len, const struct rng *rng);
bool packet_truncate(uint8_t *ip, size_t *len, const struct rng *rng);

/*
 * packet_forge(ip, len, rng): turns a UDP packet into another one between the same addresses and
 * ports: random bytes, of the same length or (one time in two) of any shorter one.
 */
bool packet_forge(uint8_t *ip, size_t *len, const struct rng *rng);

#endif
