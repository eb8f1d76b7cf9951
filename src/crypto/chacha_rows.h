/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One kernel of chacha.c, included once for each width.  LANES blocks stand side by side in a
 * vector, which holds one row of their 4 x 4 states; GROUPS such vectors for each row run together,
 * since the rounds are bound by latency.  By rows, keys and output are gathered in pieces of 16
 * bytes and need no transposition.  Defines blocks_<LANES>x<GROUPS>(jobs, out), compiled for
 * TARGET, for exactly LANES * GROUPS blocks.
 */
#define NAME__(name, l, g) name##_##l##x##g
#define NAME_(name, l, g)  NAME__(name, l, g)
#define NAME(name)         NAME_(name, LANES, GROUPS)
#define ROW                NAME(row)
#define STATE              NAME(state)
#define ROTL(x, n)         ((x) << (n) | (x) >> (32 - (n)))

typedef uint32_t ROW __attribute__((vector_size(16 * LANES)));

struct STATE {
	ROW a[GROUPS], b[GROUPS], c[GROUPS], d[GROUPS];
};

/* Turns the four words of each block's row by n places. */
#define TURN4(at, n) \
	(at) + (0 + (n)) % 4, (at) + (1 + (n)) % 4, (at) + (2 + (n)) % 4, (at) + (3 + (n)) % 4
#if LANES == 4
#define TURN(x, n) \
	__builtin_shufflevector(x, x, TURN4(0, n), TURN4(4, n), TURN4(8, n), TURN4(12, n))
#elif LANES == 2
#define TURN(x, n) __builtin_shufflevector(x, x, TURN4(0, n), TURN4(4, n))
#else
#define TURN(x, n) __builtin_shufflevector(x, x, TURN4(0, n))
#endif

TARGET __attribute__((always_inline)) static inline void NAME(quarter_round)(struct STATE *s)
{
#pragma GCC unroll 8
	for (int g = 0; g < GROUPS; g++) {
		s->a[g] += s->b[g];
		s->d[g] ^= s->a[g];
		s->d[g] = ROTL(s->d[g], 16);
	}
#pragma GCC unroll 8
	for (int g = 0; g < GROUPS; g++) {
		s->c[g] += s->d[g];
		s->b[g] ^= s->c[g];
		s->b[g] = ROTL(s->b[g], 12);
	}
#pragma GCC unroll 8
	for (int g = 0; g < GROUPS; g++) {
		s->a[g] += s->b[g];
		s->d[g] ^= s->a[g];
		s->d[g] = ROTL(s->d[g], 8);
	}
#pragma GCC unroll 8
	for (int g = 0; g < GROUPS; g++) {
		s->c[g] += s->d[g];
		s->b[g] ^= s->c[g];
		s->b[g] = ROTL(s->b[g], 7);
	}
}

TARGET __attribute__((always_inline)) static inline void NAME(load)(struct STATE *s,
								    const struct chacha_job *jobs)
{
	static const uint32_t sigma[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

#pragma GCC unroll 8
	for (int g = 0; g < GROUPS; g++) {
#pragma GCC unroll 4
		for (int l = 0; l < LANES; l++) {
			const struct chacha_job *j = &jobs[g * LANES + l];
			const uint64_t tail[2] = {j->block, j->nonce};

			memcpy((uint8_t *)&s->a[g] + 16 * l, sigma, 16);
			memcpy((uint8_t *)&s->b[g] + 16 * l, j->key, 16);
			memcpy((uint8_t *)&s->c[g] + 16 * l, j->key + 16, 16);
			memcpy((uint8_t *)&s->d[g] + 16 * l, tail, 16);
		}
	}
}

TARGET static void NAME(blocks)(const struct chacha_job *jobs, uint8_t (*out)[CHACHA_BLOCK_LEN])
{
	struct STATE in, s;

	NAME(load)(&in, jobs);
	s = in;
	for (int i = 0; i < 10; i++) {
		NAME(quarter_round)(&s);
#pragma GCC unroll 8
		for (int g = 0; g < GROUPS; g++) {
			s.b[g] = TURN(s.b[g], 1);
			s.c[g] = TURN(s.c[g], 2);
			s.d[g] = TURN(s.d[g], 3);
		}
		NAME(quarter_round)(&s);
#pragma GCC unroll 8
		for (int g = 0; g < GROUPS; g++) {
			s.b[g] = TURN(s.b[g], 3);
			s.c[g] = TURN(s.c[g], 2);
			s.d[g] = TURN(s.d[g], 1);
		}
	}
#pragma GCC unroll 8
	for (int g = 0; g < GROUPS; g++) {
		s.a[g] += in.a[g];
		s.b[g] += in.b[g];
		s.c[g] += in.c[g];
		s.d[g] += in.d[g];
#pragma GCC unroll 4
		for (int l = 0; l < LANES; l++) {
			uint8_t *o = out[g * LANES + l];

			memcpy(o, (uint8_t *)&s.a[g] + 16 * l, 16);
			memcpy(o + 16, (uint8_t *)&s.b[g] + 16 * l, 16);
			memcpy(o + 32, (uint8_t *)&s.c[g] + 16 * l, 16);
			memcpy(o + 48, (uint8_t *)&s.d[g] + 16 * l, 16);
		}
	}
}

#undef NAME__
#undef NAME_
#undef NAME
#undef ROW
#undef STATE
#undef ROTL
#undef TURN4
#undef TURN
#undef GROUPS
