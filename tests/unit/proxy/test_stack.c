/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What leaves the stack, and what it makes of packets from an exit that may be anyone's. */
#include "proxy/stack.h"

#include "io/ip.h"
#include "tests/lib/test.h"

#include <lwip/tcp.h>

static uint8_t sent[2048];
static size_t sent_len, sent_count;
static uint8_t sent_flags;

static void take(void *ctx, const struct packet *p, size_t n)
{
	(void)ctx;
	sent_count += n;
	for (size_t i = 0; i < n; i++) {
		memcpy(sent, p[i].head, p[i].head_len);
		if (p[i].body_len > 0)
			memcpy(sent + p[i].head_len, p[i].body, p[i].body_len);
		sent_len = (size_t)p[i].head_len + p[i].body_len;
		sent_flags = p[i].flags;
	}
}

static struct stack_net net;
static const uint8_t v4[4] = {10, 0, 0, 2}, v6[16] = {0xfd, [15] = 2};
static const uint8_t there[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1};
static const uint8_t there_v6[16] = {0x20, 1, 0x0d, 0xb8, [15] = 1};

static err_t last_error;

static void on_error(void *arg, err_t err)
{
	(void)arg;
	last_error = err;
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
	(void)pcb;
	*(bool *)arg = err == ERR_OK;
	return ERR_OK;
}

static struct tcp_pcb *dial(const uint8_t ip[static 16], bool *is_connected)
{
	struct tcp_pcb *pcb = stack_tcp(&net, ip);
	ip_addr_t addr;

	if (pcb == NULL)
		return NULL;
	*is_connected = false;
	last_error = ERR_OK;
	tcp_arg(pcb, is_connected);
	tcp_err(pcb, on_error);
	stack_addr(&addr, ip);
	stack_flush();
	sent_count = 0;
	CHECK_INT(tcp_connect(pcb, &addr, 80, on_connected), ERR_OK);
	stack_flush();
	CHECK_INT(sent_count, 1);
	return pcb;
}

static void give(uint8_t *p, size_t len, uint8_t flags)
{
	stack_input(&(struct packet){.head = p, .head_len = (uint16_t)len, .flags = flags}, 1);
}

/* An IPv4 packet from `there` to us; returns where its payload begins. */
static uint8_t *to_us(uint8_t *p, size_t len, uint8_t proto)
{
	memset(p, 0, len);
	p[0] = 0x45;
	put_be16(p + 2, (uint16_t)len);
	p[8] = 64;
	p[9] = proto;
	memcpy(p + 12, there + 12, 4);
	memcpy(p + 16, v4, 4);
	ip_sum_head(p);
	return p + IPV4_HEAD_LEN;
}

/* The SYN-ACK to what was sent last. */
static size_t syn_ack(uint8_t *p)
{
	const size_t len = IPV4_HEAD_LEN + TCP_HEAD_LEN;
	uint8_t *t = to_us(p, len, IPPROTO_TCP);

	memcpy(t, sent + 22, 2);
	memcpy(t + 2, sent + 20, 2);
	put_be32(t + 8, get_be32(sent + 24) + 1);
	t[12] = 0x50;
	t[13] = 0x12;
	put_be16(t + 14, 1000);
	return len;
}

static void test_syn(void)
{
	bool ok;
	struct tcp_pcb *pcb = dial(there, &ok);
	struct ip_layout l;

	NEED(pcb != NULL);
	NEED(ip_parse(&l, sent, sent_len, sent_len));
	CHECK_MEM(sent + 12, v4, 4);
	CHECK_MEM(sent + 16, there + 12, 4);
	CHECK_INT(sent_flags, PACKET_CSUM_PARTIAL);
	CHECK_INT(get_be16(sent + ip_csum_off(&l)),
		  ip_fold(ip_pseudo_sum(&l, sent) + sent_len - l.l4_off));
	CHECK_INT(get_be16(sent + 42), 1320); /* MSS: 1360 - 40 */
	tcp_abort(pcb);
	pcb = dial(there_v6, &ok);
	NEED(pcb != NULL);
	NEED(ip_parse(&l, sent, sent_len, sent_len));
	CHECK(l.v6);
	CHECK_MEM(sent + 8, v6, 16);
	tcp_abort(pcb);
	stack_flush();
}

static void test_sums_are_checked(void)
{
	uint8_t p[64];
	struct ip_layout l;
	bool ok;
	struct tcp_pcb *pcb = dial(there, &ok);
	const size_t len = syn_ack(p);

	NEED(pcb != NULL && ip_parse(&l, p, len, len));
	give(p, len, 0);
	CHECK(!ok);
	put_be16(p + ip_csum_off(&l), (uint16_t)~ip_fold(ip_sum(p + l.l4_off, len - l.l4_off) +
							 ip_pseudo_sum(&l, p) + len - l.l4_off));
	give(p, len, 0);
	CHECK(ok);
	tcp_abort(pcb);

	pcb = dial(there, &ok); /* and what the exit's kernel left to be summed is taken so */
	NEED(pcb != NULL);
	give(p, syn_ack(p), PACKET_CSUM_PARTIAL);
	CHECK(ok);
	tcp_abort(pcb);
	stack_flush();
}

static void test_unreachable(void)
{
	uint8_t p[128];
	bool ok;
	struct tcp_pcb *pcb = dial(there, &ok);
	const size_t quoted = IPV4_HEAD_LEN + 8, len = IPV4_HEAD_LEN + 8 + quoted;
	uint8_t *icmp = to_us(p, len, IPPROTO_ICMP);

	NEED(pcb != NULL);
	icmp[0] = 3;
	icmp[1] = 13;
	memcpy(icmp + 8, sent, quoted);
	put_be16(icmp + 8 + IPV4_HEAD_LEN, (uint16_t)(get_be16(sent + 20) ^ 1)); /* not ours */
	give(p, len, 0);
	CHECK_INT(last_error, ERR_OK);
	memcpy(icmp + 8, sent, quoted);
	for (size_t cut = IPV4_HEAD_LEN; cut < len - 4; cut++) {
		uint8_t q[128];

		memcpy(q, p, cut);
		put_be16(q + 2, (uint16_t)cut);
		give(q, cut, 0);
		CHECK_INT(last_error, ERR_OK);
	}
	give(p, len, 0);
	CHECK_INT(last_error, ERR_ABRT);
	stack_flush();
}

static void test_not_for_us(void)
{
	uint8_t p[64];
	bool ok;
	struct tcp_pcb *pcb = dial(there, &ok);
	const size_t len = syn_ack(p);

	NEED(pcb != NULL);
	p[16] ^= 1;
	give(p, len, PACKET_CSUM_PARTIAL);
	CHECK(!ok);
	for (unsigned version = 0; version < 16; version++) {
		p[0] = (uint8_t)(version << 4 | 5);
		for (size_t cut = 0; cut < 48; cut++)
			give(p, cut, PACKET_CSUM_PARTIAL);
	}
	CHECK(!ok);
	tcp_abort(pcb);
	stack_flush();
}

static void test_sequences_tell_nothing(void)
{
	uint32_t last = 0;
	unsigned near = 0;
	bool ok;

	for (unsigned i = 0; i < 16; i++) {
		struct tcp_pcb *pcb = dial(there, &ok);
		const uint32_t isn = get_be32(sent + 24);

		NEED(pcb != NULL);
		near += isn - last < 1u << 24;
		last = isn;
		tcp_abort(pcb);
		stack_flush();
	}
	CHECK(near < 4); /* by chance one in 256 */
}

static void test_one_family_only(void)
{
	static const uint8_t none[16];
	struct stack_net only = {0};

	stack_net_up(&only, (const uint8_t[4]){10, 0, 0, 3}, none, 1280);
	CHECK(stack_tcp(&only, there_v6) == NULL);
	CHECK(stack_udp(&only, there_v6) == NULL);
	CHECK(!stack_net_has(&only, none));
	stack_net_down(&only);
	CHECK(stack_tcp(&only, there) == NULL);
}

int main(void)
{
	stack_open(take, NULL);
	stack_net_up(&net, v4, v6, 1360);
	RUN(test_syn);
	RUN(test_sums_are_checked);
	RUN(test_unreachable);
	RUN(test_not_for_us);
	RUN(test_sequences_tell_nothing);
	RUN(test_one_family_only);
	stack_net_down(&net);
	return test_done();
}
