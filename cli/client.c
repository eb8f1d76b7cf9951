/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/xalloc.h"

enum {
	BODY_MAX = 64 << 20, /* a list of 100,000 nodes has about 40 MB */
	LINE_MAX_LEN = 1 << 20,
	CALL_TIMEOUT_S = 30,
};

/* Bytes of an answer, with a final zero. */
struct body {
	char *text;
	size_t len, max;
};

static size_t append(char *data, size_t size, size_t n, void *ctx)
{
	struct body *b = ctx;

	if (n * size > b->max - b->len)
		return 0;
	b->text = xrealloc(b->text, b->len + n * size + 1, 1);
	memcpy(b->text + b->len, data, n * size);
	b->len += n * size;
	b->text[b->len] = '\0';
	return n * size;
}

static CURL *open_request(const struct cli *cli, const char *path)
{
	char *url = xasprintf("http://macro%s", path);
	CURL *c = curl_easy_init();

	if (c == NULL)
		abort();
	curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, cli->socket);
	curl_easy_setopt(c, CURLOPT_URL, url); /* copied */
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)CALL_TIMEOUT_S);
	free(url);
	return c;
}

static enum code report_unreachable(const struct cli *cli, CURL *c, CURLcode err)
{
	long os_errno = 0;

	curl_easy_getinfo(c, CURLINFO_OS_ERRNO, &os_errno);
	if (os_errno == ENOENT || os_errno == ECONNREFUSED)
		return cli_error(
		    CODE_UNREACHABLE,
		    "macrod is not running (nobody answers on %s); start it, or name its "
		    "socket with --socket",
		    cli->socket);
	if (os_errno == EACCES || os_errno == EPERM)
		return cli_error(CODE_UNREACHABLE,
				 "no permission for %s; be root or a member of the group macro",
				 cli->socket);
	return cli_error(CODE_UNREACHABLE, "no answer from macrod on %s: %s", cli->socket,
			 curl_easy_strerror(err));
}

static enum code report_refusal(long status, json_t *json)
{
	const char *message = NULL;

	json_unpack(json, "{s:{s:s}}", "error", "message", &message);
	if (message == NULL)
		return cli_error(CODE_FAILED, "macrod answered with HTTP status %ld", status);
	return cli_error(CODE_FAILED, "%s", message);
}

/* A whole request; *out is written on CODE_OK only. */
static enum code perform(const struct cli *cli, CURL *c, json_t **out)
{
	struct body body = {.max = BODY_MAX};
	enum code code = CODE_OK;
	json_t *json = NULL;
	long status = 0;
	CURLcode err;

	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, append);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &body);
	err = curl_easy_perform(c);
	if (err != CURLE_OK) {
		code = report_unreachable(cli, c, err);
	} else {
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
		json = json_loadb(body.text != NULL ? body.text : "", body.len, 0, NULL);
		if (status >= 300)
			code = report_refusal(status, json);
		else if (!json_is_object(json))
			code = cli_error(CODE_FAILED, "macrod's answer is not JSON");
	}
	if (code == CODE_OK)
		*out = json;
	else
		json_decref(json);
	free(body.text);
	return code;
}

enum code client_get(const struct cli *cli, const char *path, json_t **out)
{
	CURL *c = open_request(cli, path);
	const enum code code = perform(cli, c, out);

	curl_easy_cleanup(c);
	return code;
}

enum code client_ask(const struct cli *cli, const char *path, json_t *body, json_t **out)
{
	CURL *c = open_request(cli, path);
	char *text = body != NULL ? json_dumps(body, 0) : xstrdup("");
	enum code code;

	curl_easy_setopt(c, CURLOPT_POSTFIELDS, text);
	code = perform(cli, c, out);
	json_decref(body);
	curl_easy_cleanup(c);
	free(text);
	return code;
}

enum code client_post(const struct cli *cli, const char *path, json_t *body)
{
	json_t *json = NULL;
	const enum code code = client_ask(cli, path, body, &json);

	json_decref(json);
	return code;
}

/* An answer of whatever kind, or NULL; *status is that of HTTP. */
static json_t *try_quietly(CURL *c, long *status)
{
	struct body body = {.max = BODY_MAX};
	json_t *json = NULL;

	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, append);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &body);
	if (curl_easy_perform(c) == CURLE_OK)
		json = json_loadb(body.text != NULL ? body.text : "", body.len, 0, NULL);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, status);
	curl_easy_cleanup(c);
	free(body.text);
	return json;
}

json_t *client_try_get(const struct cli *cli, const char *path)
{
	CURL *c = open_request(cli, path);
	long status;

	curl_easy_setopt(c, CURLOPT_TIMEOUT, 2L); /* somebody waits at a prompt */
	return try_quietly(c, &status);
}

bool client_try_post(const struct cli *cli, const char *path, json_t *body)
{
	CURL *c = open_request(cli, path);
	char *text = json_dumps(body, 0);
	long status = 0;

	curl_easy_setopt(c, CURLOPT_POSTFIELDS, text);
	json_decref(try_quietly(c, &status));
	json_decref(body);
	free(text);
	return status >= 200 && status < 300;
}

struct follower {
	CURL *curl;
	struct body body; /* of the line that is not yet whole, or of a refusal */
	bool (*on_event)(void *ctx, json_t *event);
	void *ctx;
	bool is_done;
};

static bool take_line(struct follower *f, const char *line, size_t len)
{
	json_t *event = json_loadb(line, len, 0, NULL);
	const bool goes_on = event == NULL || f->on_event(f->ctx, event);

	json_decref(event);
	return goes_on;
}

static size_t on_bytes(char *data, size_t size, size_t n, void *ctx)
{
	struct follower *f = ctx;
	char *end;
	long status = 0;

	curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
	if (append(data, size, n, &f->body) != size * n)
		return 0;
	while (status == 200 && (end = memchr(f->body.text, '\n', f->body.len)) != NULL) {
		const size_t len = (size_t)(end - f->body.text) + 1;

		if (!take_line(f, f->body.text, len)) {
			f->is_done = true;
			return 0; /* ends the transfer */
		}
		f->body.len -= len;
		memmove(f->body.text, f->body.text + len, f->body.len + 1);
	}
	return size * n;
}

enum code client_follow(const struct cli *cli, long timeout_s,
			bool (*on_event)(void *ctx, json_t *event), void *ctx)
{
	CURL *c = open_request(cli, "/v1/events?follow=1");
	struct follower f = {.curl = c, .body.max = LINE_MAX_LEN, .on_event = on_event, .ctx = ctx};
	enum code code = CODE_OK;
	json_t *refusal;
	long status = 0;
	CURLcode err;

	curl_easy_setopt(c, CURLOPT_TIMEOUT, timeout_s);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &f);
	err = curl_easy_perform(c);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	if (f.is_done) {
		code = CODE_OK;
	} else if (err == CURLE_OPERATION_TIMEDOUT) {
		code = CODE_NOT_CONNECTED;
	} else if (err == CURLE_COULDNT_CONNECT) {
		code = report_unreachable(cli, c, err);
	} else if (status >= 300) {
		refusal = json_loadb(f.body.text != NULL ? f.body.text : "", f.body.len, 0, NULL);
		code = report_refusal(status, refusal);
		json_decref(refusal);
	} else {
		code = cli_error(CODE_UNREACHABLE, "macrod has stopped");
	}
	curl_easy_cleanup(c);
	free(f.body.text);
	return code;
}
