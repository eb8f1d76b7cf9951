/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The send buffer, by how fast it empties. */
#include "io/udp.h"

#include <sys/socket.h>

#include "tests/lib/test.h"

static const char *what;

static void test_room_follows_the_line(void)
{
	static const uint64_t rates_mbit[] = {10, 20, 200, 1000, 10000};

	for (size_t i = 0; i < ARRAY_LEN(rates_mbit); i++) {
		const uint64_t bytes_per_s = rates_mbit[i] * 1000000 / 8;
		int room = 64 << 10, before = 0;
		uint64_t len, took_ns = 0;

		for (unsigned n = 0; n < 20; n++) {
			before = room;
			len = (uint64_t)room;
			took_ns = len * NS_PER_S / bytes_per_s;
			room = udp_room_after(room, took_ns);
		}
		CHECK_INT(room, before);
		CHECK(took_ns <= UDP_ROOM_NS / 2 || room == 16 << 10);
		CHECK(took_ns >= UDP_ROOM_NS / 4);
	}
	CHECK_INT(udp_room_after(8 << 20, 0), 8 << 20);
	CHECK_INT(udp_room_after(8 << 20, NEVER), 2 << 20);
}

static int send_buffer_of(const struct udp *u)
{
	int size = 0;
	socklen_t len = sizeof(size);

	CHECK_INT(getsockopt(u->fd, SOL_SOCKET, SO_SNDBUF, &size, &len), 0);
	return size;
}

static void test_room_is_the_sockets(void)
{
	struct udp u;
	int first;

	CHECK_INT(udp_open(&u, &(struct udp_config){.gso = true}, &what), 0);
	first = send_buffer_of(&u);
	CHECK_INT(u.room, first / 2);
	CHECK_INT(u.turn, UDP_TURN_ANY); /* nothing is known of the line */
	udp_writable(&u, 5 * NS_PER_S);  /* was not full */
	CHECK_INT(send_buffer_of(&u), first);
	udp_full(&u, NS_PER_S);
	udp_writable(&u, NS_PER_S + NS_PER_US);
	CHECK_INT(send_buffer_of(&u), 2 * first);
	CHECK_INT(u.room, first);
	CHECK_INT(u.turn, UDP_TURN_ANY);
	udp_full(&u, NS_PER_S);
	udp_writable(&u, NS_PER_S + NS_PER_S);
	CHECK_INT(send_buffer_of(&u), first / 2);
	CHECK_INT(u.turn, first / 8); /* a part of it at once */
	udp_close(&u);
}

int main(void)
{
	RUN(test_room_follows_the_line);
	RUN(test_room_is_the_sockets);
	return test_done();
}
