/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lab-wan: the distance between the lab's hosts.  The lab's core routes the packets of every
 * emulated pair of hosts into a TUN device; this program gives each the fate that its link's
 * settings say and writes it back to the device, from which the core routes it on.
 *
 * One line in, one answer out, on standard input and output (the end of input ends the program):
 *
 *   link NAME SRC4 DST4 SRC6 DST6 [SETTING=NUMBER]...   from now on; what is not named is 0
 *   stats                                               NAME COUNT=NUMBER... lines, then "ok"
 *
 * SRC4 and so on are any addresses of the two hosts: a host is an IPv4 /16 and an IPv6 /32.
 */
#include "wan_link.h"

#include "util/endpoint.h"
#include "util/map.h"
#include "util/now.h"
#include "util/xalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define BATCH      64
#define LINE_BYTES 1024

struct wan {
	int tun;
	uint64_t seed;
	struct queue queue;
	struct map pairs; /* both of a link's address pairs (packet_pair) to the link */
	struct wan_link *links;
	char line[LINE_BYTES];
	size_t line_len;
	bool is_ended;
};

static int open_tun(const char *name)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0) {
		fprintf(stderr, "lab-wan: /dev/net/tun: %s\n", strerror(errno));
		return -1;
	}
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		fprintf(stderr, "lab-wan: TUN device %s: %s\n", name, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

/* The pair of networks of two addresses given as text, in packet_pair's form; 0 if they are none.
 */
static uint64_t parse_pair(const char *src, const char *dst)
{
	uint8_t a[16], b[16];
	const bool is_v4 = strchr(src, ':') == NULL;

	if (is_v4 != (strchr(dst, ':') == NULL) || endpoint_ip_parse(a, src) < 0 ||
	    endpoint_ip_parse(b, dst) < 0)
		return 0;
	if (is_v4)
		return (uint64_t)get_be16(a + 12) << 32 | get_be16(b + 12);
	return (uint64_t)get_be32(a) << 32 | get_be32(b);
}

static struct wan_link *add_link(struct wan *w, const char *name, uint64_t pair4, uint64_t pair6)
{
	struct wan_link *l;

	if (map_get(&w->pairs, pair6) != NULL)
		return NULL;
	l = link_create(name, &w->queue, w->seed ^ pair4);
	map_put(&w->pairs, pair4, l);
	map_put(&w->pairs, pair6, l);
	l->next = w->links;
	w->links = l;
	return l;
}

static bool parse_setting(struct link_settings *set, const char *word)
{
	const char *const equals = strchr(word, '=');
	char *end;

	for (size_t i = 0; equals != NULL && i < LINK_SETTINGS; i++) {
		const size_t name_len = strlen(link_setting_names[i]);

		if ((size_t)(equals - word) == name_len &&
		    memcmp(word, link_setting_names[i], name_len) == 0) {
			((uint64_t *)(void *)set)[i] = strtoull(equals + 1, &end, 10);
			return end != equals + 1 && *end == '\0';
		}
	}
	return false;
}

/* NULL, or what is wrong with the command. */
static const char *command_link(struct wan *w, char *words)
{
	const char *const name = strtok_r(NULL, " ", &words);
	const char *const src4 = strtok_r(NULL, " ", &words);
	const char *const dst4 = strtok_r(NULL, " ", &words);
	const char *const src6 = strtok_r(NULL, " ", &words);
	const char *const dst6 = strtok_r(NULL, " ", &words);
	struct link_settings set = {0};
	struct wan_link *l;
	uint64_t pair4, pair6;

	if (dst6 == NULL)
		return "link NAME SRC4 DST4 SRC6 DST6 [SETTING=NUMBER]...";
	pair4 = parse_pair(src4, dst4);
	pair6 = parse_pair(src6, dst6);
	if (pair4 == 0 || pair6 == 0)
		return "not an address pair";
	for (const char *word; (word = strtok_r(NULL, " ", &words)) != NULL;) {
		if (!parse_setting(&set, word))
			return "no such setting, or not a number";
	}
	l = map_get(&w->pairs, pair4);
	if (l == NULL)
		l = add_link(w, name, pair4, pair6);
	if (l == NULL || map_get(&w->pairs, pair6) != l)
		return "the IPv4 and IPv6 pairs belong to different links";
	link_configure(l, &set, now_read().mono_ns);
	return NULL;
}

static void print_stats(const struct wan *w)
{
	for (const struct wan_link *l = w->links; l != NULL; l = l->next) {
		const uint64_t *const counts = (const uint64_t *)(const void *)&l->counts;

		printf("%s", l->name);
		for (size_t i = 0; i < LINK_COUNTS; i++)
			printf(" %s=%llu", link_count_names[i], (unsigned long long)counts[i]);
		printf("\n");
	}
}

static void run_command(struct wan *w, char *line)
{
	const char *error = "no such command: link, stats";
	char *words;
	const char *const verb = strtok_r(line, " ", &words);

	if (verb != NULL && strcmp(verb, "link") == 0) {
		error = command_link(w, words);
	} else if (verb != NULL && strcmp(verb, "stats") == 0) {
		print_stats(w);
		error = NULL;
	}
	if (error != NULL)
		printf("error %s\n", error);
	else
		printf("ok\n");
	fflush(stdout);
}

static void read_commands(struct wan *w)
{
	const ssize_t n = read(STDIN_FILENO, w->line + w->line_len, sizeof(w->line) - w->line_len);
	char *newline;

	if (n <= 0) {
		w->is_ended = n == 0 || errno != EINTR;
		return;
	}
	w->line_len += (size_t)n;
	while ((newline = memchr(w->line, '\n', w->line_len)) != NULL) {
		const size_t used = (size_t)(newline - w->line) + 1;

		*newline = '\0';
		run_command(w, w->line);
		w->line_len -= used;
		memmove(w->line, w->line + used, w->line_len);
	}
	if (w->line_len == sizeof(w->line)) {
		fprintf(stderr, "lab-wan: command of more than %d bytes\n", LINE_BYTES);
		w->is_ended = true;
	}
}

/* A packet of no known pair (its link was never set) goes on as it is. */
static void take_packet(struct wan *w, struct frame *f)
{
	struct wan_link *const l = map_get(&w->pairs, packet_pair(f->ip, f->len));

	if (l != NULL) {
		link_send(l, f, now_read().mono_ns);
		return;
	}
	if (write(w->tun, f->ip, f->len) < 0)
		fprintf(stderr, "lab-wan: write: %s\n", strerror(errno));
	frame_put(&w->queue, f);
}

static void read_packets(struct wan *w)
{
	uint8_t overflow[1];

	for (int i = 0; i < BATCH; i++) {
		struct frame *f = frame_get(&w->queue);
		const ssize_t n = f != NULL ? read(w->tun, f->ip, sizeof(f->ip))
					    : read(w->tun, overflow, sizeof(overflow));

		if (f != NULL && n > 0) {
			f->len = (size_t)n;
			take_packet(w, f);
			continue;
		}
		if (f != NULL)
			frame_put(&w->queue, f);
		if (n < 0)
			return;
	}
}

static void deliver_due(struct wan *w)
{
	const uint64_t now_ns = now_read().mono_ns;

	for (int i = 0; i < BATCH && queue_due_ns(&w->queue) <= now_ns; i++) {
		const struct event e = queue_pop(&w->queue);

		if (e.frame == NULL) {
			link_tick(e.link, now_ns);
			continue;
		}
		if (write(w->tun, e.frame->ip, e.frame->len) == (ssize_t)e.frame->len)
			e.link->counts.delivered++;
		frame_put(&w->queue, e.frame);
	}
}

static void run(struct wan *w)
{
	struct pollfd fds[] = {{.fd = w->tun, .events = POLLIN},
			       {.fd = STDIN_FILENO, .events = POLLIN}};

	while (!w->is_ended) {
		const uint64_t due_ns = queue_due_ns(&w->queue), now_ns = now_read().mono_ns;
		const uint64_t wait_ns = due_ns > now_ns ? due_ns - now_ns : 0;
		const struct timespec timeout = {.tv_sec = (time_t)(wait_ns / NS_PER_S),
						 .tv_nsec = (long)(wait_ns % NS_PER_S)};

		if (ppoll(fds, ARRAY_LEN(fds), due_ns == NEVER ? NULL : &timeout, NULL) < 0 &&
		    errno != EINTR) {
			fprintf(stderr, "lab-wan: ppoll: %s\n", strerror(errno));
			return;
		}
		if (fds[0].revents != 0)
			read_packets(w);
		if (fds[1].revents != 0)
			read_commands(w);
		deliver_due(w);
	}
}

static void close_wan(struct wan *w)
{
	queue_fini(&w->queue);
	while (w->links != NULL) {
		struct wan_link *l = w->links;

		w->links = l->next;
		link_free(l);
	}
	map_fini(&w->pairs);
	close(w->tun);
}

int main(int argc, char **argv)
{
	static struct wan w;

	if (argc != 3) {
		fprintf(stderr, "usage: lab-wan TUN-NAME SEED\n");
		return EXIT_FAILURE;
	}
	/* Late packets would be our delay, not the link's: wake to the nanosecond, before others.
	 */
	prctl(PR_SET_TIMERSLACK, 1);
	setpriority(PRIO_PROCESS, 0, -10);
	w.seed = strtoull(argv[2], NULL, 10);
	w.tun = open_tun(argv[1]);
	if (w.tun < 0)
		return EXIT_FAILURE;
	queue_init(&w.queue);
	map_init(&w.pairs, 1024, &rng_system);
	printf("ok\n");
	fflush(stdout);
	run(&w);
	close_wan(&w);
	return EXIT_SUCCESS;
}
