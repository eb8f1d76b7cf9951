/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/daemon.h"

#include "app/client_app.h"
#include "app/confine.h"
#include "app/mesh_app.h"
#include "app/mesh_view.h"
#include "app/node_app.h"
#include "app/service.h"
#include "host/cgroup.h"
#include "host/recover.h"
#include "util/log.h"
#include "util/xalloc.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct daemon {
	struct config *cfg;
	const char *path;
	pthread_mutex_t config_lock; /* commands that look at cfg, and its reload */
	bool is_client, is_node;
	struct client_app client;
	struct node_app node;
	struct control *control;
	int groups; /* see cgroup_hold; negative: there are none */
};

/* ---- control ---- */

static int no_client(char why[static VIEW_TEXT_LEN])
{
	snprintf(why, VIEW_TEXT_LEN,
		 "this daemon is no client; a [client] section in its configuration makes it one");
	return -EINVAL;
}

static void op_status(void *ctx, struct status_view *out)
{
	struct daemon *d = ctx;

	*out = (struct status_view){.state = VIEW_DISCONNECTED};
	if (d->is_client)
		client_app_status(&d->client, out);
	else
		no_client(out->reason);
}

static void op_explain(void *ctx, struct explanation_view *out)
{
	struct daemon *d = ctx;

	if (d->is_client)
		client_app_explain(&d->client, out);
}

/* Of a daemon that is both, the client's are shown. */
static const struct directory *dir_of(const struct daemon *d)
{
	return d->is_client ? d->client.dir : d->node.dir;
}

static struct worker *worker_of(struct daemon *d)
{
	return d->is_client ? &d->client.worker : &d->node.workers[0];
}

struct nodes_query {
	struct daemon *daemon;
	uint8_t roles;
	struct node_list_view *out;
};

static void do_nodes(void *ctx, const struct now *now)
{
	const struct nodes_query *q = ctx;
	const struct daemon *d = q->daemon;

	(void)now;
	mesh_nodes_view(d->is_client
			    ? &(struct mesh_knowledge){d->client.dir, d->client.places.places,
						       d->client.health.book}
			    : &(struct mesh_knowledge){d->node.dir, d->node.places.places, NULL},
			q->roles, q->out);
}

static void list_nodes(struct daemon *d, uint8_t roles, struct node_list_view *out)
{
	struct nodes_query q = {d, roles, out};

	*out = (struct node_list_view){0};
	if (d->is_client || d->is_node)
		worker_call(worker_of(d), do_nodes, &q);
}

static void op_exits(void *ctx, struct node_list_view *out)
{
	list_nodes(ctx, ROLE_EXIT, out);
}

static void op_nodes(void *ctx, struct node_list_view *out)
{
	list_nodes(ctx, ROLE_ALL, out);
}

struct mesh_query {
	struct daemon *daemon;
	struct mesh_view *out;
};

static void do_mesh(void *ctx, const struct now *now)
{
	const struct mesh_query *q = ctx;
	const struct daemon *d = q->daemon;

	if (d->is_client)
		mesh_view_fill(d->client.membership, d->client.dir, now, q->out);
	else
		mesh_view_fill(d->node.membership, d->node.dir, now, q->out);
}

static void op_mesh(void *ctx, struct mesh_view *out)
{
	struct daemon *d = ctx;
	struct mesh_query q = {d, out};

	*out = (struct mesh_view){0};
	if (d->is_client || d->is_node)
		worker_call(worker_of(d), do_mesh, &q);
}

struct equivocations_query {
	struct daemon *daemon;
	struct equivocation_list_view *out;
};

static void do_equivocations(void *ctx, const struct now *now)
{
	const struct equivocations_query *q = ctx;

	(void)now;
	mesh_equivocations_view(dir_of(q->daemon), q->out);
}

static void op_equivocations(void *ctx, struct equivocation_list_view *out)
{
	struct daemon *d = ctx;
	struct equivocations_query q = {d, out};

	*out = (struct equivocation_list_view){0};
	if (d->is_client || d->is_node)
		worker_call(worker_of(d), do_equivocations, &q);
}

static void op_node(void *ctx, struct own_node_view *out)
{
	struct daemon *d = ctx;

	*out = (struct own_node_view){0};
	if (d->is_node)
		node_app_view(&d->node, out);
}

struct stats_query {
	struct worker *worker;
	struct engine_stats *sum;
};

static void do_stats(void *ctx, const struct now *now)
{
	const struct stats_query *q = ctx;
	struct engine_stats s;

	(void)now;
	engine_stats(q->worker->engine, &s);
	stats_add(q->sum, &s);
}

static void op_counters(void *ctx, struct counters_view *out)
{
	struct daemon *d = ctx;
	struct engine_stats s = {0};

	if (d->is_client)
		worker_call(&d->client.worker, do_stats,
			    &(struct stats_query){&d->client.worker, &s});
	if (d->is_node)
		node_app_stats(&d->node, &s);
	*out = (struct counters_view){0};
	for (size_t i = 1; i < DROP_COUNT && out->drop_count < VIEW_DROPS_MAX; i++)
		out->drops[out->drop_count++] =
		    (struct counter){drop_name((enum drop)i), s.drops[i]};
	const struct counter totals[] = {
	    {"rx_datagrams", s.rx_datagrams},
	    {"tx_datagrams", s.tx_datagrams},
	    {"forward_cells", s.fwd_cells},
	    {"backward_cells", s.bwd_cells},
	    {"creates_ok", s.creates_ok},
	    {"creates_failed", s.creates_failed},
	    {"links", s.links},
	    {"circuits", s.circuits},
	    {"sessions", s.sessions},
	    {"paths", s.paths},
	    {"events_lost", s.events_lost},
	    {"resent_packets", s.resent_packets},
	    {"queued_marked", s.queued_marked},
	    {"queued_dropped", s.queued_dropped},
	};
	_Static_assert(ARRAY_LEN(totals) <= VIEW_TOTALS_MAX, "totals fit the view");
	memcpy(out->totals, totals, sizeof(totals));
	out->total_count = ARRAY_LEN(totals);
}

static int op_connect(void *ctx, const struct connect_request *rq, char why[static VIEW_TEXT_LEN])
{
	struct daemon *d = ctx;
	int rc;

	pthread_mutex_lock(&d->config_lock);
	rc = d->is_client ? client_app_connect(&d->client, rq, why) : no_client(why);
	pthread_mutex_unlock(&d->config_lock);
	return rc;
}

static int op_disconnect(void *ctx, char why[static VIEW_TEXT_LEN])
{
	struct daemon *d = ctx;

	return d->is_client ? client_app_disconnect(&d->client, why) : no_client(why);
}

static int op_reconnect(void *ctx, const struct reconnect_request *rq,
			char why[static VIEW_TEXT_LEN])
{
	struct daemon *d = ctx;

	return d->is_client ? client_app_reconnect(&d->client, rq, why) : no_client(why);
}

static void op_kill_switch(void *ctx, struct kill_switch_view *out)
{
	struct daemon *d = ctx;

	*out = (struct kill_switch_view){.mode = VIEW_KILL_SWITCH_OFF};
	if (d->is_client)
		client_app_kill_switch(&d->client, out);
}

static int op_set_kill_switch(void *ctx, const struct kill_switch_request *rq,
			      char why[static VIEW_TEXT_LEN])
{
	struct daemon *d = ctx;

	return d->is_client ? client_app_set_kill_switch(&d->client, rq, why) : no_client(why);
}

static int op_unlock(void *ctx, char why[static VIEW_TEXT_LEN])
{
	struct daemon *d = ctx;

	return d->is_client ? client_app_unlock(&d->client, why) : no_client(why);
}

static int op_portal(void *ctx, const struct portal_request *rq, char why[static VIEW_TEXT_LEN])
{
	struct daemon *d = ctx;

	return d->is_client ? client_app_portal(&d->client, rq, why) : no_client(why);
}

static int op_split(void *ctx, const struct split_request *rq, char why[static VIEW_TEXT_LEN])
{
	struct daemon *d = ctx;

	return d->is_client ? client_app_split(&d->client, rq, why) : no_client(why);
}

static void op_profiles(void *ctx, struct profile_list_view *out)
{
	struct daemon *d = ctx;

	if (d->is_client)
		client_app_profiles(&d->client, out);
}

static void op_network(void *ctx, struct network_view *out)
{
	struct daemon *d = ctx;

	if (d->is_client)
		client_app_network(&d->client, out);
	else
		no_client(out->lacks);
}

static int op_cost(void *ctx, const struct connect_request *rq, char profile[static VIEW_NAME_LEN],
		   struct cost_view *out, char why[static VIEW_TEXT_LEN])
{
	struct daemon *d = ctx;

	return d->is_client ? client_app_cost(&d->client, rq, profile, out, why) : no_client(why);
}

static int op_use_profile(void *ctx, const struct profile_request *rq,
			  char why[static VIEW_TEXT_LEN])
{
	struct daemon *d = ctx;

	return d->is_client ? client_app_use_profile(&d->client, rq, why) : no_client(why);
}

static int op_bind_profile(void *ctx, const struct profile_request *rq,
			   char why[static VIEW_TEXT_LEN])
{
	struct daemon *d = ctx;

	return d->is_client ? client_app_bind_profile(&d->client, rq, why) : no_client(why);
}

static int op_unbind_profile(void *ctx, const struct profile_request *rq,
			     char why[static VIEW_TEXT_LEN])
{
	struct daemon *d = ctx;

	return d->is_client ? client_app_unbind_profile(&d->client, rq, why) : no_client(why);
}

static const struct control_ops ops = {
    .status = op_status,
    .explain = op_explain,
    .exits = op_exits,
    .nodes = op_nodes,
    .node = op_node,
    .mesh = op_mesh,
    .equivocations = op_equivocations,
    .counters = op_counters,
    .connect = op_connect,
    .disconnect = op_disconnect,
    .reconnect = op_reconnect,
    .kill_switch = op_kill_switch,
    .set_kill_switch = op_set_kill_switch,
    .unlock = op_unlock,
    .portal = op_portal,
    .split = op_split,
    .profiles = op_profiles,
    .network = op_network,
    .cost = op_cost,
    .use_profile = op_use_profile,
    .bind_profile = op_bind_profile,
    .unbind_profile = op_unbind_profile,
};

/* ---- start and stop ---- */

static int open_apps(struct daemon *d, char *error, size_t error_len)
{
	int rc = 0;

	if (!d->cfg->mesh.registrar.is_set)
		log_info("open mesh: [mesh] registrar is not set, so any node may be a member");
	if (d->is_node)
		rc = node_app_open(&d->node, d->cfg, error, error_len);
	if (rc == 0 && d->is_client)
		rc = client_app_open(&d->client, d->cfg, error, error_len);
	if (rc == 0 && d->is_node)
		rc = node_app_start(&d->node, error, error_len);
	if (rc == 0 && d->is_client)
		rc = client_app_start(&d->client, error, error_len);
	return rc;
}

/* ---- reload ---- */

/* All of it, or nothing. */
static int take_fresh(struct daemon *d, struct config *fresh, char *error, size_t error_len)
{
	int rc = 0;

	if (d->is_client)
		rc = client_app_reload(&d->client, fresh, error, error_len);
	if (rc != 0)
		return rc;
	if (d->is_node)
		rc = node_app_reload(&d->node, fresh, error, error_len);
	if (rc != 0) {
		char ignored[CONTROL_ERROR_MAX];

		if (d->is_client &&
		    client_app_reload(&d->client, fresh, ignored, sizeof(ignored)) != 0)
			log_error("%s", ignored);
		return rc;
	}
	config_take(d->cfg, fresh, CONFIG_DAEMON);
	log_set_level(d->cfg->daemon.log_level);
	return 0;
}

static void reload(struct daemon *d)
{
	char text[CONTROL_ERROR_MAX];
	struct config *fresh;

	if (config_load(&fresh, d->path, stderr) != 0) {
		log_error("%s: not taken; the configuration stays as it was", d->path);
		return;
	}
	pthread_mutex_lock(&d->config_lock);
	if (take_fresh(d, fresh, text, sizeof(text)) != 0) {
		log_error("%s: not taken: %s; the configuration stays as it was", d->path, text);
	} else {
		log_info("%s: read again", d->path);
		config_restart_keys(d->cfg, fresh, text, sizeof(text));
		if (text[0] != '\0')
			log_warn("%s: changed, but only a restart makes it so: %s", d->path, text);
	}
	pthread_mutex_unlock(&d->config_lock);
	config_free(fresh);
}

/* ---- signals ---- */

static sigset_t our_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	return set;
}

/* Before any thread: all of them inherit it, so that only next_signal hears these. */
static void block_signals(void)
{
	const sigset_t set = our_signals();

	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* The next signal, or 0 after so long. */
static int next_signal(uint64_t wait_ns)
{
	const struct timespec wait = {.tv_sec = (time_t)(wait_ns / NS_PER_S),
				      .tv_nsec = (long)(wait_ns % NS_PER_S)};
	const sigset_t set = our_signals();
	const int sig =
	    wait_ns == NEVER ? sigwaitinfo(&set, NULL) : sigtimedwait(&set, NULL, &wait);

	return sig > 0 ? sig : 0;
}

static void answer_call(void *ctx, const struct now *now)
{
	(void)ctx, (void)now;
}

/* Hangs if one of the threads that move packets does: then the service manager acts. */
static void check_workers(struct daemon *d)
{
	if (d->is_client)
		worker_call(&d->client.worker, answer_call, NULL);
	for (unsigned i = 0; d->is_node && i < d->node.worker_count; i++)
		worker_call(&d->node.workers[i], answer_call, NULL);
}

static void serve(struct daemon *d)
{
	const uint64_t period_ns = service_alive_period_ns();
	int sig;

	service_ready();
	for (sig = 0; sig != SIGTERM && sig != SIGINT; sig = next_signal(period_ns)) {
		if (sig == SIGHUP) {
			service_reloading();
			reload(d);
			service_ready();
		}
		check_workers(d);
		service_alive();
	}
	log_info("stopping on signal %d", sig);
	service_stopping();
}

static int prepare(struct daemon *d, char *error, size_t error_len)
{
	const struct config *cfg = d->cfg;
	struct host_error err;
	const char *what;
	int rc;

	if (d->is_client)
		d->groups = cgroup_hold(&err);
	if (d->is_client && d->groups < 0)
		log_debug("%s", err.text); /* whoever asks for it will be told */
	rc = confine(&what);
	if (rc != 0) {
		snprintf(error, error_len, "%s: %s", what, strerror(-rc));
		return rc;
	}
	if (mkdir(cfg->daemon.state_dir, 0700) != 0 && errno != EEXIST) {
		snprintf(error, error_len,
			 "[daemon] state_dir %s: %s; make its parent, or run as root",
			 cfg->daemon.state_dir, strerror(errno));
		return -errno;
	}
	if (host_recover(cfg->daemon.state_dir, &err) != 0) {
		snprintf(error, error_len, "%s", err.text);
		return -EBUSY;
	}
	return 0;
}

static void autoconnect(struct daemon *d)
{
	char why[VIEW_TEXT_LEN];

	if (d->is_client && !client_app_resume(&d->client) && d->cfg->client.autoconnect &&
	    client_app_connect(&d->client, &(struct connect_request){0}, why) != 0)
		log_error("autoconnect: %s", why);
}

int daemon_run(struct config *cfg, const char *path)
{
	struct daemon *d = xcalloc(1, sizeof(*d));
	char error[CONTROL_ERROR_MAX];
	int rc;

	d->cfg = cfg;
	d->path = path;
	d->is_node = config_has(cfg, CONFIG_NODE);
	d->is_client = config_has(cfg, CONFIG_CLIENT) || !d->is_node;
	d->groups = -1;
	pthread_mutex_init(&d->config_lock, NULL);
	block_signals();
	rc = prepare(d, error, sizeof(error));
	if (rc != 0)
		goto out;
	rc = open_apps(d, error, sizeof(error));
	if (rc != 0)
		goto out;
	/* Last: whoever finds the socket finds a daemon that works. */
	rc = control_start(&d->control, cfg->daemon.socket, cfg->daemon.group, &ops, d, error);
	if (rc != 0)
		goto out;
	if (d->is_client)
		client_app_set_control(&d->client, d->control);
	log_info("macrod " MACRO_VERSION " is ready%s%s", d->is_node ? ", node" : "",
		 d->is_client ? ", client" : "");
	autoconnect(d);
	serve(d);
out:
	if (rc != 0)
		log_error("%s", error);
	if (d->is_client)
		client_app_set_control(&d->client, NULL);
	if (d->control != NULL)
		control_stop(d->control);
	client_app_close(&d->client);
	node_app_close(&d->node);
	if (d->groups >= 0)
		close(d->groups);
	pthread_mutex_destroy(&d->config_lock);
	free(d);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
