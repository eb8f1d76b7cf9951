/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the kernel takes for a datagram and for a packet of the TUN, with offload and without.  Runs
 * in a network namespace where bench/run has made two TUN devices, bench0 for offload
 * with 10.9.0.1/24 and bench1 without with 10.9.1.1/24: the kernel remembers offloads for the life
 * of a device.
 */
#include <string.h>

#include "bench/micro.h"
#include "io/tun.h"
#include "io/udp.h"
#include "wire/limits.h"

enum {
	GSO_CELLS = 44, /* cells of a full batch */
	GSO_BATCHES = 4,
	DATAGRAMS = GSO_CELLS * GSO_BATCHES,
	PACKETS = 64,
	PACKET_LEN = INNER_MTU(3),
	REPEATS = 150,
};

static const struct way {
	const char *name, *device;
	bool offload;
	uint8_t net[3]; /* of the device */
} ways[] = {
    {"offload", "bench0", true, {10, 9, 0}},
    {"plain", "bench1", false, {10, 9, 1}},
};

static struct endpoint v4(const uint8_t net[static 3], uint8_t host, uint16_t port)
{
	return (struct endpoint){
	    .ip = {[10] = 0xff, [11] = 0xff, [12] = net[0], net[1], net[2], host}, .port = port};
}

static struct udp socket_open(const struct endpoint *at, bool offload)
{
	const struct udp_config cfg = {.bind = *at, .gso = offload, .gro = offload};
	struct udp u;
	const char *what;

	if (udp_open(&u, &cfg, &what) != 0)
		bench_die("UDP socket: %s", what);
	return u;
}

static void send_all(struct udp *u, const struct endpoint *to, uint16_t len, unsigned batches)
{
	static uint8_t data[GSO_CELLS * CELL_LEN];
	struct tx_batch list[GSO_BATCHES];

	for (unsigned i = 0; i < batches; i++)
		list[i] = (struct tx_batch){.next = i + 1 < batches ? &list[i + 1] : NULL,
					    .to = *to,
					    .seg_len = len,
					    .count = GSO_CELLS,
					    .data = data};
	if (udp_send(u, list) != NULL)
		bench_die("a socket buffer is too small for %u datagrams", batches * GSO_CELLS);
}

static void bench_udp(const struct way *way)
{
	const struct endpoint loopback = v4((const uint8_t[]){127, 0, 0}, 1, 0);
	struct udp from = socket_open(&loopback, way->offload);
	struct udp to = socket_open(&loopback, way->offload);
	uint64_t start, send_ns = 0, recv_ns = 0;
	struct rx_dgram *d;
	struct endpoint at;

	if (udp_local(&to, &at) != 0)
		bench_die("UDP socket: no address");
	for (unsigned i = 0; i < REPEATS; i++) {
		int n = 0, got;

		start = bench_cpu_ns();
		send_all(&from, &at, CELL_LEN, GSO_BATCHES);
		send_ns += bench_cpu_ns() - start;
		start = bench_cpu_ns();
		while ((got = udp_recv(&to, &d)) > 0)
			n += got;
		recv_ns += bench_cpu_ns() - start;
		if (n != DATAGRAMS)
			bench_die("%d of %d datagrams came", n, DATAGRAMS);
	}
	bench_figure((double)send_ns / (REPEATS * DATAGRAMS), "ns", "udp.send_%s", way->name);
	bench_figure((double)recv_ns / (REPEATS * DATAGRAMS), "ns", "udp.recv_%s", way->name);
	udp_close(&from);
	udp_close(&to);
}

static struct tun device_open(const struct way *way)
{
	const struct tun_config cfg = {.name = way->device, .offload = way->offload};
	struct tun t;
	const char *what;

	if (tun_open(&t, &cfg, &what) != 0)
		bench_die("TUN %s: %s", way->device, what);
	return t;
}

/* Datagrams that the kernel routes into the device, fewer at once than its queue has room for. */
static void bench_tun_read(struct tun *t, const struct way *way)
{
	const struct endpoint ours = v4(way->net, 1, 0), beyond = v4(way->net, 2, 9);
	struct udp from = socket_open(&ours, true);
	struct packet packets[256];
	uint64_t start, read_ns = 0, total = 0;

	for (unsigned i = 0; i < REPEATS; i++) {
		int n;

		send_all(&from, &beyond, PACKET_LEN - 28, GSO_BATCHES);
		start = bench_cpu_ns();
		while ((n = tun_read(t, packets, ARRAY_LEN(packets))) > 0)
			total += (uint64_t)n;
		read_ns += bench_cpu_ns() - start;
	}
	if (total < REPEATS * DATAGRAMS)
		bench_die("TUN: %llu of %d packets came", (unsigned long long)total,
			  REPEATS * DATAGRAMS);
	bench_figure((double)read_ns / (double)total, "ns", "tun.read_%s", way->name);
	udp_close(&from);
}

/* TCP segments of one flow, for an address where the namespace sends nothing on. */
static void make_segments(const struct way *way, uint8_t (*heads)[40], struct packet *packets,
			  uint32_t *seq)
{
	static uint8_t body[PACKET_LEN - 40];

	for (unsigned i = 0; i < PACKETS; i++) {
		uint8_t *h = heads[i];
		struct ip_layout layout;

		memset(h, 0, 40);
		h[0] = 0x45;
		put_be16(h + 2, PACKET_LEN);
		put_be16(h + IPV4_FRAG_OFF, 0x4000);
		h[8] = 64;
		h[9] = IPPROTO_TCP;
		memcpy(h + 12, way->net, 3);
		memcpy(h + 16, way->net, 3);
		h[15] = 2;
		h[19] = 3;
		ip_sum_head(h);
		put_be16(h + 20, 5201);
		put_be16(h + 22, 40000);
		put_be32(h + 20 + TCP_SEQ_OFF, *seq);
		h[32] = 5 << 4;
		h[20 + TCP_FLAGS_OFF] = 0x10;
		put_be16(h + 34, 1000);
		if (!ip_parse(&layout, h, 40, PACKET_LEN))
			bench_die("our own segment does not parse");
		put_be16(h + 20 + TCP_CSUM_OFF,
			 ip_fold(ip_pseudo_sum(&layout, h) + PACKET_LEN - IPV4_HEAD_LEN));
		packets[i] = (struct packet){.head = h,
					     .head_len = 40,
					     .body = body,
					     .body_len = sizeof(body),
					     .flags = PACKET_CSUM_PARTIAL};
		*seq += sizeof(body);
	}
}

static void bench_tun_write(struct tun *t, const struct way *way)
{
	static uint8_t heads[PACKETS][40];
	struct packet packets[PACKETS];
	uint64_t start, write_ns = 0;
	uint32_t seq = 1;

	for (unsigned i = 0; i < REPEATS; i++) {
		make_segments(way, heads, packets, &seq);
		start = bench_cpu_ns();
		tun_write(t, packets, PACKETS);
		write_ns += bench_cpu_ns() - start;
	}
	if (t->stats.write_failed > 0)
		bench_die("TUN: the kernel refused %llu writes",
			  (unsigned long long)t->stats.write_failed);
	bench_figure((double)write_ns / (REPEATS * PACKETS), "ns", "tun.write_%s", way->name);
}

void bench_io(unsigned rounds)
{
	for (unsigned round = 0; round < rounds; round++) {
		for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
			struct tun t = device_open(&ways[i]);

			bench_udp(&ways[i]);
			bench_tun_read(&t, &ways[i]);
			bench_tun_write(&t, &ways[i]);
			tun_close(&t);
		}
	}
}
