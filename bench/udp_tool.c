/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench-udp: small UDP traffic, counted exactly.
 *
 *   serve ADDRESS PORT               counts what comes, and answers echoes and questions
 *   flood ADDRESS PORT SIZE SECONDS  finds the highest rate at which 99.5 % arrive
 *   ping ADDRESS PORT COUNT PAUSE_US round trips, one at a time
 *
 * Every packet is one datagram of its own, as of many small applications: no segmentation offload.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "util/bytes.h"
#include "util/now.h"

enum {
	BURST = 32,
	PACKET_MAX = 1500,
	HEAD = 28,
	MESSAGE_LEN = 24,
	RATE_FIRST = 20000,
	HALVINGS = 5,
	ASKED_MAX = 50,
	SILENT_MAX = 4,
};

#define TRIAL_MIN_NS (100 * NS_PER_MS)
#define PAUSE_MS     20

enum type {
	DATA = 1,
	ECHO,
	QUESTION,
};

/* type u32, trial u32, number u64; in an answer to a question: received u64, reordered u64 */
struct trial {
	uint32_t id;
	uint64_t received, reordered, next;
};

static void die(const char *what)
{
	fprintf(stderr, "bench-udp: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t mono_ns(void)
{
	return now_read().mono_ns;
}

static long number(const char *text)
{
	char *end;
	const long n = strtol(text, &end, 10);

	if (end == text || *end != '\0' || n < 0) {
		errno = EINVAL;
		die(text);
	}
	return n;
}

static int udp_socket(void)
{
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = 8 << 20;

	if (fd < 0)
		die("socket");
	/* Force needs privileges in the initial namespace; without, what sysctl allows must do. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return fd;
}

/* ---- serve ---- */

static void answer(int fd, struct trial *t, uint8_t *p, size_t len, const struct sockaddr_in *from)
{
	const uint32_t id = get_le32(p + 4);
	const uint64_t n = get_le64(p + 8);

	switch ((enum type)get_le32(p)) {
	case DATA:
		if (id != t->id)
			*t = (struct trial){.id = id};
		t->received++;
		t->reordered += n < t->next;
		t->next = MAX(t->next, n + 1);
		return;
	case QUESTION:
		put_le64(p + 8, id == t->id ? t->received : 0);
		put_le64(p + 16, id == t->id ? t->reordered : 0);
		break;
	case ECHO:
		break;
	}
	sendto(fd, p, len, 0, (const struct sockaddr *)from, sizeof(*from));
}

static void serve(const char *address, uint16_t port)
{
	static uint8_t bytes[BURST][PACKET_MAX];
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)}, from[BURST];
	struct iovec iov[BURST];
	struct mmsghdr msgs[BURST];
	struct trial trial = {0};
	const int fd = udp_socket();

	if (inet_pton(AF_INET, address, &at.sin_addr) != 1 ||
	    bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0)
		die(address);
	for (;;) {
		int n;

		for (size_t i = 0; i < BURST; i++) {
			iov[i] = (struct iovec){bytes[i], PACKET_MAX};
			msgs[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &from[i],
							       .msg_namelen = sizeof(from[i]),
							       .msg_iov = &iov[i],
							       .msg_iovlen = 1}};
		}
		n = recvmmsg(fd, msgs, BURST, MSG_WAITFORONE, NULL);
		for (int i = 0; i < n; i++)
			if (msgs[i].msg_len >= MESSAGE_LEN)
				answer(fd, &trial, bytes[i], msgs[i].msg_len, &from[i]);
	}
}

/* ---- the other side ---- */

static int connected(const char *address, const char *port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)number(port))};
	const int fd = udp_socket();

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
	    connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0)
		die(address);
	return fd;
}

static void set_timeout(int fd, unsigned ms)
{
	const struct timeval t = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
}

/* A message and its echo, or answer; false when none came in time. */
static bool ask(int fd, enum type type, uint32_t trial, uint64_t n, size_t len, uint8_t *reply)
{
	uint8_t p[PACKET_MAX] = {0};

	put_le32(p, type);
	put_le32(p + 4, trial);
	put_le64(p + 8, n);
	if (send(fd, p, len, 0) != (ssize_t)len)
		return false;
	do { /* answers to earlier questions may come late */
		if (recv(fd, reply, PACKET_MAX, 0) < MESSAGE_LEN)
			return false;
	} while (get_le32(reply) != type || get_le32(reply + 4) != trial ||
		 (type == ECHO && get_le64(reply + 8) != n));
	return true;
}

/* Sends at a rate for a time, in bursts that are never late on purpose; returns how many. */
static uint64_t send_at(int fd, uint32_t trial, size_t len, double per_s, uint64_t ns)
{
	static uint8_t bytes[BURST][PACKET_MAX];
	struct iovec iov[BURST];
	struct mmsghdr msgs[BURST];
	const uint64_t start = mono_ns();
	uint64_t sent = 0, spent;

	for (size_t i = 0; i < BURST; i++) {
		iov[i] = (struct iovec){bytes[i], len};
		msgs[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov[i], .msg_iovlen = 1}};
	}
	while ((spent = mono_ns() - start) < ns) {
		const uint64_t due = (uint64_t)(per_s * (double)spent / 1e9);
		const uint64_t want = due > sent ? MIN(due - sent, (uint64_t)BURST) : 0;
		int n;

		if (want == 0) {
			nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
			continue;
		}
		for (size_t i = 0; i < want; i++) {
			put_le32(bytes[i], DATA);
			put_le32(bytes[i] + 4, trial);
			put_le64(bytes[i] + 8, sent + i);
		}
		n = sendmmsg(fd, msgs, (unsigned)want, 0);
		if (n > 0)
			sent += (uint64_t)n;
	}
	return sent;
}

/* Until what arrived no longer grows. */
static void count(int fd, struct trial *t)
{
	uint8_t reply[PACKET_MAX];
	uint64_t before = UINT64_MAX;

	for (unsigned i = 0; i < ASKED_MAX; i++) {
		if (!ask(fd, QUESTION, t->id, 0, MESSAGE_LEN, reply))
			continue;
		t->received = get_le64(reply + 8);
		t->reordered = get_le64(reply + 16);
		if (t->received == before)
			return;
		before = t->received;
		nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000l}, NULL);
	}
}

struct search {
	double rate, good, bad; /* bad: 0 until one is known */
	uint64_t reordered;
	uint32_t trial;
};

/* One trial at the search's rate: whether it arrived.  offered: what the sender could do. */
static bool arrives(int fd, struct search *s, size_t len, uint64_t ns, double *offered)
{
	struct trial t = {.id = s->trial++};
	const uint64_t start = mono_ns(), sent = send_at(fd, t.id, len, s->rate, ns);

	*offered = (double)sent * 1e9 / (double)(mono_ns() - start);
	count(fd, &t);
	s->reordered += t.reordered;
	return (double)t.received >= 0.995 * (double)sent;
}

static void flood(int fd, size_t size, double seconds)
{
	const size_t len = MAX(size, (size_t)(HEAD + MESSAGE_LEN)) - HEAD;
	const uint64_t end = mono_ns() + (uint64_t)(seconds * 1e9);
	const uint64_t ns = MAX((uint64_t)(seconds * 1e9 / 16), TRIAL_MIN_NS);
	struct search s = {.rate = RATE_FIRST, .trial = (uint32_t)mono_ns() | 1};
	double offered;

	set_timeout(fd, 100);
	for (unsigned halvings = 0; halvings < HALVINGS && mono_ns() < end;) {
		/* One loss may be a hiccup of the machine; two are not. */
		const bool ok =
		    arrives(fd, &s, len, ns, &offered) || arrives(fd, &s, len, ns, &offered);

		if (ok)
			s.good = MAX(s.good, offered);
		if (ok && s.bad == 0 && offered > 0.9 * s.rate) {
			s.rate *= 2;
			continue;
		}
		if (!ok || s.bad == 0) /* or the sender itself cannot do more */
			s.bad = s.rate;
		halvings++;
		s.rate = (s.good + s.bad) / 2;
	}
	printf("%.0f %llu\n", s.good, (unsigned long long)s.reordered);
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void ping(int fd, size_t tries, long pause_us)
{
	double *us = calloc(tries, sizeof(*us));
	uint8_t reply[PACKET_MAX];
	size_t n = 0;

	if (us == NULL)
		die("memory");
	set_timeout(fd, 1000);
	for (size_t i = 0, silent = 0; i < tries; i++) {
		const uint64_t start = mono_ns();

		if (ask(fd, ECHO, 1, i, 64, reply)) {
			us[n++] = (double)(mono_ns() - start) / 1000;
			silent = 0;
		} else if (++silent == SILENT_MAX) {
			die("no answers");
		}
		nanosleep(&(struct timespec){.tv_sec = pause_us / 1000000,
					     .tv_nsec = pause_us % 1000000 * 1000},
			  NULL);
	}
	qsort(us, n, sizeof(*us), by_value);
	if (n > 0)
		printf("%.1f %.1f %zu\n", us[n / 2], us[n * 99 / 100], tries - n);
	free(us);
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		serve(argv[2], (uint16_t)number(argv[3]));
	else if (argc == 6 && strcmp(argv[1], "flood") == 0)
		flood(connected(argv[2], argv[3]), MIN((size_t)number(argv[4]), (size_t)PACKET_MAX),
		      (double)number(argv[5]));
	else if (argc == 6 && strcmp(argv[1], "ping") == 0)
		ping(connected(argv[2], argv[3]), (size_t)number(argv[4]), number(argv[5]));
	else
		return 2;
	return 0;
}
