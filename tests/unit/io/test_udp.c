/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Real sockets over loopback in each mode.  socket() and sendmmsg() of the C library are replaced
 * here by ones that can be told to fail.
 */
#include "tests/lib/test.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "io/udp.h"
#include "tests/unit/io/netns.h"
#include "util/rng.h"

enum {
	CELL = 1432,
	LIST_MAX = 8,
	BATCH_MAX = 60,
	WAIT_MS = 10000
};

static uint8_t memory[LIST_MAX][BATCH_MAX * CELL];
static struct tx_batch batches[LIST_MAX];
static const char *what;

/* What the replaced calls do. */
static bool no_ipv6;
static int send_errors[8]; /* for the next calls; 0: that call goes through */
static unsigned send_calls;
static unsigned send_at_most; /* messages per call; 0: all */

int socket(int domain, int type, int protocol)
{
	if (domain == AF_INET6 && no_ipv6) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	return (int)syscall(SYS_socket, domain, type, protocol);
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	const int err = send_calls < ARRAY_LEN(send_errors) ? send_errors[send_calls] : 0;

	send_calls++;
	if (err != 0) {
		errno = err;
		return -1;
	}
	if (send_at_most != 0)
		count = MIN(count, send_at_most);
	return (int)syscall(SYS_sendmmsg, fd, messages, count, flags);
}

static void script(int first, int second, int third)
{
	const int errors[ARRAY_LEN(send_errors)] = {first, second, third};

	memcpy(send_errors, errors, sizeof(errors));
	send_calls = send_at_most = 0;
}

static bool open_at(struct udp *u, const char *ip, bool gso, bool gro)
{
	struct udp_config cfg = {.gso = gso, .gro = gro};

	script(0, 0, 0);
	if (endpoint_ip_parse(cfg.bind.ip, ip) < 0)
		return false;
	return udp_open(u, &cfg, &what) == 0;
}

static struct endpoint local(const struct udp *u)
{
	struct endpoint e = {0};

	CHECK_INT(udp_local(u, &e), 0);
	return e;
}

static void fill(uint8_t *p, size_t len, uint32_t number)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)((number * 2654435761u >> 9) + i * 7);
	if (len >= 4)
		put_le32(p, number);
}

/* Batch i of the list: count datagrams numbered from first. */
static void put_batch(unsigned i, struct endpoint to, uint16_t len, unsigned count, uint32_t first)
{
	for (unsigned k = 0; k < count; k++)
		fill(memory[i] + k * len, len, first + k);
	batches[i] = (struct tx_batch){
	    .to = to, .seg_len = len, .count = (uint16_t)count, .data = memory[i]};
	if (i > 0)
		batches[i - 1].next = &batches[i];
}

static bool wait_readable(const struct udp *u)
{
	struct pollfd p = {.fd = u->fd, .events = POLLIN};

	return poll(&p, 1, WAIT_MS) == 1;
}

/* Numbers of datagrams that arrive in order: count from first on, but for a gap. */
struct arrivals {
	uint32_t first;
	unsigned count, gap_at, gap;
};

/* Receives them and no others; they are of len bytes, from `from`. */
static void expect_but(struct udp *u, const struct endpoint *from, uint16_t len,
		       const struct arrivals *a)
{
	uint8_t good[CELL];
	unsigned got = 0;

	while (got < a->count) {
		struct rx_dgram *d;
		int n;

		NEED(wait_readable(u));
		n = udp_recv(u, &d);
		NEED(n >= 0 && got + (unsigned)n <= a->count);
		for (int i = 0; i < n; i++, got++) {
			fill(good, len, a->first + got + (got >= a->gap_at ? a->gap : 0));
			NEED(d[i].len == len);
			CHECK_MEM(d[i].data, good, len);
			CHECK(endpoint_equal(d[i].from, from));
			CHECK(!d[i].ce);
		}
	}
}

static void expect(struct udp *u, const struct endpoint *from, uint16_t len, uint32_t first,
		   unsigned count)
{
	expect_but(u, from, len, &(struct arrivals){.first = first, .count = count});
}

static void expect_nothing(struct udp *u)
{
	struct rx_dgram *d;

	CHECK_INT(udp_recv(u, &d), 0);
}

static void check_clean(const struct udp *u)
{
	CHECK_INT(u->stats.rx_truncated, 0);
	CHECK_INT(u->stats.tx_failed, 0);
	CHECK_INT(u->stats.tx_too_big, 0);
}

static void carry(const char *ip, bool gso, bool gro)
{
	enum {
		TOTAL = 10000
	};
	struct rng rng = rng_seeded(5);
	struct udp tx, rx;
	struct endpoint to, from;
	uint32_t number = 0;

	NEED(open_at(&tx, ip, gso, false));
	NEED(open_at(&rx, ip, false, gro));
	CHECK_INT(tx.gso, gso ? UDP_GSO_ON : UDP_GSO_OFF);
	CHECK_INT(rx.gro, gro);
	from = local(&tx);
	to = local(&rx);
	while (number < TOTAL && test_current_failed == 0) {
		const unsigned list = 1 + (unsigned)rng_below(&rng, LIST_MAX);
		const uint32_t first = number;

		for (unsigned i = 0; i < list; i++) {
			const unsigned count =
			    MIN(1 + (unsigned)rng_below(&rng, BATCH_MAX), TOTAL - number);

			put_batch(i, to, CELL, count, number);
			number += count;
		}
		CHECK(udp_send(&tx, batches) == NULL);
		expect(&rx, &from, CELL, first, number - first);
	}
	expect_nothing(&rx);
	check_clean(&tx);
	check_clean(&rx);
	CHECK_INT(tx.gso, gso ? UDP_GSO_ON : UDP_GSO_OFF);
	udp_close(&tx);
	udp_close(&rx);
	rng_seeded_free(&rng);
}

static void test_all_modes_carry_everything(void)
{
	for (unsigned mode = 0; mode < 4; mode++) {
		carry("127.0.0.1", (mode & 1) != 0, (mode & 2) != 0);
		carry("::1", (mode & 1) != 0, (mode & 2) != 0);
	}
}

static void test_v4_without_ipv6(void)
{
	struct endpoint to = {.port = 9};
	struct udp u;

	no_ipv6 = true;
	for (unsigned mode = 0; mode < 4; mode++)
		carry("127.0.0.1", (mode & 1) != 0, (mode & 2) != 0);
	NEED(open_at(&u, "::", true, true)); /* any address, on v4 */
	CHECK_INT(u.family, AF_INET);
	CHECK_INT(endpoint_ip_parse(to.ip, "2001:db8::1"), 0);
	put_batch(0, to, 100, 3, 0);
	CHECK(udp_send(&u, batches) == NULL);
	CHECK_INT(u.stats.tx_failed, 3);
	udp_close(&u);
	CHECK(!open_at(&u, "::1", true, true));
	no_ipv6 = false;
}

static void test_one_list_to_several_endpoints(void)
{
	struct udp tx, v4, v6;
	struct endpoint from4, from6;

	for (unsigned gro = 0; gro < 2; gro++) {
		NEED(open_at(&tx, "::", true, false));
		NEED(open_at(&v4, "127.0.0.1", false, gro != 0));
		NEED(open_at(&v6, "::1", false, gro != 0));
		from4 = from6 = local(&tx);
		CHECK_INT(endpoint_ip_parse(from4.ip, "127.0.0.1"), 0);
		CHECK_INT(endpoint_ip_parse(from6.ip, "::1"), 0);
		for (unsigned i = 0; i < LIST_MAX; i++)
			put_batch(i, local(i % 2 == 0 ? &v4 : &v6), CELL, 50, i / 2 * 50);
		CHECK(udp_send(&tx, batches) == NULL);
		expect(&v4, &from4, CELL, 0, LIST_MAX / 2 * 50);
		expect(&v6, &from6, CELL, 0, LIST_MAX / 2 * 50);
		check_clean(&tx);
		udp_close(&tx);
		udp_close(&v4);
		udp_close(&v6);
	}
}

static void test_all_lengths(void)
{
	static const uint16_t lens[] = {0, 1, 64, 1431, 1432};
	struct udp tx, rx;
	struct endpoint from;

	for (unsigned mode = 0; mode < 4; mode++) {
		NEED(open_at(&tx, "127.0.0.1", (mode & 1) != 0, false));
		NEED(open_at(&rx, "127.0.0.1", false, (mode & 2) != 0));
		from = local(&tx);
		for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
			put_batch(0, local(&rx), lens[i], BATCH_MAX, 7);
			CHECK(udp_send(&tx, batches) == NULL);
			expect(&rx, &from, lens[i], 7, BATCH_MAX);
		}
		expect_nothing(&rx);
		check_clean(&tx);
		udp_close(&tx);
		udp_close(&rx);
	}
}

static void test_empty_batches_are_passed_over(void)
{
	struct udp tx, rx;
	struct endpoint from;

	NEED(open_at(&tx, "::1", true, false));
	NEED(open_at(&rx, "::1", false, true));
	from = local(&tx);
	put_batch(0, local(&rx), CELL, 0, 0);
	put_batch(1, local(&rx), CELL, 5, 0);
	put_batch(2, local(&rx), CELL, 0, 0);
	CHECK(udp_send(&tx, NULL) == NULL);
	CHECK(udp_send(&tx, batches) == NULL);
	expect(&rx, &from, CELL, 0, 5);
	udp_close(&tx);
	udp_close(&rx);
}

static void check_ecn(const char *ip, int level, int option, int tos, bool gro)
{
	struct rx_dgram *d;
	struct udp tx, rx;
	int n;

	NEED(open_at(&tx, ip, true, false));
	NEED(open_at(&rx, ip, false, gro));
	CHECK_INT(setsockopt(tx.fd, level, option, &tos, sizeof(tos)), 0);
	put_batch(0, local(&rx), CELL, 3, 0);
	CHECK(udp_send(&tx, batches) == NULL);
	NEED(wait_readable(&rx));
	n = udp_recv(&rx, &d);
	CHECK_INT(n, 3);
	for (int i = 0; i < n; i++)
		CHECK_INT(d[i].ce, (tos & 3) == 3);
	udp_close(&tx);
	udp_close(&rx);
}

static void test_congestion_experienced_is_seen(void)
{
	for (int tos = 0; tos < 8; tos++) {
		check_ecn("127.0.0.1", IPPROTO_IP, IP_TOS, tos, tos % 2 != 0);
		check_ecn("::1", IPPROTO_IPV6, IPV6_TCLASS, tos, tos % 2 != 0);
	}
}

static void test_too_long_datagrams_are_counted(void)
{
	struct udp tx, rx;
	struct endpoint from;

	NEED(open_at(&tx, "127.0.0.1", false, false));
	NEED(open_at(&rx, "127.0.0.1", false, false));
	from = local(&tx);
	put_batch(0, local(&rx), 1000, 1, 0);
	put_batch(1, local(&rx), 1000, 1, 0);
	batches[1].seg_len = 3000;
	put_batch(2, local(&rx), 1000, 1, 1);
	CHECK(udp_send(&tx, batches) == NULL);
	expect(&rx, &from, 1000, 0, 2);
	CHECK_INT(rx.stats.rx_truncated, 1);
	udp_close(&tx);
	udp_close(&rx);
}

struct scripted {
	bool gso;
	int errors[3];
	unsigned at_most;
	unsigned first_lost, failed, too_big;
	enum udp_gso after;
};

/* Four batches of 50; those datagrams that the script has fail, and only those, do not arrive. */
static void run_script(const struct scripted *c)
{
	const unsigned lost = c->failed + c->too_big;
	struct endpoint from;
	struct udp tx, rx;

	NEED(open_at(&tx, "::1", c->gso, false));
	NEED(open_at(&rx, "::1", false, true));
	from = local(&tx);
	for (unsigned i = 0; i < 4; i++)
		put_batch(i, local(&rx), CELL, 50, i * 50);
	script(c->errors[0], c->errors[1], c->errors[2]);
	send_at_most = c->at_most;
	CHECK(udp_send(&tx, batches) == NULL);
	expect_but(&rx, &from, CELL,
		   &(struct arrivals){.count = 200 - lost, .gap_at = c->first_lost, .gap = lost});
	expect_nothing(&rx);
	CHECK_INT(tx.stats.tx_failed, c->failed);
	CHECK_INT(tx.stats.tx_too_big, c->too_big);
	CHECK_INT(tx.gso, c->after);
	script(0, 0, 0);
	udp_close(&tx);
	udp_close(&rx);
}

static void test_short_counts_and_interrupts(void)
{
	run_script(&(struct scripted){true, {EINTR, 0, EINTR}, 1, .after = UDP_GSO_ON});
	run_script(&(struct scripted){true, {0, 0, 0}, 3, .after = UDP_GSO_ON});
	run_script(&(struct scripted){false, {0, EINTR, 0}, 7, .after = UDP_GSO_OFF});
}

static void test_without_gso_at_run_time(void)
{
	run_script(&(struct scripted){true, {EIO}, 0, .after = UDP_GSO_OFF});
	run_script(&(struct scripted){true, {EINVAL}, 0, .after = UDP_GSO_OFF});
	run_script(&(struct scripted){true, {0, EIO}, 2, .after = UDP_GSO_OFF});
}

/* An error that plain sending gives as well is no reason to give GSO up. */
static void test_gso_survives_other_errors(void)
{
	run_script(
	    &(struct scripted){true, {EINVAL, EMSGSIZE}, 0, .too_big = 50, .after = UDP_GSO_ON});
	run_script(&(struct scripted){true, {EMSGSIZE}, 0, .too_big = 50, .after = UDP_GSO_ON});
	run_script(
	    &(struct scripted){true, {EINVAL, EINVAL}, 0, .failed = 50, .after = UDP_GSO_ON});
	run_script(&(struct scripted){true, {EPERM}, 0, .failed = 50, .after = UDP_GSO_ON});
}

/* Of the batch that fails, what was sent before stays sent, the rest is dropped. */
static void test_an_error_drops_one_batch(void)
{
	static const int errors[] = {ENETUNREACH, EPERM, ECONNREFUSED, EHOSTUNREACH, ENOBUFS};

	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		run_script(
		    &(struct scripted){false, {errors[i]}, 0, .failed = 50, .after = UDP_GSO_OFF});
		run_script(&(struct scripted){false,
					      {0, errors[i]},
					      60,
					      .first_lost = 60,
					      .failed = 40,
					      .after = UDP_GSO_OFF});
	}
}

/* The socket buffer is full after 45 + 5 + 45 (GSO) or 35 + 29 (plain) datagrams. */
static void check_full_buffer(bool gso)
{
	const unsigned sent = gso ? 95 : 64;
	struct tx_batch *rest;
	struct endpoint from;
	struct udp tx, rx;

	NEED(open_at(&tx, "::1", gso, false));
	NEED(open_at(&rx, "::1", false, true));
	from = local(&tx);
	for (unsigned i = 0; i < 4; i++)
		put_batch(i, local(&rx), CELL, 50, i * 50);
	script(0, gso ? EAGAIN : 0, EAGAIN);
	send_at_most = gso ? 3 : 35;
	rest = udp_send(&tx, batches);
	CHECK(rest == &batches[1]);
	CHECK_INT(batches[1].count, 100 - sent);
	CHECK(batches[1].data == memory[1] + (sent - 50) * CELL);
	CHECK(batches[1].next == &batches[2]);
	expect(&rx, &from, CELL, 0, sent);
	expect_nothing(&rx);
	script(EAGAIN, 0, 0);
	CHECK(udp_send(&tx, rest) == rest);
	CHECK_INT(batches[1].count, 100 - sent);
	CHECK(udp_send(&tx, rest) == NULL);
	expect(&rx, &from, CELL, sent, 200 - sent);
	check_clean(&tx);
	udp_close(&tx);
	udp_close(&rx);
}

static void test_full_buffer_hands_the_rest_back(void)
{
	check_full_buffer(true);
	check_full_buffer(false);
}

/* One socket's datagrams: how many, and that all are its own. */
static unsigned take_own(struct udp *u, unsigned number, unsigned sockets)
{
	struct rx_dgram *d;
	unsigned count = 0;
	int n;

	while ((n = udp_recv(u, &d)) > 0) {
		for (int i = 0; i < n; i++) {
			const uint8_t *p = d[i].data;
			unsigned shard = 0;

			if (p[0] == 1 && d[i].len > 7)
				shard = p[7] & 7;
			else if (p[0] == 4 && d[i].len > 1)
				shard = p[1] & 7;
			CHECK_INT(shard % sockets, number);
		}
		count += (unsigned)n;
	}
	CHECK_INT(n, 0);
	return count;
}

/* Every byte value at both places, other types, and short ones. */
static unsigned send_shards(struct udp *tx, const struct endpoint *to)
{
	static const uint8_t lens[] = {1, 2, 7, 8, 40};
	unsigned sent = 0;

	for (unsigned type = 0; type < 8; type++)
		for (unsigned shard = 0; shard < 256; shard += 5)
			for (size_t k = 0; k < ARRAY_LEN(lens); k++, sent++) {
				struct tx_batch b = {
				    .to = *to, .seg_len = lens[k], .count = 1, .data = memory[0]};

				memset(memory[0], 0, 40);
				memory[0][type == 1 ? 7 : 1] = (uint8_t)shard;
				memory[0][0] = (uint8_t)type;
				CHECK(udp_send(tx, &b) == NULL);
			}
	return sent;
}

static void steer(const char *ip, unsigned sockets)
{
	static const uint8_t offset[] = {[1] = 7, [4] = 1};
	const struct udp_steering s = {offset, ARRAY_LEN(offset), 7, sockets};
	struct udp_config cfg = {.joins = true};
	struct udp tx, rx[8], other;
	struct endpoint at;
	unsigned sent, got = 0;

	NEED(open_at(&tx, ip, false, false) && open_at(&rx[0], ip, false, false));
	at = cfg.bind = local(&rx[0]);
	CHECK_INT(udp_open(&other, &cfg, &what), -EADDRINUSE); /* not shared yet */
	CHECK_INT(udp_share(&rx[0]), 0);
	for (unsigned i = 1; i < sockets; i++)
		NEED(udp_open(&rx[i], &cfg, &what) == 0);
	CHECK_INT(udp_steer(&rx[0], &s), 0);
	cfg.joins = false;
	CHECK_INT(udp_open(&other, &cfg, &what), -EADDRINUSE); /* another daemon */
	sent = send_shards(&tx, &at);
	for (unsigned i = 0; i < sockets; i++) {
		const unsigned n = take_own(&rx[i], i, sockets);

		CHECK(n > 0);
		got += n;
	}
	CHECK_INT(got, sent);
	for (unsigned i = 0; i < sockets; i++)
		udp_close(&rx[i]);
	udp_close(&tx);
}

static void test_steering(void)
{
	for (unsigned sockets = 2; sockets <= 8; sockets++) {
		steer("127.0.0.1", sockets);
		steer("::1", sockets);
	}
}

static void test_open_names_what_failed(void)
{
	struct udp_config cfg = {0};
	struct udp a, b;
	int err;

	CHECK_INT(endpoint_ip_parse(cfg.bind.ip, "127.0.0.1"), 0);
	NEED(udp_open(&a, &cfg, &what) == 0);
	cfg.bind = local(&a);
	b.fd = -7;
	CHECK_INT(udp_open(&b, &cfg, &what), -EADDRINUSE);
	CHECK(strcmp(what, "bind the UDP socket") == 0);
	CHECK_INT(b.fd, -7); /* untouched */
	udp_close(&a);
	CHECK_INT(endpoint_ip_parse(cfg.bind.ip, "192.0.2.1"), 0);
	CHECK_INT(udp_open(&b, &cfg, &what), -EADDRNOTAVAIL);

	cfg = (struct udp_config){.mark = 0x4d4d};
	err = udp_open(&a, &cfg, &what);
	if (err == 0) {
		unsigned mark = 0;
		socklen_t len = sizeof(mark);

		CHECK_INT(getsockopt(a.fd, SOL_SOCKET, SO_MARK, &mark, &len), 0);
		CHECK_INT(mark, 0x4d4d);
		udp_close(&a);
	} else {
		CHECK_INT(err, -EPERM);
		CHECK(strstr(what, "SO_MARK") != NULL);
	}
}

static void test_datagrams_are_not_fragmented(void)
{
	int v4 = 0, v6 = 0;
	socklen_t len = sizeof(int);
	struct udp u;

	NEED(open_at(&u, "::", true, true));
	CHECK_INT(getsockopt(u.fd, IPPROTO_IP, IP_MTU_DISCOVER, &v4, &len), 0);
	CHECK_INT(getsockopt(u.fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &v6, &len), 0);
	CHECK_INT(v4, IP_PMTUDISC_PROBE);
	CHECK_INT(v6, IPV6_PMTUDISC_PROBE);
	udp_close(&u);
}

/* In a namespace of our own: a small MTU, and addresses without a route. */
static void check_real_errors(bool gso)
{
	struct endpoint nowhere = {.port = 4600}, from;
	struct udp tx, rx;

	NEED(open_at(&tx, "::", gso, false));
	NEED(open_at(&rx, "127.0.0.1", false, true));
	from = local(&tx);
	CHECK_INT(endpoint_ip_parse(from.ip, "127.0.0.1"), 0);
	CHECK_INT(endpoint_ip_parse(nowhere.ip, "192.0.2.1"), 0);
	put_batch(0, local(&rx), CELL, 20, 0);
	put_batch(1, local(&rx), 1000, 20, 0);
	put_batch(2, nowhere, 1000, 20, 0);
	put_batch(3, local(&rx), 1000, 20, 20);
	CHECK(udp_send(&tx, batches) == NULL);
	expect(&rx, &from, 1000, 0, 40);
	expect_nothing(&rx);
	CHECK_INT(tx.stats.tx_too_big, 20);
	CHECK_INT(tx.stats.tx_failed, 20);
	CHECK_INT(tx.gso, gso ? UDP_GSO_ON : UDP_GSO_OFF);
	udp_close(&tx);
	udp_close(&rx);
}

static void test_small_mtu_and_no_route(void)
{
	const pid_t child = fork();
	int status = 0;

	NEED(child >= 0);
	if (child == 0) {
		if (!netns_enter() || !netdev_up("lo", 1280))
			_exit(TEST_SKIPPED);
		check_real_errors(true);
		check_real_errors(false);
		fflush(stdout);
		_exit(test_current_failed);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
	if (WEXITSTATUS(status) == TEST_SKIPPED)
		printf("# skipped: no namespaces here\n");
	else
		CHECK_INT(WEXITSTATUS(status), 0);
}

int main(void)
{
	RUN(test_all_modes_carry_everything);
	RUN(test_v4_without_ipv6);
	RUN(test_one_list_to_several_endpoints);
	RUN(test_all_lengths);
	RUN(test_empty_batches_are_passed_over);
	RUN(test_congestion_experienced_is_seen);
	RUN(test_too_long_datagrams_are_counted);
	RUN(test_short_counts_and_interrupts);
	RUN(test_without_gso_at_run_time);
	RUN(test_gso_survives_other_errors);
	RUN(test_an_error_drops_one_batch);
	RUN(test_full_buffer_hands_the_rest_back);
	RUN(test_steering);
	RUN(test_open_names_what_failed);
	RUN(test_datagrams_are_not_fragmented);
	RUN(test_small_mtu_and_no_route);
	return test_done();
}
