/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 *   namespace A                    this program                   namespace B
 *   sockets - kernel - mma0 - tun_read -> tun_write - mmb0 - kernel - sockets
 *                                tun_write <- tun_read
 *
 * Two TUN devices are wired together, so whatever one kernel sends another must accept: its own
 * checksums and lengths are the judge.  Each case runs in a child, in namespaces of its own.
 */
#include "tests/lib/test.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>

#include "io/loop.h"
#include "io/tun.h"
#include "io/udp.h"
#include "tests/unit/io/netns.h"
#include "tests/unit/io/packets.h"
#include "util/rng.h"

enum {
	MTU = 1324,
	BULK_LEN = 24 << 20,
	PATTERN_LEN = 65521,
	WAIT_MS = 20000,
	BATCH = 128,
};

struct wire_case {
	bool offload_a, offload_b;
	unsigned read_max; /* packets per tun_read */
};

struct wire_end {
	struct loop_fd f;
	struct tun tun;
	struct wire_end *peer;
	unsigned read_max;
};

static struct wire_end a, b;
static struct loop loop;
static bool stopped;
static uint8_t pattern[PATTERN_LEN];

static void forward(struct loop_fd *f, uint32_t events)
{
	struct wire_end *e = container_of(f, struct wire_end, f);
	struct packet packets[BATCH];

	(void)events;
	do {
		const int n = tun_read(&e->tun, packets, e->read_max);

		CHECK(n >= 0);
		if (n > 0)
			tun_write(&e->peer->tun, packets, (unsigned)n);
	} while (tun_has_rest(&e->tun));
}

static void stop(struct loop *l)
{
	(void)l;
	stopped = true;
}

static void *run_wire(void *arg)
{
	(void)arg;
	while (!stopped)
		CHECK(loop_turn(&loop, NEVER) >= 0);
	return NULL;
}

static bool open_end(struct wire_end *e, const char *name, const char *v4, const char *v6,
		     bool offload)
{
	const struct tun_config cfg = {.name = name, .offload = offload};
	const char *what = "";
	const int err = tun_open(&e->tun, &cfg, &what);

	if (err < 0) {
		printf("# %s: %s\n", what, strerror(-err));
		return false;
	}
	CHECK(strcmp(e->tun.name, name) == 0);
	e->f = (struct loop_fd){e->tun.fd, forward};
	return netdev_up(name, MTU) && netdev_add_address(name, v4) && netdev_add_address(name, v6);
}

/* ---- sockets ---- */

static struct sockaddr_storage address(const char *ip, uint16_t port, socklen_t *len)
{
	struct sockaddr_storage s = {0};
	struct sockaddr_in *in = (struct sockaddr_in *)&s;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&s;

	if (inet_pton(AF_INET, ip, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		*len = sizeof(*in);
	} else {
		CHECK_INT(inet_pton(AF_INET6, ip, &in6->sin6_addr), 1);
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		*len = sizeof(*in6);
	}
	return s;
}

static int bound_socket(const char *ip, int type)
{
	socklen_t len;
	const struct sockaddr_storage s = address(ip, 5000, &len);
	const int fd = socket(s.ss_family, type | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0 && bind(fd, (const struct sockaddr *)&s, len) == 0);
	return fd;
}

static bool wait_for(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, WAIT_MS) == 1;
}

/* BULK_LEN bytes from one end of a connection to the other, written and read as they fit. */
static void bulk(int from, int to)
{
	static uint8_t buf[256 << 10];
	size_t sent = 0, got = 0;

	while (got < BULK_LEN) {
		struct pollfd p[2] = {{.fd = to, .events = POLLIN},
				      {.fd = from, .events = sent < BULK_LEN ? POLLOUT : 0}};
		ssize_t n;

		NEED(poll(p, 2, WAIT_MS) > 0);
		if ((p[1].revents & POLLOUT) != 0) {
			const size_t at = sent % PATTERN_LEN;

			n = send(from, pattern + at, MIN(PATTERN_LEN - at, BULK_LEN - sent),
				 MSG_DONTWAIT);
			NEED(n > 0 || errno == EAGAIN);
			sent += n > 0 ? (size_t)n : 0;
		}
		if (p[0].revents == 0)
			continue;
		n = recv(to, buf, sizeof(buf), MSG_DONTWAIT);
		NEED(n > 0);
		for (size_t i = 0, len; i < (size_t)n; i += len, got += len) {
			len = MIN((size_t)n - i, PATTERN_LEN - got % PATTERN_LEN);
			NEED(memcmp(buf + i, pattern + got % PATTERN_LEN, len) == 0);
		}
	}
}

/* listener is in A, we are in B. */
static void carry_tcp(int listener, const char *ip)
{
	socklen_t len;
	const struct sockaddr_storage s = address(ip, 5000, &len);
	const int client = socket(s.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int server;

	NEED(connect(client, (const struct sockaddr *)&s, len) == 0);
	NEED(wait_for(listener, POLLIN));
	server = accept(listener, NULL, NULL);
	NEED(server >= 0);
	bulk(client, server);
	bulk(server, client);
	close(client);
	close(server);
}

static void expect_datagram(int fd, unsigned number, size_t size, struct sockaddr_storage *from)
{
	static uint8_t buf[PATTERN_LEN];
	socklen_t len = sizeof(*from);

	NEED(wait_for(fd, POLLIN));
	CHECK_INT(recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)from, &len), size);
	CHECK_MEM(buf, pattern + number, size);
}

/* Datagrams of all sizes to A and back, some at a time; those above the MTU go as fragments. */
static void carry_udp(int server, const char *ip)
{
	enum {
		AT_A_TIME = 20
	};
	socklen_t len;
	const struct sockaddr_storage s = address(ip, 5000, &len);
	const int client = socket(s.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage from = {0};

	NEED(connect(client, (const struct sockaddr *)&s, len) == 0);
	for (unsigned size = 0; size < 1500 && test_current_failed == 0; size += AT_A_TIME) {
		for (unsigned i = size; i < size + AT_A_TIME; i++)
			CHECK_INT(send(client, pattern + i, i, 0), i);
		for (unsigned i = size; i < size + AT_A_TIME; i++) {
			expect_datagram(server, i, i, &from);
			CHECK_INT(sendto(server, pattern + i, i, 0, (struct sockaddr *)&from, len),
				  i);
		}
		for (unsigned i = size; i < size + AT_A_TIME; i++)
			expect_datagram(client, i, i, &from);
	}
	close(client);
}

/* Equal datagrams sent with GSO: they cross the device in one piece where it takes that. */
static void carry_udp_gso(struct udp *from, struct udp *to, const char *ip)
{
	enum {
		SIZE = 1200,
		COUNT = 50,
		ROUNDS = 40
	};
	struct tx_batch batch;
	struct endpoint e = {0};

	NEED(udp_local(to, &e) == 0 && endpoint_ip_parse(e.ip, ip) == 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		batch = (struct tx_batch){
		    .to = e, .seg_len = SIZE, .count = COUNT, .data = pattern + round};
		CHECK(udp_send(from, &batch) == NULL);
		for (unsigned got = 0; got < COUNT;) {
			struct rx_dgram *d;
			int n;

			NEED(wait_for(to->fd, POLLIN));
			n = udp_recv(to, &d);
			NEED(n >= 0 && got + (unsigned)n <= COUNT);
			for (int i = 0; i < n; i++, got++) {
				CHECK_INT(d[i].len, SIZE);
				CHECK_MEM(d[i].data, pattern + round + got * SIZE, SIZE);
			}
		}
	}
	CHECK_INT(from->stats.tx_failed + from->stats.tx_too_big, 0);
}

/* ---- cases ---- */

/* Mean sizes of the packets that B's kernel took from and gave to its device. */
static void mean_sizes(unsigned long *in, unsigned long *out)
{
	unsigned long in_bytes, in_packets, out_bytes, out_packets;
	char line[512];
	FILE *f = fopen("/proc/thread-self/net/dev", "r");

	*in = *out = 0;
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, " mmb0: %lu %lu %*u %*u %*u %*u %*u %*u %lu %lu", &in_bytes,
			   &in_packets, &out_bytes, &out_packets) == 4) {
			*in = in_bytes / in_packets;
			*out = out_bytes / out_packets;
		}
	if (f != NULL)
		fclose(f);
}

static bool open_udp(struct udp *u)
{
	const struct udp_config cfg = {.gso = true, .gro = true};
	const char *what;

	return udp_open(u, &cfg, &what) == 0;
}

static void run_traffic(const struct wire_case *c, const int sockets[static 4], struct udp *udp_a)
{
	unsigned long in, out;
	struct udp udp_b;

	carry_tcp(sockets[0], "10.9.0.1");
	carry_tcp(sockets[1], "fd09::1");
	mean_sizes(&in, &out);
	printf("# offload %d-%d: B's kernel took packets of %lu, gave packets of %lu bytes\n",
	       c->offload_a, c->offload_b, in, out);
	/* With few at a time the sender's window says how large they are: large at all will do. */
	if (c->read_max < BATCH)
		CHECK(out > MTU);
	else
		CHECK(c->offload_b ? out > 3 * MTU : out > 0 && out <= MTU);
	if (c->offload_a && c->offload_b && c->read_max == BATCH)
		CHECK(in > 3 * MTU);
	carry_udp(sockets[2], "10.9.0.1");
	carry_udp(sockets[3], "fd09::1");
	NEED(open_udp(&udp_b));
	carry_udp_gso(&udp_b, udp_a, "10.9.0.1");
	carry_udp_gso(udp_a, &udp_b, "fd09::2");
	udp_close(&udp_b);
}

static void check_stats(const struct tun *t)
{
	CHECK_INT(t->stats.read_bad, 0);
	CHECK_INT(t->stats.write_failed, 0);
}

static void run_case(const struct wire_case *c)
{
	struct udp udp_a;
	pthread_t thread;
	int sockets[4];

	NEED(open_end(&a, "mma0", "10.9.0.1", "fd09::1", c->offload_a));
	for (int i = 0; i < 4; i++) {
		sockets[i] = bound_socket(i % 2 == 0 ? "10.9.0.1" : "fd09::1",
					  i < 2 ? SOCK_STREAM : SOCK_DGRAM);
		NEED(i >= 2 || listen(sockets[i], 4) == 0);
	}
	NEED(open_udp(&udp_a));
	NEED(unshare(CLONE_NEWNET) == 0);
	NEED(open_end(&b, "mmb0", "10.9.0.2", "fd09::2", c->offload_b));
	a.peer = &b;
	b.peer = &a;
	a.read_max = b.read_max = c->read_max;
	NEED(loop_open(&loop, stop) == 0);
	NEED(loop_add(&loop, &a.f, EPOLLIN) == 0 && loop_add(&loop, &b.f, EPOLLIN) == 0);
	NEED(pthread_create(&thread, NULL, run_wire, NULL) == 0);
	run_traffic(c, sockets, &udp_a);
	loop_wake(&loop);
	pthread_join(thread, NULL);
	check_stats(&a.tun);
	check_stats(&b.tun);
	loop_close(&loop);
	udp_close(&udp_a);
	tun_close(&a.tun);
	tun_close(&b.tun);
}

/* Runs fn in a child in new namespaces.  False when these are forbidden here. */
static bool in_child(void (*fn)(const struct wire_case *c), const struct wire_case *c)
{
	const pid_t child = fork();
	int status = 0;

	if (child == 0) {
		if (!netns_enter())
			_exit(TEST_SKIPPED);
		fn(c);
		fflush(stdout);
		_exit(test_current_failed);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
	if (WEXITSTATUS(status) == TEST_SKIPPED)
		return false;
	CHECK_INT(WEXITSTATUS(status), 0);
	return true;
}

static void test_offload_to_offload(void)
{
	in_child(run_case, &(struct wire_case){true, true, BATCH});
}

static void test_plain_to_plain(void)
{
	in_child(run_case, &(struct wire_case){false, false, BATCH});
}

/* Checksums that A's kernel left open are completed by us, as B has no offload; and no joining. */
static void test_offload_to_plain(void)
{
	in_child(run_case, &(struct wire_case){true, false, BATCH});
}

/* A large frame is cut over many calls. */
static void test_few_packets_per_read(void)
{
	in_child(run_case, &(struct wire_case){true, true, 3});
}

static void check_open_errors(const struct wire_case *c)
{
	struct tun_config cfg = {.name = "mmx%d", .offload = true};
	struct tun one, two;
	const char *what = NULL;

	(void)c;
	NEED(tun_open(&one, &cfg, &what) == 0);
	CHECK(strcmp(one.name, "mmx0") == 0);
	cfg.name = "mmx0";
	CHECK_INT(tun_open(&two, &cfg, &what), -EBUSY);
	CHECK(strstr(what, "in use") != NULL);
	cfg.name = "lo";
	CHECK_INT(tun_open(&two, &cfg, &what), -EINVAL);
	CHECK(strstr(what, "not a TUN device") != NULL);
	cfg.name = "sixteen-is-long-";
	CHECK_INT(tun_open(&two, &cfg, &what), -ENAMETOOLONG);
	tun_close(&one);
	cfg = (struct tun_config){.name = "mmq0", .offload = true, .multi_queue = true};
	NEED(tun_open(&one, &cfg, &what) == 0);
	CHECK_INT(tun_open(&two, &cfg, &what), 0);
	tun_close(&two);
	tun_close(&one);
}

static void test_open_says_what_failed(void)
{
	in_child(check_open_errors, NULL);
}

static void check_gone(const struct wire_case *c)
{
	const struct tun_config cfg = {.name = "mmx0", .offload = true};
	struct packet packets[4];
	struct tun t;
	const char *what;

	(void)c;
	NEED(tun_open(&t, &cfg, &what) == 0);
	CHECK_INT(tun_read(&t, packets, 4), 0);
	NEED(netdev_delete("mmx0"));
	CHECK(tun_read(&t, packets, 4) < 0);
	packets[0] = (struct packet){.head = pattern, .head_len = 100};
	tun_write(&t, packets, 1);
	CHECK_INT(t.stats.write_failed, 1);
	tun_close(&t);
}

static void test_device_that_goes_away(void)
{
	in_child(check_gone, NULL);
}

/* Without offload we complete checksums, wherever a packet is cut in two; the kernel checks them.
 */
static void check_completed_checksums(const struct wire_case *c)
{
	const struct tun_config cfg = {.name = "mmx0"};
	const struct craft form = {
	    .udp = true, .ttl = 64, .flow = 5, .payload_len = 301, .partial = true};
	static uint8_t packet[CRAFT_MAX];
	const size_t len = craft(&form, packet), head_len = craft_head_len(&form);
	struct tun t;
	const char *what;
	int fd;

	(void)c;
	NEED(tun_open(&t, &cfg, &what) == 0 && netdev_up(cfg.name, MTU));
	NEED(netdev_add_address(cfg.name, "10.9.9.9")); /* where craft() sends */
	NEED(netdev_add_address(cfg.name, "10.0.0.77"));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	NEED(bind(fd,
		  (const struct sockaddr *)&(struct sockaddr_in){.sin_family = AF_INET,
								 .sin_port = htons(443)},
		  sizeof(struct sockaddr_in)) == 0);
	for (size_t cut = head_len; cut <= len; cut++) {
		const struct packet k = {.head = packet,
					 .head_len = (uint16_t)cut,
					 .body = packet + cut,
					 .body_len = (uint16_t)(len - cut),
					 .flags = PACKET_CSUM_PARTIAL};
		uint8_t got[400];

		tun_write(&t, &k, 1);
		CHECK_INT(recv(fd, got, sizeof(got), 0), form.payload_len);
		CHECK_MEM(got, packet + head_len, form.payload_len);
	}
	CHECK_INT(t.stats.write_failed, 0);
	close(fd);
	tun_close(&t);
}

static void test_plain_completes_checksums(void)
{
	in_child(check_completed_checksums, NULL);
}

static void nothing(const struct wire_case *c)
{
	(void)c;
}

int main(void)
{
	struct rng rng = rng_seeded(6);

	rng_fill(&rng, pattern, sizeof(pattern));
	rng_seeded_free(&rng);
	if (access("/dev/net/tun", R_OK | W_OK) < 0 || !in_child(nothing, NULL)) {
		printf("1..0 # SKIP no right to /dev/net/tun, or no user namespaces\n");
		return EXIT_SUCCESS;
	}
	RUN(test_offload_to_offload);
	RUN(test_plain_to_plain);
	RUN(test_offload_to_plain);
	RUN(test_few_packets_per_read);
	RUN(test_plain_completes_checksums);
	RUN(test_open_says_what_failed);
	RUN(test_device_that_goes_away);
	return test_done();
}
