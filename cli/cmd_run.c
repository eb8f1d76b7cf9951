/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * run: a program in a network of its own.  This process is the program's client of the mesh, beside
 * the daemon's: it leaves the daemon's tunnel first, as macro exclude does, stays with the program
 * and ends with it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/client_profile.h"
#include "app/run_app.h"
#include "cli/client.h"
#include "cli/exec.h"
#include "cli/show.h"
#include "cli/wish.h"
#include "util/now.h"

#define TIMEOUT_DEFAULT_S 60

enum {
	CODE_SIGNAL = 128, /* what a shell answers: this and the signal's number */
};

/* ---- past the daemon's tunnel ---- */

/* Where there is no daemon there is nothing to leave.  Where it refuses and is connected, what we
 * send would go through its tunnel, or nowhere. */
static enum code leave_tunnel(const struct cli *cli)
{
	json_t *status = client_try_get(cli, "/v1/status");
	json_t *outside = json_pack("{s:s}", "side", "outside");
	const bool is_off =
	    status == NULL || strcmp(json_text(status, "state"), "disconnected") == 0;
	enum code code = CODE_OK;

	if (is_off)
		(void)client_try_post(cli, "/v1/split", outside); /* it may be connected later */
	else
		code = client_post(cli, "/v1/split", outside);
	json_decref(status);
	return code;
}

/* ---- the route ---- */

static void show_expected(const struct client_cost *c, char out[static SHOW_COST_MAX])
{
	json_t *cost = json_pack("{s:b, s:s, s:f}", "is_guess", !c->is_measured, "reason", c->why,
				 "goodput_percent", c->goodput_ppm / 10000.0);

	if (c->is_known) {
		const uint64_t added_ns = c->rtt_ns - MIN(c->rtt_ns, c->direct_ns);

		json_object_set_new(cost, "added_ms", json_real((double)added_ns / NS_PER_MS));
		json_object_set_new(cost, "rtt_ms", json_real((double)c->rtt_ns / NS_PER_MS));
	}
	show_cost(cost, out);
	json_decref(cost);
}

static void tell_route(const struct config_profile *p, const struct run_app_view *v)
{
	const struct client_view *c = &v->client;
	char cost[SHOW_COST_MAX];

	show_expected(&v->expected, cost);
	fprintf(stderr, "Profile %s: you", p->name);
	for (unsigned i = 0; i < c->hops; i++)
		fprintf(stderr, " > %s", c->hop[i].name);
	if (c->hops > 0)
		fprintf(stderr, " (%s)", c->hop[c->hops - 1].country);
	fprintf(stderr, "; %s\n", cost);
}

static enum code look(struct run_app *app, long timeout_s, struct run_app_view *v)
{
	run_app_view(app, v);
	if (v->error[0] != '\0')
		return cli_error(CODE_FAILED, "%s", v->error);
	if (v->is_up)
		return CODE_OK;
	return cli_error(CODE_NOT_CONNECTED, "not connected after %ld s%s%s", timeout_s,
			 v->client.reason[0] != '\0' ? ": " : "", v->client.reason);
}

static int take_signal(int fd)
{
	struct signalfd_siginfo info;

	return read(fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

/* Until there is a tunnel, a signal, or no more time. */
static enum code await(struct run_app *app, int signals, long timeout_s, struct run_app_view *v)
{
	struct pollfd fds[] = {{.fd = run_app_fd(app), .events = POLLIN},
			       {.fd = signals, .events = POLLIN}};
	int rc;

	do
		rc = poll(fds, ARRAY_LEN(fds), (int)(timeout_s * 1000));
	while (rc < 0 && errno == EINTR);
	if (rc > 0 && (fds[1].revents & POLLIN) != 0)
		return (enum code)(CODE_SIGNAL + take_signal(signals));
	return look(app, timeout_s, v);
}

/* ---- the program ---- */

/* Its signals are those that we were started with. */
static int start(const struct cli *cli, const sigset_t *mask, pid_t *pid)
{
	posix_spawnattr_t attributes;
	int err = posix_spawnattr_init(&attributes);

	if (err != 0)
		return err;
	err = posix_spawnattr_setsigmask(&attributes, mask);
	if (err == 0)
		err = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	if (err == 0)
		err =
		    posix_spawnp(pid, cli->operands[0], NULL, &attributes, cli->operands, environ);
	posix_spawnattr_destroy(&attributes);
	return err;
}

/* The terminal gives its signals to the program, too; others it gets from us. */
static enum code accompany(pid_t pid, int signals)
{
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		const int sig = take_signal(signals);

		if (sig == SIGTERM || sig == SIGHUP)
			(void)kill(pid, sig);
	}
	if (WIFSIGNALED(status))
		return (enum code)(CODE_SIGNAL + WTERMSIG(status));
	return (enum code)WEXITSTATUS(status);
}

static enum code run_program(const struct cli *cli, const struct run_app_params *p, int signals,
			     const sigset_t *mask)
{
	long timeout_s = TIMEOUT_DEFAULT_S;
	char error[RUN_TEXT_MAX];
	struct run_app_view v;
	struct run_app *app;
	enum code code = cli_number(cli, "timeout", 1, 86400, &timeout_s);
	pid_t pid;
	int err;

	if (code == CODE_OK)
		code = leave_tunnel(cli);
	if (code != CODE_OK)
		return code;
	app = run_app_open(p, error);
	if (app == NULL)
		return cli_error(CODE_FAILED, "%s", error);
	code = await(app, signals, timeout_s, &v);
	if (code == CODE_OK && !cli_has(cli, "quiet"))
		tell_route(p->profile, &v);
	if (code == CODE_OK) {
		err = start(cli, mask, &pid);
		code = err == 0 ? accompany(pid, signals) : exec_failed(cli, err);
	}
	run_app_close(app);
	return code;
}

/* ---- the verb ---- */

/* Before any thread: only signals hears these. */
static int hear_signals(sigset_t *was)
{
	static const int heard[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGCHLD};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(heard); i++)
		sigaddset(&set, heard[i]);
	sigprocmask(SIG_BLOCK, &set, was);
	signal(SIGCHLD, SIG_DFL); /* who started us may have had it ignored */
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static enum code run_with(const struct cli *cli, const struct config *cfg)
{
	struct run_app_params p = {.cfg = cfg};
	struct connect_request rq;
	enum code code = wish_read(cli, cfg, &p.profile, &rq);
	sigset_t was;
	int signals;

	if (code != CODE_OK)
		return code;
	client_profile_wish(p.profile, &rq, &p.wish);
	signals = hear_signals(&was);
	if (signals < 0)
		return cli_error(CODE_FAILED, "signalfd: %s", strerror(errno));
	code = run_program(cli, &p, signals, &was);
	close(signals);
	return code;
}

enum code run_run(struct cli *cli)
{
	enum code code = exec_missing(cli);
	struct config *cfg;

	if (code != CODE_OK)
		return code;
	if (sodium_init() < 0)
		return cli_error(CODE_FAILED, "libsodium does not start: no randomness?");
	if (config_load(&cfg, cli->config_path, stderr) != 0)
		return CODE_USAGE;
	log_set_level(
	    MIN(cfg->daemon.log_level, LOG_LEVEL_WARN)); /* it is the program's terminal */
	code = run_with(cli, cfg);
	config_free(cfg);
	return code;
}
