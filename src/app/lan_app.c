/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/lan_app.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/log.h"

enum {
	TTL = 1, /* no router passes it on */
	READS_MAX = 32,
};

static struct sockaddr_in group_name(void)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(LAN_PORT)};

	(void)inet_pton(AF_INET, LAN_GROUP, &name.sin_addr); /* well-formed */
	return name;
}

/* fn for each interface that leads to a network of several. */
static void each_network(struct lan_app *a, void (*fn)(struct lan_app *a, int ifindex, void *arg),
			 void *arg)
{
	const unsigned wanted = IFF_UP | IFF_MULTICAST;
	struct ifaddrs *all;

	if (getifaddrs(&all) != 0)
		return;
	for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next)
		if (i->ifa_addr != NULL && i->ifa_addr->sa_family == AF_INET &&
		    (i->ifa_flags & (wanted | IFF_LOOPBACK | IFF_POINTOPOINT)) == wanted)
			fn(a, (int)if_nametoindex(i->ifa_name), arg);
	freeifaddrs(all);
}

static void ask_on(struct lan_app *a, int ifindex, void *arg)
{
	const struct ip_mreqn via = {.imr_ifindex = ifindex};
	const struct sockaddr_in to = group_name();

	/* A network that carries nothing now is asked again with the next question. */
	if (setsockopt(a->ask_fd.fd, IPPROTO_IP, IP_MULTICAST_IF, &via, sizeof(via)) == 0)
		(void)!sendto(a->ask_fd.fd, arg, LAN_LEN, 0, (const struct sockaddr *)&to,
			      sizeof(to));
}

/* Interfaces come and go; where we are a member already that is no error that matters. */
static void listen_on(struct lan_app *a, int ifindex, void *arg)
{
	const struct ip_mreqn group = {.imr_multiaddr = group_name().sin_addr,
				       .imr_ifindex = ifindex};

	(void)arg;
	(void)setsockopt(a->listen_fd.fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group));
}

/* ---- what comes ---- */

static ssize_t receive(int fd, uint8_t msg[static LAN_LEN + 1], struct sockaddr_in *from)
{
	socklen_t len = sizeof(*from);

	return recvfrom(fd, msg, LAN_LEN + 1, MSG_DONTWAIT, (struct sockaddr *)from, &len);
}

static void answers_ready(struct loop_fd *f, uint32_t events)
{
	struct lan_app *a = container_of(f, struct lan_app, ask_fd);
	const struct now now = now_read();
	uint8_t msg[LAN_LEN + 1];
	struct sockaddr_in from;
	ssize_t n;

	(void)events;
	for (int i = 0; i < READS_MAX && (n = receive(f->fd, msg, &from)) >= 0; i++) {
		struct endpoint at = {.port = ntohs(from.sin_port)};
		struct seed found;

		endpoint_ip_from_v4(at.ip, (const uint8_t *)&from.sin_addr);
		if (lan_found(&a->lan, msg, (size_t)n, &at, &found))
			membership_found(a->membership, &found, &now);
	}
}

static void questions_ready(struct loop_fd *f, uint32_t events)
{
	struct lan_app *a = container_of(f, struct lan_app, listen_fd);
	const struct now now = now_read();
	uint8_t msg[LAN_LEN + 1], out[LAN_LEN];
	struct sockaddr_in from;
	ssize_t n;

	(void)events;
	for (int i = 0; i < READS_MAX && (n = receive(f->fd, msg, &from)) >= 0; i++)
		if (lan_answer(&a->lan, msg, (size_t)n, out, &now))
			(void)!sendto(a->ask_fd.fd, out, sizeof(out), MSG_DONTWAIT,
				      (const struct sockaddr *)&from, sizeof(from));
}

/* ---- opening ---- */

static int open_ask(struct lan_app *a, uint32_t mark)
{
	const int ttl = TTL;
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	a->ask_fd = (struct loop_fd){.fd = fd, .ready = answers_ready};
	rc = setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl)) != 0 ? -errno : 0;
	if (rc == 0 && mark != 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) != 0)
		rc = -errno;
	if (rc == 0)
		rc = loop_add(a->loop, &a->ask_fd, EPOLLIN);
	if (rc != 0)
		close(fd);
	return rc;
}

static int open_listen(struct lan_app *a)
{
	const int yes = 1;
	const struct sockaddr_in name = group_name();
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (fd < 0)
		return -errno;
	a->listen_fd = (struct loop_fd){.fd = fd, .ready = questions_ready};
	/* Other nodes of this machine hear the same group. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
	    bind(fd, (const struct sockaddr *)&name, sizeof(name)) != 0)
		rc = -errno;
	if (rc == 0)
		rc = loop_add(a->loop, &a->listen_fd, EPOLLIN);
	if (rc != 0) {
		close(fd);
		a->listen_fd.fd = -1;
	}
	return rc;
}

int lan_app_open(struct lan_app *a, struct loop *loop, struct membership *membership,
		 const uint8_t *registrar, const struct seed *own, uint32_t mark)
{
	int rc;

	*a = (struct lan_app){.loop = loop, .membership = membership, .listen_fd = {.fd = -1}};
	lan_init(&a->lan, registrar, own, &rng_system);
	rc = open_ask(a, mark);
	if (rc != 0) {
		a->loop = NULL;
		return rc;
	}
	rc = own != NULL ? open_listen(a) : 0;
	if (rc != 0)
		lan_app_close(a);
	return rc;
}

void lan_app_close(struct lan_app *a)
{
	if (a->loop == NULL)
		return;
	if (a->listen_fd.fd >= 0) {
		loop_del(a->loop, &a->listen_fd);
		close(a->listen_fd.fd);
	}
	loop_del(a->loop, &a->ask_fd);
	close(a->ask_fd.fd);
	a->loop = NULL;
}

void lan_app_tick(struct lan_app *a, const struct now *now)
{
	uint8_t msg[LAN_LEN];

	if (a->loop == NULL || !lan_ask(&a->lan, msg, now))
		return;
	if (a->listen_fd.fd >= 0)
		each_network(a, listen_on, NULL);
	each_network(a, ask_on, msg);
}

void lan_app_hurry(struct lan_app *a, const struct now *now)
{
	if (a->loop != NULL)
		lan_hurry(&a->lan, now);
}

uint64_t lan_app_deadline(const struct lan_app *a)
{
	return a->loop != NULL ? lan_deadline(&a->lan) : NEVER;
}
