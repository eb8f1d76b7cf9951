/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Each flow has at most one open run.  A packet that does not continue its flow's run closes it; a
 * short, PSH or FIN packet ends it.  Frames are gathered from where the packets lie: only the
 * first packet's headers are copied, to be changed.
 */
#include "io/tun_merge.h"

#include "io/tun_split.h"

/* A packet with one of these starts no run: it is special, or is its last packet already. */
enum {
	TCP_ALONE = TCP_FIN | TCP_SYN | TCP_RST | TCP_PSH | TCP_URG
};

void tun_merge_init(struct tun_merge *m, bool udp,
		    void (*emit)(struct tun_merge *m, const struct iovec *iovs, int count))
{
	memset(m->hashes, 0, sizeof(m->hashes));
	m->evict = 0;
	m->udp = udp;
	m->emit = emit;
}

static void ask_for_checksum(struct virtio_net_hdr *v, const struct ip_layout *l)
{
	v->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	v->csum_start = l->l4_off;
	v->csum_offset = (uint16_t)(ip_csum_off(l) - l->l4_off);
}

/* A packet by itself; l is NULL when it is not plain TCP or UDP. */
static void emit_single(struct tun_merge *m, const struct packet *p, const struct ip_layout *l)
{
	struct virtio_net_hdr v = {0};
	const struct iovec iovs[3] = {
	    {&v, sizeof(v)}, iov_of(p->head, p->head_len), iov_of(p->body, p->body_len)};

	if (l != NULL && (p->flags & PACKET_CSUM_PARTIAL) != 0)
		ask_for_checksum(&v, l);
	m->emit(m, iovs, p->body_len > 0 ? 3 : 2);
}

static uint8_t gso_type(const struct ip_layout *l, const uint8_t *head)
{
	const uint8_t tcp = l->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;

	if (l->proto == IPPROTO_UDP)
		return VIRTIO_NET_HDR_GSO_UDP_L4;
	return (head[l->l4_off + TCP_FLAGS_OFF] & TCP_CWR) != 0 ? tcp | VIRTIO_NET_HDR_GSO_ECN
								: tcp;
}

/* Turns the first packet's headers into those of the whole. */
static void join_heads(struct tun_run *r)
{
	const struct ip_layout *l = &r->layout;
	uint8_t *h = r->joined_head;

	memcpy(h, r->head, l->head_len);
	ip_resize(l, h, r->len);
	if (!l->v6)
		ip_sum_head(h);
	if (l->proto == IPPROTO_TCP)
		h[l->l4_off + TCP_FLAGS_OFF] |= r->last_flags;
	put_be16(h + ip_csum_off(l), ip_fold(ip_pseudo_sum(l, h) + r->len - l->l4_off));
	r->vnet.gso_type = gso_type(l, h);
	r->vnet.gso_size = r->segment_len;
	r->vnet.hdr_len = l->head_len;
	r->iovs[1] = iov_of(h, l->head_len);
}

static void close_run(struct tun_merge *m, unsigned i)
{
	struct tun_run *r = &m->runs[i];

	if (r->count > 1)
		join_heads(r);
	m->emit(m, r->iovs, r->iov_count);
	m->hashes[i] = 0;
}

/* Of protocol, addresses and ports; never 0. */
static uint32_t hash_flow(const struct ip_layout *l, const uint8_t *p)
{
	uint64_t h = get_le32(p + l->l4_off) ^ (uint64_t)l->proto << 32;

	if (l->v6)
		for (unsigned i = 8; i < IPV6_HEAD_LEN; i += 8)
			h = (h ^ get_le64(p + i)) * 0x9e3779b97f4a7c15ull;
	else
		h = (h ^ get_le64(p + 12)) * 0x9e3779b97f4a7c15ull;
	return (uint32_t)(h >> 32) | 1;
}

static bool is_same_flow(const struct tun_run *r, const struct ip_layout *l, const uint8_t *p)
{
	const uint8_t *q = r->head;

	return r->layout.v6 == l->v6 && r->layout.proto == l->proto &&
	       memcmp(q + r->layout.l4_off, p + l->l4_off, 4) == 0 &&
	       (l->v6 ? memcmp(q + 8, p + 8, 32) == 0 : memcmp(q + 12, p + 12, 8) == 0);
}

/* All of the IP header that the kernel would repeat when it cuts the frame again. */
static bool is_same_ip(const struct tun_run *r, const struct ip_layout *l, const uint8_t *p)
{
	const uint8_t *q = r->head;
	const bool dont_fragment = (p[IPV4_FRAG_OFF] & 0x40) != 0; /* then the id means nothing */

	if (l->v6)
		return memcmp(q, p, 4) == 0 && memcmp(q + 6, p + 6, l->l4_off - 6u) == 0;
	return memcmp(q, p, 2) == 0 && memcmp(q + 6, p + 6, 4) == 0 &&
	       memcmp(q + IPV4_HEAD_LEN, p + IPV4_HEAD_LEN, l->l4_off - IPV4_HEAD_LEN) == 0 &&
	       (dont_fragment || get_be16(p + IPV4_ID_OFF) == r->next_id);
}

/* The next bytes, with equal acknowledgement, window and options; flags but for the last's. */
static bool is_next_tcp(const struct tun_run *r, const struct ip_layout *l, const uint8_t *p)
{
	const uint8_t *q = r->head + l->l4_off, *t = p + l->l4_off;
	const uint8_t flags_of_first = (uint8_t)(q[TCP_FLAGS_OFF] & ~TCP_CWR);
	const uint8_t flags = (uint8_t)(t[TCP_FLAGS_OFF] & ~(TCP_PSH | TCP_FIN));

	return get_be32(t + TCP_SEQ_OFF) == r->next_seq && flags == flags_of_first &&
	       memcmp(q + 8, t + 8, 5) == 0 && memcmp(q + 14, t + 14, 2) == 0 &&
	       memcmp(q + 18, t + 18, l->head_len - l->l4_off - 18u) == 0;
}

static bool can_append(const struct tun_run *r, const struct packet *p, const struct ip_layout *l)
{
	const size_t payload_len = (size_t)p->head_len + p->body_len - l->head_len;

	return (p->flags & PACKET_CSUM_PARTIAL) != 0 && payload_len > 0 &&
	       payload_len <= r->segment_len && r->len + payload_len <= UINT16_MAX &&
	       l->l4_off == r->layout.l4_off && l->head_len == r->layout.head_len &&
	       is_same_ip(r, l, p->head) && (l->proto == IPPROTO_UDP || is_next_tcp(r, l, p->head));
}

static bool can_start(const struct tun_merge *m, const struct packet *p, const struct ip_layout *l)
{
	if ((p->flags & PACKET_CSUM_PARTIAL) == 0 || l->head_len > TUN_RUN_HEAD_MAX ||
	    (size_t)p->head_len + p->body_len == l->head_len)
		return false;
	return l->proto == IPPROTO_UDP ? m->udp
				       : (p->head[l->l4_off + TCP_FLAGS_OFF] & TCP_ALONE) == 0;
}

/* Adds p, whose payload is the rest of its head and its body. */
static void append(struct tun_run *r, const struct packet *p, const struct ip_layout *l)
{
	const size_t rest_len = (size_t)p->head_len - l->head_len;
	const size_t payload_len = rest_len + p->body_len;

	if (rest_len > 0)
		r->iovs[r->iov_count++] = iov_of(p->head + l->head_len, rest_len);
	if (p->body_len > 0)
		r->iovs[r->iov_count++] = iov_of(p->body, p->body_len);
	if (l->proto == IPPROTO_TCP)
		r->last_flags = p->head[l->l4_off + TCP_FLAGS_OFF] & (TCP_PSH | TCP_FIN);
	r->len += (uint32_t)payload_len;
	r->next_seq += (uint32_t)payload_len;
	r->next_id++;
	r->count++;
}

static void start(struct tun_run *r, const struct packet *p, const struct ip_layout *l)
{
	r->layout = *l;
	r->head = p->head;
	r->len = l->head_len;
	r->segment_len = (uint16_t)(p->head_len + p->body_len - l->head_len);
	r->next_seq = l->proto == IPPROTO_TCP ? get_be32(p->head + l->l4_off + TCP_SEQ_OFF) : 0;
	r->next_id = get_be16(p->head + IPV4_ID_OFF);
	r->count = 0;
	r->last_flags = 0;
	r->vnet = (struct virtio_net_hdr){0};
	ask_for_checksum(&r->vnet, l);
	r->iovs[0] = (struct iovec){&r->vnet, sizeof(r->vnet)};
	r->iovs[1] = iov_of(p->head, l->head_len);
	r->iov_count = 2;
	append(r, p, l);
}

/* The open run of p's flow, or TUN_RUNS. */
static unsigned find_run(const struct tun_merge *m, uint32_t hash, const struct ip_layout *l,
			 const uint8_t *p)
{
	for (unsigned i = 0; i < TUN_RUNS; i++)
		if (m->hashes[i] == hash && is_same_flow(&m->runs[i], l, p))
			return i;
	return TUN_RUNS;
}

static unsigned free_run(struct tun_merge *m)
{
	for (unsigned i = 0; i < TUN_RUNS; i++)
		if (m->hashes[i] == 0)
			return i;
	m->evict = (m->evict + 1) % TUN_RUNS;
	close_run(m, m->evict);
	return m->evict;
}

void tun_merge_add(struct tun_merge *m, const struct packet *p)
{
	struct ip_layout l;
	uint32_t hash;
	unsigned i;

	if (!ip_parse(&l, p->head, p->head_len, (size_t)p->head_len + p->body_len)) {
		tun_merge_flush(m); /* it may be a fragment, of any flow */
		emit_single(m, p, NULL);
		return;
	}
	hash = hash_flow(&l, p->head);
	i = find_run(m, hash, &l, p->head);
	if (i < TUN_RUNS) {
		struct tun_run *r = &m->runs[i];
		const uint32_t full = r->len + r->segment_len;

		if (can_append(r, p, &l)) {
			append(r, p, &l);
			if (r->len < full || r->last_flags != 0 || r->count == TUN_RUN_PACKETS_MAX)
				close_run(m, i);
			return;
		}
		close_run(m, i);
	}
	if (!can_start(m, p, &l)) {
		emit_single(m, p, &l);
		return;
	}
	i = free_run(m);
	m->hashes[i] = hash;
	start(&m->runs[i], p, &l);
}

void tun_merge_flush(struct tun_merge *m)
{
	for (unsigned i = 0; i < TUN_RUNS; i++)
		if (m->hashes[i] != 0)
			close_run(m, i);
}
