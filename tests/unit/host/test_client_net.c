/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A client's machine: a TUN, a LAN with a default route, and rules, nftables and resolv.conf of
 * others, which must be the same to the byte after everything that can happen.
 */
#include "host/client_net.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "host/recover.h"
#include "sandbox.h"
#include "util/endpoint.h"

#define MARK  0x6d6d
#define TABLE 27757

static const char foreign_resolv[] =
    "# of the machine\nsearch example.net\nnameserver 192.168.7.1\n";
static char state_dir[64], resolv_path[64];
static struct host_error err;

static bool machine_make(void)
{
	return sandbox_fresh() && write_file(resolv_path, foreign_resolv) &&
	       run("ip link add lan0 type veth peer name far0 && "
		   "echo 1 >/proc/sys/net/ipv6/conf/lan0/addr_gen_mode && "
		   "echo 1 >/proc/sys/net/ipv6/conf/far0/addr_gen_mode && "
		   "ip link set far0 up && ip link set lan0 up && "
		   "ip addr add 192.168.7.2/24 dev lan0 && ip route add default via 192.168.7.1 && "
		   "ip addr add 2001:db8:7::2/64 dev lan0 nodad && "
		   "ip -6 route add default via 2001:db8:7::1 && "
		   "ip rule add pref 1000 from 10.9.9.9 lookup 99 && "
		   "ip -6 rule add pref 1000 from fd99::9 lookup 99 && "
		   "ip route add 203.0.113.0/24 dev lan0 table 99 && "
		   "nft 'table ip foreign { chain c { type filter hook input priority 0; "
		   "counter accept; }; }; table inet macromesh_other { set s { type ipv4_addr; }; }'");
}

/* A TUN that was up and down before, so that its queueing discipline is there already. */
static int tun_make(void)
{
	const int fd = sandbox_open_tun("macro0");

	return fd >= 0 && run("ip link set macro0 up && ip link set macro0 down") ? fd : -1;
}

static struct client_net_config config_make(const char *v4, const char *v6)
{
	struct client_net_config cfg = {
	    .state_dir = state_dir,
	    .tun = "macro0",
	    .mtu_bytes = 1324,
	    .back_mtu_bytes = 1351,
	    .fwmark = MARK,
	    .table = TABLE,
	    .dns.count = 2,
	    .resolv_path = resolv_path,
	};

	CHECK(v4 == NULL || endpoint_ip_parse(cfg.v4, v4) == 0);
	CHECK(v6 == NULL || endpoint_ip_parse(cfg.v6, v6) == 0);
	CHECK(endpoint_ip_parse(cfg.dns.ip[0], "10.88.0.1") == 0);
	CHECK(endpoint_ip_parse(cfg.dns.ip[1], "fd6d:6d00::1") == 0);
	return cfg;
}

static void check_up(bool has_v6)
{
	CHECK(shows("ip route get 198.51.100.1", "dev macro0 table 27757 src 10.88.3.4"));
	CHECK(shows("ip route get 198.51.100.1 mark 0x6d6d", "via 192.168.7.1 dev lan0"));
	CHECK(shows("ip route get 192.168.7.77", "dev lan0"));
	CHECK(shows("ip route get 10.88.0.1", "dev macro0"));
	CHECK(shows("ip -6 route get 2001:db8:9::1",
		    has_v6 ? "dev macro0 table 27757" : "No route to host"));
	CHECK(shows("ip -6 route get 2001:db8:9::1 mark 0x6d6d", "via 2001:db8:7::1 dev lan0"));
	CHECK(shows("ip -6 route get 2001:db8:7::99", "dev lan0"));
	CHECK(shows("ip link show macro0", "mtu 1324"));
	CHECK(shows("ip route show table 27757", "default dev macro0"));
	CHECK(shows("ip route show table 27757", "advmss 1311"));
	CHECK(!has_v6 || shows("ip -6 route show table 27757", "advmss 1291"));
	CHECK(shows("ip link show macro0", ",UP"));
	CHECK(shows("cat /proc/sys/net/ipv4/conf/all/src_valid_mark", "1"));
	CHECK(shows("cat /tmp/macro-host-*/resolv.conf",
		    "nameserver 10.88.0.1\nnameserver fd6d:6d00::1\n"));
}

static void test_up_and_down_without_ipv6(void)
{
	const struct client_net_config cfg = config_make("10.88.3.4", NULL);
	struct client_net net;
	char *before;
	int tun;

	NEED(machine_make());
	tun = tun_make();
	NEED(tun >= 0);
	before = snapshot();
	CHECK_INT(client_net_up(&net, &cfg, &err), 0);
	check_up(false);
	CHECK_INT(client_net_down(&net, &err), 0);
	CHECK(is_unchanged(before));
	free(before);
	close(tun);
}

static void test_up_and_down_with_both_families(void)
{
	const struct client_net_config cfg = config_make("10.88.3.4", "fd6d:6d00::304");
	struct client_net net;
	char *before;
	int tun;

	NEED(machine_make());
	tun = tun_make();
	NEED(tun >= 0);
	before = snapshot();
	CHECK_INT(client_net_up(&net, &cfg, &err), 0);
	check_up(true);
	/* A resolver on the LAN that has the same address does not get our questions. */
	CHECK(run("ip route add 10.0.0.0/8 dev lan0"));
	CHECK(shows("ip route get 10.88.0.1", "dev macro0"));
	CHECK(shows("ip route get 10.77.0.1", "dev lan0"));
	CHECK(run("ip route del 10.0.0.0/8 dev lan0"));
	CHECK_INT(client_net_down(&net, &err), 0);
	CHECK(is_unchanged(before));
	free(before);
	close(tun);
}

struct stop {
	size_t after; /* that many steps */
	size_t steps;
	bool die;
};

static int stop_after(void *ctx, size_t index)
{
	struct stop *s = ctx;

	(void)index;
	if (s->steps++ < s->after)
		return 0;
	if (s->die)
		kill(getpid(), SIGKILL);
	return -ECANCELED;
}

static void test_failure_at_each_step_leaves_nothing(void)
{
	struct client_net_config cfg = config_make("10.88.3.4", "fd6d:6d00::304");
	struct stop stop = {.after = 0};
	struct client_net net;
	char *before;
	int tun, code;

	NEED(machine_make());
	tun = tun_make();
	NEED(tun >= 0);
	before = snapshot();
	cfg.hook.step = stop_after;
	cfg.hook.ctx = &stop;
	while ((code = client_net_up(&net, &cfg, &err)) == -ECANCELED) {
		CHECK(strstr(err.text, "step") != NULL);
		CHECK(is_unchanged(before));
		stop.steps = 0;
		stop.after++;
	}
	CHECK_INT(code, 0);
	CHECK(stop.after > 12); /* really as many steps as there are changes */
	CHECK_INT(client_net_down(&net, &err), 0);
	CHECK(is_unchanged(before));
	free(before);
	close(tun);
}

/* Applies in a child that dies at the step; true if it died, false if it came through to the end.
 */
static bool die_at(const struct client_net_config *cfg, bool own_tun)
{
	struct client_net net;
	const pid_t child = fork();
	int status;

	if (child == 0) {
		if (own_tun && tun_make() < 0)
			_exit(9);
		_exit(client_net_up(&net, cfg, &err) == 0 ? 1 : 2);
	}
	if (waitpid(child, &status, 0) != child)
		return false;
	CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) == 1);
	return WIFSIGNALED(status);
}

/* The TUN stays, as one does that someone else holds. */
static void test_crash_at_each_step_is_recovered(void)
{
	struct client_net_config cfg = config_make("10.88.3.4", "fd6d:6d00::304");
	struct stop stop = {.die = true};
	char *before;
	bool died;
	int tun;

	NEED(machine_make());
	tun = tun_make();
	NEED(tun >= 0);
	before = snapshot();
	cfg.hook.step = stop_after;
	cfg.hook.ctx = &stop;
	do {
		died = die_at(&cfg, false);
		CHECK_INT(host_recover(state_dir, &err), 0);
		CHECK(is_unchanged(before));
		stop.steps = 0;
		stop.after++;
	} while (died);
	CHECK(stop.after > 12);
	free(before);
	close(tun);
}

/* The TUN goes with the process, and with it its addresses and routes, before the recovery. */
static void test_crash_with_the_tun_is_recovered(void)
{
	struct client_net_config cfg = config_make("10.88.3.4", NULL);
	struct stop stop = {.die = true};
	char *before;
	bool died;

	NEED(machine_make());
	before = snapshot();
	cfg.hook.step = stop_after;
	cfg.hook.ctx = &stop;
	do {
		died = die_at(&cfg, true);
		CHECK_INT(host_recover(state_dir, &err), 0);
		CHECK(is_unchanged(before));
		stop.steps = 0;
		stop.after++;
	} while (died);
	CHECK(stop.after > 10);
	free(before);
}

/* A crash in the middle of the way back: the journal still lists what is undone already. */
static void test_recovery_twice_is_harmless(void)
{
	const struct client_net_config cfg = config_make("10.88.3.4", NULL);
	struct client_net net;
	char *before;
	int tun;

	NEED(machine_make());
	tun = tun_make();
	NEED(tun >= 0);
	before = snapshot();
	CHECK_INT(client_net_up(&net, &cfg, &err), 0);
	CHECK(run("cp %s/client.journal %s/kept", state_dir, sandbox_dir));
	CHECK_INT(host_recover(state_dir, &err), -EBUSY); /* while it is up */
	CHECK(strstr(err.text, "another macrod") != NULL);
	CHECK_INT(client_net_down(&net, &err), 0);
	CHECK(run("mv %s/kept %s/client.journal", sandbox_dir, state_dir));
	CHECK_INT(client_net_up(&net, &cfg, &err), -EEXIST); /* not before a recovery */
	CHECK(strstr(err.text, "--cleanup") != NULL);
	CHECK_INT(host_recover(state_dir, &err), 0);
	CHECK(is_unchanged(before));
	CHECK_INT(host_recover(state_dir, &err), 0);
	CHECK(is_unchanged(before));
	free(before);
	close(tun);
}

static void test_change_of_resolv_conf_by_others_wins(void)
{
	static const char theirs[] = "nameserver 192.0.2.53\n";
	const struct client_net_config cfg = config_make("10.88.3.4", NULL);
	struct client_net net;
	char *before, *now;
	int tun;

	NEED(machine_make());
	tun = tun_make();
	NEED(tun >= 0);
	before = snapshot();
	CHECK_INT(client_net_up(&net, &cfg, &err), 0);
	CHECK(write_file(resolv_path, theirs));
	CHECK_INT(client_net_down(&net, &err), 0);
	now = capture("cat %s", resolv_path);
	CHECK(strcmp(now, theirs) == 0);
	free(now);
	CHECK(write_file(resolv_path, foreign_resolv));
	CHECK(is_unchanged(before));
	free(before);
	close(tun);
}

/* As DHCP clients do it: names are asked inside again, and theirs comes back at the end. */
static void test_change_of_resolv_conf_while_up(void)
{
	static const char *const changes[] = {
	    "echo nameserver 192.0.2.53 >$RESOLV",
	    "ln -sf elsewhere $RESOLV",
	    "rm $RESOLV",
	    "echo '# another' >$RESOLV.x; mv $RESOLV.x $RESOLV",
	};
	const struct client_net_config cfg = config_make("10.88.3.4", NULL);
	struct client_net net;
	char *theirs, *now;
	int tun;

	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		NEED(machine_make());
		tun = tun_make();
		NEED(tun >= 0);
		CHECK_INT(client_net_up(&net, &cfg, &err), 0);
		CHECK_INT(client_net_keep_names(&net, &err), 0);
		CHECK(run("%s", changes[i]));
		theirs = capture("stat -c '%%A %%N' %s; cat %s 2>&1", resolv_path, resolv_path);
		CHECK_INT(client_net_keep_names(&net, &err), 1);
		CHECK_INT(client_net_keep_names(&net, &err), 0);
		CHECK(shows("cat /tmp/macro-host-*/resolv.conf", "nameserver 10.88.0.1\n"));
		CHECK_INT(client_net_down(&net, &err), 0);
		now = capture("stat -c '%%A %%N' %s; cat %s 2>&1", resolv_path, resolv_path);
		CHECK(strcmp(now, theirs) == 0);
		free(now);
		free(theirs);
		close(tun);
		unlink(resolv_path);
	}
}

static void test_broken_journal_is_cleaned_by_marks(void)
{
	static const char *const damages[] = {
	    "echo macromesh-journal 99 >$STATE/client.journal",
	    ": >$STATE/client.journal",
	    "head -c 5000 /dev/urandom >$STATE/client.journal",
	    "sed -i 's/^[rna]/x/' $STATE/client.journal",
	};
	const struct client_net_config cfg = config_make("10.88.3.4", "fd6d:6d00::304");
	struct client_net net;
	char *before, *after;

	for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
		pid_t child;

		NEED(machine_make());
		before = capture(
		    "ip rule; ip -6 rule; ip route show table all; ip addr; nft list ruleset");
		child = fork();
		if (child == 0)
			_exit(tun_make() < 0 || client_net_up(&net, &cfg, &err) != 0);
		CHECK(waitpid(child, NULL, 0) == child);
		CHECK(shows("ip rule", "27757"));
		CHECK(run("%s", damages[i]));
		CHECK_INT(host_recover(state_dir, &err), 0);
		after = capture(
		    "ip rule; ip -6 rule; ip route show table all; ip addr; nft list ruleset");
		CHECK(strcmp(before, after) == 0);
		CHECK(run("! test -e %s/client.journal", state_dir));
		free(before);
		free(after);
	}
}

static void test_cleanup_without_a_journal(void)
{
	const struct client_net_config cfg = config_make("10.88.3.4", NULL);
	struct client_net net;
	int tun;

	NEED(machine_make());
	CHECK(!die_at(&cfg, true));
	CHECK(run("rm %s/client.journal", state_dir));
	tun = tun_make();
	NEED(tun >= 0);
	CHECK_INT(client_net_up(&net, &cfg, &err), -EEXIST);
	CHECK(strstr(err.text, "--cleanup") != NULL);
	CHECK_INT(host_cleanup(state_dir, &err), 0);
	CHECK_INT(client_net_up(&net, &cfg, &err), 0);
	CHECK_INT(client_net_down(&net, &err), 0);
	CHECK(shows("nft list tables", "table ip foreign"));
	CHECK(shows("nft list tables", "table inet macromesh_other"));
	close(tun);
}

static void test_what_is_taken_is_refused(void)
{
	static const char *const takers[][2] = {
	    {"ip route add 10.1.0.0/16 dev lan0 table 27757", "routing table 27757"},
	    {"ip -6 route add fd01::/16 dev lan0 table 27757", "routing table 27757"},
	    {"ip rule add pref 92 lookup 77 protocol 109", "rules"},
	};
	const struct client_net_config cfg = config_make("10.88.3.4", NULL);
	struct client_net net;
	char *before;
	int tun;

	for (size_t i = 0; i < ARRAY_LEN(takers); i++) {
		NEED(machine_make());
		tun = tun_make();
		NEED(tun >= 0);
		CHECK(run("%s", takers[i][0]));
		before = snapshot();
		CHECK_INT(client_net_up(&net, &cfg, &err), -EEXIST);
		CHECK(strstr(err.text, takers[i][1]) != NULL);
		CHECK(is_unchanged(before));
		free(before);
		close(tun);
	}
}

static void test_bad_configuration_is_refused(void)
{
	struct client_net_config cfg = config_make("10.88.3.4", NULL);
	struct client_net net;
	char *before;

	NEED(machine_make());
	before = snapshot();
	CHECK_INT(client_net_up(&net, &cfg, &err), -ENODEV);
	CHECK(strstr(err.text, "macro0") != NULL);
	cfg.mtu_bytes = 1279;
	CHECK_INT(client_net_up(&net, &cfg, &err), -EINVAL);
	cfg.mtu_bytes = 1280;
	cfg.fwmark = 0;
	CHECK_INT(client_net_up(&net, &cfg, &err), -EINVAL);
	CHECK(is_unchanged(before));
	free(before);
}

static int look_outside(void *ctx, size_t index)
{
	size_t *leaks = ctx;
	char *route = capture("ip route get 198.51.100.1 2>&1; ip -6 route get 2001:db8:9::1 2>&1");

	(void)index;
	*leaks += strstr(route, "lan0") != NULL;
	free(route);
	return 0;
}

static void test_replace_never_lets_anything_out(void)
{
	struct client_net_config cfg = config_make("10.88.3.4", NULL);
	size_t leaks = 0;
	struct client_net net;
	char *before;
	int tun;

	NEED(machine_make());
	tun = tun_make();
	NEED(tun >= 0);
	before = snapshot();
	CHECK_INT(client_net_up(&net, &cfg, &err), 0);
	cfg = config_make("10.88.5.6", "fd6d:6d00::506");
	CHECK(endpoint_ip_parse(cfg.dns.ip[0], "10.88.0.9") == 0);
	net.t.hook.step = look_outside;
	net.t.hook.ctx = &leaks;
	/* The first look is before the hold, when the old session still carries everything. */
	CHECK_INT(client_net_replace(&net, &cfg, &err), 0);
	CHECK_INT(leaks, 0);
	CHECK(shows("ip route get 198.51.100.1", "dev macro0 table 27757 src 10.88.5.6"));
	CHECK(shows("ip -6 route get 2001:db8:9::1", "dev macro0"));
	CHECK(shows("cat /tmp/macro-host-*/resolv.conf", "nameserver 10.88.0.9\n"));
	CHECK(run("! ip addr | grep -q 10.88.3.4"));
	CHECK_INT(client_net_down(&net, &err), 0);
	CHECK(is_unchanged(before));
	free(before);
	close(tun);
}

static int look_inside(void *ctx, size_t index)
{
	char *now = capture("ip -o link show up dev macro0; ip -o -4 addr show dev macro0; cat %s",
			    resolv_path);
	size_t *faults = ctx;

	(void)index;
	*faults += strstr(now, "UP") == NULL || strstr(now, "inet ") == NULL ||
		   strstr(now, "nameserver 10.88.0.1") == NULL;
	free(now);
	return 0;
}

/* resolved, and whoever reads resolv.conf, find an answer at any moment. */
static void test_replace_keeps_device_and_names(void)
{
	struct client_net_config cfg = config_make("10.88.3.4", NULL);
	size_t faults = 0;
	struct client_net net;
	char *before, *ids;
	int tun;

	NEED(machine_make());
	tun = tun_make();
	NEED(tun >= 0);
	before = snapshot();
	CHECK_INT(client_net_up(&net, &cfg, &err), 0);
	ids = capture("ls -i %s", resolv_path);
	net.t.hook.step = look_inside;
	net.t.hook.ctx = &faults;
	for (int i = 0; i < 3; i++) { /* other addresses, other families, and the same again */
		cfg = config_make(i == 0 ? "10.88.5.6" : "10.88.5.7", i == 0 ? NULL : "fd6d::7");
		cfg.mtu_bytes = i == 0 ? 1324 : 1400;
		CHECK_INT(client_net_replace(&net, &cfg, &err), 0);
	}
	CHECK_INT(faults, 0);
	CHECK(shows("ip -6 route get 2001:db8:9::1", "dev macro0"));
	CHECK(shows("ip link show macro0", "mtu 1400"));
	CHECK(run("test \"$(ls -i %s)\" = \"%.*s\"", resolv_path, (int)strcspn(ids, "\n"), ids));
	CHECK_INT(client_net_down(&net, &err), 0);
	CHECK(is_unchanged(before));
	free(before);
	free(ids);
	close(tun);
}

static void test_failed_replace_leaves_nothing(void)
{
	const struct client_net_config cfg = config_make("10.88.3.4", NULL);
	struct client_net_config next = config_make("10.88.5.6", "fd6d:6d00::506");
	struct stop stop;
	struct client_net net;
	char *before;
	size_t at;
	int tun, code;

	NEED(machine_make());
	tun = tun_make();
	NEED(tun >= 0);
	next.mtu_bytes = 1300;
	CHECK(endpoint_ip_parse(next.dns.ip[0], "10.88.0.9") == 0);
	before = snapshot();
	for (at = 0;; at++) {
		NEED(client_net_up(&net, &cfg, &err) == 0);
		stop = (struct stop){.after = at};
		net.t.hook.step = stop_after;
		net.t.hook.ctx = &stop;
		code = client_net_replace(&net, &next, &err);
		if (code == 0)
			break;
		CHECK_INT(code, -ECANCELED);
		CHECK(is_unchanged(before));
	}
	CHECK(at > 8);
	CHECK(shows("ip link show macro0", "mtu 1300"));
	CHECK_INT(client_net_down(&net, &err), 0);
	CHECK(is_unchanged(before));
	free(before);
	close(tun);
}

static void test_ipv6_switched_off(void)
{
	const struct client_net_config cfg = config_make("10.88.3.4", "fd6d:6d00::304");
	struct client_net net;
	char *before;
	int tun;

	NEED(sandbox_fresh());
	NEED(write_file(resolv_path, foreign_resolv));
	NEED(run("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 && "
		 "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6"));
	tun = tun_make();
	NEED(tun >= 0);
	before = snapshot();
	CHECK_INT(client_net_up(&net, &cfg, &err), 0);
	CHECK(shows("ip route get 198.51.100.1", "dev macro0"));
	CHECK_INT(client_net_down(&net, &err), 0);
	CHECK(is_unchanged(before));
	free(before);
	close(tun);
}

static void test_persistent_tun_is_deleted(void)
{
	struct client_net_config cfg = config_make("10.88.3.4", NULL);
	char *before;

	NEED(machine_make());
	before = snapshot();
	CHECK(run("ip tuntap add dev macro0 mode tun"));
	cfg.is_tun_persistent = true;
	CHECK(!die_at(&cfg, false));
	CHECK(shows("ip link", "macro0"));
	CHECK_INT(host_recover(state_dir, &err), 0);
	CHECK(is_unchanged(before));
	free(before);
}

/* Another program's device that got the name meanwhile is not set back. */
static void test_recovery_spares_a_new_device_of_the_name(void)
{
	const struct client_net_config cfg = config_make("10.88.3.4", NULL);

	NEED(machine_make());
	CHECK(!die_at(&cfg, true));
	CHECK(run("ip tuntap add dev macro0 mode tun && ip link set macro0 up mtu 1400"));
	CHECK_INT(host_recover(state_dir, &err), 0);
	CHECK(shows("ip link show macro0", ",UP"));
	CHECK(shows("ip link show macro0", "mtu 1400"));
}

static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};

	syscall(SYS_capset, &header, none);
}

static void test_lack_of_permission_is_explained(void)
{
	const struct client_net_config cfg = config_make("10.88.3.4", NULL);
	struct client_net net;
	char *before;
	pid_t child;
	int tun, status;

	NEED(machine_make());
	tun = tun_make();
	NEED(tun >= 0);
	before = snapshot();
	child = fork();
	if (child == 0) {
		drop_capabilities();
		if (client_net_up(&net, &cfg, &err) != -EPERM)
			_exit(1);
		_exit(strstr(err.text, "CAP_NET_ADMIN") != NULL ? 0 : 2);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 0);
	CHECK(is_unchanged(before));
	free(before);
	close(tun);
}

int main(void)
{
	if (!sandbox_enter())
		return sandbox_skip();
	snprintf(state_dir, sizeof(state_dir), "%s/state", sandbox_dir);
	snprintf(resolv_path, sizeof(resolv_path), "%s/resolv.conf", sandbox_dir);
	if (mkdir(state_dir, 0700) != 0)
		return EXIT_FAILURE;
	setenv("STATE", state_dir, 1);
	setenv("RESOLV", resolv_path, 1);
	RUN(test_up_and_down_without_ipv6);
	RUN(test_up_and_down_with_both_families);
	RUN(test_failure_at_each_step_leaves_nothing);
	RUN(test_crash_at_each_step_is_recovered);
	RUN(test_crash_with_the_tun_is_recovered);
	RUN(test_recovery_twice_is_harmless);
	RUN(test_change_of_resolv_conf_by_others_wins);
	RUN(test_change_of_resolv_conf_while_up);
	RUN(test_broken_journal_is_cleaned_by_marks);
	RUN(test_cleanup_without_a_journal);
	RUN(test_what_is_taken_is_refused);
	RUN(test_bad_configuration_is_refused);
	RUN(test_replace_never_lets_anything_out);
	RUN(test_replace_keeps_device_and_names);
	RUN(test_failed_replace_leaves_nothing);
	RUN(test_ipv6_switched_off);
	RUN(test_persistent_tun_is_deleted);
	RUN(test_recovery_spares_a_new_device_of_the_name);
	RUN(test_lack_of_permission_is_explained);
	return sandbox_leave();
}
