/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Each packet with its address changed is compared with one built with the other address. */
#include "core/readdress.h"

#include "core/unpacker.h"
#include "tests/lib/test.h"
#include "util/rng.h"

enum {
	TCP = 6,
	UDP = 17,
	ICMP = 1,
	ICMP6 = 58,
	SCTP = 132,
	PACKET_MAX = 400,
};

static struct rng rng;
static const uint8_t remote[2][16] = {
    {5, 13, 0, 2},
    {0x2a, 0x00, 0, 0x0d, [15] = 2},
};
static const uint8_t inner_a[2][16] = {
    {10, 88, 1, 2},
    {0xfd, 0x6d, 0x6d, 0, [14] = 1, 2},
};
static const uint8_t inner_b[2][16] = {
    {10, 88, 255, 250},
    {0xfd, 0x11, 0x22, 0x33, [8] = 0xff, [14] = 255, 250},
};

static uint32_t sum_of(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += get_be16(p + i);
	return n % 2 != 0 ? sum + ((uint32_t)p[n - 1] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* What a packet is to be. */
struct shape {
	bool v6;
	uint8_t proto;
	unsigned options; /* words of IPv4, or 8 bytes of hop-by-hop options of IPv6 */
	bool is_fragment, is_later;
	bool is_partial, no_checksum;
	bool is_error; /* of ICMP: about a packet the other way */
	bool outward;  /* the inner address is the source */
	size_t body;
};

static size_t checksum_off(const struct shape *s)
{
	return s->proto == TCP ? 16 : s->proto == UDP ? 6 : 2;
}

static size_t put_ip(uint8_t *p, const struct shape *s, const uint8_t *inner, uint8_t proto,
		     bool outward, size_t payload)
{
	const uint8_t *src = outward ? inner : remote[s->v6],
		      *dst = outward ? remote[s->v6] : inner;
	size_t off;

	if (!s->v6) {
		off = 20 + 4 * (size_t)s->options;
		p[0] = (uint8_t)(0x45 + s->options);
		put_be16(p + 2, (uint16_t)(off + payload));
		put_be16(p + 6, s->is_later ? 0x2005 : s->is_fragment ? 0x2000 : 0x4000);
		p[8] = 64;
		p[9] = proto;
		memcpy(p + 12, src, 4);
		memcpy(p + 16, dst, 4);
		put_be16(p + 10, 0);
		put_be16(p + 10, (uint16_t)~fold(sum_of(p, off)));
		return off;
	}
	p[0] = 0x60;
	p[7] = 64;
	memcpy(p + 8, src, 16);
	memcpy(p + 24, dst, 16);
	off = 40;
	p[6] = proto;
	if (s->is_fragment || s->is_later) {
		p[6] = 44;
		p[off] = proto;
		put_be16(p + off + 2, s->is_later ? 5 << 3 | 1 : 1);
		off += 8;
	}
	if (s->options > 0) {
		memmove(p + 40 + 8 * s->options, p + 40, off - 40);
		memset(p + 40, 0, 8 * s->options);
		p[40] = p[6];
		p[41] = (uint8_t)(s->options - 1);
		p[6] = 0;
		off += 8 * s->options;
	}
	put_be16(p + 4, (uint16_t)(off - 40 + payload));
	return off;
}

static uint32_t pseudo_sum(const struct shape *s, const uint8_t *inner, size_t payload)
{
	const size_t len = s->v6 ? 16 : 4;

	return sum_of(inner, len) + sum_of(remote[s->v6], len) + s->proto + (uint32_t)payload;
}

/* The packet with this inner address; content, ports and all else follow from seed. */
static size_t build(uint8_t *p, const struct shape *s, const uint8_t *inner, uint64_t seed)
{
	struct rng content = rng_seeded(seed);
	struct shape about = {.v6 = s->v6};
	size_t payload = s->body, off;
	uint8_t *l4;

	memset(p, 0, PACKET_MAX);
	off = put_ip(p, s, inner, s->proto, s->outward, payload);
	l4 = p + off;
	rng_fill(&content, l4, payload);
	if (s->is_error) {
		uint8_t *in = l4 + 8;

		l4[0] = s->v6 ? 1 : 3;
		memset(in, 0, 48);
		put_ip(in, &about, inner, UDP, !s->outward, 100);
	} else if (s->proto == ICMP || s->proto == ICMP6) {
		l4[0] = s->v6 ? 128 : 8;
	}
	if (!s->is_later && s->proto != SCTP) {
		uint8_t *at = l4 + checksum_off(s);
		const uint32_t pseudo = s->proto == ICMP ? 0 : pseudo_sum(s, inner, payload);

		put_be16(at, 0);
		if (s->is_partial)
			put_be16(at, fold(pseudo));
		else if (!s->no_checksum)
			put_be16(at, (uint16_t)~fold(pseudo + sum_of(l4, payload)));
		if (s->proto == UDP && !s->no_checksum && get_be16(at) == 0)
			put_be16(at, 0xffff);
	}
	rng_seeded_free(&content);
	return off + payload;
}

static void check(const struct shape *s)
{
	uint8_t got[PACKET_MAX], want[PACKET_MAX];
	const uint64_t seed = rng_u64(&rng);
	const size_t len = build(got, s, inner_a[s->v6], seed);
	struct inner_addrs a;

	CHECK_INT(build(want, s, inner_b[s->v6], seed), len);
	CHECK(inner_parse(got, len, &a));
	readdress(got, len, s->outward ? READDRESS_SOURCE : READDRESS_DESTINATION, inner_b[s->v6],
		  s->is_partial ? PACKET_CSUM_PARTIAL : 0);
	if (memcmp(got, want, len) != 0)
		printf(
		    "# v6 %d proto %u options %u fragment %d later %d partial %d error %d body %zu\n",
		    s->v6, s->proto, s->options, s->is_fragment, s->is_later, s->is_partial,
		    s->is_error, s->body);
	CHECK_MEM(got, want, len);
	/* And back. */
	readdress(got, len, s->outward ? READDRESS_SOURCE : READDRESS_DESTINATION, inner_a[s->v6],
		  s->is_partial ? PACKET_CSUM_PARTIAL : 0);
	build(want, s, inner_a[s->v6], seed);
	CHECK_MEM(got, want, len);
}

static void test_transports(void)
{
	static const uint8_t protos[] = {TCP, UDP, SCTP};

	for (unsigned round = 0; round < 2000; round++)
		for (size_t i = 0; i < ARRAY_LEN(protos); i++)
			check(&(struct shape){.v6 = round % 2,
					      .outward = round / 2 % 2,
					      .proto = protos[i],
					      .body = 20 + rng_below(&rng, 200)});
}

static void test_partial_checksums(void)
{
	for (unsigned round = 0; round < 400; round++)
		check(&(struct shape){.v6 = round % 2,
				      .outward = round / 2 % 2,
				      .proto = round / 4 % 2 ? TCP : UDP,
				      .is_partial = true,
				      .body = 20 + rng_below(&rng, 200)});
}

static void test_no_checksum(void)
{
	check(&(struct shape){.proto = UDP, .outward = true, .no_checksum = true, .body = 40});
	check(&(struct shape){.proto = UDP, .no_checksum = true, .body = 40});
}

static void test_options_and_fragments(void)
{
	for (unsigned round = 0; round < 800; round++)
		check(&(struct shape){.v6 = round % 2,
				      .outward = round / 2 % 2,
				      .proto = round / 4 % 2 ? TCP : UDP,
				      .options = (unsigned)rng_below(&rng, 5),
				      .is_fragment = rng_below(&rng, 2),
				      .is_later = rng_below(&rng, 2),
				      .body = 24 + 8 * rng_below(&rng, 20)});
}

static void test_icmp(void)
{
	for (unsigned round = 0; round < 800; round++)
		check(&(struct shape){.v6 = round % 2,
				      .outward = round / 2 % 2,
				      .proto = round % 2 ? ICMP6 : ICMP,
				      .is_error = round / 4 % 2,
				      .body = 80 + rng_below(&rng, 100)});
}

/* Headers that promise more than is there: nothing beyond the end is looked at. */
static void test_cut_off(void)
{
	for (unsigned round = 0; round < 20000; round++) {
		struct shape s = {.v6 = round % 2,
				  .outward = round / 2 % 2,
				  .proto = (uint8_t[]){TCP, UDP, ICMP, ICMP6}[rng_below(&rng, 4)],
				  .options = (unsigned)rng_below(&rng, 4),
				  .is_fragment = rng_below(&rng, 2),
				  .body = 100};
		const size_t ip = s.v6 ? 40 : 20 + 4 * s.options;
		uint8_t whole[PACKET_MAX], *cut;
		size_t len;

		s.is_error = s.proto == (s.v6 ? ICMP6 : ICMP);
		build(whole, &s, inner_a[s.v6], round);
		len = ip + rng_below(&rng, 60);
		if (s.v6)
			put_be16(whole + 4, (uint16_t)(len - 40));
		else
			put_be16(whole + 2, (uint16_t)len);
		cut = malloc(len); /* so that ASan sees what is beyond */
		memcpy(cut, whole, len);
		readdress(cut, len, s.outward ? READDRESS_SOURCE : READDRESS_DESTINATION,
			  inner_b[s.v6], 0);
		CHECK_MEM(cut + (s.v6 ? (s.outward ? 8 : 24) : (s.outward ? 12 : 16)),
			  inner_b[s.v6], s.v6 ? 16 : 4);
		free(cut);
	}
}

int main(void)
{
	rng = rng_seeded(1);
	RUN(test_transports);
	RUN(test_partial_checksums);
	RUN(test_no_checksum);
	RUN(test_options_and_fragments);
	RUN(test_icmp);
	RUN(test_cut_off);
	return test_done();
}
