/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/sock_owner.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>

#include "util/xalloc.h"

struct sock_owner_query {
	struct mnl_socket *sock;
	uint32_t seq;
	char buf[4096] __attribute__((aligned(NLMSG_ALIGNTO)));
};

int sock_owner_open(struct sock_owner_query **out)
{
	struct sock_owner_query *q = xcalloc(1, sizeof(*q));
	int err;

	q->sock = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (q->sock == NULL) {
		err = -errno;
		free(q);
		return err;
	}
	*out = q;
	return 0;
}

void sock_owner_close(struct sock_owner_query *q)
{
	if (q == NULL)
		return;
	mnl_socket_close(q->sock);
	free(q);
}

static void put_end(__be32 ip[static 4], __be16 *port, const struct endpoint *e, bool is_v4)
{
	if (is_v4)
		memcpy(ip, e->ip + 12, 4);
	else
		memcpy(ip, e->ip, 16);
	*port = htons(e->port);
}

static int take_attr(const struct nlattr *attr, void *ctx)
{
	struct sock_owner *out = ctx;

	if (mnl_attr_get_type(attr) == INET_DIAG_CGROUP_ID &&
	    mnl_attr_validate(attr, MNL_TYPE_U64) == 0)
		out->cgroup = mnl_attr_get_u64(attr);
	return MNL_CB_OK;
}

static int take(const struct nlmsghdr *msg, void *ctx)
{
	const struct inet_diag_msg *diag = mnl_nlmsg_get_payload(msg);
	struct sock_owner *out = ctx;

	if (mnl_nlmsg_get_payload_len(msg) < sizeof(*diag)) {
		errno = EBADMSG;
		return MNL_CB_ERROR;
	}
	out->uid = diag->idiag_uid;
	mnl_attr_parse(msg, sizeof(*diag), take_attr, out);
	return MNL_CB_STOP;
}

/* What a request whose answer we did not take left behind has another number. */
static int receive(struct sock_owner_query *q, struct sock_owner *out)
{
	for (;;) {
		const ssize_t n = mnl_socket_recvfrom(q->sock, q->buf, sizeof(q->buf));
		int rc;

		if (n < 0)
			return -errno;
		rc = mnl_cb_run(q->buf, (size_t)n, q->seq, 0, take, out);
		if (rc >= 0)
			return 0;
		if (errno != EPROTO)
			return -errno;
	}
}

int sock_owner_find(struct sock_owner_query *q, uint8_t proto, const struct endpoint *local,
		    const struct endpoint *remote, struct sock_owner *out)
{
	const bool is_v4 = endpoint_is_v4(local), is_udp = proto == IPPROTO_UDP;
	struct nlmsghdr *msg = mnl_nlmsg_put_header(q->buf);
	struct inet_diag_req_v2 *req;
	struct sock_owner found = {0};
	int rc;

	msg->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	msg->nlmsg_flags = NLM_F_REQUEST;
	msg->nlmsg_seq = ++q->seq;
	req = mnl_nlmsg_put_extra_header(msg, sizeof(*req));
	req->sdiag_family = is_v4 ? AF_INET : AF_INET6;
	req->sdiag_protocol = proto;
	req->idiag_states = UINT32_MAX;
	req->id.idiag_cookie[0] = req->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	/* For UDP the kernel looks from the other end, as if a datagram came in. */
	put_end(req->id.idiag_src, &req->id.idiag_sport, is_udp ? remote : local, is_v4);
	put_end(req->id.idiag_dst, &req->id.idiag_dport, is_udp ? local : remote, is_v4);
	if (mnl_socket_sendto(q->sock, msg, msg->nlmsg_len) < 0)
		return -errno;
	rc = receive(q, &found);
	if (rc == 0)
		*out = found;
	return rc;
}
