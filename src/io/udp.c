/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening the socket: options, buffers, address. */
#include "io/udp.h"

#include <errno.h>
#include <unistd.h>

#include "io/udp_priv.h"

enum {
	RECEIVE_LEN = 8 << 20, /* 5800 cells: some 10 ms at 5 Gbit/s */
};

socklen_t udp_name_put(union udp_name *name, int family, const struct endpoint *e)
{
	if (family == AF_INET && endpoint_is_v4(e)) {
		name->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(e->port)};
		memcpy(&name->v4.sin_addr, e->ip + 12, sizeof(name->v4.sin_addr));
		return sizeof(name->v4);
	}
	name->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(e->port)};
	memcpy(&name->v6.sin6_addr, e->ip, sizeof(e->ip));
	return sizeof(name->v6);
}

void udp_name_get(const union udp_name *name, struct endpoint *e)
{
	if (name->v6.sin6_family == AF_INET6) {
		memcpy(e->ip, &name->v6.sin6_addr, sizeof(e->ip));
		e->port = ntohs(name->v6.sin6_port);
	} else {
		memset(e->ip, 0, 10);
		memset(e->ip + 10, 0xff, 2);
		memcpy(e->ip + 12, &name->v4.sin_addr, sizeof(name->v4.sin_addr));
		e->port = ntohs(name->v4.sin_port);
	}
}

static int set(const struct udp *u, int level, int option, int value)
{
	return setsockopt(u->fd, level, option, &value, sizeof(value));
}

/* As large as we may: beyond the system's limit only with CAP_NET_ADMIN. */
static void grow_receive_buffer(const struct udp *u)
{
	if (set(u, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_LEN) < 0)
		(void)set(u, SOL_SOCKET, SO_RCVBUF, RECEIVE_LEN);
}

enum {
	ECN_ECT0 = 2,
};

/* Don't fragment, and let no cached path MTU fragment for us: PROBE, on both families. */
static const char *set_ip_options(const struct udp *u)
{
	if (set(u, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE) < 0)
		return "set IP_MTU_DISCOVER";
	if (set(u, IPPROTO_IP, IP_RECVTOS, 1) < 0)
		return "set IP_RECVTOS";
	/* We carry marks on to the inner packets, so routers may mark instead of drop (RFC 6040).
	 */
	if (set(u, IPPROTO_IP, IP_TOS, ECN_ECT0) < 0)
		return "set IP_TOS";
	if (u->family == AF_INET)
		return NULL;
	if (set(u, IPPROTO_IPV6, IPV6_V6ONLY, 0) < 0)
		return "clear IPV6_V6ONLY";
	if (set(u, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE) < 0)
		return "set IPV6_MTU_DISCOVER";
	if (set(u, IPPROTO_IPV6, IPV6_RECVTCLASS, 1) < 0)
		return "set IPV6_RECVTCLASS";
	if (set(u, IPPROTO_IPV6, IPV6_TCLASS, ECN_ECT0) < 0)
		return "set IPV6_TCLASS";
	return NULL;
}

static const char *bind_to(const struct udp *u, struct endpoint e)
{
	static const uint8_t any[16];
	union udp_name name;
	socklen_t len;

	if (u->family == AF_INET && memcmp(e.ip, any, sizeof(any)) == 0)
		e.ip[10] = e.ip[11] = 0xff; /* 0.0.0.0 */
	len = udp_name_put(&name, u->family, &e);
	return bind(u->fd, (struct sockaddr *)&name, len) < 0 ? "bind the UDP socket" : NULL;
}

/* NULL, or the step that failed (errno says why). */
static const char *configure(struct udp *u, const struct udp_config *cfg)
{
	const char *failed = set_ip_options(u);
	int segment;
	socklen_t len = sizeof(segment);

	if (failed != NULL)
		return failed;
	if (cfg->mark != 0 && set(u, SOL_SOCKET, SO_MARK, (int)cfg->mark) < 0)
		return "set SO_MARK (needs CAP_NET_ADMIN)";
	if (cfg->joins && set(u, SOL_SOCKET, SO_REUSEPORT, 1) < 0)
		return "set SO_REUSEPORT";
	grow_receive_buffer(u);
	udp_room_begin(u);
	u->gro = cfg->gro && set(u, IPPROTO_UDP, UDP_GRO, 1) == 0;
	if (cfg->gso && getsockopt(u->fd, IPPROTO_UDP, UDP_SEGMENT, &segment, &len) == 0)
		u->gso = UDP_GSO_ON;
	return bind_to(u, cfg->bind);
}

int udp_open(struct udp *u, const struct udp_config *cfg, const char **what)
{
	struct udp s = {.family = AF_INET6, .gso = UDP_GSO_OFF};
	const char *failed;
	int err;

	s.fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s.fd < 0 && errno == EAFNOSUPPORT) {
		s.family = AF_INET;
		s.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	}
	if (s.fd < 0) {
		*what = "create a UDP socket";
		return -errno;
	}
	failed = configure(&s, cfg);
	if (failed != NULL) {
		err = -errno;
		*what = failed;
		close(s.fd);
		return err;
	}
	s.rx = udp_rx_create(s.gro);
	s.tx = udp_tx_create();
	*u = s;
	return 0;
}

void udp_close(struct udp *u)
{
	close(u->fd);
	udp_rx_free(u->rx);
	udp_tx_free(u->tx);
	*u = (struct udp){.fd = -1};
}

int udp_local(const struct udp *u, struct endpoint *e)
{
	union udp_name name;
	socklen_t len = sizeof(name);

	if (getsockname(u->fd, (struct sockaddr *)&name, &len) < 0)
		return -errno;
	udp_name_get(&name, e);
	return 0;
}
