/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An exit's machine before and after: also the settings that the kernel changes along with
 * forwarding, and an exit that fails or dies at each step.
 */
#include "host/exit_net.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>

#include "host/firewall.h"
#include "host/recover.h"
#include "sandbox.h"
#include "util/endpoint.h"

static char state_dir[64];
static struct host_error err;

/* Two devices whose settings differ from each other and from the rest. */
static bool machine_make(void)
{
	return sandbox_fresh() &&
	       run("ip link add out0 type veth peer name far0; ip link add out1 type veth peer name "
		   "far1; cd /proc/sys/net; "
		   "for d in out0 out1 far0 far1; do echo 1 >ipv6/conf/$d/addr_gen_mode; done; "
		   "echo 1 >ipv4/conf/out1/forwarding; echo 1 >ipv6/conf/out1/forwarding; "
		   "echo 0 >ipv6/conf/far0/accept_ra; echo 2 >ipv6/conf/far1/accept_ra; "
		   "echo 0 >ipv4/conf/all/accept_redirects; "
		   "for d in out0 out1 far0 far1; do ip link set $d up; done; "
		   "ip addr add 45.9.1.1/24 dev out0; ip addr add 2600:9:1::1/64 dev out0 nodad; "
		   "nft 'table inet foreign { chain c { type filter hook forward priority 0; "
		   "policy accept; counter; }; }'");
}

static int tun_make(void)
{
	const int fd = sandbox_open_tun("macroexit0");

	return fd >= 0 && run("ip link set macroexit0 up && ip link set macroexit0 down") ? fd : -1;
}

static struct exit_net_config config_make(void)
{
	struct exit_net_config cfg = {
	    .state_dir = state_dir, .dev[0].tun = "macroexit0", .dev_count = 1, .mtu_bytes = 1324};

	CHECK(ip_prefix_parse(&cfg.dev[0].gateway4, "10.88.0.1/16") == 0);
	CHECK(ip_prefix_parse(&cfg.dev[0].gateway6, "fd6d:6d00::1/64") == 0);
	CHECK(endpoint_ip_parse(cfg.dns4, "45.9.1.53") == 0);
	return cfg;
}

static void test_up_and_down(void)
{
	const struct exit_net_config cfg = config_make();
	struct exit_net net;
	char *before;
	int tun;

	NEED(machine_make());
	tun = tun_make();
	NEED(tun >= 0);
	before = snapshot();
	CHECK_INT(exit_net_up(&net, &cfg, &err), 0);
	CHECK(shows("ip addr show macroexit0", "inet 10.88.0.1/16"));
	CHECK(shows("ip addr show macroexit0", "inet6 fd6d:6d00::1/64"));
	CHECK(shows("ip link show macroexit0", "mtu 1324"));
	CHECK(shows("ip route get 10.88.3.4", "dev macroexit0"));
	CHECK(shows("ip -6 route get fd6d:6d00::304", "dev macroexit0"));
	CHECK(shows("cat /proc/sys/net/ipv4/ip_forward", "1"));
	CHECK(shows("cat /proc/sys/net/ipv6/conf/all/forwarding", "1"));
	/* Or the machine would lose the default route that it learnt from advertisements. */
	CHECK(shows("cat /proc/sys/net/ipv6/conf/out0/accept_ra", "2"));
	CHECK(shows("cat /proc/sys/net/ipv6/conf/far0/accept_ra", "0"));
	CHECK(shows("nft list table inet foreign", "counter packets"));
	CHECK_INT(host_recover(state_dir, &err), -EBUSY);
	CHECK_INT(exit_net_down(&net, &err), 0);
	CHECK(is_unchanged(before));
	free(before);
	close(tun);
}

/* Two devices, each with a half of the pools. */
static void test_two_devices(void)
{
	struct exit_net_config cfg = config_make();
	struct exit_net net;
	char *before;
	int tun, second;

	cfg.dev_count = 2;
	cfg.dev[1].tun = "macroexit1";
	CHECK(ip_prefix_parse(&cfg.dev[0].gateway4, "10.88.0.1/17") == 0);
	CHECK(ip_prefix_parse(&cfg.dev[1].gateway4, "10.88.128.1/17") == 0);
	CHECK(ip_prefix_parse(&cfg.dev[0].gateway6, "fd6d:6d00::1/113") == 0);
	CHECK(ip_prefix_parse(&cfg.dev[1].gateway6, "fd6d:6d00::8001/113") == 0);
	NEED(machine_make());
	tun = tun_make();
	second = sandbox_open_tun("macroexit1");
	NEED(tun >= 0 && second >= 0 &&
	     run("ip link set macroexit1 up && ip link set macroexit1 down"));
	before = snapshot();
	CHECK_INT(exit_net_up(&net, &cfg, &err), 0);
	CHECK(shows("ip route get 10.88.3.4", "dev macroexit0"));
	CHECK(shows("ip route get 10.88.200.4", "dev macroexit1"));
	CHECK(shows("ip -6 route get fd6d:6d00::304", "dev macroexit0"));
	CHECK(shows("ip -6 route get fd6d:6d00::c804", "dev macroexit1"));
	CHECK(shows("nft list table inet macromesh_exit",
		    "iifname \"macroexit1\" ip saddr != 10.88.128.0/17"));
	CHECK(shows("nft list table inet macromesh_exit",
		    "iifname \"macroexit1\" ip6 daddr fd6d:6d00::8001"));
	CHECK_INT(exit_net_reload(&net, &cfg, &err), 0);
	CHECK_INT(exit_net_down(&net, &err), 0);
	CHECK(is_unchanged(before));
	cfg.dev[1].gateway4 = cfg.dev[1].gateway6;
	CHECK_INT(exit_net_up(&net, &cfg, &err), -EINVAL);
	free(before);
	close(tun);
	close(second);
}

static void test_one_family_only(void)
{
	struct exit_net_config cfg = config_make();
	struct exit_net net;
	char *before;
	int tun;

	NEED(machine_make());
	tun = tun_make();
	NEED(tun >= 0);
	before = snapshot();
	memset(&cfg.dev[0].gateway6, 0, sizeof(cfg.dev[0].gateway6));
	CHECK_INT(exit_net_up(&net, &cfg, &err), 0);
	CHECK(shows("cat /proc/sys/net/ipv6/conf/all/forwarding", "0"));
	CHECK_INT(exit_net_down(&net, &err), 0);
	CHECK(is_unchanged(before));
	cfg = config_make();
	memset(&cfg.dev[0].gateway4, 0, sizeof(cfg.dev[0].gateway4));
	CHECK_INT(exit_net_up(&net, &cfg, &err), 0);
	CHECK(shows("cat /proc/sys/net/ipv4/ip_forward", "0"));
	CHECK_INT(exit_net_down(&net, &err), 0);
	CHECK(is_unchanged(before));
	free(before);
	close(tun);
}

static void test_forwarding_that_was_on_stays_on(void)
{
	const struct exit_net_config cfg = config_make();
	struct exit_net net;
	char *before;
	int tun;

	NEED(machine_make());
	CHECK(run("cd /proc/sys/net; echo 1 >ipv4/ip_forward; echo 1 >ipv6/conf/all/forwarding; "
		  "echo 0 >ipv4/conf/out0/forwarding; echo 0 >ipv6/conf/out0/forwarding"));
	tun = tun_make();
	NEED(tun >= 0);
	before = snapshot();
	CHECK_INT(exit_net_up(&net, &cfg, &err), 0);
	CHECK(shows("cat /proc/sys/net/ipv4/conf/out0/forwarding", "0"));
	CHECK_INT(exit_net_down(&net, &err), 0);
	CHECK(is_unchanged(before));
	free(before);
	close(tun);
}

struct stop {
	size_t at;
	bool die;
};

static int stop_at(void *ctx, size_t index)
{
	const struct stop *s = ctx;

	if (index != s->at)
		return 0;
	if (s->die)
		kill(getpid(), SIGKILL);
	return -ECANCELED;
}

static void test_failure_at_each_step_leaves_nothing(void)
{
	struct exit_net_config cfg = config_make();
	struct stop stop = {.at = 0};
	struct exit_net net;
	char *before;
	int tun, code;

	NEED(machine_make());
	tun = tun_make();
	NEED(tun >= 0);
	before = snapshot();
	cfg.hook.step = stop_at;
	cfg.hook.ctx = &stop;
	while ((code = exit_net_up(&net, &cfg, &err)) == -ECANCELED) {
		CHECK(is_unchanged(before));
		stop.at++;
	}
	CHECK_INT(code, 0);
	CHECK(stop.at > 8);
	CHECK_INT(exit_net_down(&net, &err), 0);
	CHECK(is_unchanged(before));
	free(before);
	close(tun);
}

static void test_crash_at_each_step_is_recovered(void)
{
	struct exit_net_config cfg = config_make();
	struct stop stop = {.at = 0, .die = true};
	int tun, status;
	char *before;

	NEED(machine_make());
	tun = tun_make();
	NEED(tun >= 0);
	before = snapshot();
	cfg.hook.step = stop_at;
	cfg.hook.ctx = &stop;
	do {
		const pid_t child = fork();
		struct exit_net net;

		if (child == 0)
			_exit(exit_net_up(&net, &cfg, &err) == 0 ? 1 : 2);
		NEED(waitpid(child, &status, 0) == child);
		CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) == 1);
		CHECK_INT(host_recover(state_dir, &err), 0);
		CHECK(is_unchanged(before));
		stop.at++;
	} while (WIFSIGNALED(status));
	CHECK(stop.at > 8);
	free(before);
	close(tun);
}

/* Only the settings are lost with it: nothing marks forwarding as ours. */
static void test_broken_journal_is_cleaned_by_marks(void)
{
	const struct exit_net_config cfg = config_make();
	char *before, *after;
	struct exit_net net;
	pid_t child;

	NEED(machine_make());
	before = capture("ip rule; ip -6 rule; ip route; ip -6 route; ip addr; nft list ruleset");
	child = fork();
	if (child == 0)
		_exit(tun_make() < 0 || exit_net_up(&net, &cfg, &err) != 0);
	CHECK(waitpid(child, NULL, 0) == child);
	CHECK(shows("nft list tables", "inet macromesh_exit"));
	CHECK(run("echo broken >%s/exit.journal", state_dir));
	CHECK_INT(host_recover(state_dir, &err), 0);
	after = capture("ip rule; ip -6 rule; ip route; ip -6 route; ip addr; nft list ruleset");
	CHECK(strcmp(before, after) == 0);
	free(before);
	free(after);
}

static void test_existing_table_is_refused(void)
{
	const struct exit_net_config cfg = config_make();
	struct exit_net net;
	char *before;
	int tun;

	NEED(machine_make());
	tun = tun_make();
	NEED(tun >= 0 && run("nft add table inet macromesh_exit"));
	before = snapshot();
	CHECK_INT(exit_net_up(&net, &cfg, &err), -EEXIST);
	CHECK(strstr(err.text, "--cleanup") != NULL);
	CHECK(is_unchanged(before));
	free(before);
	CHECK_INT(host_cleanup(state_dir, &err), 0);
	CHECK_INT(exit_net_up(&net, &cfg, &err), 0);
	CHECK_INT(exit_net_down(&net, &err), 0);
	close(tun);
}

static void refused(const struct exit_net_config *cfg, int code, const char *word)
{
	struct exit_net net;

	CHECK_INT(exit_net_up(&net, cfg, &err), code);
	if (strstr(err.text, word) == NULL) {
		printf("# %s\n", err.text);
		CHECK(false);
	}
}

static void test_bad_configuration_is_refused(void)
{
	struct exit_net_config cfg = config_make();
	char *before;
	int tun;

	NEED(machine_make());
	refused(&cfg, -ENODEV, "macroexit0");
	tun = tun_make();
	NEED(tun >= 0);
	before = snapshot();
	cfg.dev[0].gateway6 = cfg.dev[0].gateway4;
	refused(&cfg, -EINVAL, "gateway");
	cfg = config_make();
	memset(&cfg.dev[0].gateway4, 0, sizeof(cfg.dev[0].gateway4));
	memset(&cfg.dev[0].gateway6, 0, sizeof(cfg.dev[0].gateway6));
	refused(&cfg, -EINVAL, "gateway");
	cfg = config_make();
	CHECK(endpoint_ip_parse(cfg.dns4, "127.0.0.53") == 0);
	refused(&cfg, -EINVAL, "loopback");
	CHECK(endpoint_ip_parse(cfg.dns4, "2600::1") == 0);
	refused(&cfg, -EINVAL, "family");
	cfg = config_make();
	cfg.dev[0].tun = "a\"b";
	refused(&cfg, -EINVAL, "device");
	cfg.dev[0].tun = "macro*";
	refused(&cfg, -EINVAL, "device");
	cfg.dev[0].tun = "macroexit0123456";
	refused(&cfg, -EINVAL, "device");
	cfg = config_make();
	CHECK(run("echo 1 >/proc/sys/net/ipv6/conf/macroexit0/disable_ipv6"));
	refused(&cfg, -EAFNOSUPPORT, "disable_ipv6");
	CHECK(run("echo 0 >/proc/sys/net/ipv6/conf/macroexit0/disable_ipv6"));
	CHECK(is_unchanged(before));
	free(before);
	close(tun);
}

/* Such a container runtime's setting cannot be overruled, only told of. */
static void test_foreign_drop_policy_is_found(void)
{
	char table[96];

	NEED(machine_make());
	CHECK(!firewall_forward_drop(table, sizeof(table)));
	CHECK(
	    run("nft 'table inet macromesh_exit { chain c { type filter hook forward priority 0; "
		"policy drop; }; }; table ip other { chain c { type filter hook input priority 0; "
		"policy drop; }; }'"));
	CHECK(!firewall_forward_drop(table, sizeof(table)));
	CHECK(run("nft 'table ip filter { chain FORWARD { type filter hook forward priority 0; "
		  "policy drop; }; }'"));
	CHECK(firewall_forward_drop(table, sizeof(table)));
	CHECK(strcmp(table, "ip filter") == 0);
}

int main(void)
{
	if (!sandbox_enter())
		return sandbox_skip();
	snprintf(state_dir, sizeof(state_dir), "%s/state", sandbox_dir);
	if (mkdir(state_dir, 0700) != 0)
		return EXIT_FAILURE;
	RUN(test_up_and_down);
	RUN(test_two_devices);
	RUN(test_one_family_only);
	RUN(test_forwarding_that_was_on_stays_on);
	RUN(test_failure_at_each_step_leaves_nothing);
	RUN(test_crash_at_each_step_is_recovered);
	RUN(test_broken_journal_is_cleaned_by_marks);
	RUN(test_existing_table_is_refused);
	RUN(test_bad_configuration_is_refused);
	RUN(test_foreign_drop_policy_is_found);
	return sandbox_leave();
}
