/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Several sockets on one port, and a program in the kernel that chooses among them. */
#include "io/udp.h"

#include <errno.h>
#include <linux/filter.h>
#include <sys/socket.h>

enum {
	STEPS_MAX = 64,
};

int udp_share(const struct udp *u)
{
	const int on = 1;

	return setsockopt(u->fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ? -errno : 0;
}

/*
 * Per type: is it this one?  Then load the byte, and return the socket's number.  A load beyond the
 * end ends the program with 0, the first socket.
 */
static unsigned write_program(struct sock_filter *p, const struct udp_steering *s)
{
	unsigned n = 0;

	p[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0);
	for (size_t type = 0; type < s->types && n + 6 <= STEPS_MAX; type++) {
		if (s->offset[type] == 0)
			continue;
		p[n++] =
		    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)type, 0, 4);
		p[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, s->offset[type]);
		p[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, s->mask);
		p[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, s->sockets);
		p[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0);
	}
	p[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	return n;
}

int udp_steer(const struct udp *u, const struct udp_steering *s)
{
	struct sock_filter steps[STEPS_MAX];
	const struct sock_fprog program = {.len = (unsigned short)write_program(steps, s),
					   .filter = steps};

	return setsockopt(u->fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) <
		       0
		   ? -errno
		   : 0;
}
