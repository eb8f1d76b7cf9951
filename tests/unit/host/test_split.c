/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 *   near namespace (the client)                                       far namespace
 *   10.88.3.4 fd88::4 [TUN]   192.168.7.2 fd07::2 lan0 [veth] ---- far0  192.168.7.1 fd07::1
 *                                                              198.51.100.9, .10 2001:db8::9
 *
 * Which way packets of programs in and out of our control groups take, with real sockets.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "host/client_net.h"
#include "host/rules.h"
#include "host/shield.h"
#include "sandbox.h"
#include "util/endpoint.h"
#include "util/now.h"

#define MARK 0x6d6d

enum way {
	REFUSED,
	TUNNEL,
	FAR,
	NOWHERE,
};

enum program {
	ANY,
	EXCLUDED, /* started by macro exclude */
	ONLY,     /* by macro only */
};

static const char *const way_names[] = {"refused", "tunnel", "far", "nowhere"};
static struct host_error err;
static struct client_net net;
static struct shield *shield;
static struct shield_rules rules;
static struct split split;
static bool has_groups;
static int near_ns, far_ns, tun, far_fd;
static char from[ENDPOINT_TEXT_MAX]; /* the source that the far end or the tunnel saw */

static int far_socket(void)
{
	const struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(7000)};
	int fd;

	CHECK(setns(far_ns, CLONE_NEWNET) == 0);
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	CHECK(bind(fd, (const struct sockaddr *)(const void *)&a, sizeof(a)) == 0);
	CHECK(setns(near_ns, CLONE_NEWNET) == 0);
	return fd;
}

static bool wire(void)
{
	return sandbox_fresh() && (far_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) >= 0 &&
	       sandbox_fresh() &&
	       (near_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) >= 0 &&
	       (tun = sandbox_open_tun("macro0")) >= 0 &&
	       run("ip link add lan0 type veth peer name far0 && "
		   "ip link set far0 netns /proc/%d/fd/%d && ip link set lan0 up && "
		   "ip addr add 192.168.7.2/24 dev lan0 && ip addr add fd07::2/64 dev lan0 nodad && "
		   "ip route add default via 192.168.7.1 && ip -6 route add default via fd07::1 && "
		   "echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter",
		   getpid(), far_ns) &&
	       setns(far_ns, CLONE_NEWNET) == 0 &&
	       run("ip addr add 192.168.7.1/24 dev far0 && ip addr add 198.51.100.9/32 dev far0 && "
		   "ip addr add 198.51.100.10/32 dev far0 && ip addr add fd07::1/64 dev far0 nodad && "
		   "ip addr add 2001:db8::9/128 dev far0 nodad && ip link set far0 up") &&
	       setns(near_ns, CLONE_NEWNET) == 0;
}

/* The kill switch with what is in split now. */
static void set_shield(bool is_locked)
{
	rules.is_locked = is_locked;
	split.now_ns = now_read().mono_ns;
	rules.split = &split;
	if (shield_set(shield, &rules, &err) != 0)
		printf("# %s\n", err.text);
	CHECK_INT(shield_set(shield, &rules, &err), 0);
}

static void use_group(enum cgroup_side side)
{
	if (has_groups)
		CHECK(cgroup_path(side, split.way[side].group));
}

static bool start_with(bool is_only, const char *v6)
{
	static char state_dir[64], resolv_path[64];
	struct client_net_config cfg = {.state_dir = state_dir,
					.tun = "macro0",
					.mtu_bytes = 1324,
					.fwmark = MARK,
					.table = 27757,
					.has_outside = !is_only,
					.is_only = is_only,
					.resolv_path = resolv_path};

	snprintf(state_dir, sizeof(state_dir), "%s/state", sandbox_dir);
	snprintf(resolv_path, sizeof(resolv_path), "%s/resolv.conf", sandbox_dir);
	if (!wire() || endpoint_ip_parse(cfg.v4, "10.88.3.4") != 0 ||
	    endpoint_ip_parse(cfg.v6, v6) != 0)
		return false;
	far_fd = far_socket();
	memset(&split, 0, sizeof(split));
	split.is_only = is_only;
	rules = (struct shield_rules){.fwmark = MARK, .tun = "macro0"};
	memcpy(rules.v4, cfg.v4, sizeof(rules.v4));
	memcpy(rules.v6, cfg.v6, sizeof(rules.v6));
	return shield_open(&shield, &err) == 0 && client_net_up(&net, &cfg, &err) == 0;
}

static bool start(bool is_only)
{
	return start_with(is_only, "fd88::4");
}

static void stop(void)
{
	CHECK_INT(client_net_down(&net, &err), 0);
	CHECK_INT(shield_clear(shield, &err), 0);
	CHECK(run("! nft list ruleset | grep ."));
	shield_close(shield);
	close(far_fd);
	close(tun);
	close(near_ns);
	close(far_ns);
}

static void add_net(enum cgroup_side side, const char *text)
{
	struct split_way *w = &split.way[side];

	CHECK_INT(ip_prefix_parse(&w->nets[w->net_count++], text), 0);
}

static socklen_t to_address(struct sockaddr_storage *out, const char *ip)
{
	struct sockaddr_in6 *v6 = (void *)out;
	struct sockaddr_in *v4 = (void *)out;

	memset(out, 0, sizeof(*out));
	if (strchr(ip, ':') != NULL) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(7000);
		CHECK(inet_pton(AF_INET6, ip, &v6->sin6_addr) == 1);
		return sizeof(*v6);
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons(7000);
	CHECK(inet_pton(AF_INET, ip, &v4->sin_addr) == 1);
	return sizeof(*v4);
}

/* A datagram of a program: 0, or 1 if it was refused at once. */
static int send_as(enum program p, const char *ip)
{
	const pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		struct sockaddr_storage to;
		const socklen_t len = to_address(&to, ip);
		int fd;

		if (p != ANY && cgroup_join(p == EXCLUDED ? CGROUP_OUTSIDE : CGROUP_INSIDE,
					    getpid(), &err) != 0)
			_exit(2);
		fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		_exit(sendto(fd, "hello", 5, 0, (const struct sockaddr *)&to, len) == 5 ? 0 : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) < 2);
	return WEXITSTATUS(status);
}

static void note_far_source(void)
{
	struct sockaddr_in6 a;
	socklen_t len = sizeof(a);
	char buf[16];

	CHECK_INT(recvfrom(far_fd, buf, sizeof(buf), 0, (struct sockaddr *)(void *)&a, &len), 5);
	endpoint_ip_format(a.sin6_addr.s6_addr, from);
}

static void note_tunnel_source(void)
{
	uint8_t packet[128] = {0}, ip[16];

	CHECK(read(tun, packet, sizeof(packet)) > 0);
	if (packet[0] >> 4 == 4)
		endpoint_ip_from_v4(ip, packet + 12);
	else
		memcpy(ip, packet + 8, sizeof(ip));
	endpoint_ip_format(ip, from);
}

static enum way way_of(enum program p, const char *ip)
{
	struct pollfd fds[] = {{.fd = tun, .events = POLLIN}, {.fd = far_fd, .events = POLLIN}};
	const bool was_refused = send_as(p, ip) != 0;

	from[0] = '\0';
	if (was_refused || poll(fds, 2, 1000) == 0)
		return was_refused ? REFUSED : NOWHERE;
	if (fds[0].revents != 0) {
		note_tunnel_source();
		return TUNNEL;
	}
	note_far_source();
	return FAR;
}

static void check_way(enum program p, const char *ip, enum way expected, const char *source)
{
	const enum way got = way_of(p, ip);

	if (got != expected || (source != NULL && strcmp(from, source) != 0)) {
		printf("# program %d to %s: %s from %s, expected %s from %s\n", p, ip,
		       way_names[got], from, way_names[expected], source != NULL ? source : "any");
		CHECK(!"the right way");
	}
}

#define NEED_GROUPS()                                                        \
	do {                                                                 \
		if (!has_groups) {                                           \
			printf("# no control groups here: not looked at\n"); \
			return;                                              \
		}                                                            \
	} while (0)

static void test_excluded_programs(void)
{
	NEED_GROUPS();
	NEED(start(false));
	use_group(CGROUP_OUTSIDE);
	for (unsigned locked = 0; locked < 2; locked++) {
		set_shield(locked);
		check_way(ANY, "198.51.100.9", TUNNEL, "10.88.3.4");
		check_way(ANY, "2001:db8::9", TUNNEL, "fd88::4");
		check_way(EXCLUDED, "198.51.100.9", FAR, "192.168.7.2");
		check_way(EXCLUDED, "2001:db8::9", FAR, "fd07::2");
	}
	stop();
}

/* IPv6 that the tunnel does not carry is there for them, and refused at once for all others. */
static void test_excluded_without_v6(void)
{
	NEED_GROUPS();
	NEED(start_with(false, "::"));
	use_group(CGROUP_OUTSIDE);
	for (unsigned locked = 0; locked < 2; locked++) {
		set_shield(locked);
		check_way(ANY, "198.51.100.9", TUNNEL, NULL);
		check_way(ANY, "2001:db8::9", REFUSED, NULL);
		check_way(EXCLUDED, "2001:db8::9", FAR, "fd07::2");
	}
	stop();
}

/* As after the daemon's death: the device is gone, rules and firewall are not. */
static void test_excluded_without_device(void)
{
	NEED_GROUPS();
	NEED(start(false));
	use_group(CGROUP_OUTSIDE);
	close(tun);
	tun = -1;
	for (unsigned locked = 0; locked < 2; locked++) {
		set_shield(locked);
		check_way(ANY, "198.51.100.9", REFUSED, NULL);
		check_way(ANY, "2001:db8::9", REFUSED, NULL);
		check_way(EXCLUDED, "198.51.100.9", FAR, "192.168.7.2");
		check_way(EXCLUDED, "2001:db8::9", REFUSED, NULL); /* so that they take IPv4 */
	}
	stop();
}

/* Nobody else passes, whatever mark they have not got. */
static void test_lock_without_tunnel(void)
{
	NEED_GROUPS();
	NEED(start(false));
	use_group(CGROUP_OUTSIDE);
	add_net(CGROUP_OUTSIDE, "198.51.100.10/32");
	CHECK_INT(client_net_down(&net, &err), 0);
	rules.tun[0] = '\0';
	set_shield(true);
	check_way(ANY, "198.51.100.9", REFUSED, NULL);
	check_way(ANY, "2001:db8::9", REFUSED, NULL);
	check_way(ONLY, "198.51.100.9", REFUSED, NULL);
	check_way(EXCLUDED, "198.51.100.9", FAR, "192.168.7.2");
	check_way(ANY, "198.51.100.10", FAR, "192.168.7.2");
	CHECK_INT(shield_clear(shield, &err), 0);
	shield_close(shield);
	close(far_fd);
	close(tun);
	close(near_ns);
	close(far_ns);
}

static void test_networks(void)
{
	NEED(start(false));
	add_net(CGROUP_OUTSIDE, "198.51.100.8/31");
	add_net(CGROUP_OUTSIDE, "2001:db8::/32");
	for (unsigned locked = 0; locked < 2; locked++) {
		set_shield(locked);
		check_way(ANY, "198.51.100.9", FAR, "192.168.7.2");
		check_way(ANY, "2001:db8::9", FAR, "fd07::2");
		check_way(ANY, "198.51.100.10", TUNNEL, "10.88.3.4");
	}
	add_net(CGROUP_OUTSIDE, "198.51.100.0/24"); /* which has the first one in it */
	set_shield(true);
	check_way(ANY, "198.51.100.9", FAR, NULL);
	check_way(ANY, "198.51.100.10", FAR, NULL);
	stop();
}

static uint64_t after_s(unsigned s)
{
	return now_read().mono_ns + s * NS_PER_S;
}

static void learn(enum cgroup_side side, const char *ip, unsigned seconds)
{
	uint8_t bytes[16];

	CHECK_INT(endpoint_ip_parse(bytes, ip), 0);
	split.now_ns = now_read().mono_ns;
	CHECK(split_learn(&split, side, bytes, after_s(seconds)));
	CHECK_INT(shield_learn(shield, side, bytes, seconds, &err), 0);
}

/* For as long as the name's answer says, also when the rules are set anew meanwhile. */
static void test_names(void)
{
	uint8_t ip[16];

	NEED(start(false));
	split.way[CGROUP_OUTSIDE].has_names = true;
	set_shield(true);
	check_way(ANY, "198.51.100.9", TUNNEL, NULL);
	learn(CGROUP_OUTSIDE, "198.51.100.9", 100);
	learn(CGROUP_OUTSIDE, "198.51.100.10", 1);
	learn(CGROUP_OUTSIDE, "2001:db8::9", 100);
	check_way(ANY, "198.51.100.9", FAR, "192.168.7.2");
	check_way(ANY, "198.51.100.10", FAR, "192.168.7.2");
	check_way(ANY, "2001:db8::9", FAR, "fd07::2");
	set_shield(true);
	check_way(ANY, "198.51.100.9", FAR, "192.168.7.2");
	usleep(1300 * 1000); /* the second one's time */
	check_way(ANY, "198.51.100.10", TUNNEL, "10.88.3.4");
	CHECK_INT(endpoint_ip_parse(ip, "198.51.100.9"), 0);
	split.now_ns = now_read().mono_ns;
	CHECK(!split_learn(&split, CGROUP_OUTSIDE, ip, after_s(100))); /* the kernel has it */
	learn(CGROUP_OUTSIDE, "198.51.100.9", 1000);                   /* but not for so long */
	split_forget(&split);
	set_shield(true);
	check_way(ANY, "198.51.100.9", TUNNEL, NULL);
	stop();
}

/* A full list gives up what ends first. */
static void test_many_names(void)
{
	uint8_t ip[16] = {[10] = 0xff, [11] = 0xff, 203, 0};
	unsigned known = 0;

	memset(&split, 0, sizeof(split));
	for (unsigned i = 0; i < SPLIT_LEARNT_MAX + 10; i++) {
		put_be32(ip + 12, 0xcb000000 + i);
		CHECK(split_learn(&split, CGROUP_INSIDE, ip, (i + 1) * NS_PER_S));
	}
	for (unsigned i = 0; i < SPLIT_LEARNT_MAX; i++)
		known += split.way[CGROUP_INSIDE].learnt[i].until_ns > 10 * NS_PER_S;
	CHECK_INT(known, SPLIT_LEARNT_MAX);
}

/* Only programs of that group and what is named go inside. */
static void test_only(void)
{
	NEED(start(true));
	add_net(CGROUP_INSIDE, "198.51.100.10/32");
	use_group(CGROUP_INSIDE);
	for (unsigned locked = 0; locked < 2; locked++) {
		set_shield(locked);
		check_way(ANY, "198.51.100.9", FAR, "192.168.7.2");
		check_way(ANY, "2001:db8::9", FAR, "fd07::2");
		check_way(ANY, "198.51.100.10", TUNNEL, "10.88.3.4");
		if (!has_groups)
			continue;
		check_way(ONLY, "198.51.100.9", TUNNEL, "10.88.3.4");
		check_way(ONLY, "2001:db8::9", TUNNEL, "fd88::4");
	}
	/* Flushed by others, the second table still holds them. */
	CHECK(run("nft delete table inet macromesh"));
	check_way(ANY, "198.51.100.9", FAR, NULL);
	if (has_groups)
		check_way(ONLY, "198.51.100.9", REFUSED, NULL);
	stop();
}

/* Without the tunnel they are held, and nobody else is; and by their group even if others flush. */
static void test_only_is_held(void)
{
	NEED_GROUPS();
	NEED(start(true));
	add_net(CGROUP_INSIDE, "198.51.100.10/32");
	use_group(CGROUP_INSIDE);
	CHECK_INT(client_net_down(&net, &err), 0);
	rules.tun[0] = '\0';
	set_shield(false);
	check_way(ONLY, "198.51.100.9", FAR, NULL);
	set_shield(true);
	check_way(ANY, "198.51.100.9", FAR, "192.168.7.2");
	check_way(ANY, "198.51.100.10", REFUSED, NULL);
	check_way(ONLY, "198.51.100.9", REFUSED, NULL);
	check_way(ONLY, "2001:db8::9", REFUSED, NULL);
	check_way(ONLY, "192.168.7.1", REFUSED, NULL);
	rules.pass.lan = true;
	set_shield(true);
	check_way(ONLY, "192.168.7.1", FAR, NULL);
	CHECK(run("nft delete table inet macromesh"));
	check_way(ONLY, "198.51.100.9", REFUSED, NULL);
	check_way(ANY, "198.51.100.9", FAR, NULL);
	CHECK_INT(shield_clear(shield, &err), 0);
	shield_close(shield);
	close(far_fd);
	close(tun);
	close(near_ns);
	close(far_ns);
}

/* What is excluded is so for what is inside, too. */
static void test_excluded_from_only(void)
{
	NEED_GROUPS();
	NEED(start(true));
	add_net(CGROUP_OUTSIDE, "198.51.100.10/32");
	use_group(CGROUP_INSIDE);
	for (unsigned locked = 0; locked < 2; locked++) {
		set_shield(locked);
		check_way(ONLY, "198.51.100.9", TUNNEL, "10.88.3.4");
		check_way(ONLY, "198.51.100.10", FAR, "192.168.7.2");
	}
	stop();
}

/* Whoever asks a name server at home gets their side's; others ask whom they asked. */
static void test_questions(void)
{
	char *text;

	NEED_GROUPS();
	NEED(start(false));
	use_group(CGROUP_OUTSIDE);
	snprintf(split.way[CGROUP_OUTSIDE].stub, ENDPOINT_TEXT_MAX, "127.109.109.54");
	set_shield(true);
	text = capture("nft list chain inet macromesh split_questions");
	CHECK(
	    strstr(text,
		   "macromesh/exclude\" ip daddr 127.0.0.0/8 meta l4proto { tcp, udp } th dport 53 "
		   "dnat ip to 127.109.109.54") != NULL);
	free(text);
	stop();
}

/* Without anything to tell apart the table is as it was before there was any of this. */
static void test_unused(void)
{
	char *with, *without;

	memset(&split, 0, sizeof(split));
	CHECK(!split_is_used(&split));
	rules = (struct shield_rules){.is_locked = true, .fwmark = MARK, .tun = "macro0"};
	without = shield_render(&rules);
	CHECK(strstr(without, "split") == NULL && strstr(without, "cgroupv2") == NULL);
	split.way[CGROUP_OUTSIDE].has_names = true;
	CHECK(split_is_used(&split));
	rules.split = &split;
	with = shield_render(&rules);
	CHECK(strstr(with, "set outside_named6") != NULL && strstr(with, "set inside") == NULL);
	free(with);
	free(without);
}

/* Somebody in the group as long as this test runs. */
static bool populate(enum cgroup_side side)
{
	char path[CGROUP_PATH_MAX], said = 'n';
	int ready[2];

	if (pipe(ready) != 0)
		return false;
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (cgroup_join(side, getpid(), &err) == 0 && write(ready[1], "y", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	(void)!read(ready[0], &said, 1);
	close(ready[0]);
	return said == 'y' && cgroup_path(side, path);
}

int main(void)
{
	int groups;

	if (!sandbox_enter())
		return sandbox_skip();
	groups = cgroup_hold(&err); /* nobody else's clean-up removes them */
	if (groups < 0)
		printf("# %s\n", err.text);
	has_groups = populate(CGROUP_OUTSIDE) && populate(CGROUP_INSIDE);
	RUN(test_excluded_programs);
	RUN(test_excluded_without_v6);
	RUN(test_excluded_without_device);
	RUN(test_lock_without_tunnel);
	RUN(test_networks);
	RUN(test_names);
	RUN(test_many_names);
	RUN(test_only);
	RUN(test_only_is_held);
	RUN(test_excluded_from_only);
	RUN(test_questions);
	RUN(test_unused);
	close(groups);
	return sandbox_leave();
}
