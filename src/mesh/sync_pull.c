/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Items are the parts of the directory still to be settled; questions carry several of one level.
 * A mirror answers in the order of our questions, so that an answer to a later one tells that what
 * an earlier one still lacks is lost.
 */
#include "mesh/sync_pull.h"

#include <stdlib.h>

#include "mesh/sync_log.h"
#include "mesh/sync_stream.h"
#include "util/xalloc.h"

enum {
	QUESTIONS_MAX = 8, /* as many as a mirror keeps for us */
	LEVEL_FIRST = 6,   /* one message tells all parts of it */
	PART_FETCHED = 64, /* descriptors of a part that is not halved any more ... */
	PART_AIM = 40,     /* ... and what halving aims at */
	STEP_MAX = 6,
	TRIES_MAX = 6,     /* of a question in a row, and of a part that does not come */
	TRIES_UNHEARD = 2, /* of the first one: it may be dead, though its link is not yet */
	FORGED_MAX = 8,
	SLACK = 64,
	WINDOW_FIRST = 64, /* cells */
	WINDOW_MIN = 16,
	WINDOW_MAX = 8 * SYNC_CREDIT_MAX,
	RECORD_GUESS = 600, /* bytes of a descriptor, until some came */
};

#define TIMEOUT_FIRST_NS (500 * NS_PER_MS)
#define TIMEOUT_MIN_NS   (100 * NS_PER_MS)
#define TIMEOUT_MAX_NS   (4 * NS_PER_S)

enum item_state {
	ITEM_ASK,   /* does it differ? */
	ITEM_FETCH, /* it does, and is small */
	ITEM_ASKED, /* a question is under way */
	ITEM_DONE,
};

struct item {
	struct tree_part part;
	uint8_t state; /* enum item_state */
	uint8_t tries;
	uint32_t count; /* of the mirror */
};

struct question {
	enum sync_type type; /* 0: free */
	uint16_t request, credit, count;
	uint16_t items[SYNC_ASK_MAX];
	uint64_t order, sent_ns;
	bool is_heard;
	uint32_t gained, refused;
	struct stream_reader reader;
};

struct pull {
	struct directory *dir;
	struct registry *registry;
	struct sync_log log; /* what the mirror's has more than ours */
	unsigned log_tries;
	struct item *items;
	size_t item_count, item_room;
	size_t open; /* items not done */
	struct question questions[QUESTIONS_MAX];
	uint64_t order;
	uint16_t request;
	unsigned window, in_flight; /* cells */
	uint16_t asked_credit;      /* of the last question */
	bool has_lost;              /* the window no longer doubles */
	uint64_t cut_ns;            /* when the window was last halved */
	bool is_heard;
	uint64_t heard_ns;
	unsigned silences; /* in a row */
	uint64_t srtt_ns, rttvar_ns;
	uint64_t record_bytes, records;
	struct now now; /* of the message being taken */
	bool has_total;
	struct pull_result result;
};

static void item_add(struct pull *p, struct tree_part part)
{
	if (p->item_count == p->item_room) {
		p->item_room = MAX(2 * p->item_room, 64);
		p->items = xrealloc(p->items, p->item_room, sizeof(*p->items));
	}
	p->items[p->item_count++] = (struct item){.part = part, .state = ITEM_ASK};
	p->open++;
}

static void add_level(struct pull *p, struct tree_part above, unsigned step)
{
	for (unsigned i = 0; i < 1u << step; i++)
		item_add(p, (struct tree_part){(uint8_t)(above.level + step),
					       (uint16_t)(((unsigned)above.index << step) + i)});
}

struct pull *pull_create(struct directory *dir, struct registry *registry, uint16_t request,
			 const struct now *now)
{
	struct pull *p = xcalloc(1, sizeof(*p));

	p->dir = dir;
	p->registry = registry;
	p->request = request;
	p->window = WINDOW_FIRST;
	p->heard_ns = now->mono_ns;
	add_level(p, (struct tree_part){0}, directory_count(dir) > PART_FETCHED ? LEVEL_FIRST : 0);
	return p;
}

void pull_free(struct pull *p)
{
	if (p == NULL)
		return;
	log_end(&p->log);
	free(p->items);
	free(p);
}

uint16_t pull_last_request(const struct pull *p)
{
	return p->request;
}

bool pull_is_heard(const struct pull *p)
{
	return p->is_heard;
}

const struct pull_result *pull_result(const struct pull *p)
{
	return &p->result;
}

static void settle(struct pull *p, struct item *it)
{
	it->state = ITEM_DONE;
	p->open--;
}

/* ---- questions ---- */

static uint64_t timeout_ns(const struct pull *p)
{
	const uint64_t once =
	    p->srtt_ns == 0 ? TIMEOUT_FIRST_NS : MAX(TIMEOUT_MIN_NS, p->srtt_ns + 4 * p->rttvar_ns);

	return MIN(once << MIN(p->silences, (unsigned)TRIES_MAX), TIMEOUT_MAX_NS);
}

static void measure(struct pull *p, uint64_t rtt_ns) /* RFC 6298 */
{
	const uint64_t off = rtt_ns > p->srtt_ns ? rtt_ns - p->srtt_ns : p->srtt_ns - rtt_ns;

	if (p->srtt_ns == 0) {
		p->srtt_ns = MAX(rtt_ns, 1);
		p->rttvar_ns = rtt_ns / 2;
		return;
	}
	p->rttvar_ns = (3 * p->rttvar_ns + off) / 4;
	p->srtt_ns = MAX((7 * p->srtt_ns + rtt_ns) / 8, 1);
}

static int by_index(const void *a, const void *b)
{
	const struct item *const *x = a, *const *y = b;

	return (int)(*x)->part.index - (int)(*y)->part.index;
}

/* Up to max items of one state and, the first one's, level, in rising order. */
static size_t gather(struct pull *p, enum item_state state, struct item **out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < p->item_count && n < max; i++) {
		struct item *it = &p->items[i];

		if (it->state == state && (n == 0 || it->part.level == out[0]->part.level))
			out[n++] = it;
	}
	qsort(out, n, sizeof(struct item *), by_index);
	return n;
}

static void commit(struct pull *p, struct question *q, struct sync_msg *m, struct item **items,
		   size_t n, const struct now *now)
{
	*q = (struct question){.type = m->type,
			       .request = ++p->request,
			       .credit = m->credit,
			       .count = (uint16_t)n,
			       .order = ++p->order,
			       .sent_ns = now->mono_ns};
	for (size_t i = 0; i < n; i++) {
		items[i]->state = ITEM_ASKED;
		q->items[i] = (uint16_t)(items[i] - p->items);
	}
	p->asked_credit = q->credit;
	m->request = q->request;
	m->level = n > 0 ? items[0]->part.level : 0;
	m->count = (uint16_t)n;
	p->in_flight += q->credit;
}

static bool ask(struct pull *p, struct question *q, uint8_t *body, const struct now *now)
{
	struct item *items[SYNC_ASK_MAX];
	struct sync_msg m = {.type = SYNC_ASK};
	const size_t n = gather(p, ITEM_ASK, items, SYNC_ASK_MAX);

	if (n == 0)
		return false;
	for (size_t i = 0; i < n; i++)
		m.parts[i] = (struct sync_part){
		    .index = items[i]->part.index,
		    .digest = directory_part_digest(p->dir, items[i]->part),
		};
	commit(p, q, &m, items, n, now);
	sync_encode(&m, body);
	return true;
}

/* How many cells the answer for so many descriptors takes. */
static unsigned cells_for(const struct pull *p, unsigned descriptors)
{
	const uint64_t each =
	    2 + (p->records > 0 ? p->record_bytes / p->records : (uint64_t)RECORD_GUESS);

	return (unsigned)((descriptors * each + SYNC_STREAM_LEN - 1) / SYNC_STREAM_LEN);
}

/* What the mirror's count lets expect, and something for those that are newer there. */
static unsigned expected(const struct pull *p, const struct item *it)
{
	const uint32_t own = directory_part_count(p->dir, it->part);

	return (it->count > own ? MIN(it->count - own, (uint32_t)PART_FETCHED) : 0) + 2;
}

/* The hashes of what we have of this part, as many as fit; the room they take. */
static size_t put_hashes(const struct pull *p, struct sync_part *part, struct tree_part which,
			 uint8_t *room, size_t left)
{
	const struct descriptor *d = NULL;
	size_t used = 0;

	part->index = which.index;
	part->hashes = room;
	while (used + SYNC_HASH_LEN <= left &&
	       (d = directory_part_next(p->dir, which, d != NULL ? d->id : NULL)) != NULL) {
		memcpy(room + used, directory_hash(d), SYNC_HASH_LEN);
		used += SYNC_HASH_LEN;
	}
	part->hash_count = (uint16_t)(used / SYNC_HASH_LEN);
	return used;
}

/* As many of the items as one question has room for, and its answer credit. */
static size_t choose(const struct pull *p, struct item *const *items, size_t n, uint16_t *credit)
{
	size_t left = SYNC_QUESTION_LEN - SYNC_FETCH_HEAD_LEN, i;
	unsigned descriptors = 0;

	for (i = 0; i < n; i++) {
		const size_t own = directory_part_count(p->dir, items[i]->part);
		const size_t need = SYNC_FETCH_PART_LEN + own * SYNC_HASH_LEN;
		const unsigned more = expected(p, items[i]);

		if (i > 0 &&
		    (need > left || cells_for(p, descriptors + more) + 2 > SYNC_CREDIT_MAX))
			break;
		left -= MIN(need, left);
		descriptors += more;
	}
	*credit = (uint16_t)MIN(cells_for(p, descriptors) + 2, (unsigned)SYNC_CREDIT_MAX);
	return i;
}

static bool fetch(struct pull *p, struct question *q, uint8_t *body, const struct now *now)
{
	struct item *items[SYNC_FETCH_MAX];
	uint8_t hashes[CELL_BODY_LEN];
	size_t left = SYNC_QUESTION_LEN - SYNC_FETCH_HEAD_LEN, used = 0, n;
	struct sync_msg m = {.type = SYNC_FETCH};

	if (p->in_flight >= p->window)
		return false;
	n = choose(p, items, gather(p, ITEM_FETCH, items, SYNC_FETCH_MAX), &m.credit);
	if (n == 0 || (p->in_flight > 0 && p->in_flight + m.credit > p->window))
		return false;
	for (size_t i = 0; i < n; i++) {
		left -= SYNC_FETCH_PART_LEN;
		const size_t took = put_hashes(p, &m.parts[i], items[i]->part, hashes + used, left);
		used += took;
		left -= took;
	}
	commit(p, q, &m, items, n, now);
	sync_encode(&m, body);
	return true;
}

/* One question at a time: only the answer tells where the next begins. */
static bool ask_log(struct pull *p, struct question *q, uint8_t *body, const struct now *now)
{
	struct sync_msg m = {.type = SYNC_EVENTS, .credit = SYNC_CREDIT_MAX, .from = p->log.next};

	for (size_t i = 0; i < QUESTIONS_MAX; i++)
		if (p->questions[i].type == SYNC_EVENTS)
			return false;
	commit(p, q, &m, NULL, 0, now);
	sync_encode(&m, body);
	return true;
}

static bool next_question(struct pull *p, uint8_t *body, const struct now *now)
{
	for (size_t i = 0; i < QUESTIONS_MAX; i++) {
		struct question *q = &p->questions[i];

		if (q->type == 0 && p->log.registry != NULL)
			return ask_log(p, q, body, now);
		if (q->type == 0)
			return ask(p, q, body, now) || fetch(p, q, body, now);
	}
	return false;
}

bool pull_next_out(struct pull *p, struct sync_out *out, const struct now *now)
{
	if (!next_question(p, out->body, now))
		return false;
	out->answers = MAX(p->asked_credit, 1);
	return true;
}

/* ---- answers ---- */

static void halve(struct pull *p, const struct question *q)
{
	p->has_lost = true;
	if (q->sent_ns < p->cut_ns)
		return; /* once a round trip */
	p->window = MAX(p->window / 2, WINDOW_MIN);
	p->cut_ns = p->now.mono_ns;
}

/* The question has got all of its answer that will come. */
static void finish(struct pull *p, struct question *q, bool is_whole)
{
	p->in_flight -= q->credit;
	for (size_t i = 0; i < q->count; i++) {
		struct item *it = &p->items[q->items[i]];
		const uint32_t own = directory_part_count(p->dir, it->part);

		if (it->state != ITEM_ASKED)
			continue;
		if (is_whole) {
			if (it->count > own + q->refused)
				p->result.undelivered += it->count - own - q->refused;
			settle(p, it);
			continue;
		}
		it->state = q->type == SYNC_ASK ? ITEM_ASK : ITEM_FETCH;
		if (q->is_heard && q->gained == 0 && ++it->tries > TRIES_MAX) {
			p->result.unfinished++;
			settle(p, it);
		}
	}
	q->type = 0;
}

/* Lost: in part, or not answered at all. */
static void lose(struct pull *p, struct question *q)
{
	p->result.lost++;
	halve(p, q);
	finish(p, q, false);
}

static void halve_part(struct pull *p, struct tree_part part, uint32_t count)
{
	unsigned step = 1;

	while (count >> step > PART_AIM && step < STEP_MAX && part.level + step < TREE_BITS)
		step++;
	add_level(p, part, step);
}

static void overtake(struct pull *p, uint64_t order)
{
	for (size_t i = 0; i < QUESTIONS_MAX; i++)
		if (p->questions[i].type != 0 && p->questions[i].order < order)
			lose(p, &p->questions[i]);
}

static enum pull_verdict end_log(struct pull *p)
{
	const uint64_t before = registry_head(p->registry)->events;
	const enum registry_result result = log_apply(&p->log, p->now.wall_ns / NS_PER_S);

	log_end(&p->log);
	/* Another mirror's answer was first, or brought even more. */
	if (result == REGISTRY_KNOWN || result == REGISTRY_STALE || result == REGISTRY_GAP)
		return PULL_GOES_ON;
	p->result.registry = result;
	p->result.events += registry_head(p->registry)->events - before;
	return result == REGISTRY_OK ? PULL_GOES_ON : PULL_LIED;
}

/* The mirror's head: is there a log to be asked for? */
static enum pull_verdict take_head(struct pull *p, const struct sync_msg *m)
{
	enum registry_result result;

	if (p->registry == NULL || m->head_len == 0 || p->log.registry != NULL)
		return PULL_GOES_ON;
	result = log_begin(&p->log, p->registry, m->head, m->head_len, p->now.wall_ns / NS_PER_S);
	if (result == REGISTRY_OK)
		return log_is_complete(&p->log) ? end_log(p) : PULL_GOES_ON;
	if (result == REGISTRY_KNOWN || result == REGISTRY_STALE)
		return PULL_GOES_ON;
	p->result.registry = result;
	return result == REGISTRY_SIGNATURE ? PULL_LIED : PULL_GOES_ON;
}

static enum pull_verdict take_counts(struct pull *p, struct question *q, const struct sync_msg *m)
{
	if (m->count != q->count || m->level != p->items[q->items[0]].part.level)
		return PULL_LIED;
	overtake(p, q->order);
	if (!p->has_total) {
		p->result.total = m->total;
		if (take_head(p, m) == PULL_LIED)
			return PULL_LIED;
	}
	p->has_total = true;
	for (size_t i = 0; i < q->count; i++) {
		const struct tree_part part = p->items[q->items[i]].part;
		const uint32_t count = m->counts[i] & ~COUNTS_DIFFER;
		const uint32_t most = MAX(count, directory_part_count(p->dir, part));
		struct item *it;

		if ((m->counts[i] & COUNTS_DIFFER) != 0 && count > 0 && most > PART_FETCHED &&
		    part.level < TREE_BITS)
			halve_part(p, part, most); /* moves items */
		it = &p->items[q->items[i]];
		it->count = count;
		if ((m->counts[i] & COUNTS_DIFFER) != 0 && count > 0 &&
		    (most <= PART_FETCHED || part.level == TREE_BITS))
			it->state = ITEM_FETCH;
		else
			settle(p, it);
	}
	q->type = 0;
	return PULL_GOES_ON;
}

/* What an honest mirror sends now and then (clocks differ, versions do) is not held against it. */
static bool is_forged(enum directory_result result, enum descriptor_error error)
{
	return result == DIRECTORY_INVALID && error != DESCRIPTOR_EXPIRED &&
	       error != DESCRIPTOR_NOT_YET_VALID && error != DESCRIPTOR_UNKNOWN_VERSION &&
	       error != DESCRIPTOR_EXTENSION;
}

struct taking {
	struct pull *pull;
	struct question *question;
};

static void take_record(void *ctx, const uint8_t *bytes, size_t len)
{
	const struct taking *t = ctx;
	struct pull *p = t->pull;
	enum descriptor_error error;
	const enum directory_result result = directory_add(p->dir, bytes, len, &p->now, &error);

	p->records++;
	p->record_bytes += len;
	if (result == DIRECTORY_ADDED || result == DIRECTORY_NEWER) {
		p->result.added++;
		t->question->gained++;
	} else if (is_forged(result, error)) {
		p->result.forged++;
	} else if (result != DIRECTORY_KNOWN && result != DIRECTORY_STALE) {
		p->result.refused++;
		t->question->refused++;
	}
}

/* Behind a gap nothing can be used: events follow each other. */
static void take_event(void *ctx, const uint8_t *bytes, size_t len)
{
	const struct taking *t = ctx;

	if (t->question->reader.has_gaps)
		return;
	log_take(&t->pull->log, bytes, len);
	t->question->gained++;
}

static enum pull_verdict take_log(struct pull *p, struct question *q, const struct sync_msg *m)
{
	struct taking t = {p, q};

	if (!stream_read(&q->reader, m, take_event, &t))
		return PULL_UNASKED;
	p->result.cells++;
	if (p->log.is_wrong) {
		p->result.registry = REGISTRY_MALFORMED;
		return PULL_LIED;
	}
	if (log_is_complete(&p->log)) {
		finish(p, q, true);
		return end_log(p);
	}
	if ((m->flags & SYNC_LAST) == 0 && m->index + 1u < q->credit)
		return PULL_GOES_ON;
	finish(p, q, true);
	p->log_tries = q->gained > 0 ? 0 : p->log_tries + 1;
	if (p->log_tries <= TRIES_MAX)
		return PULL_GOES_ON;
	p->result.registry = REGISTRY_TRUNCATED;
	return PULL_LIED;
}

static enum pull_verdict take_data(struct pull *p, struct question *q, const struct sync_msg *m)
{
	struct taking t = {p, q};
	const bool is_last = (m->flags & SYNC_LAST) != 0 || m->index + 1u >= q->credit;
	bool is_whole;

	if (m->index >= q->credit)
		return PULL_LIED;
	if (!stream_read(&q->reader, m, take_record, &t))
		return PULL_UNASKED;
	p->result.cells++;
	/* It tells each node once or twice, and next to nothing forged. */
	if (p->result.forged > FORGED_MAX ||
	    p->records > 2 * ((uint64_t)p->result.total + directory_count(p->dir)) + SLACK)
		return PULL_LIED;
	if (!is_last)
		return PULL_GOES_ON;
	overtake(p, q->order);
	is_whole = (m->flags & SYNC_WHOLE) != 0 && !q->reader.has_gaps;
	if (q->reader.has_gaps) {
		p->result.lost++;
		halve(p, q);
	} else if (p->window < WINDOW_MAX) {
		p->window += p->has_lost ? 2 : q->reader.next;
	}
	finish(p, q, is_whole);
	return PULL_GOES_ON;
}

static struct question *question_of(struct pull *p, const struct sync_msg *m)
{
	for (size_t i = 0; i < QUESTIONS_MAX; i++) {
		struct question *q = &p->questions[i];

		if (q->type != 0 && q->request == m->request &&
		    (q->type == SYNC_ASK) == (m->type == SYNC_COUNTS))
			return q;
	}
	return NULL;
}

static enum pull_verdict state(const struct pull *p)
{
	if (p->open > 0 || p->log.registry != NULL)
		return PULL_GOES_ON;
	return p->result.unfinished == 0 ? PULL_DONE : PULL_FAILED;
}

enum pull_verdict pull_take(struct pull *p, const struct sync_msg *m, const struct now *now)
{
	struct question *q = question_of(p, m);
	enum pull_verdict verdict;

	if (q == NULL)
		return PULL_UNASKED;
	p->now = *now;
	p->heard_ns = now->mono_ns;
	p->is_heard = true;
	p->silences = 0;
	if (!q->is_heard)
		measure(p, now->mono_ns - q->sent_ns);
	q->is_heard = true;
	verdict = q->type == SYNC_ASK      ? take_counts(p, q, m)
		  : q->type == SYNC_EVENTS ? take_log(p, q, m)
					   : take_data(p, q, m);
	return verdict == PULL_GOES_ON ? state(p) : verdict;
}

/* ---- time ---- */

static uint64_t question_due_ns(const struct pull *p, const struct question *q)
{
	return MAX(q->sent_ns, p->heard_ns) + timeout_ns(p);
}

enum pull_verdict pull_tick(struct pull *p, const struct now *now)
{
	bool is_silent = false;

	p->now = *now;
	for (size_t i = 0; i < QUESTIONS_MAX; i++) {
		struct question *q = &p->questions[i];

		if (q->type == 0 || now->mono_ns < question_due_ns(p, q))
			continue;
		lose(p, q);
		is_silent = true;
	}
	p->silences += is_silent;
	if (p->silences > (p->is_heard ? TRIES_MAX : TRIES_UNHEARD))
		return PULL_FAILED;
	return state(p);
}

uint64_t pull_deadline(const struct pull *p)
{
	uint64_t due = NEVER;

	for (size_t i = 0; i < QUESTIONS_MAX; i++)
		if (p->questions[i].type != 0)
			due = MIN(due, question_due_ns(p, &p->questions[i]));
	return due;
}
