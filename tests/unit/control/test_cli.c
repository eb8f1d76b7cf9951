/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The real macro against a made-up daemon: what it prints, word for word, and its exit status. */
#include <jansson.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/test.h"
#include "tests/unit/control/run_macro.h"

#define COST                                                                                    \
	"Profile default: 32.1 ms more than without, 54.3 ms to the exit; 91 % of the line is " \
	"yours\n"
#define CONNECTED                                                          \
	"Connected\n"                                                      \
	"    Exit:                   exit-3 (NL)\n"                        \
	"    Visible address:        203.0.113.7\n"                        \
	"    Route:                  you > entry-1 > relay-2 > exit-3\n"   \
	"    Backups:                1 ready\n"                            \
	"    Features:               Kill switch off\n"                    \
	"    Proof:                  4000 cells verified, 0 failed, last " \
	"0.4 s ago\n"

static const char connected[] = CONNECTED, cost_connected[] = COST CONNECTED;

static const char route_shown[] =
    "#  ROLE       NODE                     COUNTRY       RTT   JITTER    LOSS     GOODPUT  "
    "UPTIME  HEALTH\n"
    "1  entry      entry-1                  DE        12.3 ms   0.2 ms   1.2 %   90 Mbit/s  "
    "99.9 %  green\n"
    "2  relay      relay-2                  FR        20.0 ms   4.0 ms   9.8 %   90 Mbit/s "
    "100.0 %  red: loss 9.8 %, limit 5 %\n"
    "3  exit       exit-3                   NL              -        -       -           - "
    "      -  unknown\n"
    "Also in use:      you > entry-1 > relay-2 > exit-3  43.0 ms  12 connections\n"
    "Backup:           you > entry-1 > relay-2 > exit-3  43.0 ms  does not answer\n";

static void test_status(void)
{
	char *verbose;

	check("", 0, "Disconnected (traffic NOT protected)\n", "");
	check("status", 0, "Disconnected (traffic NOT protected)\n", "");
	check("status --check", 3, "Disconnected (traffic NOT protected)\n", "");
	check("status -v", 0,
	      "Disconnected (traffic NOT protected)\n"
	      "    Profile:                default\n"
	      "    Since:                  2026-01-02T03:04:05.678Z\n",
	      "");
	fake_set(&fake, VIEW_CONNECTING, "asking for a route");
	check("status", 0, "Connecting (traffic NOT protected): asking for a route\n", "");
	fake_set(&fake, VIEW_ERROR, "hop 2 (relay-2) does not answer");
	check("status --check", 3,
	      "Error (traffic NOT protected): hop 2 (relay-2) does not answer\n", "");
	fake_set(&fake, VIEW_CONNECTED, "");
	check("status", 0, connected, "");
	check("status --check", 0, connected, "");
	verbose = xasprintf("%s%s\n%s", connected,
			    "    Profile:                default\n"
			    "    Since:                  2026-01-02T03:04:05.678Z\n"
			    "    Tunnel address:         10.88.0.2, fd6d:6d00::2\n"
			    "    MTU:                    1324 bytes\n"
			    "    Received:               1.5 kB in 10 packets\n"
			    "    Sent:                   2.5 MB in 20 packets\n"
			    "    Now:                    12 Mbit/s in, 480 kbit/s out\n"
			    "    Expected cost:          about 32.0 ms more than without, 54.0 ms "
			    "to the exit; 91 % of the line is yours\n"
			    "    Measured cost:          about 39.0 ms more than without, 61.0 ms "
			    "to the exit; 87 % of the line is yours\n"
			    "    Session:                0123abcd\n"
			    "    Paths:                  2 active, 1 backup\n",
			    route_shown);
	check("status -v", 0, verbose, "");
	free(verbose);
	fake_set(&fake, VIEW_DISCONNECTED, "");
}

static void check_json(const char *args, int status, const char *key)
{
	json_t *json;

	CHECK_INT(run(args), status);
	json = json_loads(out, 0, NULL);
	CHECK(json != NULL);
	CHECK_INT(json_integer_value(json_object_get(json, "schema")), 1);
	CHECK(json_object_get(json, key) != NULL);
	json_decref(json);
}

static void test_json(void)
{
	check_json("status --json", 0, "state");
	check_json("status -j", 0, "proof");
	check_json("route show --json", 3, "route");
	check_json("exit list -j", 0, "exits");
	check_json("node status --json", 0, "node");
	fake_set(&fake, VIEW_CONNECTED, "");
	check_json("route show --json", 0, "route");
	CHECK(strstr(out, "\"rtt_ms\": 12.346,") != NULL);
	fake_set(&fake, VIEW_DISCONNECTED, "");
}

static void test_route(void)
{
	check("route show", 3, "", "macro: there is no route: disconnected\n");
	fake_set(&fake, VIEW_CONNECTED, "");
	check("route show", 0, route_shown, "");
	check("route", 0, route_shown, "");
	fake_set(&fake, VIEW_DISCONNECTED, "");
}

static void test_route_explain(void)
{
	check("route explain", 3, "", "macro: there is no route to explain\n");
	check_json("route explain --json", 3, "explanation");
	fake_set(&fake, VIEW_CONNECTED, "");
	check("route explain", 0,
	      "The route costs 64.5 ms. Of some good ones one is drawn, the cheaper the likelier.\n"
	      "1  entry      entry-1 (DE): 12.3 ms (measured), 2.0 ms for its load\n"
	      "     one of 3 entries that are kept to; 100 Mbit/s, 57 % in use\n"
	      "     not entry-4 (SE): 1.5 ms less; the lot fell otherwise\n"
	      "     not entry-5 (NL): in a network already on the path\n"
	      "2  exit       exit-3 (NL): 20.0 ms (guessed), 30.2 ms for how it did\n"
	      "     one of 1 that may stand here; 1.0 Gbit/s\n",
	      "");
	check_json("route explain --json", 0, "explanation");
	CHECK(strstr(out, "\"more_ms\": -1.5") != NULL);
	fake_set(&fake, VIEW_DISCONNECTED, "");
}

static void test_exit_list(void)
{
	static const char head[] =
	    "EXIT                     COUNTRY  CITY             HEALTH  LOAD    LATEN"
	    "CY  LOCATION                         BANDWIDTH  IP   ID\n";
	static const char nl[] =
	    "exit-3                   NL       Amsterdam        green    12%    24.5 "
	    "ms  consistent                      200 Mbit/s  4+6  cccccccc\n";
	static const char se[] =
	    "exit-4                   SE       -                -          -         "
	    " -  refuted, database says DE       1.0 Gbit/s  4    dddddddd\n";
	char *all = xasprintf("%s%s%s", head, nl, se), *one = xasprintf("%s%s", head, se);

	check("exit list", 0, all, "");
	check("exit", 0, all, "");
	check("exit list --country se", 0, one, "");
	check("exit --country SE", 0, one, "");
	check("exit list --country XX", 1, "", "macro: no exit is known in XX\n");
	free(all);
	free(one);
}

static void test_connect(void)
{
	fake.outcome = FAKE_HANGS;
	check("connect --exit DE --hops 2 --profile work", 0,
	      "Profile work: time not known: no node is known; 92 % of the line is yours\n"
	      "Connecting (traffic NOT protected)\n",
	      "");
	CHECK_INT(fake.cost.hops, 2);
	CHECK(strcmp(fake.connect.exit, "DE") == 0);
	CHECK(strcmp(fake.connect.profile, "work") == 0);
	CHECK_INT(fake.connect.hops, 2);
	check("connect -w --timeout 1", 3, COST,
	      "macro: still connecting after 1 s; it goes on, see: macro status\n");
	fake.outcome = FAKE_CONNECTS;
	check("connect -w", 0, cost_connected, "");
	check("up --wait", 0, cost_connected, "");
	CHECK_INT(fake.connect.hops, 0);
	check("reconnect -w --new-exit", 0, connected, "");
	CHECK(fake.reconnect.new_exit);
	check("reconnect -w", 0, connected, "");
	CHECK(!fake.reconnect.new_exit);
	check("disconnect -w", 0, "Disconnected (traffic NOT protected)\n", "");
	check("down", 0, "Disconnected (traffic NOT protected)\n", "");
}

static void test_profiles(void)
{
	check(
	    "profile", 0,
	    "  PROFILE             EXIT                 HOPS  KILL SWITCH       ADDED    YOURS  "
	    "NETWORKS\n"
	    "  default             auto                    3  off             32.1 ms     91 %  -\n"
	    "* work                DE                      2  always                -     92 %  "
	    "02:00:5e:00:53:01@192.168.1.0/24\n",
	    "");
	check("profile show", 0,
	      "work\n"
	      "    Used:                   yes: this network is bound to it\n"
	      "    Exit:                   DE\n"
	      "    Hops:                   2\n"
	      "    Kill switch:            always\n"
	      "    LAN passes it:          yes\n"
	      "    DNS:                    9.9.9.9\n"
	      "    IPv6:                   no\n"
	      "    Padding:                off\n"
	      "    Isolation:              app\n"
	      "    Rotation:               60 s\n"
	      "    Routes:                 1 in use, 0 backups, small packets twice\n"
	      "    Outside of the tunnel:  192.0.2.0/24, corp.example\n"
	      "    Alone inside:           programs started by macro only\n"
	      "    Networks:               02:00:5e:00:53:01@192.168.1.0/24\n"
	      "    Expected cost:          time not known: no node is known; 92 % of the line is "
	      "yours\n",
	      "");
	CHECK_INT(run("profile show default"), 0);
	CHECK(strstr(out, "default\n    Used:                   no\n") == out);
	CHECK(strstr(out, "    DNS:                    the exit's\n") != NULL);
	CHECK(strstr(out, "Alone inside") == NULL && strstr(out, "Outside of") == NULL);
	check("profile show missing", 1, "", "macro: there is no profile \"missing\"\n");
	CHECK_INT(run("profile use auto"), 0);
	CHECK(strcmp(fake.profile_asked, "use") == 0 && strcmp(fake.profile.profile, "auto") == 0);
	check("profile use missing", 1, "", "macro: there is no profile \"missing\"\n");
	check("profile use", 2, "",
	      "macro: profile use: a profile's name is missing; see: macro help profile use\n");
	check("profile bind work", 0,
	      "The present network is bound to work; 'macro profile unbind' ends that\n", "");
	check("profile bind work 02:00:5E:00:53:01@10.0.0.0/8", 0,
	      "02:00:5E:00:53:01@10.0.0.0/8 is bound to work; 'macro profile unbind "
	      "02:00:5E:00:53:01@10.0.0.0/8' ends that\n",
	      "");
	CHECK(strcmp(fake.profile.network, "02:00:5e:00:53:01@10.0.0.0/8") == 0);
	check("profile bind work 10.0.0.0/33", 1, "",
	      "macro: network must be a network as \"macro network show\" prints it: "
	      "MAC@ADDRESS/BITS, without bits of a host\n");
	check("profile unbind", 0, "The present network is not bound any more\n", "");
	check("network", 0,
	      "02:00:5e:00:53:01@192.168.1.0/24\n"
	      "    Device:                 eth0\n"
	      "    Gateway:                192.168.1.1\n"
	      "    Profile:                work\n",
	      "");
}

/* The program takes macro's place; its options are its own, and its exit status macro's. */
static void test_split(void)
{
	check("exclude sh -c 'echo $0 $1; exit 7' --json -h", 7, "--json -h\n", "");
	CHECK(strcmp(fake.split.side, "outside") == 0);
	check("exclude -- true", 0, "", "");
	check("exclude false", 1, "", "");
	check("exclude /nowhere/program", 127, "",
	      "macro: /nowhere/program: No such file or directory\n");
	check("exclude /dev/null", 126, "", "macro: /dev/null: Permission denied\n");
	check("exclude", 2, "",
	      "macro: exclude: the program to run is missing; see: macro help exclude\n");
	check("only", 2, "", "macro: only: the program to run is missing; see: macro help only\n");
	check("only --timeout 1 true", 1, "", "macro: disconnected\n");
	fake_set(&fake, VIEW_CONNECTED, "");
	check("only sh -c 'kill -TERM $$'", 143, "", "Terminated\n"); /* says the shell */
	CHECK(strcmp(fake.split.side, "inside") == 0);
	check("only --timeout=1 echo here", 0, "here\n", "");
	fake_set(&fake, VIEW_DISCONNECTED, "");
}

static void test_connect_fails(void)
{
	fake.outcome = FAKE_FAILS;
	check("connect -w", 1, COST, "macro: error: hop 2 (relay-2) does not answer\n");
	fake.outcome = FAKE_REFUSES;
	check("connect -w", 1, COST, "macro: no node is known yet; wait a moment\n");
	check("reconnect", 1, "", "macro: no node is known yet; wait a moment\n");
	fake.outcome = FAKE_CONNECTS;
	check("connect --profile missing", 1, "", "macro: there is no profile \"missing\"\n");
	check("connect --exit 'a b'", 1, "",
	      "macro: exit must be auto, a country's two letters, or a node's name or id\n");
	fake_set(&fake, VIEW_DISCONNECTED, "");
}

/* Follows in the background while the state changes, until the daemon stops. */
static void test_follow(void)
{
	char *command = xasprintf("MACRO_SOCKET=%s TZ=UTC exec %s status --follow 2>%s/err",
				  fake.path, macro_path, fake.dir);
	FILE *f = popen(command, "r");
	char line[512];
	int status;

	NEED(f != NULL);
	CHECK(fgets(line, sizeof(line), f) != NULL);
	CHECK(strcmp(line, "Disconnected (traffic NOT protected)\n") == 0);
	CHECK(fgets(line, sizeof(line), f) != NULL &&
	      strlen(line) == strlen("00:00:00 disconnected\n"));
	CHECK(strcmp(line + 8, " disconnected\n") == 0);
	fake_set(&fake, VIEW_CONNECTED, "");
	fake_post(&fake, VIEW_EVENT_STATE, "exit-3 has answered");
	CHECK(fgets(line, sizeof(line), f) != NULL);
	CHECK(strcmp(line, "03:04:05 connected: exit-3 has answered\n") == 0);
	fake_post(&fake, VIEW_EVENT_ROUTE, "relay-2 lossy -> relay-5");
	CHECK(fgets(line, sizeof(line), f) != NULL);
	CHECK(strcmp(line, "03:04:05 route changed: relay-2 lossy -> relay-5\n") == 0);
	fake_post(&fake, VIEW_EVENT_ERROR, "");
	CHECK(fgets(line, sizeof(line), f) != NULL);
	CHECK(strcmp(line, "03:04:05 error\n") == 0);
	control_stop(fake.control);
	CHECK(fgets(line, sizeof(line), f) == NULL);
	status = pclose(f);
	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 4);
	read_back("err", err, sizeof(err));
	CHECK(strcmp(err, "macro: macrod has stopped\n") == 0);
	free(command);
}

static void test_no_daemon(void)
{
	char *expected = xasprintf("macro: macrod is not running (nobody answers on %s); start it, "
				   "or name its socket with --socket\n",
				   fake.path);
	char error[CONTROL_ERROR_MAX];

	check("status", 4, "", expected);
	check("connect -w", 4, "", expected);
	check("status --follow", 4, "", expected);
	free(expected);
	check("status --socket /nonexistent", 4, "",
	      "macro: macrod is not running (nobody answers on /nonexistent); start it, or name "
	      "its socket with --socket\n");
	NEED(control_start(&fake.control, fake.path, "macro", &fake_ops, &fake, error) == 0);
	fake_set(&fake, VIEW_DISCONNECTED, "");
	check("status", 0, "Disconnected (traffic NOT protected)\n", "");
}

static void test_node_status(void)
{
	check("node status", 0,
	      "relay-2\n"
	      "    Id:                     bbbbbbbb22\n"
	      "    Roles:                  entry, relay\n"
	      "    Country:                FR\n"
	      "    Operator:               example.org\n"
	      "    Address:                192.0.2.2:4600\n"
	      "    Listening on:           [::]:4600\n"
	      "    Bandwidth:              200 Mbit/s\n"
	      "    Since:                  2026-01-02T03:04:05.678Z\n"
	      "    Descriptor until:       2026-01-02T03:04:05.678Z\n"
	      "    Known nodes:            11\n"
	      "    Workers:                0\n"
	      "    Links:                  2\n"
	      "    Circuits:               7\n"
	      "    Sessions:               0\n"
	      "    Cells carried:          1000 forward, 2000 backward\n",
	      "");
	fake.node.is_node = false;
	check("node", 1, "", "macro: this daemon is not a node; see: macro help node init\n");
	fake.node.is_node = true;
}

static void test_usage(void)
{
	check("frob", 2, "", "macro: there is no verb \"frob\"; see: macro help\n");
	check("exit lst", 2, "", "macro: there is no verb \"exit lst\"; see: macro help\n");
	check("connect now", 2, "",
	      "macro: connect: \"now\" is one word too many; see: macro help connect\n");
	check("connect --hops 0", 2, "", "macro: --hops: \"0\" is not a number from 1 to 5\n");
	check("connect --hops 6", 2, "", "macro: --hops: \"6\" is not a number from 1 to 5\n");
	check("connect --hops 3x", 2, "", "macro: --hops: \"3x\" is not a number from 1 to 5\n");
	check("connect --timeout -1", 2, "",
	      "macro: --timeout: \"-1\" is not a number from 1 to 86400\n");
	check("connect --colour", 2, "", "macro: unrecognized option '--colour'\n");
	check("--colour connect", 2, "", "macro: unrecognized option '--colour'\n");
	check("connect --hops", 2, "", "macro: option '--hops' requires an argument\n");
	check("status -x", 2, "", "macro: invalid option -- 'x'\n");
	check("completion", 2, "", "macro: which shell? give bash, zsh or fish\n");
	check("completion tcsh", 2, "", "macro: which shell? give bash, zsh or fish\n");
	check("help frob", 2, "", "macro: there is no verb \"frob\"; see: macro help\n");
	CHECK_INT(fake.status.state, VIEW_DISCONNECTED);
}

static void test_help(void)
{
	CHECK_INT(run("help"), 0);
	CHECK(strncmp(out, "usage: macro [OPTION...] VERB\n", 30) == 0);
	CHECK(strstr(out, "\n  node init ") != NULL && strstr(out, " complete ") == NULL);
	CHECK_INT(run("--help"), 0);
	CHECK(strncmp(out, "usage: macro [OPTION...] VERB\n", 30) == 0);
	CHECK_INT(run("help node init"), 0);
	CHECK(strncmp(out, "usage: macro node init [OPTION...]\n", 35) == 0);
	CHECK_INT(run("connect --wait -h"), 0);
	CHECK(strstr(out, "-w, --wait") != NULL && strstr(out, "Short: macro up") != NULL);
	check("version", 0, "macro " MACRO_VERSION "\n", "");
}

/* Output that does not reach its reader is not a success. */
static void test_full_disk(void)
{
	char *command = xasprintf("%s help >/dev/full 2>/dev/null", macro_path);

	CHECK_INT(WEXITSTATUS(system(command)), 1);
	free(command);
}

static void write_config(const char *text)
{
	char *path = xasprintf("%s/macro.conf", fake.dir);
	FILE *f = fopen(path, "w");

	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
	free(path);
}

static void remove_config(void)
{
	char *path = xasprintf("%s/macro.conf", fake.dir);

	unlink(path);
	free(path);
}

static void test_config(void)
{
	char *text = xasprintf("%s/macro.conf:2: [daemon] sockt: no such key here; see "
			       "macro.conf(5) or \"macro config sample\"\n",
			       fake.dir);
	char *ok = xasprintf("%s/macro.conf: ok\n", fake.dir);

	write_config("[daemon]\nsockt = /x\n");
	check("config check", 1, "", text);
	write_config("[daemon]\nsocket = /nonexistent/by-config\n");
	check("config check", 0, ok, "");
	free(text);
	/* The environment wins over the file; without it the file says where the daemon is. */
	check("status", 0, "Disconnected (traffic NOT protected)\n", "");
	text = xasprintf("env -u MACRO_SOCKET MACRO_CONFIG=%s/macro.conf %s status 2>&1 | grep -q "
			 "'nobody answers on /nonexistent/by-config'",
			 fake.dir, macro_path);
	CHECK_INT(system(text), 0);
	check("config check /nonexistent", 1, "",
	      "/nonexistent: No such file or directory; \"macro config sample\" prints a file to "
	      "start from\n");
	CHECK_INT(run("config sample"), 0);
	write_config(out);
	check("config check", 0, ok, "");
	remove_config();
	free(text);
	free(ok);
}

static void test_node_init(void)
{
	char *args = xasprintf("node init -c %s/new/macro.conf --state-dir %s/state/n --name n-01 "
			       "--roles entry,relay --country DE --operator 'Some One' "
			       "--address 192.0.2.1:4600 --address '[2001:db8::1]:4600'",
			       fake.dir, fake.dir);
	char *first, *again, *path;
	struct stat st;

	CHECK_INT(run(args), 0);
	first = xstrdup(out);
	CHECK(strlen(out) == 2 * 86 + strlen("@192.0.2.1:4600\n@[2001:db8::1]:4600\n"));
	CHECK(strstr(out, "@192.0.2.1:4600\n") == out + 86);
	path = xasprintf("%s/state/n/identity", fake.dir);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600);
	free(path);
	CHECK_INT(run(args), 0); /* idempotent */
	CHECK(strcmp(out, first) == 0);
	CHECK(strstr(err, "is there already and stays as it is") != NULL);
	again = xasprintf("node seed -c %s/new/macro.conf", fake.dir);
	CHECK_INT(run(again), 0);
	CHECK(strcmp(out, first) == 0);
	free(again);
	again = xasprintf("node seed --state-dir %s/state/n --address 192.0.2.1:4600", fake.dir);
	CHECK_INT(run(again), 0);
	CHECK(strncmp(out, first, 86 + 16) == 0 && strlen(out) == 86 + 16);
	free(again);
	again = xasprintf("node seed --state-dir %s/state/n --address example.org:1", fake.dir);
	check(again, 2, "", "macro: --address: \"example.org:1\" is not IP:PORT or [IPV6]:PORT\n");
	free(again);
	again = xasprintf("config check %s/new/macro.conf", fake.dir);
	CHECK_INT(run(again), 0);
	free(again);
	again = xasprintf("rm -r %s/new %s/state", fake.dir, fake.dir);
	CHECK_INT(system(again), 0);
	free(again);
	free(first);
	free(args);
}

static void test_node_init_errors(void)
{
	char *args = xasprintf("node init -c %s/no.conf --state-dir %s/no --name n-01 --country DE "
			       "--operator o --address 192.0.2.1",
			       fake.dir, fake.dir);
	char *path = xasprintf("%s/no.conf", fake.dir);

	CHECK_INT(run(args), 2);
	CHECK(strstr(err, "[node] address: \"192.0.2.1\" is not understood; give a list of IP:PORT "
			  "or [IPV6]:PORT") != NULL);
	CHECK(access(path, F_OK) != 0);
	CHECK_INT(run("node init --name n-01"), 2);
	CHECK(strstr(err, "[node] address: is missing; give ") != NULL);
	CHECK_INT(run("node init --name 'n-01\n[exit]'"), 2);
	CHECK(strcmp(err, "macro: --name: a # or a new line cannot be in a value\n") == 0);
	CHECK_INT(run("node seed --state-dir /nonexistent --address 192.0.2.1:1"), 1);
	CHECK(strstr(err, "/nonexistent/identity") != NULL);
	free(args);
	free(path);
}

static void test_mesh_and_nodes(void)
{
	CHECK_INT(run("node list"), 0);
	CHECK(strstr(out, "exit-3") != NULL && strstr(out, "europe") != NULL);
	CHECK(strstr(out, "consistent ") != NULL);
	CHECK(strstr(out, "refuted, database says DE ") != NULL);
	CHECK(strstr(out, "not yet in use") != NULL); /* exit-4 */
	CHECK_INT(run("mesh status"), 0);
	CHECK(strncmp(out, "12 nodes\n", 9) == 0);
	CHECK(strstr(out, "13, of which 1 have not been heard of") != NULL);
	CHECK(strstr(out, "aaaaaaaa done, 0 s ago: told 12, lacked 3") != NULL);
	CHECK(strstr(out, "7 stranger") != NULL && strstr(out, "2 signature") != NULL);
	CHECK(strstr(out, "not taken by others: wrong_roles") != NULL);
	CHECK_INT(run("mesh equivocations"), 0);
	CHECK(strstr(out, "relay-9") != NULL && strstr(out, "41") != NULL);
	CHECK_INT(run("mesh equivocations --json"), 0);
	CHECK(strstr(out, "\"AAEC\"") != NULL);
	CHECK_INT(run("mesh --json"), 0);
	CHECK(strstr(out, "\"missing\": 1") != NULL);
}

static void test_complete(void)
{
	write_config("[profile work]\n[profile travel]\n");
	CHECK_INT(run("complete ''"), 0);
	CHECK(strstr(out, "connect\tsend ") != NULL && strstr(out, "\nnode\t") != NULL);
	CHECK(strstr(out, "complete\t") == NULL); /* hidden */
	CHECK_INT(run("complete dis"), 0);
	CHECK(strcmp(out, "disconnect\tstop that: traffic takes its usual way again\n") == 0);
	CHECK_INT(run("complete node ''"), 0);
	CHECK(strncmp(out, "list\t", 5) == 0 && strstr(out, "\ninit\t") &&
	      strstr(out, "\nseed\t") && strstr(out, "\nstatus\t"));
	CHECK_INT(run("complete connect --exit ''"), 0);
	CHECK(strcmp(out, "auto\tany exit\nNL\tcountry\nexit-3\tNL\nSE\tcountry\nexit-4\tSE\n") ==
	      0);
	CHECK_INT(run("complete connect -w --exit e"), 0);
	CHECK(strcmp(out, "exit-3\tNL\nexit-4\tSE\n") == 0);
	CHECK_INT(run("complete exit list --country ''"), 0);
	CHECK(strcmp(out, "NL\tcountry\nSE\tcountry\n") == 0);
	CHECK_INT(run("complete --socket x connect --profile ''"), 0);
	CHECK(strcmp(out, "work\tauto\ntravel\tauto\ndefault\tauto\n") == 0);
	CHECK_INT(run("complete connect --hops ''"), 0);
	CHECK(strcmp(out, "1\thops\n2\thops\n3\thops\n4\thops\n5\thops\n") == 0);
	CHECK_INT(run("complete route show --j"), 0);
	CHECK(strcmp(out, "--json\tas JSON, for programs\n") == 0);
	CHECK_INT(run("complete completion f"), 0);
	CHECK(strcmp(out, "fish\tshell\n") == 0);
	CHECK_INT(run("complete help node s"), 0);
	CHECK(strstr(out, "seed\t") == out && strstr(out, "\nstatus\t"));
	CHECK_INT(run("complete status ''"), 0);
	CHECK(out[0] == '\0');
	CHECK_INT(run("complete nonsense ''"), 0);
	CHECK(out[0] == '\0');
	remove_config();
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		printf("Bail out! usage: test_cli MACRO\n");
		return EXIT_FAILURE;
	}
	macro_path = argv[1];
	signal(SIGPIPE, SIG_IGN);
	fake_start(&fake);
	RUN(test_status);
	RUN(test_json);
	RUN(test_route);
	RUN(test_route_explain);
	RUN(test_exit_list);
	RUN(test_connect);
	RUN(test_connect_fails);
	RUN(test_profiles);
	RUN(test_split);
	RUN(test_follow);
	RUN(test_no_daemon);
	RUN(test_node_status);
	RUN(test_usage);
	RUN(test_help);
	RUN(test_full_disk);
	RUN(test_config);
	RUN(test_node_init);
	RUN(test_node_init_errors);
	RUN(test_mesh_and_nodes);
	RUN(test_complete);
	fake_stop(&fake);
	return test_done();
}
