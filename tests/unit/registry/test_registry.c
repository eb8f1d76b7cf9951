/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/registry.h"

#include "tests/lib/test.h"
#include "tests/lib/vectors.h"
#include "tests/unit/registry/fixture.h"

static struct registry *reg;
static struct fixture fix;

static unsigned changes; /* that the subscriber was told of */
static uint64_t changed_from;

static void on_change(struct registry_subscriber *s, const struct registry *of, uint64_t first)
{
	(void)s;
	CHECK(of == reg);
	changes++;
	changed_from = first;
}

static struct registry_subscriber subscriber = {.changed = on_change};

static void start(void)
{
	registry_free(reg);
	fixture_start(&fix);
	reg = fixture_registry(&fix);
	changes = 0;
	registry_subscribe(reg, &subscriber);
}

static void add(enum registry_event_type type, uint32_t slot, uint8_t key)
{
	const struct registry_event ev = fixture_event(type, slot, key);

	fixture_add(&fix, &ev);
}

static bool has_key(uint8_t key, uint32_t slot)
{
	struct registry_member m, same;
	uint8_t bytes[REGISTRY_KEY_LEN];

	memset(bytes, key, sizeof(bytes));
	return registry_by_key(reg, bytes, &m) && m.slot == slot &&
	       registry_by_slot(reg, slot, &same) && same.slot == slot &&
	       memcmp(same.record.key, bytes, sizeof(bytes)) == 0;
}

static bool has_no_key(uint8_t key)
{
	struct registry_member unused;
	uint8_t bytes[REGISTRY_KEY_LEN];

	memset(bytes, key, sizeof(bytes));
	return !registry_by_key(reg, bytes, &unused);
}

static struct registry_member by_slot(uint32_t slot)
{
	struct registry_member m = {.slot = UINT32_MAX};

	CHECK(registry_by_slot(reg, slot, &m));
	return m;
}

static void test_vectors(void)
{
	json_t *root = vector_load("registry.json"), *events = vector_get(root, "events"), *v;
	uint8_t key[REGISTRY_KEY_LEN], seed[32], secret[LOCAL_SECRET_LEN];
	uint8_t head[LOCAL_HEAD_LEN], signed_here[LOCAL_HEAD_LEN], hash[HASH_LEN];
	struct registry_backend backend;
	size_t i;

	vector_bytes(root, "registrar", key, sizeof(key));
	vector_bytes(root, "registrar_seed", seed, sizeof(seed));
	crypto_sign_seed_keypair(key, secret, seed);
	registry_free(reg);
	backend = local_backend(key);
	reg = registry_create(&backend, &rng_system);
	vector_bytes(root, "start", hash, sizeof(hash));
	CHECK_MEM(registry_head(reg)->hash, hash, sizeof(hash));
	vector_bytes(root, "empty_head", head, sizeof(head));
	CHECK_INT(registry_apply(reg,
				 &(struct registry_update){.head = head, .head_len = sizeof(head)},
				 FIXTURE_WALL_S, NULL),
		  REGISTRY_OK);
	json_array_foreach(events, i, v)
	{
		uint8_t bytes[REGISTRY_EVENT_MAX];
		const size_t len = strlen(json_string_value(vector_get(v, "bytes"))) / 2;

		vector_bytes(v, "bytes", bytes, len);
		vector_bytes(v, "head", head, sizeof(head));
		CHECK_INT(registry_apply(reg,
					 &(struct registry_update){.head = head,
								   .head_len = sizeof(head),
								   .events = bytes,
								   .events_len = len,
								   .first = i},
					 FIXTURE_WALL_S, NULL),
			  REGISTRY_OK);
		vector_bytes(v, "hash", hash, sizeof(hash));
		CHECK_MEM(registry_head(reg)->hash, hash, sizeof(hash));
		local_head_sign(registry_head(reg), secret, signed_here);
		CHECK_MEM(signed_here, head, sizeof(head));
	}
	CHECK_INT(registry_slots(reg), 3);
	CHECK_INT(registry_members(reg), 2);
	CHECK_INT(by_slot(0).status, REGISTRY_REMOVED);
	CHECK_INT(by_slot(1).record.roles, 6);
	CHECK_INT(by_slot(2).key_event, 4);
	CHECK_INT(by_slot(1).record.contact.addr.port, 4600);
	CHECK_INT(by_slot(2).record.contact.addr.port, 0); /* rotated away */
	json_decref(root);
}

static void test_life_of_members(void)
{
	struct registry_member m;
	uint32_t slot = 0;
	size_t len;

	start();
	CHECK(registry_head_bytes(reg, &len) == NULL);
	add(REGISTRY_ADD, 0, 1);
	add(REGISTRY_ADD, 1, 2);
	add(REGISTRY_ADD, 2, 3);
	CHECK_INT(fixture_apply(&fix, reg), REGISTRY_OK);
	CHECK(has_key(1, 0) && has_key(2, 1) && has_key(3, 2));
	add(REGISTRY_REMOVE, 1, 0);
	add(REGISTRY_ROTATE, 2, 9);
	CHECK_INT(fixture_apply(&fix, reg), REGISTRY_OK);
	CHECK(has_no_key(2) && has_no_key(3) && has_key(9, 2));
	add(REGISTRY_ADD, 3, 2); /* a key may come back, its slot may not */
	add(REGISTRY_ADD, 4, 3);
	CHECK_INT(fixture_apply(&fix, reg), REGISTRY_OK);
	CHECK(has_key(2, 3) && has_key(3, 4));
	CHECK_INT(registry_slots(reg), 5);
	CHECK_INT(registry_members(reg), 4);
	CHECK(registry_next(reg, &slot, &m) && m.slot == 0);
	CHECK(registry_next(reg, &slot, &m) && m.slot == 2);
	CHECK(registry_next(reg, &slot, &m) && m.slot == 3);
	CHECK(registry_next(reg, &slot, &m) && m.slot == 4);
	CHECK(!registry_next(reg, &slot, &m));
	CHECK(!registry_by_slot(reg, 5, &m));
	CHECK(!registry_by_slot(reg, UINT32_MAX, &m));
}

static void test_change_keeps_the_rest(void)
{
	struct registry_event ev = fixture_event(REGISTRY_CHANGE, 0, 0);

	start();
	add(REGISTRY_ADD, 0, 1);
	ev.fields = REGISTRY_HAS_STAKE;
	ev.record.stake = 77;
	ev.record.roles = ROLE_ALL; /* not among the fields */
	fixture_add(&fix, &ev);
	NEED(fixture_apply(&fix, reg) == REGISTRY_OK);
	CHECK_INT(by_slot(0).record.stake, 77);
	CHECK_INT(by_slot(0).record.roles, ROLE_RELAY);
	CHECK(has_key(1, 0));
}

/* Three members, then events that must be refused as a whole, though signed. */
static void refuse(enum registry_result expected, uint64_t expected_event)
{
	struct registry_head before = *registry_head(reg);
	const unsigned told = changes;
	struct fixture kept;
	struct fixture_update u;
	uint64_t event = 0;

	fixture_take(&fix, reg, &u);
	CHECK_INT(registry_apply(reg, &u.update, FIXTURE_WALL_S, &event), expected);
	CHECK_INT(event, expected_event);
	CHECK_MEM(&before, registry_head(reg), sizeof(before));
	CHECK_INT(changes, told);
	CHECK(has_key(1, 0) && has_key(2, 1) && has_no_key(3) && has_no_key(8));
	CHECK_INT(registry_slots(reg), 3);
	CHECK_INT(registry_members(reg), 2);
	kept = fix; /* and it goes on from there */
	kept.head = before;
	kept.len = 0;
	fix = kept;
	add(REGISTRY_CHANGE, 0, 0);
	CHECK_INT(fixture_apply(&fix, reg), REGISTRY_OK);
}

static void start_three(void)
{
	start();
	add(REGISTRY_ADD, 0, 1);
	add(REGISTRY_ADD, 1, 2);
	add(REGISTRY_ADD, 2, 3);
	add(REGISTRY_REMOVE, 2, 0);
	CHECK_INT(fixture_apply(&fix, reg), REGISTRY_OK);
}

static void test_signed_nonsense(void)
{
	static const struct {
		enum registry_event_type type;
		uint32_t slot;
		uint8_t key;
		enum registry_result result;
	} cases[] = {
	    {REGISTRY_ADD, 4, 8, REGISTRY_SLOT_GAP},
	    {REGISTRY_ADD, 5, 9, REGISTRY_SLOT_GAP},
	    {REGISTRY_ADD, 1, 9, REGISTRY_SLOT_REUSED},
	    {REGISTRY_ADD, 2, 9, REGISTRY_SLOT_REUSED}, /* removed: still its own */
	    {REGISTRY_ADD, 3, 1, REGISTRY_KEY_TAKEN},
	    {REGISTRY_ROTATE, 1, 1, REGISTRY_KEY_TAKEN},
	    {REGISTRY_ROTATE, 1, 2, REGISTRY_KEY_TAKEN}, /* to the same */
	    {REGISTRY_ROTATE, 2, 9, REGISTRY_NO_MEMBER},
	    {REGISTRY_ROTATE, 77, 9, REGISTRY_NO_MEMBER},
	    {REGISTRY_REMOVE, 2, 0, REGISTRY_NO_MEMBER},
	    {REGISTRY_REMOVE, 4, 0, REGISTRY_NO_MEMBER},
	    {REGISTRY_CHANGE, UINT32_MAX, 0, REGISTRY_NO_MEMBER},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		start_three();
		add(REGISTRY_CHANGE, 0, 0); /* event 4 is fine, and undone with the rest */
		add(cases[i].type, cases[i].slot, cases[i].key);
		refuse(cases[i].result, 5);
	}
}

static void test_times(void)
{
	struct registry_event ev = fixture_event(REGISTRY_CHANGE, 0, 0);

	start_three();
	ev.time_s--; /* before the event before */
	fixture_add(&fix, &ev);
	refuse(REGISTRY_TIME, 4);
	start_three();
	ev.time_s += 2;
	fixture_add(&fix, &ev);
	fix.head.time_s--; /* the head is older than what it vouches for */
	refuse(REGISTRY_TIME, 5);
	start_three();
	add(REGISTRY_CHANGE, 0, 0);
	fix.head.time_s = FIXTURE_WALL_S + REGISTRY_SKEW_S + 1;
	refuse(REGISTRY_FUTURE, 4);
}

/* Every byte of an update matters. */
static void test_each_byte(void)
{
	struct fixture_update u;
	uint8_t events[2 * REGISTRY_EVENT_MAX];

	start_three();
	add(REGISTRY_ADD, 3, 4);
	add(REGISTRY_ROTATE, 0, 7);
	fixture_take(&fix, reg, &u);
	memcpy(events, u.update.events, u.update.events_len);
	u.update.events = events;
	for (size_t i = 0; i < u.update.events_len; i++) {
		enum registry_result r;

		events[i] ^= 1;
		r = registry_apply(reg, &u.update, FIXTURE_WALL_S, NULL);
		CHECK(r == REGISTRY_BROKEN_CHAIN || r == REGISTRY_MALFORMED ||
		      r == REGISTRY_TRUNCATED || r == REGISTRY_VERSION);
		events[i] ^= 1;
	}
	for (size_t i = 0; i < LOCAL_HEAD_LEN; i++) {
		u.head[i] ^= 1;
		CHECK_INT(registry_apply(reg, &u.update, FIXTURE_WALL_S, NULL),
			  i == 0 ? REGISTRY_VERSION : REGISTRY_SIGNATURE);
		u.head[i] ^= 1;
	}
	for (size_t len = 0; len < u.update.events_len; len++) {
		const struct registry_update shorter = {
		    .head = u.head,
		    .head_len = sizeof(u.head),
		    .events = events,
		    .events_len = len,
		    .first = u.update.first,
		};

		CHECK_INT(registry_apply(reg, &shorter, FIXTURE_WALL_S, NULL), REGISTRY_TRUNCATED);
	}
	u.update.events_len++;
	CHECK_INT(registry_apply(reg, &u.update, FIXTURE_WALL_S, NULL), REGISTRY_MALFORMED);
	u.update.events_len--;
	u.update.first++;
	CHECK_INT(registry_apply(reg, &u.update, FIXTURE_WALL_S, NULL), REGISTRY_GAP);
	u.update.first--;
	CHECK_INT(registry_members(reg), 2);
	CHECK_INT(registry_apply(reg, &u.update, FIXTURE_WALL_S, NULL), REGISTRY_OK);
	CHECK_INT(registry_apply(reg, &u.update, FIXTURE_WALL_S, NULL), REGISTRY_KNOWN);
	CHECK_INT(registry_members(reg), 3);
}

static void test_other_heads(void)
{
	struct fixture_update first, other, later;
	struct fixture kept;
	struct registry_head head;

	start();
	kept = fix;
	add(REGISTRY_ADD, 0, 1);
	fixture_take(&fix, reg, &first);
	CHECK_INT(registry_judge(reg, first.head, LOCAL_HEAD_LEN, FIXTURE_WALL_S, &head),
		  REGISTRY_OK);
	CHECK_INT(head.events, 1);
	CHECK_INT(registry_apply(reg, &first.update, FIXTURE_WALL_S, NULL), REGISTRY_OK);
	fix.head.time_s += 10; /* vouched for again, without an event */
	fixture_take(&fix, reg, &later);
	CHECK_INT(registry_apply(reg, &later.update, FIXTURE_WALL_S, NULL), REGISTRY_OK);
	CHECK_INT(registry_head(reg)->time_s, FIXTURE_WALL_S + 10);
	CHECK_INT(registry_judge(reg, first.head, LOCAL_HEAD_LEN, FIXTURE_WALL_S, &head),
		  REGISTRY_KNOWN);
	CHECK_INT(registry_judge(reg, later.head, LOCAL_HEAD_LEN, FIXTURE_WALL_S, &head),
		  REGISTRY_KNOWN);
	fix = kept; /* the registrar has signed another history */
	add(REGISTRY_ADD, 0, 2);
	fixture_take(&fix, reg, &other);
	CHECK_INT(registry_judge(reg, other.head, LOCAL_HEAD_LEN, FIXTURE_WALL_S, &head),
		  REGISTRY_FORK);
	add(REGISTRY_ADD, 1, 3);
	fixture_take(&fix, reg, &other);
	CHECK_INT(registry_apply(reg, &other.update, FIXTURE_WALL_S, NULL), REGISTRY_BROKEN_CHAIN);
	fix = kept;
	fix.head.time_s = FIXTURE_WALL_S + 20; /* or forgotten some */
	fixture_take(&fix, reg, &other);
	CHECK_INT(registry_judge(reg, other.head, LOCAL_HEAD_LEN, FIXTURE_WALL_S, &head),
		  REGISTRY_STALE);
	fix.head.events = REGISTRY_EVENTS_MAX + 1;
	fixture_take(&fix, reg, &other);
	CHECK_INT(registry_judge(reg, other.head, LOCAL_HEAD_LEN, FIXTURE_WALL_S, &head),
		  REGISTRY_TOO_MANY);
	CHECK(has_key(1, 0));
}

/* Subscribers hear of each change, of what is new in it, and of nothing that was refused. */
static void test_subscription(void)
{
	struct fixture_update u;
	uint64_t count;
	size_t len;

	start();
	add(REGISTRY_ADD, 0, 1);
	add(REGISTRY_ADD, 1, 2);
	CHECK_INT(fixture_apply(&fix, reg), REGISTRY_OK);
	CHECK_INT(changes, 1);
	CHECK_INT(changed_from, 0);
	add(REGISTRY_REMOVE, 1, 0);
	CHECK_INT(fixture_apply(&fix, reg), REGISTRY_OK);
	CHECK_INT(changes, 2);
	CHECK_INT(changed_from, 2);
	CHECK(registry_events(reg, changed_from, SIZE_MAX, &count, &len) != NULL && count == 1);
	fix.head.time_s++; /* vouched for again */
	CHECK_INT(fixture_apply(&fix, reg), REGISTRY_OK);
	CHECK_INT(changes, 3);
	CHECK_INT(changed_from, registry_head(reg)->events);
	fixture_take(&fix, reg, &u); /* nothing new */
	CHECK_INT(registry_apply(reg, &u.update, FIXTURE_WALL_S, NULL), REGISTRY_KNOWN);
	CHECK_INT(changes, 3);
	registry_unsubscribe(&subscriber);
	add(REGISTRY_ADD, 2, 3);
	CHECK_INT(fixture_apply(&fix, reg), REGISTRY_OK);
	CHECK_INT(changes, 3);
}

static void test_other_mesh(void)
{
	struct registry_backend backend;
	struct registry *other;
	struct fixture_update u;

	start();
	add(REGISTRY_ADD, 0, 1);
	fixture_take(&fix, reg, &u);
	backend = local_backend(fix.registrar);
	backend.mesh[0] ^= 1;
	other = registry_create(&backend, &rng_system);
	CHECK_INT(registry_apply(other, &u.update, FIXTURE_WALL_S, NULL), REGISTRY_SIGNATURE);
	CHECK_INT(registry_slots(other), 0);
	registry_free(other);
}

static void test_age(void)
{
	start();
	CHECK(registry_is_old(reg, 3600, FIXTURE_WALL_S)); /* nobody ever */
	add(REGISTRY_ADD, 0, 1);
	NEED(fixture_apply(&fix, reg) == REGISTRY_OK);
	CHECK(!registry_is_old(reg, 3600, FIXTURE_WALL_S - 10));
	CHECK(!registry_is_old(reg, 3600, FIXTURE_WALL_S + 3600));
	CHECK(registry_is_old(reg, 3600, FIXTURE_WALL_S + 3601));
	CHECK(!registry_is_old(reg, 0, FIXTURE_WALL_S + 1000000000));
}

/* A mirror's answers in pieces of any size make the same registry elsewhere. */
static void test_events_in_pieces(void)
{
	uint8_t all[16 * REGISTRY_EVENT_MAX];
	const uint8_t *log;
	size_t all_len, len;
	uint64_t count;

	start();
	for (uint8_t i = 0; i < 16; i++)
		add(i % 5 == 4 ? REGISTRY_CHANGE : REGISTRY_ADD,
		    i % 5 == 4 ? 0 : (uint32_t)(i - i / 5), (uint8_t)(i + 1));
	NEED(fixture_apply(&fix, reg) == REGISTRY_OK);
	log = registry_events(reg, 0, SIZE_MAX, &count, &all_len);
	NEED(log != NULL && all_len <= sizeof(all));
	memcpy(all, log, all_len);
	CHECK_INT(count, 16);
	CHECK(registry_events(reg, 16, SIZE_MAX, &count, &len) == NULL && count == 0 && len == 0);
	CHECK(registry_events(reg, UINT64_MAX, SIZE_MAX, &count, &len) == NULL);
	CHECK(registry_events(reg, 0, 10, &count, &len) == NULL); /* not even one fits */
	for (size_t max = 77; max < all_len + 10; max += 13) {
		uint64_t first = 0;
		size_t done = 0;

		while (first < 16) {
			const uint8_t *p = registry_events(reg, first, max, &count, &len);

			NEED(p != NULL && count > 0 && len <= max);
			CHECK_MEM(p, all + done, len);
			first += count;
			done += len;
		}
		CHECK_INT(done, all_len);
	}
}

/* Keys that come and go: each is found while it counts, and the table does not fill up. */
static void test_key_turnover(void)
{
	struct registry_event ev = fixture_event(REGISTRY_ROTATE, 0, 0);
	struct registry_member m;
	uint8_t first[REGISTRY_KEY_LEN];

	start();
	add(REGISTRY_ADD, 0, 1);
	add(REGISTRY_ADD, 1, 2);
	memset(first, 1, sizeof(first));
	for (uint32_t i = 0; i < 2000; i++) {
		memset(ev.record.key, 0xee, sizeof(ev.record.key));
		put_le32(ev.record.key, i);
		fixture_add(&fix, &ev);
		NEED(fixture_apply(&fix, reg) == REGISTRY_OK);
		NEED(registry_by_key(reg, ev.record.key, &m) && m.slot == 0);
		put_le32(ev.record.key, i - 1);
		NEED(!registry_by_key(reg, ev.record.key, &m));
		NEED(!registry_by_key(reg, first, &m));
		NEED(has_key(2, 1));
	}
	CHECK_INT(registry_members(reg), 2);
}

static void test_many(void)
{
	enum {
		N = 20000
	};
	uint8_t *events = malloc((size_t)N * REGISTRY_EVENT_MAX), head[LOCAL_HEAD_LEN];
	struct registry_event ev = fixture_event(REGISTRY_ADD, 0, 1);
	struct registry_member m;
	size_t len = 0;

	start();
	NEED(events != NULL);
	for (uint32_t i = 0; i < N; i++) {
		size_t n;

		ev.slot = i;
		put_le32(ev.record.key, i); /* the first 8 bytes differ */
		n = registry_event_encode(&ev, events + len);
		registry_hash_add(fix.head.hash, events + len, n);
		len += n;
	}
	fix.head.events = N;
	fix.head.time_s = FIXTURE_WALL_S;
	local_head_sign(&fix.head, fix.secret, head);
	CHECK_INT(registry_apply(reg,
				 &(struct registry_update){.head = head,
							   .head_len = sizeof(head),
							   .events = events,
							   .events_len = len},
				 FIXTURE_WALL_S, NULL),
		  REGISTRY_OK);
	CHECK_INT(registry_members(reg), N);
	for (uint32_t i = 0; i < N; i += 97) {
		put_le32(ev.record.key, i);
		NEED(registry_by_key(reg, ev.record.key, &m));
		CHECK_INT(m.slot, i);
	}
	free(events);
}

int main(void)
{
	if (sodium_init() < 0)
		return EXIT_FAILURE;
	RUN(test_vectors);
	RUN(test_life_of_members);
	RUN(test_change_keeps_the_rest);
	RUN(test_signed_nonsense);
	RUN(test_times);
	RUN(test_each_byte);
	RUN(test_other_heads);
	RUN(test_subscription);
	RUN(test_other_mesh);
	RUN(test_age);
	RUN(test_events_in_pieces);
	RUN(test_key_turnover);
	RUN(test_many);
	registry_free(reg);
	return test_done();
}
