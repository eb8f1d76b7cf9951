/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/client_dns.h"

#include <stdio.h>

#include "app/client_app.h"
#include "host/rules.h"
#include "util/log.h"

/* How long an address of a name counts: programs keep it longer than the answer says, and a hostile
 * one must not count for ever. */
#define LEARNT_MIN_S 300
#define LEARNT_MAX_S 3600

static const struct config_profile *profile_of(const struct client_app *a)
{
	return config_profile_find(a->cfg, a->profile);
}

/* ---- which way a name goes ---- */

static bool is_listed(const struct config_destinations *d, const char *name)
{
	for (size_t i = 0; i < d->name_count; i++)
		if (dns_is_below(name, d->names[i]))
			return true;
	return false;
}

/* What goes outside is asked outside, where it may have other addresses; so for inside. */
static struct dns_app *way(void *ctx, const char *name)
{
	struct client_app *a = ctx;
	const struct config_profile *p = profile_of(a);

	if (p == NULL)
		return NULL;
	if (is_listed(&p->exclude, name) && dns_app_is_open(&a->dns.outside))
		return &a->dns.outside;
	if (a->dns.is_only && is_listed(&p->only, name))
		return &a->dns.inside;
	return NULL;
}

struct lesson {
	struct client_app *app;
	enum cgroup_side side;
	const struct now *now;
};

static void take_address(void *ctx, const uint8_t ip[static 16], uint32_t ttl_s)
{
	const struct lesson *l = ctx;

	safety_learn(&l->app->safety, l->side, ip, MIN(MAX(ttl_s, LEARNT_MIN_S), LEARNT_MAX_S),
		     l->now);
}

/* The addresses of names that the profile has elsewhere, before the program can use them. */
static void answered(void *ctx, const uint8_t *msg, size_t len, const struct now *now)
{
	struct client_app *a = ctx;
	const struct config_profile *p = profile_of(a);
	struct lesson l = {.app = a, .now = now};
	char name[DNS_NAME_MAX + 1];

	if (p == NULL || p->exclude.name_count + p->only.name_count == 0 ||
	    dns_question(msg, len, name) == 0)
		return;
	if (is_listed(&p->exclude, name))
		l.side = CGROUP_OUTSIDE;
	else if (a->dns.is_only && is_listed(&p->only, name))
		l.side = CGROUP_INSIDE;
	else
		return;
	dns_each_address(msg, len, take_address, &l);
}

/* ---- opening ---- */

/* NULL: name servers are asked in plain text, inside the tunnel. */
static const char *tls_name(const struct client_app *a)
{
	const struct config_profile *p = profile_of(a);

	return p != NULL ? p->dns_tls : NULL;
}

void client_dns_names(struct client_app *a)
{
	static char all[] = "*", *everything[] = {all};
	const struct config_profile *p = profile_of(a);

	if (dns_app_is_open(&a->dns.inside) && p != NULL)
		stub_allow(a->dns.inside.stub, p->private_names.items, p->private_names.count);
	if (dns_app_is_open(&a->dns.outside)) /* the network's own may have what it likes */
		stub_allow(a->dns.outside.stub, everything, 1);
}

static int open_one(struct client_app *a, struct dns_app *d, bool is_main, uint32_t mark)
{
	const struct dns_app_config cfg = {
	    .address = is_main ? DNS_APP_ADDRESS : DNS_APP_OTHER_ADDRESS,
	    .mark = mark,
	    .ctx = a,
	    .way = way,
	    .answered = answered,
	};

	return dns_app_is_open(d) ? 0 : dns_app_open(d, &a->worker.loop, &cfg);
}

/* Programs ask the main one, unless its address is taken: then the name servers themselves, if
 * these may be asked in plain text. */
static int open_main(struct client_app *a, struct client_net_config *n, struct host_error *err)
{
	const uint32_t fwmark = a->cfg->client.fwmark;
	const int rc = n->is_only ? open_one(a, &a->dns.outside, true, fwmark | MARK_OUTSIDE)
				  : open_one(a, &a->dns.inside, true, 0);

	if (rc == 0) {
		n->stub.count = endpoint_ip_parse(n->stub.ip[0], DNS_APP_ADDRESS) == 0;
		return 0;
	}
	if (tls_name(a) != NULL)
		return host_fail(err, rc, "dns_tls needs " DNS_APP_ADDRESS " port 53");
	log_warn(DNS_APP_ADDRESS " port 53: %s; programs ask the exit's name servers themselves, "
				 "and may have to ask again while paths change",
		 strerror(-rc));
	return 0;
}

/* For those programs that go the other way than most. */
static void open_other(struct client_app *a, const struct client_net_config *n)
{
	const uint32_t fwmark = a->cfg->client.fwmark;
	const int rc = n->is_only ? open_one(a, &a->dns.inside, false, fwmark | MARK_INSIDE)
				  : open_one(a, &a->dns.outside, false, fwmark | MARK_OUTSIDE);

	if (rc != 0)
		log_warn(DNS_APP_OTHER_ADDRESS " port 53: %s; %s asks where all others do",
			 strerror(-rc), n->is_only ? "what is alone inside" : "what goes outside");
	safety_stubs(&a->safety, rc == 0 && !n->is_only ? DNS_APP_OTHER_ADDRESS : NULL,
		     rc == 0 && n->is_only ? DNS_APP_OTHER_ADDRESS : NULL);
}

static void look_at_network(struct client_app *a)
{
	a->dns.network = a->has_net ? client_net_network_names(&a->net)
				    : resolv_network(RESOLV_PATH_DEFAULT, NULL);
}

int client_dns_open(struct client_app *a, struct client_net_config *n, struct host_error *err)
{
	const struct config_profile *p = profile_of(a);
	int rc;

	if (n->dns.count == 0)
		return 0;
	if (a->dns.is_only != n->is_only)
		client_dns_close(a); /* their addresses are those of the other kind */
	a->dns.is_only = n->is_only;
	look_at_network(a);
	rc = open_main(a, n, err);
	if (rc != 0)
		return rc;
	if ((n->has_outside && a->dns.network.count > 0) || n->is_only)
		open_other(a, n);
	else
		safety_stubs(&a->safety, NULL, NULL);
	/* Where most go outside, names are of interest only if the profile has some inside. */
	n->keeps_dns = n->is_only &&
		       (p->only.name_count == 0 || a->dns.network.count == 0 || n->stub.count == 0);
	if (n->keeps_dns && p->only.name_count > 0)
		log_warn("the network names no name servers that could be asked in its stead; what "
			 "[profile %s] only says of names is not heeded",
			 p->name);
	client_dns_names(a);
	return 0;
}

void client_dns_close(struct client_app *a)
{
	dns_app_close(&a->dns.inside);
	dns_app_close(&a->dns.outside);
	safety_stubs(&a->safety, NULL, NULL);
}

void client_dns_use(struct client_app *a, const struct client_net_config *n, const struct now *now)
{
	if (dns_app_is_open(&a->dns.inside))
		dns_app_use(&a->dns.inside, n->tun, &n->dns, tls_name(a), now);
	if (dns_app_is_open(&a->dns.outside))
		dns_app_use(&a->dns.outside, "", &a->dns.network, NULL, now);
}

void client_dns_network_changed(struct client_app *a, const struct now *now)
{
	const struct resolv_servers before = a->dns.network;

	if (!dns_app_is_open(&a->dns.outside))
		return;
	look_at_network(a);
	if (memcmp(&before, &a->dns.network, sizeof(before)) != 0)
		dns_app_use(&a->dns.outside, "", &a->dns.network, NULL, now);
}

/* ---- time ---- */

void client_dns_tick(struct client_app *a, const struct now *now)
{
	dns_app_tick(&a->dns.inside, now);
	dns_app_tick(&a->dns.outside, now);
}

uint64_t client_dns_deadline(const struct client_app *a)
{
	return MIN(dns_app_deadline(&a->dns.inside), dns_app_deadline(&a->dns.outside));
}
