/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Session cells that arrived, at either end: open them, walk their frames, keep the
 * acknowledgements. */
#ifndef CORE_UNPACKER_H
#define CORE_UNPACKER_H

#include "core/spath.h"
#include "wire/drop.h"

struct engine;

struct incell {
	struct spath *sp;
	void *owner;   /* struct path at the client, struct exit_path at the exit */
	uint8_t *text; /* ciphertext, opened in place; the tag follows it */
	size_t area;   /* bytes without the tag */
	uint64_t seq;  /* the exit's counter */
	bool ce;
};

/* An inner packet, in its cell's memory. */
struct inner {
	uint8_t *p; /* may be changed in place */
	size_t len;
	uint8_t flags;     /* enum packet_flag */
	bool is_duplicate; /* travels over two paths; the other one was not here yet */
};

/* What an end does with what its cells carry. */
struct unpack_ops {
	/* DROP_NONE: it was taken */
	enum drop (*packet)(struct engine *e, void *owner, const struct inner *in,
			    const struct now *now);
	/* a number that was not seen yet, and now was */
	bool (*is_new)(void *owner, uint64_t number);
	/* a cell of another path of the session came in */
	bool (*has_come)(void *owner, uint32_t path_id, uint64_t seq);
	void (*paths)(struct engine *e, void *owner, const struct paths *paths,
		      const struct now *now);
};

/* unpack(e, cells, n, ops, now): n <= ONION_BATCH. */
void unpack(struct engine *e, const struct incell *cells, size_t n, const struct unpack_ops *ops,
	    const struct now *now);

/* The addresses of an IP packet, v4 as 4 bytes. */
struct inner_addrs {
	unsigned version; /* 4 or 6 */
	const uint8_t *src, *dst;
};

/* inner_parse: false unless p is a whole IPv4 or IPv6 packet of exactly len bytes. */
bool inner_parse(const uint8_t *p, size_t len, struct inner_addrs *out);

/*
 * inner_mark(p, a): congestion met on the way, noted in the packet (RFC 6040, section 4.2).  False
 * when its sender does not know ECN: then the packet must be dropped.
 */
bool inner_mark(uint8_t *p, const struct inner_addrs *a);

#endif
