/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The send buffer, by how fast it empties. */
#include "io/udp.h"

#include "io/udp_priv.h"
#include "util/bytes.h"

enum {
	ROOM_MIN = 16 << 10,
	ROOM_FIRST = 64 << 10, /* one large send, and part of another */
	ROOM_SLOW = 128 << 10, /* below, large sends are much of it */
	ROOM_MAX = 8 << 20,
};

#define HALF_NS (UDP_ROOM_NS / 2)

/* Beyond the system's limit only with CAP_NET_ADMIN; what the kernel granted is what counts. */
static void set_room(struct udp *u, int room)
{
	socklen_t len = sizeof(room);

	if (setsockopt(u->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
		(void)setsockopt(u->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (getsockopt(u->fd, SOL_SOCKET, SO_SNDBUF, &room, &len) == 0)
		u->room = room / 2; /* the kernel doubles what it is told */
}

void udp_room_begin(struct udp *u)
{
	set_room(u, ROOM_FIRST);
	u->turn = UDP_TURN_ANY;
}

int udp_room_after(int room, uint64_t took_ns)
{
	/* Twice or a quarter at most: a single time may be that of a busy machine. */
	const uint64_t now = (uint64_t)room, fit = now * HALF_NS / MAX(took_ns, 1u);

	if (took_ns > HALF_NS)
		return (int)MAX(MAX(fit, now / 4), (uint64_t)ROOM_MIN);
	if (took_ns < HALF_NS / 2)
		return (int)MIN(MIN(fit, now * 2), (uint64_t)ROOM_MAX);
	return room;
}

void udp_full(struct udp *u, uint64_t now_ns)
{
	u->full_ns = now_ns;
}

void udp_writable(struct udp *u, uint64_t now_ns)
{
	int room;

	if (u->full_ns == 0)
		return;
	room = udp_room_after(u->room, now_ns - u->full_ns);
	u->full_ns = 0;
	if (room != u->room)
		set_room(u, room);
	u->turn = u->room < ROOM_SLOW ? (unsigned)u->room / 2 : UDP_TURN_ANY;
}
