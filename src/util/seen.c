/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Two generations: when the younger is keep_ns old it becomes the elder, and the elder is gone. */
#include "util/seen.h"

#include "util/map.h"
#include "util/xalloc.h"

#include <pthread.h>

struct seen {
	pthread_mutex_t lock;
	struct rng rng;
	size_t max;
	uint64_t keep_ns, turned_ns;
	struct map younger, elder;
};

struct seen *seen_create(size_t max, uint64_t keep_ns, const struct rng *rng)
{
	struct seen *s = xcalloc(1, sizeof(*s));

	pthread_mutex_init(&s->lock, NULL);
	s->rng = *rng;
	s->max = max;
	s->keep_ns = keep_ns;
	map_init(&s->younger, 64, rng);
	map_init(&s->elder, 64, rng);
	return s;
}

void seen_free(struct seen *s)
{
	if (s == NULL)
		return;
	map_fini(&s->younger);
	map_fini(&s->elder);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void turn(struct seen *s, uint64_t now_ns)
{
	if (now_ns - s->turned_ns < s->keep_ns)
		return;
	map_fini(&s->elder);
	s->elder = s->younger;
	map_init(&s->younger, 64, &s->rng);
	s->turned_ns = now_ns;
}

static bool has(const struct seen *s, uint64_t x)
{
	return map_get(&s->younger, x) != NULL || map_get(&s->elder, x) != NULL ||
	       s->younger.count >= s->max;
}

bool seen_has(struct seen *s, uint64_t x, uint64_t now_ns)
{
	bool found;

	pthread_mutex_lock(&s->lock);
	turn(s, now_ns);
	found = has(s, x);
	pthread_mutex_unlock(&s->lock);
	return found;
}

bool seen_add(struct seen *s, uint64_t x, uint64_t now_ns)
{
	bool is_new;

	pthread_mutex_lock(&s->lock);
	turn(s, now_ns);
	is_new = !has(s, x);
	if (is_new)
		map_put(&s->younger, x, s);
	pthread_mutex_unlock(&s->lock);
	return is_new;
}
