/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A forwarder for the machine's DNS queries while it is connected.  It asks again while paths
 * change, so that a name asked for meanwhile is answered as soon as something can answer, and keeps
 * private addresses in answers about public names from a malicious exit or server (rebinding).
 * Sans-I/O; it holds no answers.
 */
#ifndef DNS_STUB_H
#define DNS_STUB_H

#include "dns/message.h"
#include "util/endpoint.h"
#include "util/now.h"
#include "util/rng.h"

#define STUB_SERVERS_MAX 3
#define STUB_PORT        53

struct stub;

/* stub_create(rng): borrowed. */
struct stub *stub_create(const struct rng *rng);
void stub_free(struct stub *s);

/* stub_allow(s, names, count): these (borrowed), and all names below them, may have private
 * addresses; "*": all may. */
void stub_allow(struct stub *s, char *const *names, size_t count);

/* stub_use_stream(s, yes): servers are asked over a stream, which loses nothing and knows no limit
 * of a datagram. */
void stub_use_stream(struct stub *s, bool is_stream);

/* stub_servers(s, ip, count, now): ask these from now on, also what has been asked already. */
void stub_servers(struct stub *s, const uint8_t (*ip)[16], size_t count, const struct now *now);

/* A datagram from a program on this machine, whose answer names via as the way back, and one from a
 * name server. */
void stub_query(struct stub *s, const uint8_t *msg, size_t len, const struct endpoint *from,
		void *via, const struct now *now);
void stub_answer(struct stub *s, const uint8_t *msg, size_t len, const struct endpoint *from,
		 const struct now *now);

/* stub_check(s, msg, len): an answer that came by TCP, changed in place; its new length, 0 if it
 * must not be passed on. */
size_t stub_check(const struct stub *s, uint8_t *msg, size_t len);

struct stub_out {
	bool is_to_server;
	void *via; /* of an answer: as the question had it */
	struct endpoint to;
	size_t len;
	uint8_t msg[DNS_UDP_MAX];
};

/* stub_next_out(s, out): the next datagram to send; false when there is none. */
bool stub_next_out(struct stub *s, struct stub_out *out);

void stub_tick(struct stub *s, const struct now *now);
uint64_t stub_deadline(const struct stub *s);

#endif
