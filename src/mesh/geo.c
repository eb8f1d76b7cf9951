/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/geo.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/now.h"

#define NEAR_NS     (8 * NS_PER_MS)  /* within a country, and the ends of any way */
#define MIDDLING_NS (80 * NS_PER_MS) /* to who knows where */
#define KM_NS       15000            /* there and back in fibre, which goes no straight way */
#define EARTH_KM    6371.0
#define DEGREE      (3.14159265358979 / 180)
#define LIGHT_KM_S  299793

/* Where most of a country's servers are, in degrees: north, east; and how far from there the
 * country ends.  The circle holds all of it, islands included, but what has a code of its own. */
struct place {
	char country[3];
	int16_t north, east;
	uint16_t radius_km;
};

/* clang-format off */
static const struct place places[] = {
    {"AD", 42, 2, 150}, {"AE", 25, 55, 400}, {"AF", 34, 69, 950}, {"AG", 17, -62, 150},
    {"AI", 18, -63, 150}, {"AL", 41, 20, 250}, {"AM", 40, 45, 250}, {"AO", -9, 13, 1550},
    {"AQ", -78, 167, 4500}, {"AR", -35, -58, 2400}, {"AS", -14, -171, 400}, {"AT", 48, 16, 550},
    {"AU", -34, 151, 3900}, {"AW", 12, -70, 100}, {"AX", 60, 20, 150}, {"AZ", 40, 50, 500},
    {"BA", 44, 18, 250}, {"BB", 13, -60, 100}, {"BD", 24, 90, 500}, {"BE", 51, 4, 250},
    {"BF", 12, -2, 550}, {"BG", 43, 23, 500}, {"BH", 26, 51, 100}, {"BI", -3, 29, 250},
    {"BJ", 6, 2, 750}, {"BL", 18, -63, 50}, {"BM", 32, -65, 100}, {"BN", 5, 115, 150},
    {"BO", -16, -68, 1200}, {"BQ", 12, -68, 1000}, {"BR", -23, -46, 3800}, {"BS", 25, -77, 650},
    {"BT", 27, 90, 250}, {"BV", -54, 3, 100}, {"BW", -25, 26, 950}, {"BY", 54, 28, 450},
    {"BZ", 17, -88, 250}, {"CA", 44, -79, 4450}, {"CC", -12, 97, 100}, {"CD", -4, 15, 2000},
    {"CF", 4, 19, 1000}, {"CG", -4, 15, 1000}, {"CH", 47, 8, 250}, {"CI", 5, -4, 800},
    {"CK", -21, -160, 1400}, {"CL", -33, -71, 3800}, {"CM", 4, 10, 1150}, {"CN", 31, 118, 4150},
    {"CO", 5, -74, 1300}, {"CR", 10, -84, 650}, {"CU", 23, -82, 900}, {"CV", 15, -24, 300},
    {"CW", 12, -69, 100}, {"CX", -10, 106, 100}, {"CY", 35, 33, 150}, {"CZ", 50, 14, 400},
    {"DE", 50, 9, 650}, {"DJ", 12, 43, 250}, {"DK", 56, 13, 350}, {"DM", 15, -61, 150},
    {"DO", 18, -70, 300}, {"DZ", 37, 3, 2050}, {"EC", -1, -79, 1400}, {"EE", 59, 25, 250},
    {"EG", 30, 31, 1100}, {"EH", 27, -13, 850}, {"ER", 15, 39, 550}, {"ES", 40, -4, 1900},
    {"ET", 9, 39, 1050}, {"FI", 60, 25, 1200}, {"FJ", -18, 178, 650}, {"FK", -52, -58, 300},
    {"FM", 7, 158, 2250}, {"FO", 62, -7, 100}, {"FR", 48, 3, 950}, {"GA", 0, 9, 700},
    {"GB", 51, -1, 1150}, {"GD", 12, -62, 150}, {"GE", 42, 45, 500}, {"GF", 5, -52, 500},
    {"GG", 49, -3, 150}, {"GH", 6, 0, 700}, {"GI", 36, -5, 100}, {"GL", 64, -52, 2300},
    {"GM", 13, -17, 400}, {"GN", 10, -14, 750}, {"GP", 16, -62, 150}, {"GQ", 4, 9, 750},
    {"GR", 38, 24, 500}, {"GS", -54, -37, 900}, {"GT", 15, -91, 400}, {"GU", 13, 145, 100},
    {"GW", 12, -16, 300}, {"GY", 7, -58, 700}, {"HK", 22, 114, 100}, {"HM", -53, 73, 100},
    {"HN", 14, -87, 550}, {"HR", 46, 16, 500}, {"HT", 19, -72, 300}, {"HU", 47, 19, 350},
    {"ID", -6, 107, 3850}, {"IE", 53, -6, 350}, {"IL", 32, 35, 350}, {"IM", 54, -4, 100},
    {"IN", 19, 75, 2550}, {"IO", -7, 72, 250}, {"IQ", 33, 44, 600}, {"IR", 36, 51, 1600},
    {"IS", 64, -22, 500}, {"IT", 44, 10, 1000}, {"JE", 49, -2, 100}, {"JM", 18, -77, 200},
    {"JO", 32, 36, 350}, {"JP", 35, 138, 2050}, {"KE", -1, 37, 850}, {"KG", 43, 75, 650},
    {"KH", 12, 105, 450}, {"KI", 1, 173, 4400}, {"KM", -12, 43, 200}, {"KN", 17, -63, 100},
    {"KP", 39, 126, 600}, {"KR", 37, 127, 500}, {"KW", 29, 48, 200}, {"KY", 19, -81, 200},
    {"KZ", 43, 77, 2500}, {"LA", 18, 103, 650}, {"LB", 34, 36, 200}, {"LC", 14, -61, 100},
    {"LI", 47, 10, 100}, {"LK", 7, 80, 350}, {"LR", 6, -11, 450}, {"LS", -29, 27, 300},
    {"LT", 55, 25, 350}, {"LU", 50, 6, 100}, {"LV", 57, 24, 300}, {"LY", 33, 13, 1900},
    {"MA", 33, -7, 1650}, {"MC", 44, 7, 100}, {"MD", 47, 29, 300}, {"ME", 42, 19, 200},
    {"MF", 18, -63, 50}, {"MG", -19, 48, 850}, {"MH", 7, 171, 900}, {"MK", 42, 21, 250},
    {"ML", 13, -8, 1500}, {"MM", 17, 96, 1350}, {"MN", 48, 107, 1450}, {"MO", 22, 114, 100},
    {"MP", 15, 146, 700}, {"MQ", 15, -61, 150}, {"MR", 18, -16, 1450}, {"MS", 17, -62, 100},
    {"MT", 36, 14, 100}, {"MU", -20, 57, 1150}, {"MV", 4, 73, 550}, {"MW", -14, 34, 600},
    {"MX", 20, -99, 2350}, {"MY", 3, 102, 2000}, {"MZ", -26, 33, 1950}, {"NA", -23, 17, 1100},
    {"NC", -22, 166, 600}, {"NE", 14, 2, 1750}, {"NF", -29, 168, 50}, {"NG", 6, 3, 1500},
    {"NI", 12, -86, 500}, {"NL", 52, 5, 250}, {"NO", 60, 11, 1550}, {"NP", 28, 85, 550},
    {"NR", -1, 167, 100}, {"NU", -19, -170, 50}, {"NZ", -37, 175, 1400}, {"OM", 24, 58, 1000},
    {"PA", 9, -80, 400}, {"PE", -12, -77, 1400}, {"PF", -18, -150, 1700}, {"PG", -9, 147, 1100},
    {"PH", 15, 121, 1200}, {"PK", 28, 68, 1250}, {"PL", 52, 20, 500}, {"PM", 47, -56, 100},
    {"PN", -25, -130, 600}, {"PR", 18, -66, 250}, {"PS", 32, 35, 150}, {"PT", 39, -9, 2000},
    {"PW", 7, 134, 600}, {"PY", -25, -58, 750}, {"QA", 25, 51, 200}, {"RE", -21, 55, 150},
    {"RO", 44, 26, 550}, {"RS", 45, 20, 400}, {"RU", 56, 38, 7150}, {"RW", -2, 30, 200},
    {"SA", 24, 45, 1200}, {"SB", -9, 160, 1100}, {"SC", -5, 55, 1150}, {"SD", 16, 33, 1350},
    {"SE", 59, 18, 1150}, {"SG", 1, 104, 100}, {"SH", -16, -6, 2800}, {"SI", 46, 15, 200},
    {"SJ", 78, 16, 1150}, {"SK", 48, 17, 450}, {"SL", 8, -13, 350}, {"SM", 44, 12, 100},
    {"SN", 15, -17, 700}, {"SO", 2, 45, 1350}, {"SR", 6, -55, 550}, {"SS", 5, 32, 1000},
    {"ST", 0, 7, 250}, {"SV", 14, -89, 200}, {"SX", 18, -63, 50}, {"SY", 34, 36, 750},
    {"SZ", -26, 31, 200}, {"TC", 22, -72, 150}, {"TD", 12, 15, 1350}, {"TF", -49, 70, 5500},
    {"TG", 6, 1, 650}, {"TH", 14, 101, 1000}, {"TJ", 39, 69, 600}, {"TK", -9, -172, 250},
    {"TL", -9, 126, 250}, {"TM", 38, 58, 800}, {"TN", 37, 10, 800}, {"TO", -21, -175, 650},
    {"TR", 41, 29, 1450}, {"TT", 11, -61, 200}, {"TV", -9, 179, 550}, {"TW", 25, 121, 400},
    {"TZ", -7, 39, 1200}, {"UA", 50, 31, 750}, {"UG", 0, 33, 550}, {"UM", 19, 167, 12100},
    {"US", 39, -90, 3000}, {"UY", -35, -56, 600}, {"UZ", 41, 69, 1200}, {"VA", 42, 12, 100},
    {"VC", 13, -61, 100}, {"VE", 10, -67, 1100}, {"VG", 18, -65, 150}, {"VI", 18, -65, 100},
    {"VN", 16, 106, 900}, {"VU", -18, 168, 600}, {"WF", -13, -176, 300}, {"WS", -14, -172, 150},
    {"YE", 15, 44, 1200}, {"YT", -13, 45, 150}, {"ZA", -26, 28, 2500}, {"ZM", -15, 28, 850},
    {"ZW", -18, 31, 650},
};

/* Parts so far off that one circle would hold half the world. */
static const struct place far_parts[] = {
    {"US", 61, -152, 2500}, {"US", 21, -158, 2400},
};
/* clang-format on */

static int compare(const void *code, const void *item)
{
	return memcmp(code, ((const struct place *)item)->country, 2);
}

static const struct place *find(const char *country)
{
	return bsearch(country, places, ARRAY_LEN(places), sizeof(places[0]), compare);
}

static double distance_km(const struct place *a, const struct place *b)
{
	const double north = sin((a->north - b->north) * DEGREE / 2),
		     east = sin((a->east - b->east) * DEGREE / 2);
	const double chord =
	    north * north + cos(a->north * DEGREE) * cos(b->north * DEGREE) * east * east;

	return 2 * EARTH_KM * asin(sqrt(fmin(chord, 1)));
}

static const struct place *find_if_given(const char *country)
{
	return country[0] != '\0' ? find(country) : NULL;
}

uint64_t geo_rtt_ns(const char *a, const char *b)
{
	const struct place *from = find_if_given(a), *to = find_if_given(b);

	if (from == NULL || to == NULL)
		return MIDDLING_NS;
	return NEAR_NS + (uint64_t)distance_km(from, to) * KM_NS;
}

uint32_t geo_km(const char *a, const char *b)
{
	const struct place *from = find_if_given(a), *to = find_if_given(b);

	return from == NULL || to == NULL ? UINT32_MAX : (uint32_t)distance_km(from, to);
}

/* Between the borders of two circles.  The Earth is no sphere: a half of a percent. */
static uint32_t gap_km(const struct place *a, const struct place *b)
{
	const uint32_t between = (uint32_t)(distance_km(a, b) * 0.995),
		       within = a->radius_km + b->radius_km;

	return between > within ? between - within : 0;
}

/* The i-th circle of a country, the first of which is its place; NULL: no more. */
static const struct place *part_of(const struct place *country, unsigned i)
{
	if (i == 0)
		return country;
	for (size_t k = 0; k < ARRAY_LEN(far_parts); k++)
		if (memcmp(far_parts[k].country, country->country, 2) == 0 && --i == 0)
			return &far_parts[k];
	return NULL;
}

uint32_t geo_least_km(const char *a, const char *b)
{
	const struct place *from = find_if_given(a), *to = find_if_given(b), *x, *y;
	uint32_t least = UINT32_MAX;

	if (from == NULL || to == NULL)
		return 0;
	for (unsigned i = 0; (x = part_of(from, i)) != NULL; i++)
		for (unsigned k = 0; (y = part_of(to, k)) != NULL; k++)
			least = MIN(least, gap_km(x, y));
	return least;
}

uint32_t geo_light_km(uint64_t rtt_ns)
{
	return (uint32_t)MIN(rtt_ns / 1000 * LIGHT_KM_S / (2 * NS_PER_S / 1000) + 1, UINT32_MAX);
}
