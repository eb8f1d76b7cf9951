/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/portmap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpcommands.h>
#include <natpmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	NATPMP_TRIES = 3, /* the library doubles the wait from 250 ms on: 1.75 s in all */
	DISCOVER_MS = 2000,
	DISCOVER_TTL = 2,
	PORT_TEXT_MAX = 6,
	ONLY_PERMANENT = 725, /* UPnP errors */
	CONFLICT = 718,
};

const char *portmap_way_name(enum portmap_way way)
{
	switch (way) {
	case PORTMAP_NONE:
		return "none";
	case PORTMAP_NATPMP:
		return "NAT-PMP";
	case PORTMAP_UPNP:
		return "UPnP";
	}
	return "";
}

/* ---- NAT-PMP ---- */

/* The answer to what was sent; a number of the library's, 0 when it is good. */
static int natpmp_answer(natpmp_t *p, natpmpresp_t *out)
{
	int rc;

	do {
		struct pollfd fd = {.fd = p->s, .events = POLLIN};
		struct timeval left;

		if (p->try_number > NATPMP_TRIES || getnatpmprequesttimeout(p, &left) != 0)
			return NATPMP_ERR_NOGATEWAYSUPPORT;
		(void)poll(&fd, 1, (int)(left.tv_sec * 1000 + left.tv_usec / 1000 + 1));
		rc = readnatpmpresponseorretry(p, out);
	} while (rc == NATPMP_TRYAGAIN);
	return rc;
}

static int natpmp_map(natpmp_t *p, struct portmap *m, uint16_t outer_port, uint32_t lease_s)
{
	natpmpresp_t answer;
	int rc =
	    sendnewportmappingrequest(p, NATPMP_PROTOCOL_UDP, m->inner_port, outer_port, lease_s);

	rc = rc < 0 ? rc : natpmp_answer(p, &answer);
	if (rc != 0 || answer.type != NATPMP_RESPTYPE_UDPPORTMAPPING)
		return rc != 0 ? rc : NATPMP_ERR_UNDEFINEDERROR;
	m->outer.port = answer.pnu.newportmapping.mappedpublicport;
	m->lease_s = answer.pnu.newportmapping.lifetime;
	return 0;
}

static void natpmp_outer_ip(natpmp_t *p, struct portmap *m)
{
	natpmpresp_t answer;

	if (sendpublicaddressrequest(p) >= 0 && natpmp_answer(p, &answer) == 0 &&
	    answer.type == NATPMP_RESPTYPE_PUBLICADDRESS)
		endpoint_ip_from_v4(m->outer.ip,
				    (const uint8_t *)&answer.pnu.publicaddress.addr.s_addr);
}

static int natpmp_add(struct portmap *m, uint16_t outer_port, uint32_t lease_s)
{
	natpmp_t p;
	int rc;

	if (initnatpmp(&p, 0, 0) != 0)
		return -ENOENT;
	rc = natpmp_map(&p, m, outer_port, lease_s);
	if (rc == 0 && lease_s > 0)
		natpmp_outer_ip(&p, m);
	closenatpmp(&p);
	m->way = PORTMAP_NATPMP;
	return rc == 0 ? 0 : rc == NATPMP_ERR_NOTAUTHORIZED ? -EACCES : -ENOENT;
}

/* ---- UPnP ---- */

struct igd {
	struct UPNPUrls urls;
	struct IGDdatas data;
	char own_ip[64];
};

static int igd_find(struct igd *igd)
{
	int error, kind;
	struct UPNPDev *found =
	    upnpDiscover(DISCOVER_MS, NULL, NULL, UPNP_LOCAL_PORT_ANY, 0, DISCOVER_TTL, &error);

	*igd = (struct igd){0};
	kind = UPNP_GetValidIGD(found, &igd->urls, &igd->data, igd->own_ip, sizeof(igd->own_ip));
	freeUPNPDevlist(found);
	if (kind == 1)
		return 0;
	if (kind != 0)
		FreeUPNPUrls(&igd->urls);
	return -ENOENT;
}

static int igd_map(const struct igd *igd, struct portmap *m, uint16_t outer_port, uint32_t lease_s)
{
	char inner[PORT_TEXT_MAX], outer[PORT_TEXT_MAX], lease[16];
	int rc;

	snprintf(inner, sizeof(inner), "%u", (unsigned)m->inner_port);
	snprintf(outer, sizeof(outer), "%u", (unsigned)outer_port);
	snprintf(lease, sizeof(lease), "%u", (unsigned)lease_s);
	rc = UPNP_AddPortMapping(igd->urls.controlURL, igd->data.first.servicetype, outer, inner,
				 igd->own_ip, "MacroMesh node", "UDP", NULL, lease);
	m->lease_s = lease_s;
	if (rc == ONLY_PERMANENT) {
		rc = UPNP_AddPortMapping(igd->urls.controlURL, igd->data.first.servicetype, outer,
					 inner, igd->own_ip, "MacroMesh node", "UDP", NULL, "0");
		m->lease_s = 0;
	}
	m->outer.port = outer_port;
	return rc == UPNPCOMMAND_SUCCESS ? 0 : rc == CONFLICT ? -EADDRINUSE : -EACCES;
}

static int upnp_add(struct portmap *m, uint16_t outer_port, uint32_t lease_s)
{
	char ip[64] = "";
	struct igd igd;
	int rc = igd_find(&igd);

	if (rc != 0)
		return rc;
	rc = igd_map(&igd, m, outer_port, lease_s);
	if (rc == 0 && (UPNP_GetExternalIPAddress(igd.urls.controlURL, igd.data.first.servicetype,
						  ip) != UPNPCOMMAND_SUCCESS ||
			endpoint_ip_parse(m->outer.ip, ip) != 0))
		memset(m->outer.ip, 0, sizeof(m->outer.ip)); /* it does not know, either */
	FreeUPNPUrls(&igd.urls);
	m->way = PORTMAP_UPNP;
	return rc;
}

static int upnp_remove(const struct portmap *m)
{
	char outer[PORT_TEXT_MAX];
	struct igd igd;
	int rc = igd_find(&igd);

	if (rc != 0)
		return rc;
	snprintf(outer, sizeof(outer), "%u", (unsigned)m->outer.port);
	rc = UPNP_DeletePortMapping(igd.urls.controlURL, igd.data.first.servicetype, outer, "UDP",
				    NULL);
	FreeUPNPUrls(&igd.urls);
	return rc == UPNPCOMMAND_SUCCESS ? 0 : -EACCES;
}

/* ---- either ---- */

int portmap_add(struct portmap *m, uint16_t inner_port, uint16_t outer_port, uint32_t lease_s,
		struct host_error *err)
{
	struct portmap made = {.inner_port = inner_port};
	int rc = m->way == PORTMAP_UPNP ? -ENOENT : natpmp_add(&made, outer_port, lease_s);

	if (rc != 0) {
		made = (struct portmap){.inner_port = inner_port};
		rc = upnp_add(&made, outer_port, lease_s);
	}
	if (rc == 0) {
		*m = made;
		return 0;
	}
	if (rc == -ENOENT)
		return host_refuse(err, rc,
				   "no router here answers to NAT-PMP or UPnP; forward UDP port %u "
				   "by hand, or switch one of them on",
				   (unsigned)outer_port);
	if (rc == -EADDRINUSE)
		return host_refuse(err, rc,
				   "the router forwards UDP port %u to another machine; choose "
				   "another port",
				   (unsigned)outer_port);
	return host_refuse(err, rc, "the router refuses to forward UDP port %u",
			   (unsigned)outer_port);
}

int portmap_remove(struct portmap *m, struct host_error *err)
{
	struct portmap gone = *m;
	int rc = 0;

	if (m->way == PORTMAP_NATPMP)
		rc = natpmp_add(&gone, 0, 0);
	else if (m->way == PORTMAP_UPNP)
		rc = upnp_remove(m);
	if (rc != 0)
		return host_refuse(err, rc,
				   "the router was asked to forward UDP port %u no longer, and did "
				   "not confirm it",
				   (unsigned)m->outer.port);
	*m = (struct portmap){0};
	return 0;
}
