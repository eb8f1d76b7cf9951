/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What crosses the door between sans-I/O code and I/O: datagrams in, batches of equal datagrams to
 * one endpoint out (one GSO send), and IP packets to and from a TUN device.
 */
#ifndef UTIL_DGRAM_H
#define UTIL_DGRAM_H

#include "util/endpoint.h"

/* A received datagram; the bytes belong to the receiver and may be changed in place by the reader.
 */
struct rx_dgram {
	uint8_t *data;
	uint16_t len;
	bool ce; /* IP header carried ECN congestion-experienced */
	const struct endpoint *from;
};

/* count datagrams of seg_len bytes each, back to back at data, all for one endpoint. */
struct tx_batch {
	struct tx_batch *next;
	struct endpoint to;
	uint16_t seg_len;
	uint16_t count;
	uint8_t *data;
};

enum packet_flag {
	/*
	 * The transport checksum field holds only the pseudo-header sum, not complemented: what a
	 * Linux sender leaves for checksum offload (virtio NEEDS_CSUM).
	 */
	PACKET_CSUM_PARTIAL = 1 << 0,
};

/* An IP packet in two pieces, headers and payload (body may be empty; then head is all of it). */
struct packet {
	const uint8_t *head;
	const uint8_t *body;
	uint16_t head_len;
	uint16_t body_len;
	uint8_t flags; /* enum packet_flag */
};

#endif
