/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/rtts.h"

#include "mesh/places.h"

enum {
	NEWS_MAX = DESCRIPTOR_RTTS_MAX / 2, /* liars must not crowd all others out */
};

#define BELIEVED_NS (24 * 3600 * NS_PER_S) /* the shortest one, before it is measured anew */

static struct rtts_item *find(struct rtts_item *items, size_t n, const uint8_t *link_key)
{
	for (size_t i = 0; i < n; i++)
		if (items[i].since_ns != 0 && memcmp(items[i].link_key, link_key, DH_LEN) == 0)
			return &items[i];
	return NULL;
}

static void set(struct rtts_item *item, const uint8_t *link_key, uint64_t rtt_ns,
		const struct now *now)
{
	*item = (struct rtts_item){
	    .rtt_ns = rtt_ns, .since_ns = MAX(now->mono_ns, 1), .seen_ns = now->mono_ns};
	memcpy(item->link_key, link_key, DH_LEN);
}

/* Waiting only makes a round trip longer: the shortest is nearest to the truth. */
static void again(struct rtts_item *item, uint64_t rtt_ns, const struct now *now)
{
	item->seen_ns = now->mono_ns;
	if (rtt_ns >= item->rtt_ns && now->mono_ns - item->since_ns < BELIEVED_NS)
		return;
	item->rtt_ns = rtt_ns;
	item->since_ns = MAX(now->mono_ns, 1);
	item->is_told = false;
}

/* A free one, or the one not seen for longest: of the news only when there are too many. */
static struct rtts_item *room(struct rtts *r)
{
	struct rtts_item *out = NULL;
	size_t news = 0;

	for (size_t i = 0; i < DESCRIPTOR_RTTS_MAX; i++)
		news += r->item[i].is_news;
	for (size_t i = 0; i < DESCRIPTOR_RTTS_MAX; i++) {
		struct rtts_item *item = &r->item[i];

		if (item->since_ns == 0)
			return item;
		if (item->is_news != (news > NEWS_MAX))
			continue;
		if (out == NULL || item->seen_ns < out->seen_ns)
			out = item;
	}
	return out;
}

static struct rtts_item *room_for_stranger(struct rtts *r)
{
	struct rtts_item *out = &r->stranger[0];

	for (size_t i = 0; i < RTTS_STRANGERS_MAX; i++)
		if (r->stranger[i].since_ns == 0 || r->stranger[i].seen_ns < out->seen_ns)
			out = &r->stranger[i];
	return out;
}

void rtts_note(struct rtts *r, const struct directory *dir, const uint8_t link_key[static DH_LEN],
	       uint64_t rtt_ns, const struct now *now)
{
	const bool is_known = directory_by_link(dir, link_key) != NULL;
	struct rtts_item *item = is_known ? find(r->item, DESCRIPTOR_RTTS_MAX, link_key)
					  : find(r->stranger, RTTS_STRANGERS_MAX, link_key);

	if (item != NULL)
		again(item, rtt_ns, now);
	else
		set(is_known ? room(r) : room_for_stranger(r), link_key, rtt_ns, now);
}

/* Those whose descriptors have come since. */
static void make_acquaintances(struct rtts *r, const struct directory *dir, const struct now *now)
{
	for (size_t i = 0; i < RTTS_STRANGERS_MAX; i++) {
		struct rtts_item *s = &r->stranger[i];

		if (s->since_ns == 0 || directory_by_link(dir, s->link_key) == NULL)
			continue;
		rtts_note(r, dir, s->link_key, s->rtt_ns, now);
		s->since_ns = s->seen_ns = 0;
	}
}

bool rtts_has_news(struct rtts *r, const struct directory *dir, const char *country,
		   const struct now *now)
{
	bool has_news = false;

	make_acquaintances(r, dir, now);
	for (size_t i = 0; i < DESCRIPTOR_RTTS_MAX; i++) {
		struct rtts_item *item = &r->item[i];
		const struct descriptor *d =
		    item->since_ns != 0 ? directory_by_link(dir, item->link_key) : NULL;

		item->is_news = d != NULL && places_contradict(country, d->country, item->rtt_ns);
		has_news |= item->is_news && !item->is_told;
	}
	return has_news;
}

unsigned rtts_tell(struct rtts *r, const struct directory *dir,
		   uint8_t out[static DESCRIPTOR_RTTS_MAX * LINK_RTT_LEN])
{
	unsigned n = 0;

	for (size_t i = 0; i < DESCRIPTOR_RTTS_MAX; i++) {
		struct rtts_item *item = &r->item[i];
		const struct descriptor *d =
		    item->since_ns != 0 ? directory_by_link(dir, item->link_key) : NULL;
		struct link_rtt rtt = {.rtt_ns = item->rtt_ns};

		if (d == NULL)
			continue;
		memcpy(rtt.id, d->id, sizeof(rtt.id));
		link_rtt_put(out + (size_t)n++ * LINK_RTT_LEN, &rtt);
		item->is_told = true;
	}
	return n;
}
