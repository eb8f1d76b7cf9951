/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One honest party, and a neighbour that is not. */
#include "mesh/dirsync.h"

#include "tests/lib/test.h"
#include "tests/unit/mesh/fixture.h"

enum {
	PEER = 7,
	NODES = 300,
};

static struct directory *dir;
static struct dirsync *ds;
static struct now now;

static void start(bool is_node)
{
	now = fixture_now();
	dir = fixture_directory(0);
	ds = dirsync_create(
	    &(struct dirsync_params){.dir = dir, .rng = &rng_system, .is_node = is_node});
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

static enum drop receive(const struct sync_msg *m)
{
	uint8_t body[CELL_BODY_LEN];

	sync_encode(m, body);
	return dirsync_recv(ds, PEER, false, body, &now);
}

/* The next message out, decoded (it points into a static body). */
static bool next(struct sync_msg *m)
{
	static struct sync_out out;

	if (!dirsync_next_out(ds, &out, &now))
		return false;
	CHECK_INT(out.peer, PEER);
	CHECK_INT(sync_decode(m, out.body), 0);
	return true;
}

static struct sync_msg fetch_all(uint16_t credit)
{
	return (struct sync_msg){.type = SYNC_FETCH, .request = 3, .count = 1, .credit = credit};
}

static void test_junk(void)
{
	struct rng rng = rng_seeded(3);
	uint8_t body[CELL_BODY_LEN];
	struct sync_msg m;

	start(true);
	know(3);
	for (unsigned i = 0; i < 20000; i++) {
		rng_fill(&rng, body, sizeof(body));
		body[0] = (uint8_t)(1 + i % DIRSYNC_TYPE_MAX);
		CHECK_INT(dirsync_recv(ds, PEER, true, body, &now), DROP_LINKCTL);
	}
	CHECK(!next(&m));
	CHECK_INT(directory_count(dir), 3);
	rng_seeded_free(&rng);
	stop();
}

/* However many questions come: so many cells a second go to one neighbour, whatever he asks. */
static void test_flood(void)
{
	const struct sync_msg m = fetch_all(SYNC_CREDIT_MAX);
	unsigned cells = 0, drops[DROP_COUNT] = {0};
	struct sync_msg out;

	start(true);
	know(NODES);
	for (unsigned ms = 0; ms < 1000; ms++) {
		for (unsigned i = 0; i < 20; i++)
			drops[receive(&m)]++;
		while (next(&out))
			cells++;
		wait_ns(NS_PER_MS);
	}
	printf(
	    "# 20000 questions in a second: %u answered, %u over the rate, %u too many, %u cells\n",
	    drops[DROP_NONE], drops[DROP_RATE], drops[DROP_NO_BUFFER], cells);
	CHECK(cells <= 2600);
	CHECK_INT(drops[DROP_NONE] + drops[DROP_RATE] + drops[DROP_NO_BUFFER], 20000);
	CHECK(drops[DROP_NONE] <= 300);
	CHECK_INT(dirsync_stats(ds).serve.rate_limited, drops[DROP_RATE]);
	stop();
}

/* One question gets at most the cells that it grants, and then none. */
static void test_credit(void)
{
	struct sync_msg m = fetch_all(5), out;
	unsigned cells = 0;

	start(true);
	know(NODES);
	CHECK_INT(receive(&m), DROP_NONE);
	while (next(&out)) {
		CHECK_INT(out.index, cells);
		cells++;
		CHECK_INT(out.flags, cells == 5 ? SYNC_LAST : 0);
	}
	CHECK_INT(cells, 5);
	wait_ns(NS_PER_S);
	CHECK(!next(&out));
	stop();
}

/* A whole crowd of neighbours that ask once: the state of the one silent longest gives way. */
static void test_crowd(void)
{
	const struct sync_msg m = {
	    .type = SYNC_ASK, .count = 1, .parts = {{.digest = (const uint8_t[16]){0}}}};
	uint8_t question[CELL_BODY_LEN];
	unsigned taken = 0, answered = 0;
	struct sync_out out;

	start(true);
	know(3);
	sync_encode(&m, question);
	for (uint32_t peer = 100; peer < 100 + 3 * SERVE_PEERS_MAX; peer++) {
		taken += dirsync_recv(ds, peer, false, question, &now) == DROP_NONE;
		if (peer % 100 != 0)
			continue;
		while (dirsync_next_out(ds, &out, &now))
			answered++;
		wait_ns(20 * NS_PER_MS);
	}
	for (unsigned i = 0; i < 10; i++) {
		while (dirsync_next_out(ds, &out, &now))
			answered++;
		wait_ns(20 * NS_PER_MS);
	}
	CHECK_INT(taken, 3 * SERVE_PEERS_MAX);
	CHECK_INT(answered, taken);
	for (uint32_t peer = 0; peer < 2 * SERVE_JOBS_MAX; peer++) /* not drained at all */
		if (dirsync_recv(ds, 100000 + peer, false, question, &now) != DROP_NONE)
			taken--;
	CHECK_INT(taken, 3 * SERVE_PEERS_MAX - SERVE_JOBS_MAX);
	for (uint32_t peer = 0; peer < 100; peer++)
		dirsync_down(ds, 100000 + peer);
	for (answered = 0; dirsync_next_out(ds, &out, &now); answered++)
		CHECK(out.peer >= 100100);
	CHECK_INT(answered, SERVE_JOBS_MAX - 100);
	stop();
}

/* A client answers nobody, and learns nothing from who was not asked. */
static void test_client_is_no_server(void)
{
	const struct descriptor d = fixture_descriptor(1);
	uint8_t bytes[DESCRIPTOR_MAX], cell[SYNC_STREAM_LEN] = {0};
	const size_t len = fixture_sign(&d, 1, bytes);
	struct sync_msg m = fetch_all(1), out;

	start(false);
	CHECK_INT(receive(&m), DROP_LINKCTL);
	m = (struct sync_msg){.type = SYNC_PUSH, .bytes = bytes, .len = (uint16_t)len};
	CHECK_INT(receive(&m), DROP_LINKCTL);
	put_le16(cell, (uint16_t)len);
	memcpy(cell + 2, bytes, len);
	m = (struct sync_msg){
	    .type = SYNC_DATA, .flags = SYNC_LAST | SYNC_WHOLE, .stream = cell, .request = 1};
	CHECK_INT(receive(&m), DROP_LINKCTL);
	m = (struct sync_msg){.type = SYNC_COUNTS, .count = 1};
	CHECK_INT(receive(&m), DROP_LINKCTL);
	m = (struct sync_msg){.type = SYNC_PUSHED};
	CHECK_INT(receive(&m), DROP_LINKCTL);
	CHECK(!next(&out));
	CHECK_INT(directory_count(dir), 0);
	stop();
}

/* A mirror under the test's control: answers each question with what lie() makes of it.  The pull
 * must end by itself, after so many questions at most. */
typedef void lie_fn(const struct sync_msg *q, struct sync_msg *a, uint8_t *cell);

static struct dirsync_event pull_from_liar(lie_fn *lie, unsigned most)
{
	struct dirsync_event ev = {.verdict = PULL_GOES_ON};
	static struct sync_msg q, a;
	unsigned questions = 0;

	if (dirsync_pull(ds, PEER, &now) != 0)
		abort();
	for (unsigned round = 0; round < 20000 && !dirsync_next_event(ds, &ev); round++) {
		while (next(&q)) {
			uint8_t cell[SYNC_STREAM_LEN] = {0};

			questions++;
			a = (struct sync_msg){.type = q.type == SYNC_ASK ? SYNC_COUNTS : SYNC_DATA,
					      .request = q.request,
					      .level = q.level,
					      .start = SYNC_NO_START,
					      .stream = cell};
			lie(&q, &a, cell);
			receive(&a);
		}
		wait_ns(5 * NS_PER_MS);
	}
	printf("# %u questions\n", questions);
	CHECK(questions <= most);
	return ev;
}

/* Says it has a world of nodes everywhere, and sends nothing. */
static void claim(const struct sync_msg *q, struct sync_msg *a)
{
	a->total = UINT32_MAX;
	a->count = q->count;
	for (unsigned i = 0; i < q->count; i++)
		a->counts[i] = 1000 | COUNTS_DIFFER;
}

static void lie_empty(const struct sync_msg *q, struct sync_msg *a, uint8_t *cell)
{
	(void)cell;
	claim(q, a);
	a->flags = SYNC_LAST;
}

static void lie_undelivered(const struct sync_msg *q, struct sync_msg *a, uint8_t *cell)
{
	(void)cell;
	claim(q, a);
	a->flags = SYNC_LAST | SYNC_WHOLE;
}

static uint8_t lie_bytes[DESCRIPTOR_MAX];
static uint16_t lie_len;

static void put_record(struct sync_msg *a, uint8_t *cell)
{
	a->start = 0;
	for (size_t at = 0; at + 2u + lie_len < SYNC_STREAM_LEN; at += 2u + lie_len) {
		put_le16(cell + at, lie_len);
		memcpy(cell + at + 2, lie_bytes, lie_len);
	}
}

static void lie_same(const struct sync_msg *q, struct sync_msg *a, uint8_t *cell)
{
	claim(q, a);
	a->total = 5;
	a->flags = SYNC_LAST;
	put_record(a, cell);
}

static void lie_forged(const struct sync_msg *q, struct sync_msg *a, uint8_t *cell)
{
	lie_bytes[lie_len - 1] ^= 1;
	lie_same(q, a, cell);
}

static void lie_counts(const struct sync_msg *q, struct sync_msg *a, uint8_t *cell)
{
	(void)cell;
	claim(q, a);
	a->count++;
}

static void test_liars(void)
{
	const struct descriptor d = fixture_descriptor(1);
	struct dirsync_event ev;

	lie_len = (uint16_t)fixture_sign(&d, 1, lie_bytes);
	start(false);
	ev = pull_from_liar(lie_counts, 1);
	CHECK_INT(ev.verdict, PULL_LIED);
	stop();
	start(false);
	ev = pull_from_liar(lie_empty, 8000);
	CHECK_INT(ev.verdict, PULL_FAILED);
	CHECK(ev.result.unfinished > 0);
	stop();
	start(false);
	ev = pull_from_liar(lie_undelivered, 2000);
	CHECK_INT(ev.verdict, PULL_DONE);
	CHECK(ev.result.undelivered >= 1000);
	stop();
	start(false);
	ev = pull_from_liar(lie_same, 200); /* the same known node for ever */
	CHECK_INT(ev.verdict, PULL_LIED);
	CHECK_INT(directory_count(dir), 1);
	stop();
	start(false);
	ev = pull_from_liar(lie_forged, 30);
	CHECK_INT(ev.verdict, PULL_LIED);
	CHECK(ev.result.forged > 0);
	CHECK(directory_stats(dir)->invalid[DESCRIPTOR_SIGNATURE] > 0);
	stop();
}

/* What no honest node would take: each refused by its name, the store as it was. */
static void refused(struct descriptor d, unsigned n, enum directory_result result,
		    enum descriptor_error error)
{
	const uint64_t version = directory_version(dir);
	uint8_t bytes[DESCRIPTOR_MAX];
	struct sync_msg out, push = {.type = SYNC_PUSH, .bytes = bytes, .request = 9};
	struct identity id;
	size_t len;

	fixture_identity(&id, n);
	if (descriptor_sign(&d, &id, d.published_s, bytes, &len) != DESCRIPTOR_OK)
		abort();
	if (error == DESCRIPTOR_SIGNATURE)
		bytes[len - 1] ^= 1;
	push.len = (uint16_t)len;
	wait_ns(NS_PER_S);
	CHECK_INT(receive(&push), DROP_NONE);
	NEED(next(&out));
	CHECK_INT(out.type, SYNC_PUSHED);
	CHECK_INT(out.request, 9);
	CHECK_INT(out.result, result);
	CHECK_INT(out.error, error);
	CHECK_INT(directory_version(dir), version);
}

static bool no_member(void *ctx, const uint8_t id[static NODE_ID_LEN], struct directory_member *out)
{
	(void)ctx;
	(void)id;
	(void)out;
	return false;
}

static void test_bad_pushes(void)
{
	const struct descriptor good = fixture_descriptor(1);
	struct descriptor d = good;

	start(true);
	know(3);
	d.sequence++;
	refused(d, 1, DIRECTORY_INVALID, DESCRIPTOR_SIGNATURE);
	d.sequence = good.sequence - 1;
	refused(d, 1, DIRECTORY_STALE, DESCRIPTOR_OK);
	d = good;
	d.published_s = FIXTURE_WALL_S + 3600;
	d.valid_until_s = d.published_s + 3600;
	refused(d, 1, DIRECTORY_INVALID, DESCRIPTOR_NOT_YET_VALID);
	d.published_s = FIXTURE_WALL_S - 7200;
	d.valid_until_s = d.published_s + 3600;
	refused(d, 1, DIRECTORY_INVALID, DESCRIPTOR_EXPIRED);
	refused(good, 1, DIRECTORY_KNOWN, DESCRIPTOR_OK);
	stop();

	now = fixture_now();
	dir = directory_create(
	    &(struct directory_params){.rng = &rng_system, .members = {.find = no_member}});
	ds = dirsync_create(
	    &(struct dirsync_params){.dir = dir, .rng = &rng_system, .is_node = true});
	for (unsigned n = 0; n < 50; n++)
		refused(fixture_descriptor(n), n, DIRECTORY_STRANGER, DESCRIPTOR_OK);
	CHECK_INT(directory_count(dir), 0);
	CHECK_INT(directory_stats(dir)->results[DIRECTORY_STRANGER], 50);
	stop();
}

/* A flood of pushes costs few verifications. */
static void test_push_flood(void)
{
	const struct descriptor d = fixture_descriptor(1);
	uint8_t bytes[DESCRIPTOR_MAX];
	const size_t len = fixture_sign(&d, 1, bytes);
	const struct sync_msg push = {.type = SYNC_PUSH, .bytes = bytes, .len = (uint16_t)len};
	struct sync_msg out;
	unsigned taken = 0;

	start(true);
	for (unsigned i = 0; i < 1000; i++) {
		bytes[len - 1]++;
		taken += receive(&push) == DROP_NONE;
		while (next(&out))
			;
	}
	CHECK_INT(taken, 8);
	CHECK_INT(dirsync_stats(ds).serve.rate_limited, 992);
	stop();
}

/* Our own descriptor: pushed until answered, again with each pull, and a refusal is told. */
static void test_own_push(void)
{
	const struct descriptor d = fixture_descriptor(1);
	uint8_t bytes[DESCRIPTOR_MAX];
	const size_t len = fixture_sign(&d, 1, bytes);
	struct sync_msg q, a = {.type = SYNC_PUSHED};
	struct dirsync_event ev;
	unsigned pushes = 0;

	start(true);
	CHECK_INT(dirsync_publish(ds, bytes, 30, &now), DIRECTORY_INVALID);
	CHECK_INT(dirsync_publish(ds, bytes, len, &now), DIRECTORY_ADDED);
	NEED(dirsync_pull(ds, PEER, &now) == 0);
	for (unsigned i = 0; i < 120; i++) {
		while (next(&q)) {
			if (q.type != SYNC_PUSH)
				continue;
			pushes++;
			a.request = q.request;
			CHECK_MEM(q.bytes, bytes, len);
		}
		wait_ns(10 * NS_PER_MS);
	}
	CHECK_INT(pushes, 3); /* at 0, 0.5, 1 s */
	a.request++;
	CHECK_INT(receive(&a), DROP_LINKCTL);
	a.request--;
	a.result = DIRECTORY_STRANGER;
	CHECK_INT(receive(&a), DROP_NONE);
	CHECK_INT(receive(&a), DROP_LINKCTL);
	NEED(dirsync_next_event(ds, &ev));
	CHECK_INT(ev.type, DIRSYNC_REFUSED);
	CHECK_INT(ev.refusal, DIRECTORY_STRANGER);
	stop();
}

static void test_limits(void)
{
	start(true);
	for (uint32_t i = 1; i <= DIRSYNC_PULLS_MAX; i++) {
		CHECK_INT(dirsync_pull(ds, i, &now), 0);
		CHECK(dirsync_pull(ds, i, &now) != 0);
	}
	CHECK(dirsync_pull(ds, 99, &now) != 0);
	dirsync_down(ds, 2);
	dirsync_down(ds, 2);
	CHECK_INT(dirsync_pull(ds, 99, &now), 0);
	stop();
}

int main(void)
{
	RUN(test_junk);
	RUN(test_flood);
	RUN(test_credit);
	RUN(test_crowd);
	RUN(test_client_is_no_server);
	RUN(test_liars);
	RUN(test_bad_pushes);
	RUN(test_push_flood);
	RUN(test_own_push);
	RUN(test_limits);
	return test_done();
}
