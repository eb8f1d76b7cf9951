/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proxy/lookup.h"

#include "proxy/lwip_udp.h"
#include "util/rng.h"

#include <errno.h>

enum {
	TRIES_MAX = 4,
};

#define ANSWER_NS (3 * NS_PER_S / 2)

static void finish(struct lookup *l)
{
	lookup_stop(l);
	l->done(l);
}

static bool is_open(const struct lookup *l)
{
	for (size_t i = 0; i < LOOKUP_QUESTIONS; i++)
		if (l->question[i].is_open)
			return true;
	return false;
}

static void on_answer(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from,
		      u16_t port)
{
	struct lookup *l = arg;
	uint8_t text[2048];
	const size_t len = pbuf_copy_partial(p, text, sizeof(text), 0);

	(void)pcb;
	(void)from; /* the pcb is connected: from the server */
	(void)port;
	pbuf_free(p);
	for (size_t i = 0; i < LOOKUP_QUESTIONS; i++) {
		struct question *q = &l->question[i];
		int rc;

		if (!q->is_open)
			continue;
		rc = dns_read_answer(text, len, q->id, l->name, q->type, &q->answer);
		l->is_no_name |= rc == -ENOENT;
		if (rc == 0 || rc == -ENOENT)
			q->is_open = false;
	}
	if (!is_open(l))
		finish(l);
}

static void ask(struct lookup *l, struct question *q)
{
	uint8_t text[DNS_QUESTION_MAX];
	struct writer w = wr_init(text, sizeof(text));
	struct pbuf *p;

	q->id = (uint16_t)rng_u32(&rng_system);
	dns_put_question(&w, q->id, l->name, q->type);
	p = wr_ok(&w) ? pbuf_alloc(PBUF_TRANSPORT, (u16_t)w.done, PBUF_RAM) : NULL;
	if (p == NULL)
		return;
	pbuf_take(p, text, (u16_t)w.done);
	udp_send(l->pcb, p); /* lost ones are asked again */
	pbuf_free(p);
}

/* A port of its own for each try, as each question has its number: hard to guess. */
static bool ask_all(struct lookup *l, const struct now *now)
{
	const uint8_t *server = l->servers->ip[l->tries % MAX(l->servers->count, 1)];
	ip_addr_t addr;

	lookup_stop(l);
	if (l->servers->count == 0)
		return false;
	l->pcb = stack_udp(l->net, server);
	if (l->pcb == NULL)
		return false;
	stack_addr(&addr, server);
	udp_connect(l->pcb, &addr, DNS_PORT);
	udp_recv(l->pcb, on_answer, l);
	l->tries++;
	l->due_ns = now->mono_ns + ANSWER_NS;
	for (size_t i = 0; i < LOOKUP_QUESTIONS; i++)
		if (l->question[i].is_open)
			ask(l, &l->question[i]);
	return true;
}

void lookup_start(struct lookup *l, const struct now *now)
{
	l->question[0] = (struct question){.type = DNS_TYPE_AAAA, .is_open = l->net->has_v6};
	l->question[1] = (struct question){.type = DNS_TYPE_A, .is_open = l->net->has_v4};
	l->tries = 0;
	l->is_no_name = false;
	if (!ask_all(l, now))
		finish(l);
}

void lookup_stop(struct lookup *l)
{
	if (l->pcb != NULL)
		udp_remove(l->pcb);
	l->pcb = NULL;
}

void lookup_tick(struct lookup *l, const struct now *now)
{
	struct dns_answer found;

	if (l->pcb == NULL || l->due_ns > now->mono_ns)
		return;
	lookup_addresses(l, &found);
	/* One answer is enough when the other does not come. */
	if (found.count > 0 || l->tries == TRIES_MAX || !ask_all(l, now))
		finish(l);
}

void lookup_addresses(const struct lookup *l, struct dns_answer *out)
{
	*out = (struct dns_answer){0};
	for (size_t i = 0; i < LOOKUP_QUESTIONS; i++) {
		const struct dns_answer *a = &l->question[i].answer;

		/* Half of the room each. */
		for (unsigned k = 0; k < MIN(a->count, DNS_ADDRESSES_MAX / 2); k++)
			memcpy(out->ip[out->count++], a->ip[k], 16);
	}
}
