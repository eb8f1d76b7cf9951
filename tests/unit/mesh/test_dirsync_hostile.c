/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What dishonest neighbours and sources can do to the exchange of descriptors: nothing lasting. */
#include "mesh/dirsync.h"
#include "mesh/dirsync_msg.h"
#include "tests/lib/test.h"
#include "tests/unit/mesh/fixture.h"

enum {
	PEER = 7, /* link id */
	NODES = 50,
};

static struct directory *dir;
static struct dirsync *ds;
static struct now now;

static void start(bool is_node, enum dirsync_peer_kind kind)
{
	const struct dirsync_params params = {.rng = &rng_system,
					      .is_node = is_node,
					      .period_ns = 5 * NS_PER_S,
					      .dir = dir = fixture_directory(0)};

	now = fixture_now();
	ds = dirsync_create(&params);
	if (dirsync_peer_up(ds, PEER, kind, &now) != 0)
		abort();
	dirsync_tick(ds, &now);
}

static void stop(void)
{
	dirsync_free(ds);
	directory_free(dir);
}

static void know(unsigned nodes)
{
	for (unsigned n = 0; n < nodes; n++) {
		const struct descriptor d = fixture_descriptor(n);

		if (fixture_add(dir, &d, n) != DIRECTORY_ADDED)
			abort();
	}
}

static void wait_ns(uint64_t ns)
{
	now = fixture_later(now, ns);
	dirsync_tick(ds, &now);
}

static enum drop receive(const struct dirsync_msg *m)
{
	uint8_t body[CELL_BODY_LEN];

	dirsync_encode(m, body);
	return dirsync_recv(ds, PEER, body, &now);
}

/* The next message out, decoded (its items point into a static body). */
static bool next(struct dirsync_msg *m)
{
	static uint8_t body[CELL_BODY_LEN];
	uint32_t link_id;

	if (!dirsync_next_out(ds, &link_id, body, &now))
		return false;
	CHECK_INT(link_id, PEER);
	CHECK_INT(dirsync_decode(m, body), 0);
	return true;
}

static struct dirsync_msg get(uint64_t epoch, uint64_t from, uint64_t to)
{
	return (struct dirsync_msg){
	    .type = DIRSYNC_GET, .request = 3, .epoch = epoch, .from = from, .to = to};
}

static void test_junk(void)
{
	struct rng rng = rng_seeded(3);
	uint8_t body[CELL_BODY_LEN];
	struct dirsync_msg m;

	start(true, DIRSYNC_NEIGHBOUR);
	know(3);
	for (unsigned i = 0; i < 20000; i++) {
		rng_fill(&rng, body, sizeof(body));
		body[0] = (uint8_t)(1 + i % DIRSYNC_TYPE_MAX);
		CHECK_INT(dirsync_recv(ds, PEER, body, &now), DROP_LINKCTL);
	}
	CHECK(!next(&m));
	CHECK_INT(directory_count(dir), 3);
	CHECK_INT(dirsync_recv(ds, PEER + 1, body, &now), DROP_LINKCTL);
	rng_seeded_free(&rng);
	stop();
}

/* However many questions come, and from however many peers: one reply each, and bounded. */
static void test_get_flood(void)
{
	const struct dirsync_msg m = get(0, 0, UINT64_MAX);
	unsigned taken = 0, replies = 0, drops[DROP_COUNT] = {0};
	struct dirsync_msg out;

	start(true, DIRSYNC_NEIGHBOUR);
	know(NODES);
	for (unsigned i = 0; i < 5000; i++) {
		const enum drop drop = receive(&m);

		drops[drop]++;
		taken += drop == DROP_NONE;
		while (i % 3 == 0 && next(&out))
			replies++;
	}
	while (next(&out))
		replies++;
	CHECK_INT(taken, replies);
	CHECK(taken <= 256);
	CHECK_INT(drops[DROP_NONE] + drops[DROP_RATE] + drops[DROP_NO_BUFFER], 5000);
	CHECK_INT(dirsync_stats(ds)->rate_limited, drops[DROP_RATE]);
	wait_ns(NS_PER_S); /* forgiven with time */
	CHECK_INT(receive(&m), DROP_NONE);
	while (next(&out))
		replies++;
	for (unsigned i = 0; i < 5000; i++) /* not drained at all */
		receive(&m);
	for (replies = 0; next(&out);)
		replies++;
	CHECK_INT(replies, 64);
	stop();
}

/* A whole crowd that asks without our output being drained: the queue is bounded, and a peer that
 * went away gets no reply. */
static void test_crowd(void)
{
	const struct dirsync_msg m = get(0, 0, UINT64_MAX);
	uint8_t body[CELL_BODY_LEN], question[CELL_BODY_LEN];
	unsigned dropped = 0, replies = 0;
	uint32_t link_id;

	start(true, DIRSYNC_NEIGHBOUR);
	know(3);
	dirsync_encode(&m, question);
	for (uint32_t peer = 100; peer < 1100; peer++) {
		NEED(dirsync_peer_up(ds, peer, DIRSYNC_NEIGHBOUR, &now) == 0);
		dropped += dirsync_recv(ds, peer, question, &now) == DROP_NO_BUFFER;
	}
	CHECK_INT(dropped, 1000 - 256);
	for (uint32_t peer = 100; peer < 200; peer++)
		dirsync_peer_down(ds, peer);
	while (dirsync_next_out(ds, &link_id, body, &now)) {
		CHECK(link_id >= 200);
		replies++;
	}
	CHECK_INT(replies, 156);
	stop();
}

/* Odd questions get right answers. */
static void test_odd_questions(void)
{
	struct dirsync_msg m, out;

	start(true, DIRSYNC_NEIGHBOUR);
	know(NODES);
	m = get(directory_epoch(dir) + 2, 0, UINT64_MAX); /* another numbering */
	CHECK_INT(receive(&m), DROP_NONE);
	NEED(next(&out));
	CHECK_INT(out.count, 0);
	CHECK_INT(out.next, 0);
	m = get(directory_epoch(dir), UINT64_MAX, UINT64_MAX); /* beyond the end */
	CHECK_INT(receive(&m), DROP_NONE);
	NEED(next(&out));
	CHECK_INT(out.count, 0);
	CHECK(out.next == UINT64_MAX);
	m = get(directory_epoch(dir), 4, 4); /* nothing */
	CHECK_INT(receive(&m), DROP_NONE);
	NEED(next(&out));
	CHECK_INT(out.count, 0);
	CHECK_INT(out.next, 4);
	m = get(directory_epoch(dir), 4, 5); /* one */
	CHECK_INT(receive(&m), DROP_NONE);
	NEED(next(&out));
	CHECK_INT(out.count, 1);
	CHECK_INT(out.next, 5);
	CHECK_INT(out.total, NODES);
	CHECK_INT(out.last, NODES);
	stop();
}

/* A client is not asked, and learns nothing from who is not its source. */
static void test_client_is_no_server(void)
{
	struct dirsync_msg m = get(0, 0, UINT64_MAX), out;
	const struct descriptor d = fixture_descriptor(1);
	uint8_t bytes[DESCRIPTOR_MAX];
	const size_t len = fixture_sign(&d, 1, bytes);

	start(false, DIRSYNC_NEIGHBOUR);
	CHECK_INT(receive(&m), DROP_LINKCTL);
	m = (struct dirsync_msg){
	    .type = DIRSYNC_PUSH, .count = 1, .items = {{bytes, (uint16_t)len}}};
	CHECK_INT(receive(&m), DROP_LINKCTL);
	m = (struct dirsync_msg){.type = DIRSYNC_DATA,
				 .epoch = 1,
				 .next = 1,
				 .last = 1,
				 .count = 1,
				 .items = {{bytes, (uint16_t)len}}};
	CHECK_INT(receive(&m), DROP_LINKCTL);
	m = (struct dirsync_msg){.type = DIRSYNC_PUSHED};
	CHECK_INT(receive(&m), DROP_LINKCTL);
	CHECK(!next(&out));
	CHECK_INT(directory_count(dir), 0);
	stop();
}

/* A source's answers that answer nothing: made up, doubled, for another range. */
static void test_unasked(void)
{
	const struct descriptor d = fixture_descriptor(1);
	uint8_t bytes[DESCRIPTOR_MAX];
	const size_t len = fixture_sign(&d, 1, bytes);
	struct dirsync_msg q, a;

	start(false, DIRSYNC_SOURCE);
	NEED(next(&q) && q.type == DIRSYNC_GET);
	a = (struct dirsync_msg){.type = DIRSYNC_DATA,
				 .request = (uint16_t)(q.request + 64),
				 .epoch = 5,
				 .next = 1,
				 .last = 1,
				 .count = 1,
				 .items = {{bytes, (uint16_t)len}}};
	CHECK_INT(receive(&a), DROP_LINKCTL);
	a.request = (uint16_t)(q.request + 1);
	CHECK_INT(receive(&a), DROP_LINKCTL);
	a.request = q.request;
	a.from = 1;
	a.next = 2;
	CHECK_INT(receive(&a), DROP_LINKCTL);
	CHECK_INT(directory_count(dir), 0);
	a.from = 0;
	a.next = 1;
	CHECK_INT(receive(&a), DROP_NONE);
	CHECK_INT(receive(&a), DROP_LINKCTL); /* doubled */
	CHECK_INT(directory_count(dir), 1);
	CHECK(dirsync_is_complete(ds));
	stop();
}

/*
 * A source under the test's control: lie() fills the answer to each question.  The pull must end by
 * itself after few questions, without the view being called complete.
 */
static unsigned pull_from_liar(void (*lie)(const struct dirsync_msg *q, struct dirsync_msg *a),
			       unsigned most)
{
	struct dirsync_msg q, a;
	unsigned questions = 0;

	for (unsigned round = 0; round < 400; round++) {
		while (next(&q)) {
			questions++;
			a = (struct dirsync_msg){
			    .type = DIRSYNC_DATA, .request = q.request, .from = q.from};
			lie(&q, &a);
			receive(&a);
		}
		wait_ns(5 * NS_PER_MS);
	}
	printf("# %u questions\n", questions);
	CHECK(questions <= most);
	return questions;
}

static void lie_no_step(const struct dirsync_msg *q, struct dirsync_msg *a)
{
	a->epoch = 9;
	a->next = q->from;
	a->last = UINT64_MAX;
}

static void lie_empty(const struct dirsync_msg *q, struct dirsync_msg *a)
{
	a->epoch = 9;
	a->next = q->from + 1;
	a->last = UINT64_MAX;
	a->total = UINT32_MAX;
}

static void lie_epochs(const struct dirsync_msg *q, struct dirsync_msg *a)
{
	lie_empty(q, a);
	a->epoch = 2 * rng_u64(&rng_system) | 1;
}

static uint8_t lie_bytes[DESCRIPTOR_MAX];
static uint16_t lie_len;

static void lie_with_item(const struct dirsync_msg *q, struct dirsync_msg *a)
{
	lie_empty(q, a);
	a->count = 3;
	for (unsigned i = 0; i < 3; i++)
		a->items[i] = (struct dirsync_item){lie_bytes, lie_len};
}

static void lie_forged(const struct dirsync_msg *q, struct dirsync_msg *a)
{
	lie_bytes[lie_len - 1] ^= 1;
	lie_with_item(q, a);
}

static void expect_dropped(uint64_t times)
{
	CHECK_INT(dirsync_stats(ds)->sources_dropped, times);
	CHECK(!dirsync_is_complete(ds));
	stop();
}

static void test_liars(void)
{
	const struct descriptor d = fixture_descriptor(1);

	lie_len = (uint16_t)fixture_sign(&d, 1, lie_bytes);
	start(false, DIRSYNC_SOURCE);
	pull_from_liar(lie_no_step, 1);
	expect_dropped(1);
	start(false, DIRSYNC_SOURCE);
	pull_from_liar(lie_empty, 200);
	expect_dropped(1);
	start(false, DIRSYNC_SOURCE);
	pull_from_liar(lie_epochs, 5);
	expect_dropped(1);
	start(false, DIRSYNC_SOURCE);
	pull_from_liar(lie_with_item, 40); /* the same known node for ever */
	CHECK_INT(directory_count(dir), 1);
	expect_dropped(1);
	start(false, DIRSYNC_SOURCE);
	pull_from_liar(lie_forged, 8);
	CHECK(directory_stats(dir)->invalid[DESCRIPTOR_SIGNATURE] > 0);
	expect_dropped(1);
}

/* After a lie the source is left alone until the next period, and then asked again. */
static void test_liar_is_asked_again(void)
{
	struct dirsync_msg q;

	start(false, DIRSYNC_SOURCE);
	pull_from_liar(lie_no_step, 1); /* 2 s */
	CHECK_INT(dirsync_next_event(ds), DIRSYNC_EVENT_REFUSED);
	CHECK(!next(&q));
	wait_ns(4 * NS_PER_S);
	CHECK(next(&q));
	stop();
}

static void test_push(void)
{
	struct descriptor d = fixture_descriptor(1);
	uint8_t bytes[DESCRIPTOR_MAX];
	const size_t len = fixture_sign(&d, 1, bytes);
	struct dirsync_msg out,
	    push = {
		.type = DIRSYNC_PUSH, .request = 77, .count = 1, .items = {{bytes, (uint16_t)len}}};
	unsigned replies = 0;

	start(true, DIRSYNC_NEIGHBOUR);
	CHECK_INT(receive(&push), DROP_NONE);
	NEED(next(&out));
	CHECK_INT(out.type, DIRSYNC_PUSHED);
	CHECK_INT(out.request, 77);
	CHECK_INT(out.result, DIRECTORY_ADDED);
	bytes[len - 1] ^= 1;
	CHECK_INT(receive(&push), DROP_NONE);
	NEED(next(&out));
	CHECK_INT(out.result, DIRECTORY_INVALID);
	CHECK_INT(out.error, DESCRIPTOR_SIGNATURE);
	CHECK_INT(directory_count(dir), 1);
	for (unsigned i = 0; i < 1000; i++) /* a flood costs few verifications */
		replies += receive(&push) == DROP_NONE;
	CHECK_INT(replies, 6);
	CHECK_INT(dirsync_stats(ds)->rate_limited, 994);
	stop();
}

/* Our own descriptor: pushed until answered, again each period, and a refusal is told. */
static void test_own_push(void)
{
	const struct descriptor d = fixture_descriptor(1);
	uint8_t bytes[DESCRIPTOR_MAX];
	const size_t len = fixture_sign(&d, 1, bytes);
	struct dirsync_msg q, a = {.type = DIRSYNC_PUSHED};
	unsigned pushes = 0;

	start(true, DIRSYNC_SOURCE);
	CHECK_INT(dirsync_publish(ds, bytes, 30, &now), DIRECTORY_INVALID);
	CHECK_INT(dirsync_publish(ds, bytes, len, &now), DIRECTORY_ADDED);
	CHECK_INT(dirsync_next_event(ds), DIRSYNC_EVENT_CHANGED);
	for (unsigned i = 0; i < 100; i++) {
		while (next(&q)) {
			if (q.type != DIRSYNC_PUSH)
				continue;
			pushes++;
			a.request = q.request;
			CHECK_MEM(q.items[0].bytes, bytes, len);
		}
		wait_ns(10 * NS_PER_MS);
	}
	CHECK(pushes >= 2 && pushes <= 4); /* at 0, 250, 750 ms */
	a.request++;
	CHECK_INT(receive(&a), DROP_LINKCTL);
	a.request--;
	a.result = DIRECTORY_EQUIVOCATION;
	CHECK_INT(receive(&a), DROP_NONE);
	CHECK_INT(receive(&a), DROP_LINKCTL);
	CHECK_INT(dirsync_next_event(ds), DIRSYNC_EVENT_REFUSED);
	CHECK_INT(dirsync_stats(ds)->push_result, DIRECTORY_EQUIVOCATION);
	stop();
}

static void test_limits(void)
{
	const struct dirsync_params params = {
	    .rng = &rng_system, .max_peers = 5, .dir = dir = fixture_directory(0)};

	now = fixture_now();
	ds = dirsync_create(&params);
	for (uint32_t i = 1; i <= DIRSYNC_SOURCES_MAX; i++) {
		CHECK_INT(dirsync_peer_up(ds, i, DIRSYNC_NEIGHBOUR, &now), 0);
		CHECK_INT(dirsync_peer_up(ds, i, DIRSYNC_SOURCE, &now), 0);
		CHECK_INT(dirsync_peer_up(ds, i, DIRSYNC_SOURCE, &now), 0);
	}
	CHECK(dirsync_peer_up(ds, 4, DIRSYNC_SOURCE, &now) != 0); /* no fourth source, */
	CHECK_INT(dirsync_peer_up(ds, 4, DIRSYNC_NEIGHBOUR, &now), 0);
	CHECK_INT(dirsync_peer_up(ds, 5, DIRSYNC_NEIGHBOUR, &now), 0);
	CHECK(dirsync_peer_up(ds, 6, DIRSYNC_NEIGHBOUR, &now) != 0); /* no sixth peer */
	dirsync_peer_down(ds, 2);
	dirsync_peer_down(ds, 2);
	CHECK_INT(dirsync_peer_up(ds, 6, DIRSYNC_SOURCE, &now), 0); /* takes its place */
	stop();
}

int main(void)
{
	RUN(test_junk);
	RUN(test_get_flood);
	RUN(test_crowd);
	RUN(test_odd_questions);
	RUN(test_client_is_no_server);
	RUN(test_unasked);
	RUN(test_liars);
	RUN(test_liar_is_asked_again);
	RUN(test_push);
	RUN(test_own_push);
	RUN(test_limits);
	return test_done();
}
