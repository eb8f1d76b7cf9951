/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/event.h"

#include "tests/lib/test.h"
#include "tests/lib/vectors.h"

static void record_of(json_t *v, struct registry_event *ev)
{
	struct registry_record *r = &ev->record;

	*ev = (struct registry_event){.type = (enum registry_event_type)vector_int(v, "type"),
				      .slot = (uint32_t)vector_int(v, "slot"),
				      .time_s = vector_int(v, "time")};
	if (json_object_get(v, "key") != NULL) {
		ev->fields |= REGISTRY_HAS_KEY;
		vector_bytes(v, "key", r->key, sizeof(r->key));
	}
	if (json_object_get(v, "operator") != NULL) {
		ev->fields |= REGISTRY_HAS_OPERATOR;
		vector_bytes(v, "operator", r->operator_tag, sizeof(r->operator_tag));
	}
	if (json_object_get(v, "roles") != NULL) {
		ev->fields |= REGISTRY_HAS_ROLES;
		r->roles = (uint8_t)vector_int(v, "roles");
	}
	if (json_object_get(v, "stake") != NULL) {
		ev->fields |= REGISTRY_HAS_STAKE;
		r->stake = vector_int(v, "stake");
	}
	if (json_object_get(v, "commitments") != NULL) {
		ev->fields |= REGISTRY_HAS_COMMITMENTS;
		vector_bytes(v, "commitments", r->commitments, sizeof(r->commitments));
	}
	if (json_object_get(v, "contact") != NULL) {
		json_t *contact = vector_get(v, "contact");

		ev->fields |= REGISTRY_HAS_CONTACT;
		vector_bytes(contact, "link_key", r->contact.link_key, 32);
		vector_bytes(contact, "ip", r->contact.addr.ip, 16);
		r->contact.addr.port = (uint16_t)vector_int(contact, "port");
	}
}

static void check_same(const struct registry_event *a, const struct registry_event *b)
{
	CHECK_INT(a->type, b->type);
	CHECK_INT(a->fields, b->fields);
	CHECK_INT(a->slot, b->slot);
	CHECK_INT(a->time_s, b->time_s);
	CHECK_INT(a->record.stake, b->record.stake);
	CHECK_INT(a->record.roles, b->record.roles);
	CHECK_MEM(a->record.key, b->record.key, 32);
	CHECK_MEM(a->record.operator_tag, b->record.operator_tag, 32);
	CHECK_MEM(a->record.commitments, b->record.commitments, 32);
	CHECK_MEM(a->record.contact.link_key, b->record.contact.link_key, 32);
	CHECK(endpoint_equal(&a->record.contact.addr, &b->record.contact.addr));
}

static void test_vectors(void)
{
	json_t *root = vector_load("registry.json"), *events = vector_get(root, "events"), *v;
	size_t i;

	NEED(json_array_size(events) == 6);
	json_array_foreach(events, i, v)
	{
		uint8_t want[REGISTRY_EVENT_MAX], got[REGISTRY_EVENT_MAX];
		struct registry_event ev, back;
		struct reader in;
		size_t len;

		record_of(v, &ev);
		len = registry_event_encode(&ev, got);
		vector_bytes(v, "bytes", want, len);
		CHECK_MEM(got, want, len);
		in = rd_init(want, len);
		NEED(registry_event_decode(&back, &in) == REGISTRY_OK);
		CHECK(rd_done(&in));
		check_same(&ev, &back);
	}
	json_decref(root);
}

static struct registry_event whole(void)
{
	struct registry_event ev = {
	    .type = REGISTRY_ADD, .fields = REGISTRY_FIELDS, .slot = 7, .time_s = 1800000000};

	memset(&ev.record, 3, sizeof(ev.record));
	return ev;
}

static enum registry_result decode(const uint8_t *bytes, size_t len)
{
	struct registry_event ev = {.slot = 12345};
	struct reader in = rd_init(bytes, len);
	const enum registry_result r = registry_event_decode(&ev, &in);

	if (r != REGISTRY_OK) { /* nothing was written, nothing taken */
		CHECK_INT(ev.slot, 12345);
		CHECK_INT(in.left, len);
	}
	return r;
}

static void test_each_length(void)
{
	const struct registry_event ev = whole();
	uint8_t bytes[REGISTRY_EVENT_MAX + 1] = {0};
	const size_t len = registry_event_encode(&ev, bytes);

	CHECK_INT(len, REGISTRY_EVENT_MAX);
	for (size_t n = 0; n < len; n++)
		CHECK_INT(decode(bytes, n), REGISTRY_TRUNCATED);
	CHECK_INT(decode(bytes, len), REGISTRY_OK);
	CHECK_INT(decode(bytes, len + 1), REGISTRY_OK); /* the next event's */
}

static void test_types_and_fields(void)
{
	const struct registry_event ev = whole();
	uint8_t bytes[REGISTRY_EVENT_MAX];
	const size_t len = registry_event_encode(&ev, bytes);

	for (unsigned type = 0; type < 256; type++) {
		for (unsigned fields = 0; fields < 256; fields++) {
			const bool is_known = type >= REGISTRY_ADD && type <= REGISTRY_CHANGE;
			const bool fits =
			    (type == REGISTRY_ADD && (fields & 7) == 7 && fields < 64) ||
			    (type == REGISTRY_REMOVE && fields == 0) ||
			    (type == REGISTRY_ROTATE && fields == 1) ||
			    (type == REGISTRY_CHANGE && fields != 0 && fields < 64 &&
			     !(fields & 1));

			bytes[0] = (uint8_t)type;
			bytes[1] = (uint8_t)fields;
			if (!is_known)
				CHECK_INT(decode(bytes, len), REGISTRY_VERSION);
			else if (!fits)
				CHECK_INT(decode(bytes, len), REGISTRY_MALFORMED);
			/* What fits may still make no sense in its new place. */
		}
	}
}

static void refuse(struct registry_event ev)
{
	uint8_t bytes[REGISTRY_EVENT_MAX];

	CHECK_INT(decode(bytes, registry_event_encode(&ev, bytes)), REGISTRY_MALFORMED);
}

static void test_nonsense(void)
{
	struct registry_event ev = whole();
	uint8_t bytes[REGISTRY_EVENT_MAX];

	memset(ev.record.key, 0, sizeof(ev.record.key));
	refuse(ev);
	ev = whole();
	memset(ev.record.operator_tag, 0, sizeof(ev.record.operator_tag));
	refuse(ev);
	ev = whole();
	ev.record.roles = 0;
	refuse(ev);
	ev.record.roles = ROLE_ALL + 1;
	refuse(ev);
	ev = whole();
	ev.record.contact.addr.port = 0;
	refuse(ev);
	ev = whole();
	memset(ev.record.contact.link_key, 0, 32);
	refuse(ev);
	memset(&ev.record.contact, 0, sizeof(ev.record.contact)); /* all of it: taken back */
	CHECK_INT(decode(bytes, registry_event_encode(&ev, bytes)), REGISTRY_OK);
}

static void test_names(void)
{
	for (int i = 0; i < REGISTRY_RESULT_COUNT; i++)
		for (int k = 0; k < i; k++)
			CHECK(strcmp(registry_result_name((enum registry_result)i),
				     registry_result_name((enum registry_result)k)) != 0);
	CHECK(strcmp(registry_event_type_name(REGISTRY_ROTATE), "rotate") == 0);
}

int main(void)
{
	RUN(test_vectors);
	RUN(test_each_length);
	RUN(test_types_and_fields);
	RUN(test_nonsense);
	RUN(test_names);
	return test_done();
}
