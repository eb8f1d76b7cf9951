/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dns/stub.h"

#include "util/xalloc.h"

enum {
	PENDING_MAX = 256,
	QUERY_MAX = 1232,
	PLAIN_MAX = 512, /* what a program takes that does not say more */
	RCODE_OK = 0,
	RCODE_FAILED = 2, /* the server's failure */
};

#define RETRY_MIN_NS    (200 * NS_PER_MS)
#define RETRY_MAX_NS    NS_PER_S
#define STREAM_RETRY_NS (2 * NS_PER_S) /* it loses nothing while it stands */
#define GIVE_UP_NS      (8 * NS_PER_S)

enum pending_state {
	PENDING_FREE,
	PENDING_ASKING, /* a datagram to a server is to be sent */
	PENDING_WAITING,
	PENDING_ANSWERED, /* the answer in s->answer is to be sent */
};

struct pending {
	enum pending_state state;
	struct endpoint from;
	void *via;
	uint8_t client_id[2], own_id[2];
	uint64_t end_ns, retry_ns, pause_ns;
	size_t server;
	size_t len, question_len;
	uint8_t msg[QUERY_MAX];
};

struct stub {
	const struct rng *rng;
	char *const *private_names;
	size_t private_name_count;
	bool is_stream;
	uint8_t servers[STUB_SERVERS_MAX][16];
	size_t server_count;
	struct pending pending[PENDING_MAX];
	size_t used;              /* all after these are free */
	struct pending *answered; /* at most one */
	size_t answer_len;
	uint8_t answer[DNS_UDP_MAX];
};

struct stub *stub_create(const struct rng *rng)
{
	struct stub *s = xcalloc(1, sizeof(*s));

	s->rng = rng;
	return s;
}

void stub_allow(struct stub *s, char *const *names, size_t count)
{
	s->private_names = names;
	s->private_name_count = count;
}

void stub_use_stream(struct stub *s, bool is_stream)
{
	s->is_stream = is_stream;
}

static uint64_t first_pause_ns(const struct stub *s)
{
	return s->is_stream ? STREAM_RETRY_NS : RETRY_MIN_NS;
}

void stub_free(struct stub *s)
{
	free(s);
}

void stub_servers(struct stub *s, const uint8_t (*ip)[16], size_t count, const struct now *now)
{
	s->server_count = MIN(count, (size_t)STUB_SERVERS_MAX);
	memcpy(s->servers, ip, s->server_count * sizeof(s->servers[0]));
	for (size_t i = 0; i < s->used; i++) {
		struct pending *p = &s->pending[i];

		if (p->state != PENDING_WAITING && p->state != PENDING_ASKING)
			continue;
		p->server = 0;
		p->pause_ns = first_pause_ns(s);
		p->retry_ns = now->mono_ns;
	}
	stub_tick(s, now);
}

/* ---- queries ---- */

/* Programs ask again by themselves; that is the same question. */
static struct pending *find_query(struct stub *s, const uint8_t *msg, size_t len,
				  const struct endpoint *from)
{
	for (size_t i = 0; i < s->used; i++) {
		struct pending *p = &s->pending[i];

		if (p->state != PENDING_FREE && p->len == len && endpoint_equal(&p->from, from) &&
		    memcmp(p->client_id, msg, 2) == 0 && memcmp(p->msg + 2, msg + 2, len - 2) == 0)
			return p;
	}
	return NULL;
}

static struct pending *find_free(struct stub *s)
{
	for (size_t i = 0; i < PENDING_MAX; i++)
		if (s->pending[i].state == PENDING_FREE) {
			s->used = MAX(s->used, i + 1);
			return &s->pending[i];
		}
	return NULL;
}

void stub_query(struct stub *s, const uint8_t *msg, size_t len, const struct endpoint *from,
		void *via, const struct now *now)
{
	const size_t question_len = dns_question(msg, len, NULL);
	struct pending *p;

	if (question_len == 0 || len > QUERY_MAX || (msg[2] & 0x80) != 0 ||
	    find_query(s, msg, len, from) != NULL)
		return;
	p = find_free(s);
	if (p == NULL)
		return; /* it will be asked again */
	*p = (struct pending){.state = PENDING_ASKING,
			      .from = *from,
			      .via = via,
			      .end_ns = now->mono_ns + GIVE_UP_NS,
			      .retry_ns = now->mono_ns + first_pause_ns(s),
			      .pause_ns = first_pause_ns(s),
			      .len = len,
			      .question_len = question_len};
	memcpy(p->msg, msg, len);
	memcpy(p->client_id, msg, 2);
	rng_fill(s->rng, p->own_id, 2);
	memcpy(p->msg, p->own_id, 2);
}

/* ---- answers ---- */

static bool may_be_private(const struct stub *s, const char *name)
{
	for (size_t i = 0; i < s->private_name_count; i++) {
		const char *allowed = s->private_names[i];

		if (strcmp(allowed, "*") == 0 || dns_is_below(name, allowed))
			return true;
	}
	return false;
}

size_t stub_check(const struct stub *s, uint8_t *msg, size_t len)
{
	char name[DNS_NAME_MAX + 1];
	const size_t question_len = dns_question(msg, len, name);

	if (question_len == 0)
		return 0;
	switch (dns_addresses(msg, len)) {
	case DNS_PUBLIC:
		return len;
	case DNS_PRIVATE:
		return may_be_private(s, name) ? len : dns_refuse(msg, question_len, RCODE_OK);
	case DNS_BROKEN:
		return 0;
	}
	return 0;
}

static bool is_server(const struct stub *s, const struct endpoint *from)
{
	for (size_t i = 0; i < s->server_count; i++)
		if (from->port == STUB_PORT && memcmp(from->ip, s->servers[i], 16) == 0)
			return true;
	return false;
}

/* A server of datagrams minds the program's limit itself. */
static size_t datagram_max(const struct stub *s, const struct pending *p)
{
	const bool has_additional = (p->msg[10] | p->msg[11]) != 0; /* that is where EDNS says so */

	if (!s->is_stream)
		return DNS_UDP_MAX;
	return has_additional ? QUERY_MAX : PLAIN_MAX;
}

void stub_answer(struct stub *s, const uint8_t *msg, size_t len, const struct endpoint *from,
		 const struct now *now)
{
	(void)now;
	if (!is_server(s, from) || len < DNS_HEADER_LEN || len > DNS_UDP_MAX ||
	    (msg[2] & 0x80) == 0 || s->answered != NULL)
		return;
	for (size_t i = 0; i < s->used; i++) {
		struct pending *p = &s->pending[i];

		if ((p->state != PENDING_WAITING && p->state != PENDING_ASKING) ||
		    memcmp(p->own_id, msg, 2) != 0 || len < p->question_len ||
		    memcmp(p->msg + DNS_HEADER_LEN, msg + DNS_HEADER_LEN,
			   p->question_len - DNS_HEADER_LEN) != 0)
			continue;
		memcpy(s->answer, msg, len);
		if (len > datagram_max(s, p))
			dns_truncate(s->answer);
		if ((s->answer[2] & DNS_TRUNCATED) != 0) { /* the program asks again by TCP */
			s->answer_len = dns_refuse(s->answer, p->question_len, RCODE_OK);
			s->answer[2] |= DNS_TRUNCATED;
		} else {
			s->answer_len = stub_check(s, s->answer, len);
		}
		if (s->answer_len == 0)
			return;
		p->state = PENDING_ANSWERED;
		s->answered = p;
		return;
	}
}

static void fail(struct stub *s, struct pending *p)
{
	memcpy(s->answer, p->msg, p->len);
	s->answer_len = dns_refuse(s->answer, p->question_len, RCODE_FAILED);
	p->state = PENDING_ANSWERED;
	s->answered = p;
}

/* ---- out ---- */

static void take_answer(struct stub *s, struct stub_out *out)
{
	struct pending *p = s->answered;

	out->is_to_server = false;
	out->to = p->from;
	out->via = p->via;
	out->len = s->answer_len;
	memcpy(out->msg, s->answer, s->answer_len);
	memcpy(out->msg, p->client_id, 2);
	s->answered = NULL;
	p->state = PENDING_FREE;
	while (s->used > 0 && s->pending[s->used - 1].state == PENDING_FREE)
		s->used--;
}

static void take_question(struct stub *s, struct pending *p, struct stub_out *out)
{
	out->is_to_server = true;
	memcpy(out->to.ip, s->servers[p->server % s->server_count], 16);
	out->to.port = STUB_PORT;
	out->len = p->len;
	memcpy(out->msg, p->msg, p->len);
	p->state = PENDING_WAITING;
	p->server++;
}

bool stub_next_out(struct stub *s, struct stub_out *out)
{
	if (s->answered != NULL) {
		take_answer(s, out);
		return true;
	}
	for (size_t i = 0; i < s->used && s->server_count > 0; i++)
		if (s->pending[i].state == PENDING_ASKING) {
			take_question(s, &s->pending[i], out);
			return true;
		}
	return false;
}

/* ---- time ---- */

void stub_tick(struct stub *s, const struct now *now)
{
	for (size_t i = 0; i < s->used; i++) {
		struct pending *p = &s->pending[i];

		if (p->state != PENDING_WAITING && p->state != PENDING_ASKING)
			continue;
		if (p->end_ns <= now->mono_ns) {
			if (s->answered == NULL)
				fail(s, p);
			continue;
		}
		if (p->retry_ns > now->mono_ns)
			continue;
		p->state = PENDING_ASKING;
		p->retry_ns = now->mono_ns + p->pause_ns;
		if (!s->is_stream)
			p->pause_ns = MIN(RETRY_MAX_NS, p->pause_ns * 3 / 2);
	}
}

uint64_t stub_deadline(const struct stub *s)
{
	uint64_t due = NEVER;

	for (size_t i = 0; i < s->used; i++)
		if (s->pending[i].state != PENDING_FREE)
			due = MIN(due, MIN(s->pending[i].end_ns, s->pending[i].retry_ns));
	return due;
}
