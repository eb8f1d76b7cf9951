/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The wire form of one event; what it may do to the membership is members.c's business. */
#include "registry/event.h"

#include <sodium.h>

const char *registry_result_name(enum registry_result r)
{
	static const char *const names[REGISTRY_RESULT_COUNT] = {
#define X(id, name, text) name,
	    REGISTRY_RESULTS(X)
#undef X
	};

	return names[r];
}

const char *registry_result_text(enum registry_result r)
{
	static const char *const texts[REGISTRY_RESULT_COUNT] = {
#define X(id, name, text) text,
	    REGISTRY_RESULTS(X)
#undef X
	};

	return texts[r];
}

const char *registry_event_type_name(enum registry_event_type type)
{
	switch (type) {
	case REGISTRY_ADD:
		return "add";
	case REGISTRY_REMOVE:
		return "remove";
	case REGISTRY_ROTATE:
		return "rotate";
	case REGISTRY_CHANGE:
		return "change";
	}
	return "?";
}

/* Which fields an event of this type must and may have. */
static bool fields_fit(uint8_t type, uint8_t fields)
{
	const uint8_t add = REGISTRY_HAS_KEY | REGISTRY_HAS_OPERATOR | REGISTRY_HAS_ROLES;

	switch ((enum registry_event_type)type) {
	case REGISTRY_ADD:
		return (fields & add) == add && (fields & ~REGISTRY_FIELDS) == 0;
	case REGISTRY_REMOVE:
		return fields == 0;
	case REGISTRY_ROTATE:
		return fields == REGISTRY_HAS_KEY;
	case REGISTRY_CHANGE:
		return fields != 0 && (fields & ~REGISTRY_FIELDS) == 0 &&
		       (fields & REGISTRY_HAS_KEY) == 0;
	}
	return false;
}

size_t registry_event_encode(const struct registry_event *ev,
			     uint8_t out[static REGISTRY_EVENT_MAX])
{
	const struct registry_record *r = &ev->record;
	struct writer w = wr_init(out, REGISTRY_EVENT_MAX);

	wr_u8(&w, (uint8_t)ev->type);
	wr_u8(&w, ev->fields);
	wr_u32(&w, ev->slot);
	wr_u48(&w, ev->time_s);
	if (ev->fields & REGISTRY_HAS_KEY)
		wr_copy(&w, r->key, sizeof(r->key));
	if (ev->fields & REGISTRY_HAS_OPERATOR)
		wr_copy(&w, r->operator_tag, sizeof(r->operator_tag));
	if (ev->fields & REGISTRY_HAS_ROLES)
		wr_u8(&w, r->roles);
	if (ev->fields & REGISTRY_HAS_STAKE)
		wr_u64(&w, r->stake);
	if (ev->fields & REGISTRY_HAS_COMMITMENTS)
		wr_copy(&w, r->commitments, sizeof(r->commitments));
	if (ev->fields & REGISTRY_HAS_CONTACT) {
		wr_copy(&w, r->contact.link_key, sizeof(r->contact.link_key));
		wr_copy(&w, r->contact.addr.ip, sizeof(r->contact.addr.ip));
		wr_u16(&w, r->contact.addr.port);
	}
	return w.done;
}

/* All of its parts, or all zeros, which takes back what was told before. */
static bool contact_makes_sense(const struct registry_contact *c)
{
	const bool has_key = !sodium_is_zero(c->link_key, sizeof(c->link_key));
	const bool has_ip = !sodium_is_zero(c->addr.ip, sizeof(c->addr.ip));

	return has_key == has_ip && has_key == (c->addr.port != 0);
}

static bool record_makes_sense(const struct registry_event *ev)
{
	const struct registry_record *r = &ev->record;

	if (ev->fields & REGISTRY_HAS_KEY && sodium_is_zero(r->key, sizeof(r->key)))
		return false;
	if (ev->fields & REGISTRY_HAS_OPERATOR &&
	    sodium_is_zero(r->operator_tag, sizeof(r->operator_tag)))
		return false;
	if (ev->fields & REGISTRY_HAS_ROLES && (r->roles == 0 || (r->roles & ~ROLE_ALL) != 0))
		return false;
	return contact_makes_sense(&r->contact);
}

enum registry_result registry_event_decode(struct registry_event *ev, struct reader *in)
{
	struct registry_event out = {0};
	struct registry_record *r = &out.record;
	struct reader rd = *in;
	const uint8_t type = rd_u8(&rd);

	out.fields = rd_u8(&rd);
	if (!rd_ok(&rd))
		return REGISTRY_TRUNCATED;
	if (type < REGISTRY_ADD || type > REGISTRY_CHANGE)
		return REGISTRY_VERSION;
	if (!fields_fit(type, out.fields))
		return REGISTRY_MALFORMED;
	out.type = (enum registry_event_type)type;
	out.slot = rd_u32(&rd);
	out.time_s = rd_u48(&rd);
	if (out.fields & REGISTRY_HAS_KEY)
		rd_copy(&rd, r->key, sizeof(r->key));
	if (out.fields & REGISTRY_HAS_OPERATOR)
		rd_copy(&rd, r->operator_tag, sizeof(r->operator_tag));
	if (out.fields & REGISTRY_HAS_ROLES)
		r->roles = rd_u8(&rd);
	if (out.fields & REGISTRY_HAS_STAKE)
		r->stake = rd_u64(&rd);
	if (out.fields & REGISTRY_HAS_COMMITMENTS)
		rd_copy(&rd, r->commitments, sizeof(r->commitments));
	if (out.fields & REGISTRY_HAS_CONTACT) {
		rd_copy(&rd, r->contact.link_key, sizeof(r->contact.link_key));
		rd_copy(&rd, r->contact.addr.ip, sizeof(r->contact.addr.ip));
		r->contact.addr.port = rd_u16(&rd);
	}
	if (!rd_ok(&rd))
		return REGISTRY_TRUNCATED;
	if (!record_makes_sense(&out))
		return REGISTRY_MALFORMED;
	*in = rd;
	*ev = out;
	return REGISTRY_OK;
}
