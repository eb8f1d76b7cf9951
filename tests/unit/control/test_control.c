/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Real HTTP over the Unix socket, against a made-up application. */
#include <curl/curl.h>
#include <errno.h>
#include <grp.h>
#include <jansson.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/events.h"
#include "control/request.h"
#include "tests/lib/test.h"
#include "tests/unit/control/fake.h"
#include "util/xalloc.h"

#define NETWORK "02:00:5e:00:53:01@192.168.1.0/24"

static struct fake fake;

struct reply {
	long status; /* 0: no answer */
	char body[65536];
	size_t len;
	char allow[16];
};

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
	struct reply *r = ctx;

	if (r->len + size * n >= sizeof(r->body))
		return 0;
	memcpy(r->body + r->len, data, size * n);
	r->len += size * n;
	return size * n;
}

static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
	struct reply *r = ctx;

	if (size * n > 7 && strncasecmp(data, "allow: ", 7) == 0)
		snprintf(r->allow, sizeof(r->allow), "%.*s", (int)strcspn(data + 7, "\r\n"),
			 data + 7);
	return size * n;
}

static struct reply *request(const char *method, const char *path, const char *body)
{
	static struct reply r;
	CURL *c = curl_easy_init();
	char *url = xasprintf("http://macro%s", path);

	memset(&r, 0, sizeof(r));
	curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, fake.path);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, 20L);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &r);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, &r);
	if (strcmp(method, "POST") == 0) {
		curl_easy_setopt(c, CURLOPT_POST, 1L);
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, body != NULL ? body : "");
	} else if (strcmp(method, "GET") != 0) {
		curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
	}
	if (curl_easy_perform(c) == CURLE_OK)
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &r.status);
	curl_easy_cleanup(c);
	free(url);
	return &r;
}

/* The answer must have this status and, as JSON without blanks, contain this text. */
static void check(const char *method, const char *path, const char *body, long status,
		  const char *part)
{
	const struct reply *r = request(method, path, body);
	json_t *json = json_loads(r->body, 0, NULL);

	if (r->status != status || strstr(r->body, part) == NULL || json == NULL)
		printf("# %s %s: %ld %s\n", method, path, r->status, r->body);
	CHECK_INT(r->status, status);
	CHECK(strstr(r->body, part) != NULL);
	CHECK_INT(json_integer_value(json_object_get(json, "schema")), 1);
	json_decref(json);
}

static void test_get_status(void)
{
	check(
	    "GET", "/v1/status", NULL, 200,
	    "{\"schema\":1,\"state\":\"disconnected\",\"reason\":null,\"since\":"
	    "\"2026-01-02T03:04:05.678Z\",\"profile\":\"default\",\"exit\":null,"
	    "\"visible_addresses\":{\"ipv4\":null,\"ipv6\":null},\"inner_addresses\":"
	    "{\"ipv4\":null,\"ipv6\":null},\"mtu_bytes\":null,\"route\":null,"
	    "\"paths\":{\"active\":0,\"backup\":0,\"list\":[]},\"traffic\":{\"rx_bytes\":0,\"tx_bytes\":0,"
	    "\"rx_packets\":0,\"tx_packets\":0},\"throughput\":{\"rx_bps\":null,\"tx_bps\":null},\"session\":null,\"proof\":{"
	    "\"verified_cells\":0,\"failed_cells\":0,\"last_verified_age_ms\":null},"
	    "\"kill_switch\":\"off\",\"blocking\":false,\"undo\":null,\"cost\":{\"expected\":{"
	    "\"rtt_ms\":null,\"added_ms\":null,\"goodput_percent\":null,\"is_guess\":false,"
	    "\"reason\":null},\"measured\":{\"rtt_ms\":null,");
	fake_set(&fake, VIEW_CONNECTED, "");
	check("GET", "/v1/status", NULL, 200, "\"state\":\"connected\"");
	check("GET", "/v1/status", NULL, 200, "\"mtu_bytes\":1324");
	check("GET", "/v1/status", NULL, 200, "\"last_verified_age_ms\":400.0");
	check("GET", "/v1/status", NULL, 200,
	      "{\"name\":\"exit-3\",\"id\":\"cccccccc33\",\"country\":\"NL\"}");
	check(
	    "GET", "/v1/route", NULL, 200,
	    "{\"schema\":1,\"state\":\"connected\",\"route\":{\"created\":"
	    "\"2026-01-02T03:04:05.678Z\",\"build_ms\":60.125,\"rtt_ms\":null,\"hops\":[{\"roles\":[\"entry\"],\"name\":\"entry-1\","
	    "\"id\":\"aaaaaaaa11\",\"country\":\"DE\",\"address\":\"192.0.2.1:4600\","
	    "\"rtt_ms\":12.346,\"status\":\"ok\",\"jitter_ms\":0.25,\"loss_out_percent\":1.2,"
	    "\"loss_in_percent\":0.0,\"goodput_out_bps\":8000000,\"goodput_in_bps\":90000000,"
	    "\"uptime_percent\":99.9,\"verdict\":\"green\",\"verdict_reason\":null}");
	check("GET", "/v1/route", NULL, 200,
	      "\"rtt_ms\":null,\"status\":\"unknown\",\"jitter_ms\":null");
	check("GET", "/v1/route", NULL, 200,
	      "\"paths\":{\"active\":2,\"backup\":1,\"list\":[{\"role\":\"in_use\",\"is_suspect\":"
	      "false,\"share_percent\":60,\"flows\":0,\"rtt_ms\":43.0,");
	check("GET", "/v1/route", NULL, 200,
	      "{\"role\":\"backup\",\"is_suspect\":true,\"share_percent\":null,");
	fake_set(&fake, VIEW_DISCONNECTED, "");
	check("GET", "/v1/route", NULL, 200,
	      "\"state\":\"disconnected\",\"route\":null,\"paths\":{");
	fake_set(&fake, VIEW_ERROR, "broken \xff text");
	check("GET", "/v1/status", NULL, 200, "\"state\":\"error\",\"reason\":null");
	fake_set(&fake, VIEW_DISCONNECTED, "");
}

static void test_get_others(void)
{
	check(
	    "GET", "/v1/exits", NULL, 200,
	    "{\"schema\":1,\"exits\":[{\"name\":\"exit-3\",\"id\":\"cccccccc33\",\"country\":"
	    "\"NL\",\"city\":\"Amsterdam\",\"location\":{\"verdict\":\"consistent\","
	    "\"witnesses\":5,\"against\":0,\"nearest_ms\":1.2,\"nearest_country\":\"DE\","
	    "\"database_country\":\"NL\",\"asn\":64496},\"roles\":[\"exit\"],\"address\":\"192.0.2.3:4600\",\"operator_tag\":"
	    "\"0f0f\",\"bandwidth_bps\":200000000,\"load_percent\":12,\"exits_ipv4\":true,"
	    "\"exits_ipv6\":true,\"health\":\"green\",\"uptime_percent\":99.9,\"rtt_ms\":24.5,"
	    "\"valid_until\":\"2026-01-02T03:04:05.678Z\",\"slot\":4,"
	    "\"region\":\"europe\",\"since\":\"2026-01-02T03:04:05.678Z\",\"software\":"
	    "\"0.1.0\",\"in_view\":true},");
	check("GET", "/v1/mesh", NULL, 200,
	      "{\"schema\":1,\"mesh\":{\"known_nodes\":12,\"view\":{\"nodes\":11,\"digest\":"
	      "\"00ff\",\"epoch\":null},\"registry\":{\"members\":13,\"missing\":1,\"events\":20,"
	      "\"head\":\"2026-01-02T03:04:05.678Z\",\"is_too_old\":false},\"exchange\":{"
	      "\"rounds\":5,");
	check(
	    "GET", "/v1/mesh", NULL, 200,
	    "\"mirrors\":[{\"id\":\"aaaaaaaa11\",\"outcome\":\"done\",\"age_ms\":400.0,\"told\":12,"
	    "\"lacked\":3,\"undelivered\":0}]}}");
	check("GET", "/v1/mesh", NULL, 200,
	      "\"refused\":{\"stranger\":7,\"signature\":2},\"own_refusal\":\"wrong_roles\",");
	check("GET", "/v1/mesh/equivocations", NULL, 200,
	      "{\"schema\":1,\"equivocations\":[{\"id\":\"99999999ff\",\"name\":\"relay-9\","
	      "\"sequence\":41,\"seen\":\"2026-01-02T03:04:05.678Z\",\"descriptors\":[\"AAAA\","
	      "\"AAEC\"]}]}");
	check("GET", "/v1/nodes", NULL, 200, "\"nodes\":[");
	check("GET", "/v1/nodes", NULL, 200, "\"load_percent\":null");
	check("GET", "/v1/node", NULL, 200, "\"node\":{\"name\":\"relay-2\"");
	check("GET", "/v1/node", NULL, 200, "\"circuits\":7");
	fake.node.is_node = false;
	check("GET", "/v1/node", NULL, 200, "{\"schema\":1,\"node\":null}");
	fake.node.is_node = true;
	check("GET", "/v1/counters", NULL, 200,
	      "{\"schema\":1,\"drops\":{\"replay\":3,\"link_tag\":0},\"totals\":{\"circuits\":7}}");
}

static void test_post(void)
{
	const unsigned connects = fake.connects, disconnects = fake.disconnects;

	check("POST", "/v1/connect", "{\"profile\":\"work\",\"exit\":\"DE\",\"hops\":2}", 202,
	      "{\"schema\":1}");
	CHECK(strcmp(fake.connect.profile, "work") == 0);
	CHECK(strcmp(fake.connect.exit, "DE") == 0);
	CHECK_INT(fake.connect.hops, 2);
	check("POST", "/v1/connect", "", 202, "{\"schema\":1}");
	CHECK_INT(fake.connect.hops, 0);
	CHECK_INT(fake.connect.profile[0], 0);
	check("POST", "/v1/connect", "{\"exit\":null}", 202, "{\"schema\":1}");
	CHECK_INT(fake.connects, connects + 3);
	check("POST", "/v1/reconnect", "{\"new_exit\":true}", 202, "{\"schema\":1}");
	CHECK(fake.reconnect.new_exit);
	check("POST", "/v1/reconnect", "{}", 202, "{\"schema\":1}");
	CHECK(!fake.reconnect.new_exit);
	check("POST", "/v1/disconnect", "", 202, "{\"schema\":1}");
	CHECK_INT(fake.disconnects, disconnects + 1);
	check("POST", "/v1/connect", "{\"profile\":\"missing\"}", 400,
	      "{\"schema\":1,\"error\":{\"field\":null,\"message\":\"there is no profile "
	      "\\\"missing\\\"\"}}");
	fake.outcome = FAKE_REFUSES;
	check("POST", "/v1/connect", "", 409, "no node is known yet; wait a moment");
	fake.outcome = FAKE_CONNECTS;
}

static void test_kill_switch(void)
{
	fake.kill_switch = (struct kill_switch_view){.is_by_profile = true};
	check("GET", "/v1/killswitch", NULL, 200,
	      "{\"schema\":1,\"setting\":\"profile\",\"mode\":\"off\",\"proven\":false,"
	      "\"blocking\":false,\"undo\":null}");
	check("POST", "/v1/killswitch", "{\"setting\":\"always\"}", 202, "{\"schema\":1}");
	check("GET", "/v1/killswitch", NULL, 200,
	      "{\"schema\":1,\"setting\":\"always\",\"mode\":\"always\",\"proven\":true,"
	      "\"blocking\":true,\"undo\":\"macro killswitch off\"}");
	check("GET", "/v1/status", NULL, 200,
	      "\"kill_switch\":\"always\",\"blocking\":true,\"undo\":\"macro killswitch off\",");
	check("POST", "/v1/killswitch", "{\"setting\":\"never\"}", 400, "setting must be");
	check("POST", "/v1/killswitch", "{\"mode\":\"on\"}", 400, "there is no field");
	check("POST", "/v1/unlock", "", 202, "{\"schema\":1}");
	check("POST", "/v1/unlock", "{\"x\":1}", 400, "there is no field");
	check("GET", "/v1/killswitch", NULL, 200, "\"blocking\":false,\"undo\":null}");
	check("GET", "/v1/unlock", NULL, 405, "wrong HTTP method");
	fake_set(&fake, VIEW_BLOCKED, "the kill switch lets nothing out");
	check("GET", "/v1/status", NULL, 200, "\"state\":\"blocked\",\"reason\":\"the kill");
	fake_set(&fake, VIEW_DISCONNECTED, "");
}

static void test_portal(void)
{
	check("POST", "/v1/portal", "{\"seconds\":60}", 202, "{\"schema\":1}");
	CHECK_INT(fake.portal.seconds, 60);
	CHECK_INT(fake.portal.uid, getuid());
	check("POST", "/v1/portal", "{\"seconds\":3601}", 400, "from 0 to 3600");
	check("POST", "/v1/portal", "{\"seconds\":0,\"uid\":-1}", 400, "uid must be");
	if (getuid() != 0)
		check("POST", "/v1/portal", "{\"uid\":0}", 403, "only root");
}

static void test_split(void)
{
	check("POST", "/v1/split", "{\"side\":\"outside\"}", 202, "{\"schema\":1}");
	CHECK_INT(fake.split.pid, getpid());
	check("POST", "/v1/split", "{\"side\":\"elsewhere\"}", 400,
	      "side must be outside or inside");
	check("POST", "/v1/split", "{\"side\":\"inside\",\"pid\":1}", 400, "there is no field");
	fake.outcome = FAKE_HANGS;
	check("POST", "/v1/connect", "{\"only\":true}", 202, "{\"schema\":1}");
	fake.outcome = FAKE_CONNECTS;
	CHECK(fake.connect.only);
	check("POST", "/v1/connect", "{\"only\":1}", 400, "only must be true or false");
	fake_set(&fake, VIEW_DISCONNECTED, "");
}

static void test_profiles(void)
{
	check("GET", "/v1/profiles", NULL, 200,
	      "{\"schema\":1,\"in_use\":\"work\",\"reason\":\"network\",\"chosen\":null,"
	      "\"network\":{\"is_online\":true,\"device\":\"eth0\",\"gateway\":"
	      "\"192.168.1.1\",\"id\":\"" NETWORK "\",\"reason\":null,\"profile\":\"work\"},"
	      "\"profiles\":[{\"name\":\"default\",\"exit\":\"auto\",\"hops\":3,\"paths\":2,"
	      "\"backups\":2,\"rotate_s\":null,\"kill_switch\":\"off\",\"lan\":false,"
	      "\"ipv6\":true,\"duplicate\":false,\"isolate\":\"destination\",\"padding\":"
	      "\"off\",\"dns\":[],\"networks\":[],\"exclude\":[],\"only\":null,\"expected\":{"
	      "\"rtt_ms\":54.321,\"added_ms\":32.1,\"goodput_percent\":90.68,\"is_guess\":false,"
	      "\"reason\":null}},");
	check("GET", "/v1/profiles", NULL, 200,
	      "\"rotate_s\":60,\"kill_switch\":\"always\",\"lan\":true,\"ipv6\":false,"
	      "\"duplicate\":true,\"isolate\":\"app\",\"padding\":\"off\",\"dns\":["
	      "\"9.9.9.9\"],\"networks\":[\"" NETWORK "\"],\"exclude\":[\"192.0.2.0/24\","
	      "\"corp.example\"],\"only\":[],\"expected\":{\"rtt_ms\":null,\"added_ms\":null,"
	      "\"goodput_percent\":91.9,\"is_guess\":false,\"reason\":\"no node is known\"}}]}");
	check("GET", "/v1/network", NULL, 200,
	      "{\"schema\":1,\"network\":{\"is_online\":true,\"device\":\"eth0\",");
	check("POST", "/v1/cost", "{\"profile\":\"default\",\"hops\":3}", 200,
	      "{\"schema\":1,\"profile\":\"default\",\"expected\":{\"rtt_ms\":54.321,");
	CHECK_INT(fake.cost.hops, 3);
	check("POST", "/v1/cost", "{\"profile\":\"missing\"}", 400, "there is no profile");
	check("POST", "/v1/cost", "{\"hop\":3}", 400, "there is no field");
	check("POST", "/v1/profile/use", "{\"profile\":\"work\"}", 202, "{\"schema\":1}");
	CHECK(strcmp(fake.profile_asked, "use") == 0 && strcmp(fake.profile.profile, "work") == 0);
	check("POST", "/v1/profile/use", "{\"profile\":\"a b\"}", 400, "profile must be");
	check("POST", "/v1/profile/bind", "{\"profile\":\"work\",\"network\":\"" NETWORK "\"}", 202,
	      "{\"schema\":1}");
	CHECK(strcmp(fake.profile_asked, "bind") == 0 &&
	      strcmp(fake.profile.network, NETWORK) == 0);
	check("POST", "/v1/profile/bind", "{\"profile\":\"work\"}", 202, "{\"schema\":1}");
	CHECK(fake.profile.network[0] == '\0');
	check("POST", "/v1/profile/bind", "{\"profile\":\"missing\"}", 400, "there is no profile");
	check("POST", "/v1/profile/unbind", "{\"network\":\"home\"}", 400,
	      "\"field\":\"network\",\"message\":\"network must be a network as");
	check("POST", "/v1/profile/unbind", "", 202, "{\"schema\":1}");
	check("GET", "/v1/profile/use", NULL, 405, "wrong HTTP method");
}

static void test_bad_requests(void)
{
	static const struct {
		const char *path, *body, *part;
	} cases[] = {
	    {"/v1/connect", "{", "the body is not JSON: "},
	    {"/v1/connect", "{\"hops\":1}x", "the body is not JSON: end of file expected"},
	    {"/v1/connect", "[]", "the body must be a JSON object"},
	    {"/v1/connect", "\"x\"", "\"error\""},
	    {"/v1/connect", "{\"hops\":1,\"hops\":1}", "the body is not JSON: duplicate"},
	    {"/v1/connect", "{\"hops\":0}",
	     "\"field\":\"hops\",\"message\":\"hops must be a number"},
	    {"/v1/connect", "{\"hops\":6}", "\"field\":\"hops\""},
	    {"/v1/connect", "{\"hops\":-1}", "\"field\":\"hops\""},
	    {"/v1/connect", "{\"hops\":4294967297}", "\"field\":\"hops\""},
	    {"/v1/connect", "{\"hops\":99999999999999999999}", "the body is not JSON"},
	    {"/v1/connect", "{\"hops\":3.0}", "\"field\":\"hops\""},
	    {"/v1/connect", "{\"hops\":\"3\"}", "\"field\":\"hops\""},
	    {"/v1/connect", "{\"exit\":3}", "\"field\":\"exit\""},
	    {"/v1/connect", "{\"exit\":\"\"}", "\"field\":\"exit\""},
	    {"/v1/connect", "{\"exit\":\"a b\"}", "\"field\":\"exit\""},
	    {"/v1/connect", "{\"exit\":\"a\\u0000b\"}", "\"error\""},
	    {"/v1/connect",
	     "{\"exit\":\"01234567890123456789012345678901234567890123456789012345678901234\"}",
	     "\"field\":\"exit\""},
	    {"/v1/connect", "{\"profile\":\"a/../b\"}", "\"field\":\"profile\""},
	    {"/v1/connect", "{\"profile\":\"012345678901234567890123456789012\"}",
	     "\"field\":\"profile\""},
	    {"/v1/connect", "{\"hop\":3}",
	     "\"field\":\"hop\",\"message\":\"there is no field \\\"hop\\\" in this request\""},
	    {"/v1/connect", "{\"\":3}", "there is no field \\\"\\\" in this request"},
	    {"/v1/connect", "{\"\xff\":3}", "the body is not JSON: "},
	    {"/v1/reconnect", "{\"new_exit\":1}", "\"field\":\"new_exit\""},
	    {"/v1/reconnect", "{\"hops\":3}", "\"field\":\"hops\""},
	    {"/v1/disconnect", "{\"now\":true}", "\"field\":\"now\""},
	};
	const unsigned before = fake.connects + fake.reconnects + fake.disconnects;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check("POST", cases[i].path, cases[i].body, 400, cases[i].part);
	CHECK_INT(fake.connects + fake.reconnects + fake.disconnects, before);
}

static void test_wrong_method_and_path(void)
{
	check("POST", "/v1/status", "", 405, "wrong HTTP method");
	CHECK(strcmp(request("POST", "/v1/status", "")->allow, "GET") == 0);
	check("GET", "/v1/connect", NULL, 405, "wrong HTTP method");
	CHECK(strcmp(request("DELETE", "/v1/connect", NULL)->allow, "POST") == 0);
	check("PUT", "/v1/disconnect", NULL, 405, "wrong HTTP method");
	check("GET", "/", NULL, 404, "there is no such path in this API");
	check("GET", "/v1", NULL, 404, "there is no such path");
	check("GET", "/v1/status/", NULL, 404, "there is no such path");
	check("GET", "/v2/status", NULL, 404, "there is no such path");
	check("POST", "/v1/shutdown", "", 404, "there is no such path");
	check("GET", "/v1/events?follow=yes", NULL, 400, "\"field\":\"follow\"");
}

static void test_body_limit(void)
{
	char *body = xcalloc(1, 1 << 20);

	memset(body, ' ', REQUEST_BODY_MAX);
	memcpy(body, "{}", 2);
	check("POST", "/v1/disconnect", body, 202, "{\"schema\":1}");
	body[REQUEST_BODY_MAX] = ' ';
	check("POST", "/v1/disconnect", body, 413, "the body is longer than 4096 bytes");
	memset(body, ' ', (1 << 20) - 1);
	check("POST", "/v1/disconnect", body, 413, "the body is longer than 4096 bytes");
	free(body);
}

/* Bytes that are no HTTP must not disturb the others. */
static void test_garbage(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char buf[8192];

	memcpy(addr.sun_path, fake.path, strlen(fake.path) + 1);
	for (int round = 0; round < 4; round++) {
		const int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		CHECK(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
		for (size_t i = 0; i < sizeof(buf); i++)
			buf[i] = (char)(i * 167 + (size_t)round);
		if (round == 3)
			memcpy(buf,
			       "POST /v1/connect HTTP/1.1\r\nContent-Length: 99999999999999999"
			       "\r\n\r\n",
			       64);
		CHECK(send(fd, buf, sizeof(buf), MSG_NOSIGNAL) > 0);
		close(fd);
	}
	check("GET", "/v1/status", NULL, 200, "\"state\":\"disconnected\"");
}

static void test_second_server(void)
{
	struct control *second = NULL;
	char error[CONTROL_ERROR_MAX] = "";

	CHECK_INT(control_start(&second, fake.path, "macro", &fake_ops, &fake, error), -EADDRINUSE);
	CHECK(second == NULL);
	CHECK(strncmp(error, "another macrod serves the control socket /tmp/macro_fake_", 56) == 0);
	CHECK(strstr(error, "; stop it, or set [daemon] socket to another path") != NULL);
	check("GET", "/v1/status", NULL, 200, "\"state\":\"disconnected\"");
}

static void test_stale_socket(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct control *c = NULL;
	char error[CONTROL_ERROR_MAX] = "";
	char *path = xasprintf("%s/stale.sock", fake.dir), *lock = xasprintf("%s.lock", path);
	struct stat st;

	memcpy(addr.sun_path, path, strlen(path) + 1);
	NEED(bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	close(fd); /* as a killed daemon leaves it */
	CHECK_INT(control_start(&c, path, "macro", &fake_ops, &fake, error), 0);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 07) == 0);
	control_stop(c);
	CHECK(stat(path, &st) != 0 && errno == ENOENT);
	unlink(lock);
	free(path);
	free(lock);
}

static void test_start_errors(void)
{
	struct control *c = NULL;
	char error[CONTROL_ERROR_MAX] = "", deep[200];
	char *path = xasprintf("%s/file", fake.dir), *lock = xasprintf("%s.lock", path);
	FILE *f = fopen(path, "w");

	fclose(f);
	CHECK_INT(control_start(&c, path, "macro", &fake_ops, &fake, error), -EEXIST);
	CHECK(strstr(error, " is there and is no socket; remove it, or set [daemon]") != NULL);
	unlink(path);
	unlink(lock);
	CHECK_INT(control_start(&c, "/proc/none/macro.sock", "macro", &fake_ops, &fake, error),
		  -ENOENT);
	CHECK(strncmp(error, "cannot create the directory /proc/none of the ", 46) == 0);
	memset(deep, 'x', sizeof(deep));
	memcpy(deep, "/tmp/", 5);
	deep[108] = '\0';
	CHECK_INT(control_start(&c, deep, "macro", &fake_ops, &fake, error), -ENAMETOOLONG);
	CHECK(strncmp(error, "the path of the control socket is longer than 107 bytes: ", 57) == 0);
	CHECK(c == NULL);
	free(path);
	free(lock);
}

/* As another user, even where the socket's mode would let one in. */
static void test_other_user_is_refused(void)
{
	const struct passwd *nobody = getpwnam("nobody");
	int status = -1;
	pid_t pid;

	if (geteuid() != 0 || nobody == NULL) {
		printf("# not root: cannot become another user\n");
		return;
	}
	CHECK(chmod(fake.dir, 0755) == 0 && chmod(fake.path, 0666) == 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		const struct reply *r;

		if (setgroups(0, NULL) != 0 || setgid(nobody->pw_gid) != 0 ||
		    setuid(nobody->pw_uid) != 0)
			_exit(9);
		r = request("GET", "/v1/status", NULL);
		_exit(r->status == 403 && strstr(r->body, "may not control macrod; be root or a "
							  "member of the group macro") != NULL
			  ? 0
			  : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 0);
	CHECK(chmod(fake.path, 0600) == 0);
	check("GET", "/v1/status", NULL, 200, "\"state\":\"disconnected\"");
}

int main(void)
{
	curl_global_init(CURL_GLOBAL_ALL);
	fake_start(&fake);
	RUN(test_get_status);
	RUN(test_get_others);
	RUN(test_bad_requests);
	RUN(test_wrong_method_and_path);
	RUN(test_body_limit);
	RUN(test_garbage);
	RUN(test_second_server);
	RUN(test_stale_socket);
	RUN(test_start_errors);
	RUN(test_other_user_is_refused);
	RUN(test_post);
	RUN(test_kill_switch);
	RUN(test_portal);
	RUN(test_split);
	RUN(test_profiles);
	fake_stop(&fake);
	curl_global_cleanup();
	return test_done();
}
