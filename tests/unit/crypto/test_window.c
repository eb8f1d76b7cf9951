/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "crypto/window.h"

#include "tests/lib/test.h"
#include "util/rng.h"

#define WORDS 4
#define MOST  (UINT64_MAX - 1)
#define WIDTH ((WORDS - 1) * 64) /* counters behind and with the highest that are remembered */

struct small {
	struct window w;
	uint64_t bits[WORDS];
};

/* What a receiver does with a message that was authentic. */
static bool take(struct small *s, uint64_t counter)
{
	if (!window_is_fresh(&s->w, s->bits, WORDS, counter))
		return false;
	window_set(&s->w, s->bits, WORDS, counter);
	return true;
}

struct step {
	uint64_t counter;
	bool fresh;
};

static void run_steps(const char *name, const struct step *steps, size_t n)
{
	struct small s = {0};

	for (size_t i = 0; i < n; i++) {
		const bool fresh = take(&s, steps[i].counter);

		if (fresh != steps[i].fresh)
			printf("# %s, step %zu: counter %llu\n", name, i,
			       (unsigned long long)steps[i].counter);
		CHECK(fresh == steps[i].fresh);
	}
}

#define RUN_STEPS(...)                                                           \
	do {                                                                     \
		static const struct step steps_[] = {__VA_ARGS__};               \
		run_steps(__func__, steps_, sizeof(steps_) / sizeof(steps_[0])); \
	} while (0)

static void test_in_order_from_zero(void)
{
	RUN_STEPS({0, true}, {0, false}, {1, true}, {1, false}, {2, true}, {0, false}, {2, false});
}

static void test_first_counter_not_zero(void)
{
	RUN_STEPS({1000, true}, {1000, false}, {999, true}, {999, false}, {1001, true},
		  {1001 - WIDTH + 1, true}, {1001 - WIDTH, false}, {0, false});
	/* Near zero, nothing lies behind the window. */
	RUN_STEPS({WIDTH - 1, true}, {0, true}, {0, false}, {WIDTH, true}, {0, false}, {1, true});
}

static void test_word_borders(void)
{
	RUN_STEPS({63, true}, {64, true}, {63, false}, {64, false}, {62, true}, {65, true},
		  {127, true}, {128, true}, {127, false}, {128, false}, {126, true}, {0, true});
}

static void test_lower_edge(void)
{
	RUN_STEPS({WIDTH, true}, {0, false}, {1, true}, {1, false}, {WIDTH + 1, true}, {1, false},
		  {2, true}, {WIDTH + 63, true}, {63, false}, {64, true}, {WIDTH + 64, true},
		  {64, false}, {65, true}, {65, false});
}

static void test_ring_wraps(void)
{
	/* The same words again with new counters: what they held must be gone. */
	RUN_STEPS({5, true}, {5 + 256, true}, {5, false}, {6 + 256, true}, {5 + 256 - 64, true},
		  {5 + 256 - 64, false}, {5 + 512, true}, {5 + 512 - 64, true},
		  {5 + 512 - 128, true}, {5 + 512 - WIDTH + 1, true}, {5 + 512 - WIDTH, false});
}

static void test_jumps(void)
{
	RUN_STEPS({10, true}, {10 + 64, true}, {10, false}, {11, true}, {10 + 64 + 128, true},
		  {10 + 64, false}, {11 + 64, true}, {100000, true}, {100000 - 1, true},
		  {100000 - WIDTH + 1, true}, {100000 - WIDTH, false}, {202, false});
	RUN_STEPS({0, true}, {1ull << 48, true}, {(1ull << 48) - 1, true}, {0, false});
}

static void test_highest_counters(void)
{
	RUN_STEPS({MOST - 1, true}, {MOST, true}, {MOST, false}, {MOST - 1, false},
		  {MOST - 2, true}, {MOST - WIDTH + 1, true}, {MOST - WIDTH, false}, {0, false},
		  {1, false}, {UINT64_MAX, false});
	RUN_STEPS({UINT64_MAX, false}, {1, true}, {MOST, true}, {1, false}, {MOST - 64, true});
}

static void test_asking_changes_nothing(void)
{
	struct small s = {0};

	CHECK(take(&s, 500));

	const struct small before = s;

	for (uint64_t c = 0; c < 2000; c++)
		(void)window_is_fresh(&s.w, s.bits, WORDS, c);
	CHECK_MEM(&before, &s, sizeof(s));
}

/* Against a plain list of everything seen, with random steps forward and back. */
static void test_against_a_model(void)
{
	enum {
		SPAN = 4096
	};
	static bool seen[SPAN];
	struct rng rng = rng_seeded(1);
	struct small s = {0};
	uint64_t top = 0;
	bool any = false;

	for (int i = 0; i < 20000; i++) {
		const uint64_t reach = rng_below(&rng, 16) == 0 ? 300 : 4;
		const uint64_t ahead = top + rng_below(&rng, reach), back = rng_below(&rng, 260);
		const uint64_t c = ahead < back ? 0 : ahead - back;

		if (c >= SPAN) {
			memset(&s, 0, sizeof(s));
			memset(seen, 0, sizeof(seen));
			top = 0;
			any = false;
			continue;
		}

		const bool too_old = any && c <= top && top - c >= WIDTH;
		const bool fresh = !too_old && !seen[c];

		CHECK(take(&s, c) == fresh);
		if (fresh) {
			seen[c] = true;
			top = any ? MAX(top, c) : c;
			any = true;
		}
	}
	rng_seeded_free(&rng);
}

int main(void)
{
	RUN(test_in_order_from_zero);
	RUN(test_first_counter_not_zero);
	RUN(test_word_borders);
	RUN(test_lower_edge);
	RUN(test_ring_wraps);
	RUN(test_jumps);
	RUN(test_highest_counters);
	RUN(test_asking_changes_nothing);
	RUN(test_against_a_model);
	return test_done();
}
