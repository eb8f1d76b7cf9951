/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/descriptor.h"

#include <sodium.h>

#include "tests/lib/test.h"
#include "tests/unit/mesh/fixture.h"

static uint8_t bytes[DESCRIPTOR_MAX];

/* Sign any body at all, as an attacker would with his own identity. */
static size_t sign_raw(uint8_t *out, size_t body_len, const struct identity *id)
{
	static const char context[] = "macromesh/1 descriptor";
	uint8_t message[2 * DESCRIPTOR_MAX];

	memcpy(message, context, sizeof(context) - 1);
	memcpy(message + sizeof(context) - 1, out, body_len);
	crypto_sign_detached(out + body_len, NULL, message, sizeof(context) - 1 + body_len,
			     id->sign_secret);
	return body_len + SIGN_LEN;
}

static enum descriptor_error open_at(const uint8_t *p, size_t len, uint64_t wall_s)
{
	struct descriptor d;

	return descriptor_open(&d, p, len, wall_s);
}

/* Field by field: padding inside the structure says nothing. */
static bool is_same(const struct descriptor *a, const struct descriptor *b)
{
	bool same = a->sequence == b->sequence && a->published_s == b->published_s &&
		    a->valid_until_s == b->valid_until_s && a->since_s == b->since_s &&
		    a->slot == b->slot && strcmp(a->software, b->software) == 0 &&
		    a->policy_count == b->policy_count && a->rtt_count == b->rtt_count &&
		    a->capacity_kbit == b->capacity_kbit && a->roles == b->roles &&
		    a->exit_flags == b->exit_flags && a->load_percent == b->load_percent &&
		    strcmp(a->country, b->country) == 0 && strcmp(a->name, b->name) == 0 &&
		    a->onion_key_count == b->onion_key_count && a->addr_count == b->addr_count &&
		    a->tail_len == b->tail_len;

#define SAME(member) (memcmp(&a->member, &b->member, sizeof(a->member)) == 0)
	same = same && SAME(id) && SAME(link_key) && SAME(session_key) && SAME(operator_tag) &&
	       SAME(link_versions) && SAME(circuit_versions) && SAME(session_versions);
	for (unsigned i = 0; same && i < a->onion_key_count; i++)
		same = SAME(onion_keys[i].id) && SAME(onion_keys[i].key) &&
		       SAME(onion_keys[i].valid_from_s) && SAME(onion_keys[i].valid_until_s);
	for (unsigned i = 0; same && i < a->addr_count; i++)
		same = endpoint_equal(&a->addrs[i], &b->addrs[i]);
	for (unsigned i = 0; same && i < a->policy_count; i++)
		same = SAME(policy[i].min) && SAME(policy[i].max);
	if (a->rtt_count > 0)
		same = same && memcmp(a->rtts, b->rtts, a->rtt_count * (size_t)LINK_RTT_LEN) == 0;
#undef SAME
	return same && (a->tail_len == 0 || memcmp(a->tail, b->tail, a->tail_len) == 0);
}

/* Encode, decode, compare, encode again: one encoding each. */
static void round_trip(const struct descriptor *d)
{
	uint8_t again[DESCRIPTOR_MAX];
	struct descriptor out;
	struct identity id;
	size_t len, again_len;

	fixture_identity(&id, 1);
	NEED(descriptor_sign(d, &id, FIXTURE_WALL_S, bytes, &len) == DESCRIPTOR_OK);
	NEED(descriptor_open(&out, bytes, len, FIXTURE_WALL_S) == DESCRIPTOR_OK);
	CHECK_MEM(out.id, id.id, NODE_ID_LEN);
	CHECK_MEM(out.link_key, id.link.public, DH_LEN);
	struct descriptor expected = *d;

	memcpy(expected.id, id.id, NODE_ID_LEN);
	memcpy(expected.link_key, id.link.public, DH_LEN);
	CHECK(is_same(&out, &expected));
	NEED(descriptor_sign(&out, &id, FIXTURE_WALL_S, again, &again_len) == DESCRIPTOR_OK);
	CHECK_INT(again_len, len);
	CHECK_MEM(again, bytes, len);
}

static void test_round_trip(void)
{
	static const uint8_t tail[] = {2, 3, 0, 'a', 'b', 'c', 8, 0, 0};
	uint8_t rtts[DESCRIPTOR_RTTS_MAX * LINK_RTT_LEN];
	struct descriptor d = fixture_descriptor(1);

	round_trip(&d);
	d.slot = 4711;
	snprintf(d.software, sizeof(d.software), "0.1.0-rc1");
	for (unsigned i = 0; i < DESCRIPTOR_RTTS_MAX; i++)
		link_rtt_put(rtts + (size_t)i * LINK_RTT_LEN,
			     &(struct link_rtt){.id = {(uint8_t)i}, .rtt_ns = i * NS_PER_MS});
	d.rtts = rtts;
	d.rtt_count = DESCRIPTOR_RTTS_MAX;
	d.policy_count = 2;
	d.policy[0] = (struct port_range){1, 24};
	d.policy[1] = (struct port_range){26, 65535};
	round_trip(&d);
	d.policy_count = 0;
	d.roles = ROLE_RELAY;
	d.exit_flags = 0;
	memset(d.session_key, 0, sizeof(d.session_key));
	d.onion_key_count = 1;
	memset(&d.onion_keys[1], 0, sizeof(d.onion_keys[1]));
	d.name[0] = '\0';
	memset(d.name, 0, sizeof(d.name));
	round_trip(&d);
	d.tail = tail;
	d.tail_len = sizeof(tail);
	round_trip(&d);
	memset(d.name, 'n', DESCRIPTOR_NAME_MAX);
	d.addr_count = DESCRIPTOR_ADDRS_MAX;
	for (unsigned i = 1; i < DESCRIPTOR_ADDRS_MAX; i++) {
		d.addrs[i] = d.addrs[0];
		d.addrs[i].port = (uint16_t)(5000 + i);
	}
	d.load_percent = LOAD_UNKNOWN;
	round_trip(&d);
}

static void test_every_flip_refused(void)
{
	const struct descriptor d = fixture_descriptor(3);
	const size_t len = fixture_sign(&d, 3, bytes);

	CHECK_INT(open_at(bytes, len, FIXTURE_WALL_S), DESCRIPTOR_OK);
	for (size_t i = 0; i < len; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			bytes[i] ^= (uint8_t)(1u << bit);
			CHECK(open_at(bytes, len, FIXTURE_WALL_S) != DESCRIPTOR_OK);
			bytes[i] ^= (uint8_t)(1u << bit);
		}
	}
}

static void test_every_length_refused(void)
{
	const struct descriptor d = fixture_descriptor(3);
	uint8_t longer[DESCRIPTOR_MAX + 1] = {0};
	const size_t len = fixture_sign(&d, 3, longer);

	for (size_t n = 0; n < sizeof(longer); n++)
		CHECK((open_at(longer, n, FIXTURE_WALL_S) == DESCRIPTOR_OK) == (n == len));
	CHECK_INT(open_at(longer, sizeof(longer), FIXTURE_WALL_S), DESCRIPTOR_TOO_BIG);
	CHECK_INT(open_at(longer, 0, FIXTURE_WALL_S), DESCRIPTOR_MALFORMED);
}

/* The body cut or lengthened and signed again: only whole forms pass, whoever signs. */
static void test_lengths_signed_anew(void)
{
	const struct descriptor d = fixture_descriptor(3);
	const size_t len = fixture_sign(&d, 3, bytes), body_len = len - SIGN_LEN;
	struct identity id;

	fixture_identity(&id, 3);
	for (size_t n = 0; n < body_len; n++) {
		uint8_t cut[DESCRIPTOR_MAX];

		memcpy(cut, bytes, n);
		CHECK_INT(open_at(cut, sign_raw(cut, n, &id), FIXTURE_WALL_S),
			  DESCRIPTOR_MALFORMED);
	}
	for (size_t extra = 1; extra < 3; extra++) {
		uint8_t more[DESCRIPTOR_MAX] = {0};

		memcpy(more, bytes, body_len);
		CHECK_INT(open_at(more, sign_raw(more, body_len + extra, &id), FIXTURE_WALL_S),
			  DESCRIPTOR_MALFORMED);
	}
}

static enum descriptor_error with_tail(const uint8_t *tail, size_t tail_len)
{
	const struct descriptor d = fixture_descriptor(3);
	const size_t body_len = fixture_sign(&d, 3, bytes) - SIGN_LEN;
	struct identity id;

	fixture_identity(&id, 3);
	memcpy(bytes + body_len, tail, tail_len);
	return open_at(bytes, sign_raw(bytes, body_len + tail_len, &id), FIXTURE_WALL_S);
}

static void test_extensions(void)
{
	static const uint8_t even[] = {2, 1, 0, 9}, odd[] = {3, 1, 0, 9};
	static const uint8_t rising[] = {2, 0, 0, 4, 0, 0}, falling[] = {4, 0, 0, 2, 0, 0};
	static const uint8_t twice[] = {2, 0, 0, 2, 0, 0}, overrun[] = {2, 2, 0, 9};

	CHECK_INT(with_tail(even, sizeof(even)), DESCRIPTOR_OK);
	CHECK_INT(with_tail(rising, sizeof(rising)), DESCRIPTOR_OK);
	CHECK_INT(with_tail(odd, sizeof(odd)), DESCRIPTOR_EXTENSION);
	CHECK_INT(with_tail(falling, sizeof(falling)), DESCRIPTOR_MALFORMED);
	CHECK_INT(with_tail(twice, sizeof(twice)), DESCRIPTOR_MALFORMED);
	CHECK_INT(with_tail(overrun, sizeof(overrun)), DESCRIPTOR_MALFORMED);
}

static unsigned workers_in(const uint8_t *tail, size_t tail_len)
{
	return descriptor_workers(
	    &(struct descriptor){.tail = tail, .tail_len = (uint16_t)tail_len});
}

static void check_city(const char *told, size_t len, const char *want)
{
	uint8_t tail[80];
	struct writer w = wr_init(tail, sizeof(tail));
	char city[DESCRIPTOR_CITY_MAX + 1];

	extension_put(&w, DESCRIPTOR_EXT_WORKERS, "\3", 1);
	extension_put(&w, DESCRIPTOR_EXT_CITY, told, len);
	NEED(wr_ok(&w));
	descriptor_city(&(struct descriptor){.tail = tail, .tail_len = (uint16_t)w.done}, city);
	CHECK(strcmp(city, want) == 0);
	CHECK_INT(workers_in(tail, w.done), 3);
}

static void test_city(void)
{
	char city[DESCRIPTOR_CITY_MAX + 1];

	check_city("Berlin", 6, "Berlin");
	check_city("St. John's", 10, "St. John's");
	check_city("abcdefghijklmnopqrstuvwxyzabcdef", 32, "abcdefghijklmnopqrstuvwxyzabcdef");
	check_city("abcdefghijklmnopqrstuvwxyzabcdefg", 33, "");
	check_city("", 0, "");
	check_city(" Berlin", 7, "");
	check_city("Berlin ", 7, "");
	check_city("Ber\0lin", 7, "");
	check_city("Ber\033[2Jlin", 10, ""); /* no terminal's commands */
	check_city("K\xc3\xb6ln", 5, "");
	CHECK(descriptor_city(&(struct descriptor){0}, city)[0] == '\0');
}

static void test_workers(void)
{
	static const uint8_t eight[] = {2, 1, 0, 8}, later[] = {4, 1, 0, 3},
			     both[] = {2, 1, 0, 3, 4, 0, 0};
	static const uint8_t none[] = {2, 1, 0, 0}, many[] = {2, 1, 0, 9},
			     longer[] = {2, 2, 0, 2, 2};
	static const uint8_t overrun[] = {2, 1, 0};

	CHECK_INT(workers_in(NULL, 0), 1);
	CHECK_INT(workers_in(eight, sizeof(eight)), 8);
	CHECK_INT(workers_in(both, sizeof(both)), 3);
	CHECK_INT(workers_in(later, sizeof(later)), 1);
	CHECK_INT(workers_in(none, sizeof(none)), 1);
	CHECK_INT(workers_in(many, sizeof(many)), 1);
	CHECK_INT(workers_in(longer, sizeof(longer)), 1);
	CHECK_INT(workers_in(overrun, sizeof(overrun)), 1);
}

static void test_other_encodings_refused(void)
{
	struct descriptor d = fixture_descriptor(3);
	const size_t body_len = fixture_sign(&d, 3, bytes) - SIGN_LEN;
	const size_t name_at = 148 + DH_LEN; /* length byte; after the exit's session key */
	struct identity id;

	fixture_identity(&id, 3);
	CHECK_INT(bytes[name_at], strlen(d.name));
	bytes[name_at + 2] = 0; /* a zero inside the name */
	CHECK_INT(open_at(bytes, sign_raw(bytes, body_len, &id), FIXTURE_WALL_S),
		  DESCRIPTOR_MALFORMED);
	fixture_sign(&d, 3, bytes);
	bytes[name_at] = DESCRIPTOR_NAME_MAX + 1;
	CHECK_INT(open_at(bytes, sign_raw(bytes, body_len, &id), FIXTURE_WALL_S),
		  DESCRIPTOR_MALFORMED);
	fixture_sign(&d, 3, bytes);
	bytes[name_at + 1 + strlen(d.name)] = DESCRIPTOR_SOFTWARE_MAX + 1;
	CHECK_INT(open_at(bytes, sign_raw(bytes, body_len, &id), FIXTURE_WALL_S),
		  DESCRIPTOR_MALFORMED);
	fixture_sign(&d, 3, bytes);
	bytes[name_at + 2 + strlen(d.name)] = 3; /* onion keys */
	CHECK_INT(open_at(bytes, sign_raw(bytes, body_len, &id), FIXTURE_WALL_S),
		  DESCRIPTOR_MALFORMED);
	fixture_sign(&d, 3, bytes);
	bytes[body_len - 1] = DESCRIPTOR_RTTS_MAX + 1;
	CHECK_INT(open_at(bytes, sign_raw(bytes, body_len, &id), FIXTURE_WALL_S),
		  DESCRIPTOR_MALFORMED);
	fixture_sign(&d, 3, bytes);
	bytes[body_len - 2] = DESCRIPTOR_POLICY_MAX + 1;
	CHECK_INT(open_at(bytes, sign_raw(bytes, body_len, &id), FIXTURE_WALL_S),
		  DESCRIPTOR_MALFORMED);
	fixture_sign(&d, 3, bytes);
	bytes[body_len - 21] = 5; /* addresses */
	CHECK_INT(open_at(bytes, sign_raw(bytes, body_len, &id), FIXTURE_WALL_S),
		  DESCRIPTOR_MALFORMED);
	fixture_sign(&d, 3, bytes);
	bytes[0] = DESCRIPTOR_VERSION + 1;
	CHECK_INT(open_at(bytes, sign_raw(bytes, body_len, &id), FIXTURE_WALL_S),
		  DESCRIPTOR_UNKNOWN_VERSION);
}

static void test_wrong_signer(void)
{
	const struct descriptor d = fixture_descriptor(3);
	const size_t len = fixture_sign(&d, 3, bytes);
	struct identity other;

	fixture_identity(&other, 4);
	CHECK_INT(open_at(bytes, sign_raw(bytes, len - SIGN_LEN, &other), FIXTURE_WALL_S),
		  DESCRIPTOR_SIGNATURE);
	/* the right key, but over bytes without the context */
	fixture_identity(&other, 3);
	crypto_sign_detached(bytes + len - SIGN_LEN, NULL, bytes, len - SIGN_LEN,
			     other.sign_secret);
	CHECK_INT(open_at(bytes, len, FIXTURE_WALL_S), DESCRIPTOR_SIGNATURE);
}

static void test_too_big(void)
{
	static uint8_t tail[900] = {2};
	struct descriptor d = fixture_descriptor(3);
	struct identity id;
	size_t len = 77;

	put_le16(tail + 1, sizeof(tail) - 3);
	d.tail = tail;
	d.tail_len = sizeof(tail);
	fixture_identity(&id, 3);
	CHECK_INT(descriptor_sign(&d, &id, FIXTURE_WALL_S, bytes, &len), DESCRIPTOR_TOO_BIG);
	CHECK_INT(len, 77);
}

static void set_ip(struct descriptor *d, const char *ip)
{
	if (endpoint_ip_parse(d->addrs[0].ip, ip) != 0)
		abort();
}

/* Each check by its name: wrong as said, right without. */
#define EXPECT(error, ...)                                                      \
	do {                                                                    \
		struct descriptor d = fixture_descriptor(5);                    \
		memset(d.link_key, 7, DH_LEN);                                  \
		CHECK_INT(descriptor_check(&d, FIXTURE_WALL_S), DESCRIPTOR_OK); \
		__VA_ARGS__;                                                    \
		CHECK_INT(descriptor_check(&d, FIXTURE_WALL_S), error);         \
	} while (0)

static void test_times(void)
{
	EXPECT(DESCRIPTOR_OK, d.published_s = FIXTURE_WALL_S + DESCRIPTOR_SKEW_S);
	EXPECT(DESCRIPTOR_NOT_YET_VALID, d.published_s = FIXTURE_WALL_S + DESCRIPTOR_SKEW_S + 1);
	EXPECT(DESCRIPTOR_OK, d.valid_until_s = FIXTURE_WALL_S + 1);
	EXPECT(DESCRIPTOR_EXPIRED, d.valid_until_s = FIXTURE_WALL_S);
	EXPECT(DESCRIPTOR_OK, d.valid_until_s = d.published_s + DESCRIPTOR_VALID_MAX_S);
	EXPECT(DESCRIPTOR_VALIDITY, d.valid_until_s = d.published_s + DESCRIPTOR_VALID_MAX_S + 1);
	EXPECT(DESCRIPTOR_VALIDITY, d.valid_until_s = d.published_s);
	EXPECT(DESCRIPTOR_VALIDITY, d.published_s = 0);
	EXPECT(DESCRIPTOR_VALIDITY, d.valid_until_s = UINT64_MAX);
	EXPECT(DESCRIPTOR_NOT_YET_VALID, d.valid_until_s = UINT64_MAX;
	       d.published_s = UINT64_MAX - 1);
}

static void test_roles_and_keys(void)
{
	static const uint8_t order8[DH_LEN] = {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16,
					       0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09,
					       0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05,
					       0x16, 0x5f, 0x49, 0xb8, 0x80}; /* bit 255 set */

	EXPECT(DESCRIPTOR_ROLES, d.roles = 0);
	EXPECT(DESCRIPTOR_ROLES, d.roles |= 8);
	EXPECT(DESCRIPTOR_EXIT, d.exit_flags = 0);
	EXPECT(DESCRIPTOR_EXIT, d.exit_flags = 4);
	EXPECT(DESCRIPTOR_EXIT, d.roles = ROLE_RELAY);
	EXPECT(DESCRIPTOR_EXIT, d.roles = ROLE_RELAY; d.exit_flags = 0);
	EXPECT(DESCRIPTOR_NO_SESSION_KEY, memset(d.session_key, 0, DH_LEN));
	EXPECT(DESCRIPTOR_NO_ONION_KEY, d.onion_key_count = 0);
	EXPECT(DESCRIPTOR_ONION_KEY, d.onion_keys[1].id = d.onion_keys[0].id);
	EXPECT(DESCRIPTOR_ONION_KEY, d.onion_keys[1].valid_until_s = d.onion_keys[1].valid_from_s);
	EXPECT(DESCRIPTOR_ONION_KEY, d.onion_keys[0].valid_until_s = UINT64_MAX);
	EXPECT(DESCRIPTOR_WEAK_KEY, memset(d.onion_keys[0].key, 0, DH_LEN));
	EXPECT(DESCRIPTOR_WEAK_KEY, memset(d.onion_keys[1].key, 0, DH_LEN);
	       d.onion_keys[1].key[0] = 1);
	EXPECT(DESCRIPTOR_WEAK_KEY, memset(d.link_key, 0, DH_LEN));
	EXPECT(DESCRIPTOR_WEAK_KEY, memcpy(d.session_key, order8, DH_LEN));
}

/* The table of weak keys is complete: X25519 agrees with each, and libsodium refuses just those. */
static void test_weak_keys_agree_with_dh(void)
{
	static const uint8_t secret[DH_LEN] = {9, 8, 7};
	uint8_t key[DH_LEN], out[DH_LEN];

	for (unsigned last = 0x7f; last <= 0xff; last += 0x80) {
		for (unsigned first = 0; first < 256; first++) {
			memset(key, 0xff, DH_LEN);
			key[0] = (uint8_t)first;
			key[DH_LEN - 1] = (uint8_t)last;
			const bool weak = crypto_scalarmult(out, secret, key) != 0;
			EXPECT(weak ? DESCRIPTOR_WEAK_KEY : DESCRIPTOR_OK,
			       memcpy(d.onion_keys[0].key, key, DH_LEN));
		}
	}
}

static void test_addresses(void)
{
	static const char *const bad[] = {
	    "0.0.0.0",   "0.1.2.3",     "127.0.0.1",       "127.9.9.9",   "224.0.0.1",
	    "239.1.1.1", "240.0.0.1",   "255.255.255.255", "169.254.1.1", "::",
	    "::1",       "::192.0.2.1", "ff02::1",         "fe80::1"};
	static const char *const good[] = {"10.0.0.1", "192.168.1.1", "203.0.113.9", "2001:db8::1",
					   "fd00::1"};

	EXPECT(DESCRIPTOR_NO_ADDRESS, d.addr_count = 0);
	EXPECT(DESCRIPTOR_PORT, d.addrs[0].port = 0);
	EXPECT(DESCRIPTOR_ADDRESS, d.addr_count = 2; d.addrs[1] = d.addrs[0]);
	EXPECT(DESCRIPTOR_OK, d.addr_count = 2; d.addrs[1] = d.addrs[0]; d.addrs[1].port++);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		EXPECT(DESCRIPTOR_ADDRESS, set_ip(&d, bad[i]));
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		EXPECT(DESCRIPTOR_OK, set_ip(&d, good[i]));
}

static void test_traits(void)
{
	EXPECT(DESCRIPTOR_COUNTRY, d.country[0] = 'n');
	EXPECT(DESCRIPTOR_COUNTRY, d.country[1] = '\0');
	EXPECT(DESCRIPTOR_NAME, d.name[0] = 'N');
	EXPECT(DESCRIPTOR_NAME, d.name[0] = ' ');
	EXPECT(DESCRIPTOR_NAME, d.name[0] = '\x1b');
	EXPECT(DESCRIPTOR_NAME, d.name[0] = '/');
	EXPECT(DESCRIPTOR_OPERATOR, memset(d.operator_tag, 0, OPERATOR_LEN));
	EXPECT(DESCRIPTOR_CAPACITY, d.capacity_kbit = 0);
	EXPECT(DESCRIPTOR_LOAD, d.load_percent = 101);
	EXPECT(DESCRIPTOR_PROTOCOL, d.link_versions.min = 0);
	EXPECT(DESCRIPTOR_PROTOCOL, d.circuit_versions.max = 0);
	EXPECT(DESCRIPTOR_PROTOCOL, d.session_versions.min = 3);
	EXPECT(DESCRIPTOR_SOFTWARE, d.software[0] = 'A');
}

static void test_hints(void)
{
	uint8_t rtt[LINK_RTT_LEN] = {0};

	EXPECT(DESCRIPTOR_SINCE, d.since_s = 0);
	EXPECT(DESCRIPTOR_OK, d.since_s = d.published_s + DESCRIPTOR_SKEW_S);
	EXPECT(DESCRIPTOR_SINCE, d.since_s = d.published_s + DESCRIPTOR_SKEW_S + 1);
	EXPECT(DESCRIPTOR_OK, d.policy_count = 1; d.policy[0] = (struct port_range){80, 80});
	EXPECT(DESCRIPTOR_POLICY, d.policy_count = 1; d.policy[0] = (struct port_range){0, 80});
	EXPECT(DESCRIPTOR_POLICY, d.policy_count = 1; d.policy[0] = (struct port_range){81, 80});
	EXPECT(DESCRIPTOR_POLICY, d.policy_count = 2; d.policy[0] = (struct port_range){1, 80};
	       d.policy[1] = (struct port_range){81, 90}); /* that is one */
	EXPECT(DESCRIPTOR_OK, d.policy_count = 2; d.policy[0] = (struct port_range){1, 80};
	       d.policy[1] = (struct port_range){82, 65535});
	EXPECT(DESCRIPTOR_POLICY, d.policy_count = 2; d.policy[0] = (struct port_range){1, 65535};
	       d.policy[1] = (struct port_range){1, 65535});
	EXPECT(DESCRIPTOR_POLICY, d.policy_count = 1; d.policy[0] = (struct port_range){80, 80};
	       d.roles = ROLE_RELAY; d.exit_flags = 0; memset(d.session_key, 0, DH_LEN));
	EXPECT(DESCRIPTOR_RTT, d.rtts = rtt; d.rtt_count = 1);
	link_rtt_put(rtt, &(struct link_rtt){.rtt_ns = 1});
	EXPECT(DESCRIPTOR_OK, d.rtts = rtt; d.rtt_count = 1);
	link_rtt_put(rtt, &(struct link_rtt){.id = {9}, .rtt_ns = 3600 * NS_PER_S});
	EXPECT(DESCRIPTOR_OK, d.rtts = rtt; d.rtt_count = 1;
	       CHECK_INT(descriptor_rtt(&d, 0).rtt_ns, 65535 * LINK_RTT_UNIT_NS);
	       CHECK_INT(descriptor_rtt(&d, 0).id[0], 9));
}

/* What could not be received cannot be signed either. */
static void test_sign_refuses(void)
{
	struct descriptor d = fixture_descriptor(5);
	struct identity id;
	size_t len = 77;

	fixture_identity(&id, 5);
	d.capacity_kbit = 0;
	CHECK_INT(descriptor_sign(&d, &id, FIXTURE_WALL_S, bytes, &len), DESCRIPTOR_CAPACITY);
	CHECK_INT(len, 77);
}

static void test_failure_leaves_output(void)
{
	const struct descriptor made = fixture_descriptor(3);
	const size_t len = fixture_sign(&made, 3, bytes);
	struct descriptor d, before;

	memset(&d, 0xa5, sizeof(d));
	memcpy(&before, &d, sizeof(d));
	bytes[len - 1] ^= 1;
	CHECK_INT(descriptor_open(&d, bytes, len, FIXTURE_WALL_S), DESCRIPTOR_SIGNATURE);
	CHECK_INT(descriptor_decode(&d, bytes, 20), DESCRIPTOR_MALFORMED);
	CHECK_MEM(&d, &before, sizeof(d));
}

static void test_onion_key_choice(void)
{
	struct descriptor d = fixture_descriptor(5);
	const uint64_t from = d.onion_keys[0].valid_from_s, next = d.onion_keys[1].valid_from_s;

	CHECK(descriptor_onion_key(&d, from - 1) == NULL);
	CHECK(descriptor_onion_key(&d, from) == &d.onion_keys[0]);
	CHECK(descriptor_onion_key(&d, next - 1) == &d.onion_keys[0]);
	CHECK(descriptor_onion_key(&d, next) == &d.onion_keys[1]);
	CHECK(descriptor_onion_key(&d, d.onion_keys[1].valid_until_s) == NULL);
	d.onion_keys[1].valid_from_s = from + 10; /* overlapping: the newer one */
	CHECK(descriptor_onion_key(&d, from + 10) == &d.onion_keys[1]);
}

static void test_texts(void)
{
	char text[DESCRIPTOR_TEXT_MAX], id[SHORT_ID_LEN + 1];
	struct descriptor d = fixture_descriptor(5);

	memset(d.id, 0xab, sizeof(d.id));
	CHECK(strcmp(descriptor_text(&d, text), "node-5/NL/abababab") == 0);
	d.name[0] = '\0';
	CHECK(strcmp(descriptor_text(&d, text), "NL/abababab") == 0);
	CHECK(strcmp(short_id(d.id, id), "abababab") == 0);
	memset(d.name, 'x', DESCRIPTOR_NAME_MAX);
	CHECK_INT(strlen(descriptor_text(&d, text)), DESCRIPTOR_NAME_MAX + 12);
	for (unsigned e = 0; e < DESCRIPTOR_ERROR_COUNT; e++)
		CHECK(strlen(descriptor_error_name((enum descriptor_error)e)) > 1);
}

int main(void)
{
	RUN(test_round_trip);
	RUN(test_every_flip_refused);
	RUN(test_every_length_refused);
	RUN(test_lengths_signed_anew);
	RUN(test_extensions);
	RUN(test_workers);
	RUN(test_other_encodings_refused);
	RUN(test_wrong_signer);
	RUN(test_too_big);
	RUN(test_times);
	RUN(test_roles_and_keys);
	RUN(test_weak_keys_agree_with_dh);
	RUN(test_addresses);
	RUN(test_traits);
	RUN(test_hints);
	RUN(test_city);
	RUN(test_sign_refuses);
	RUN(test_failure_leaves_output);
	RUN(test_onion_key_choice);
	RUN(test_texts);
	return test_done();
}
