/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Why a datagram, cell or packet went no further.  Every reason is a counter in the status API. */
#ifndef CORE_DROP_H
#define CORE_DROP_H

#define DROP_REASONS(X)                                                                          \
	X(DROP_NONE, "none")                                                                     \
	X(DROP_SHORT, "short")                 /* length no message has */                       \
	X(DROP_TYPE, "type")                   /* unknown first byte or cell kind */             \
	X(DROP_MAC1, "mac1")                   /* handshake not meant for us */                  \
	X(DROP_COOKIE, "cookie")               /* under load, answered with a cookie */          \
	X(DROP_RATE, "rate")                   /* over a rate limit */                           \
	X(DROP_HANDSHAKE, "handshake")         /* handshake did not verify or is stale */        \
	X(DROP_NO_LINK, "no_link")             /* unknown receiver index */                      \
	X(DROP_LINK_EXPIRED, "link_expired")   /* key too old or used up */                      \
	X(DROP_LINK_TAG, "link_tag")           /* header did not verify */                       \
	X(DROP_LINK_REPLAY, "link_replay")     /* link counter seen before */                    \
	X(DROP_LINK_BODY, "link_body")         /* link-sealed body did not verify */             \
	X(DROP_NO_CIRCUIT, "no_circuit")       /* no such circuit on that link */                \
	X(DROP_CIRCUIT_STATE, "circuit_state") /* not possible in the circuit's state */         \
	X(DROP_REPLAY, "replay")               /* circuit counter seen before */                 \
	X(DROP_ONION_TAG, "onion_tag")         /* layer did not verify */                        \
	X(DROP_OP, "op")                       /* unknown operation inside the layer */          \
	X(DROP_CREATE, "create")               /* CREATE malformed, replayed or undecryptable */ \
	X(DROP_CREATED, "created")             /* CREATED did not recompute */                   \
	X(DROP_CONTROL, "control")             /* control message malformed or unexpected */     \
	X(DROP_PROOF, "proof")                 /* backward chain did not recompute */            \
	X(DROP_SESSION, "session")             /* no session or path for it */                   \
	X(DROP_SESSION_TAG, "session_tag")     /* session layer did not verify */                \
	X(DROP_FRAME, "frame")                 /* malformed frame */                             \
	X(DROP_SOURCE, "source")               /* inner source address not the session's */      \
	X(DROP_DUPLICATE, "duplicate")         /* packet sent over two paths: the second */      \
	X(DROP_POLICY, "policy")               /* refused by the exit's policy */                \
	X(DROP_SESSION_RATE, "session_rate")   /* over the per-session packet limit */           \
	X(DROP_NO_ROUTE, "no_route")           /* no ready path for a packet */                  \
	X(DROP_TOO_BIG, "too_big")             /* packet over the inner MTU */                   \
	X(DROP_PACKET, "packet")               /* not a well-formed IP packet */                 \
	X(DROP_CONGESTED, "congested")         /* marked on the way, and knows no ECN */         \
	X(DROP_LINKCTL, "linkctl")             /* malformed message between neighbours */        \
	X(DROP_LIMIT, "limit")                 /* a table is full */                             \
	X(DROP_NO_BUFFER, "no_buffer")         /* output not drained fast enough */              \
	X(DROP_COVER, "cover")                 /* padding, meant to end here */

enum drop {
#define X(id, name) id,
	DROP_REASONS(X)
#undef X
	DROP_COUNT,
};

/* drop_name(d): stable snake_case name for the API. */
const char *drop_name(enum drop d);

#endif
