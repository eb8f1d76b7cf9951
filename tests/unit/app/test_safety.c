/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A daemon's way with the machine, without the mesh: a thousand steps in random order, of which
 * many are its death, at any point of what it was doing.  After each step the state on disk, the
 * firewall, rules, routes and name servers have to agree, and nothing may get out that should not.
 *
 *   parent: watches           child: the daemon, one life long
 *      | <- report of each step --- |   (nothing more: it died)
 *      | --------- go on ---------> |
 */
#include "app/safety.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "host/recover.h"
#include "tests/unit/host/sandbox.h"
#include "util/rng.h"

enum {
	STEPS = 1000,
	MARK = 0x6d6d,
	TABLE = 27757,
};

static const char foreign_resolv[] = "nameserver 192.168.7.1\n";
static const char config_text[] =
    "[daemon]\nstate_dir = %s\n[mesh]\nseeds = "
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "@192.0.2.1:4600\n[client]\n"
    "[profile default]\nkillswitch = off\n[profile locked]\nkillswitch = on\n"
    "[profile always]\nkillswitch = always\n";
static char state_dir[64], resolv_path[64];
static struct config *cfg;
static struct rng rng;

/* What the daemon believes after a step. */
struct report {
	bool is_up, is_blocking, is_wanted, is_proven;
	char step[24];
};

struct life {
	struct safety safety;
	struct client_net net;
	struct client_net_config tunnel;
	bool is_up;
	int tun;
	int out, in; /* reports, permissions */
};

/* ---- the daemon ---- */

static void must(int code, const struct host_error *err)
{
	if (code == 0)
		return;
	fprintf(stderr, "# daemon: %s\n", err->text);
	_exit(3);
}

static int maybe_die(void *ctx, size_t index)
{
	(void)ctx;
	(void)index;
	if (rng_below(&rng, 40) == 0)
		kill(getpid(), SIGKILL);
	return 0;
}

static void apply(struct life *l)
{
	struct safety_need need = {.tunnel = l->is_up ? &l->tunnel : NULL};
	const struct now now = now_read();
	struct host_error err;

	if (l->safety.lock.is_wanted) {
		need.entry_count = 1;
		if (endpoint_parse(&need.entries[0], "198.51.100.9:4600") != 0)
			abort();
		need.entries[0].port = (uint16_t)(4600 + rng_below(&rng, 2));
	}
	maybe_die(NULL, 0);
	must(safety_apply(&l->safety, &need, &now, &err), &err);
	maybe_die(NULL, 0);
}

static void go_up(struct life *l)
{
	struct host_error err;
	const bool was_up = l->is_up;

	l->tunnel = (struct client_net_config){.state_dir = state_dir,
					       .tun = "macro0",
					       .mtu_bytes = 1324,
					       .fwmark = MARK,
					       .table = TABLE,
					       .dns.count = 1,
					       .resolv_path = resolv_path,
					       .hook.step = maybe_die};
	if (endpoint_ip_parse(l->tunnel.v4, "10.88.3.4") != 0 ||
	    endpoint_ip_parse(l->tunnel.dns.ip[0], "10.88.0.1") != 0)
		abort();
	l->tunnel.v4[15] = (uint8_t)rng_below(&rng, 200);
	if (!was_up)
		l->tun = sandbox_open_tun("macro0");
	l->is_up = true;
	apply(l);
	must(was_up ? client_net_replace(&l->net, &l->tunnel, &err)
		    : client_net_up(&l->net, &l->tunnel, &err),
	     &err);
	safety_prove(&l->safety);
	apply(l);
}

static void go_down(struct life *l)
{
	struct host_error err;

	if (!l->is_up)
		return;
	must(client_net_down(&l->net, &err), &err);
	close(l->tun);
	l->is_up = false;
	apply(l);
}

static void tell(struct life *l, const char *step)
{
	struct report r = {.is_up = l->is_up,
			   .is_blocking = safety_is_blocking(&l->safety),
			   .is_wanted = l->safety.lock.is_wanted,
			   .is_proven = l->safety.lock.is_proven};
	char go;

	snprintf(r.step, sizeof(r.step), "%s", step);
	if (write(l->out, &r, sizeof(r)) != sizeof(r) || read(l->in, &go, 1) != 1)
		_exit(4);
}

static const char *take_step(struct life *l)
{
	static const char *const profiles[] = {"default", "locked", "always"};
	const struct now now = now_read();

	switch (rng_below(&rng, 8)) {
	case 0:
		safety_want(&l->safety,
			    &(struct safety_wish){.profile = profiles[rng_below(&rng, 3)],
						  .exit = "auto",
						  .hops = 3});
		apply(l);
		return "want";
	case 1:
	case 2:
		if (!l->safety.lock.is_wanted)
			safety_want(
			    &l->safety,
			    &(struct safety_wish){.profile = "locked", .exit = "auto", .hops = 3});
		apply(l);
		go_up(l);
		return "up";
	case 3:
		go_down(l);
		return "down";
	case 4:
		safety_unwant(&l->safety);
		go_down(l);
		apply(l);
		return "disconnect";
	case 5:
		l->safety.lock.setting = (enum lock_setting)rng_below(&rng, 4);
		apply(l);
		return "set";
	case 6:
		if (system("nft flush ruleset") != 0)
			abort();
		safety_watch(&l->safety, &now);
		return "flush";
	default:
		l->safety.lock.setting = LOCK_OFF; /* unlock */
		apply(l);
		return "unlock";
	}
}

static void live(int out, int in)
{
	struct life l = {.out = out, .in = in};
	char error[HOST_ERROR_MAX];
	struct host_error err;

	must(host_recover(state_dir, &err), &err);
	if (safety_open(&l.safety, cfg, error, sizeof(error)) != 0) {
		fprintf(stderr, "# daemon: %s\n", error);
		_exit(3);
	}
	tell(&l, "start");
	while (rng_below(&rng, 20) != 0)
		tell(&l, take_step(&l));
	go_down(&l);
	safety_close(&l.safety);
	_exit(0);
}

/* ---- the witness ---- */

/* Whether an ordinary datagram leaves by the LAN's device, or by the routes. */
static bool gets_out(const char *device)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool sent;

	inet_pton(AF_INET, "198.51.100.9", &to.sin_addr);
	if (device != NULL &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) != 0)
		abort();
	sent = sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) == 1;
	close(fd);
	return sent;
}

static int count_rule(void *ctx, const struct netlink_rule *r)
{
	unsigned *n = ctx;

	*n += r->protocol == NETLINK_PROTOCOL;
	return 0;
}

static int count_route(void *ctx, const struct netlink_route *r)
{
	unsigned *n = ctx;

	*n += r->protocol == NETLINK_PROTOCOL;
	return 0;
}

/* Rules and routes of ours. */
static unsigned traces(void)
{
	struct netlink *nl;
	unsigned n = 0;

	CHECK_INT(netlink_open(&nl), 0);
	CHECK_INT(netlink_rule_dump(nl, AF_INET, count_rule, &n), 0);
	CHECK_INT(netlink_route_dump(nl, AF_INET, count_route, &n), 0);
	netlink_close(nl);
	return n;
}

static void check_living(const struct report *r)
{
	struct host_error err;
	struct lock lock;

	CHECK_INT(lock_load(&lock, state_dir, &err), 0);
	CHECK_INT(lock.is_wanted, r->is_wanted);
	CHECK_INT(lock.table, r->is_blocking ? LOCK_TABLE_BLOCK
			      : r->is_up     ? LOCK_TABLE_GUARD
					     : LOCK_TABLE_NONE);
	CHECK_INT(shield_stands(&err), lock.table != LOCK_TABLE_NONE);
	CHECK_INT(traces() > 0, r->is_up);
	CHECK_INT(resolv_is_ours(resolv_path), r->is_up);
	CHECK_INT(gets_out(NULL), r->is_up || !r->is_blocking);
	/* Routes alone never hold what is bound to a device. */
	CHECK_INT(gets_out("lan0"), !r->is_blocking);
	CHECK(!r->is_blocking || r->is_proven);
}

/* Whatever was under way: what the disk says to be blocked is. */
static void check_dead(void)
{
	struct host_error err;
	struct lock lock;

	CHECK_INT(lock_load(&lock, state_dir, &err), 0);
	if (lock.table == LOCK_TABLE_BLOCK && shield_stands(&err) == 1)
		CHECK(!gets_out("lan0"));
}

struct tally {
	unsigned steps, deaths, blocking, up;
};

/* One life; false if something went wrong that is not a death. */
static bool watch(struct tally *t, uint64_t seed)
{
	int up[2], down[2], status;
	struct report r, last = {.step = ""};
	pid_t child;

	if (pipe2(up, O_CLOEXEC) != 0 || pipe2(down, O_CLOEXEC) != 0)
		return false;
	child = fork();
	if (child == 0) {
		rng = rng_seeded(seed);
		live(up[1], down[0]);
	}
	close(up[1]);
	close(down[0]);
	while (read(up[0], &r, sizeof(r)) == sizeof(r)) {
		const int failed_before = test_current_failed;

		test_current_failed = 0;
		last = r;
		t->steps++;
		t->up += r.is_up;
		t->blocking += r.is_blocking;
		check_living(&r);
		if (test_current_failed)
			printf("# seed %llu, step %s\n", (unsigned long long)seed, r.step);
		test_current_failed |= failed_before;
		if (write(down[1], "g", 1) != 1)
			break;
	}
	close(up[0]);
	close(down[1]);
	waitpid(child, &status, 0);
	t->deaths += WIFSIGNALED(status);
	t->steps++;
	check_dead();
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		printf("# seed %llu: status %d after %s\n", (unsigned long long)seed,
		       WEXITSTATUS(status), last.step);
	return !WIFEXITED(status) || WEXITSTATUS(status) == 0;
}

static void test_random_lives(void)
{
	struct tally t = {0};
	struct host_error err;
	char *before, *after;
	uint64_t seed = 1;

	NEED(sandbox_fresh() && write_file(resolv_path, foreign_resolv) &&
	     run("ip link add lan0 type veth peer name far0 && "
		 "echo 1 >/proc/sys/net/ipv6/conf/lan0/addr_gen_mode && "
		 "echo 1 >/proc/sys/net/ipv6/conf/far0/addr_gen_mode && ip link set far0 up && "
		 "ip link set lan0 up && ip addr add 192.168.7.2/24 dev lan0 && "
		 "ip route add default via 192.168.7.1 && ip neigh add 192.168.7.1 "
		 "lladdr 02:00:00:00:00:01 dev lan0"));
	before = capture("ip rule; ip route show table all; nft list ruleset; cat %s", resolv_path);
	while (t.steps < STEPS && watch(&t, seed))
		seed++;
	CHECK(t.steps >= STEPS);
	CHECK(t.deaths > STEPS / 50 && t.blocking > STEPS / 10 && t.up > STEPS / 10);
	printf("# %u steps in %llu lives, %u of them killed; %u blocking, %u with a tunnel\n",
	       t.steps, (unsigned long long)seed, t.deaths, t.blocking, t.up);
	CHECK_INT(host_unlock(state_dir, &err), 0);
	after = capture("ip rule; ip route show table all; nft list ruleset; cat %s", resolv_path);
	CHECK(strcmp(before, after) == 0);
	free(after);
	free(before);
}

int main(void)
{
	char text[1024];

	if (!sandbox_enter())
		return sandbox_skip();
	snprintf(state_dir, sizeof(state_dir), "%s/state", sandbox_dir);
	snprintf(resolv_path, sizeof(resolv_path), "%s/resolv.conf", sandbox_dir);
	snprintf(text, sizeof(text), config_text, state_dir);
	if (mkdir(state_dir, 0700) != 0 || config_parse(&cfg, text, strlen(text), "f", stdout) != 0)
		return EXIT_FAILURE;
	signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_LEVEL_ERROR);
	RUN(test_random_lives);
	config_free(cfg);
	return sandbox_leave();
}
