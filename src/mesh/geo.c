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

/* Where most of a country's servers are, in degrees: north, east. */
struct place {
	char country[3];
	int16_t north, east;
};

/* clang-format off */
static const struct place places[] = {
    {"AD", 42, 2}, {"AE", 25, 55}, {"AF", 34, 69}, {"AG", 17, -62}, {"AI", 18, -63},
    {"AL", 41, 20}, {"AM", 40, 45}, {"AO", -9, 13}, {"AQ", -78, 167}, {"AR", -35, -58},
    {"AS", -14, -171}, {"AT", 48, 16}, {"AU", -34, 151}, {"AW", 12, -70}, {"AX", 60, 20},
    {"AZ", 40, 50}, {"BA", 44, 18}, {"BB", 13, -60}, {"BD", 24, 90}, {"BE", 51, 4},
    {"BF", 12, -2}, {"BG", 43, 23}, {"BH", 26, 51}, {"BI", -3, 29}, {"BJ", 6, 2},
    {"BL", 18, -63}, {"BM", 32, -65}, {"BN", 5, 115}, {"BO", -16, -68}, {"BQ", 12, -68},
    {"BR", -23, -46}, {"BS", 25, -77}, {"BT", 27, 90}, {"BV", -54, 3}, {"BW", -25, 26},
    {"BY", 54, 28}, {"BZ", 17, -88}, {"CA", 44, -79}, {"CC", -12, 97}, {"CD", -4, 15},
    {"CF", 4, 19}, {"CG", -4, 15}, {"CH", 47, 8}, {"CI", 5, -4}, {"CK", -21, -160},
    {"CL", -33, -71}, {"CM", 4, 10}, {"CN", 31, 118}, {"CO", 5, -74}, {"CR", 10, -84},
    {"CU", 23, -82}, {"CV", 15, -24}, {"CW", 12, -69}, {"CX", -10, 106}, {"CY", 35, 33},
    {"CZ", 50, 14}, {"DE", 50, 9}, {"DJ", 12, 43}, {"DK", 56, 13}, {"DM", 15, -61},
    {"DO", 18, -70}, {"DZ", 37, 3}, {"EC", -1, -79}, {"EE", 59, 25}, {"EG", 30, 31},
    {"EH", 27, -13}, {"ER", 15, 39}, {"ES", 40, -4}, {"ET", 9, 39}, {"FI", 60, 25},
    {"FJ", -18, 178}, {"FK", -52, -58}, {"FM", 7, 158}, {"FO", 62, -7}, {"FR", 48, 3},
    {"GA", 0, 9}, {"GB", 51, -1}, {"GD", 12, -62}, {"GE", 42, 45}, {"GF", 5, -52},
    {"GG", 49, -3}, {"GH", 6, 0}, {"GI", 36, -5}, {"GL", 64, -52}, {"GM", 13, -17},
    {"GN", 10, -14}, {"GP", 16, -62}, {"GQ", 4, 9}, {"GR", 38, 24}, {"GS", -54, -37},
    {"GT", 15, -91}, {"GU", 13, 145}, {"GW", 12, -16}, {"GY", 7, -58}, {"HK", 22, 114},
    {"HM", -53, 73}, {"HN", 14, -87}, {"HR", 46, 16}, {"HT", 19, -72}, {"HU", 47, 19},
    {"ID", -6, 107}, {"IE", 53, -6}, {"IL", 32, 35}, {"IM", 54, -4}, {"IN", 19, 75},
    {"IO", -7, 72}, {"IQ", 33, 44}, {"IR", 36, 51}, {"IS", 64, -22}, {"IT", 44, 10},
    {"JE", 49, -2}, {"JM", 18, -77}, {"JO", 32, 36}, {"JP", 35, 138}, {"KE", -1, 37},
    {"KG", 43, 75}, {"KH", 12, 105}, {"KI", 1, 173}, {"KM", -12, 43}, {"KN", 17, -63},
    {"KP", 39, 126}, {"KR", 37, 127}, {"KW", 29, 48}, {"KY", 19, -81}, {"KZ", 43, 77},
    {"LA", 18, 103}, {"LB", 34, 36}, {"LC", 14, -61}, {"LI", 47, 10}, {"LK", 7, 80},
    {"LR", 6, -11}, {"LS", -29, 27}, {"LT", 55, 25}, {"LU", 50, 6}, {"LV", 57, 24},
    {"LY", 33, 13}, {"MA", 33, -7}, {"MC", 44, 7}, {"MD", 47, 29}, {"ME", 42, 19},
    {"MF", 18, -63}, {"MG", -19, 48}, {"MH", 7, 171}, {"MK", 42, 21}, {"ML", 13, -8},
    {"MM", 17, 96}, {"MN", 48, 107}, {"MO", 22, 114}, {"MP", 15, 146}, {"MQ", 15, -61},
    {"MR", 18, -16}, {"MS", 17, -62}, {"MT", 36, 14}, {"MU", -20, 57}, {"MV", 4, 73},
    {"MW", -14, 34}, {"MX", 20, -99}, {"MY", 3, 102}, {"MZ", -26, 33}, {"NA", -23, 17},
    {"NC", -22, 166}, {"NE", 14, 2}, {"NF", -29, 168}, {"NG", 6, 3}, {"NI", 12, -86},
    {"NL", 52, 5}, {"NO", 60, 11}, {"NP", 28, 85}, {"NR", -1, 167}, {"NU", -19, -170},
    {"NZ", -37, 175}, {"OM", 24, 58}, {"PA", 9, -80}, {"PE", -12, -77}, {"PF", -18, -150},
    {"PG", -9, 147}, {"PH", 15, 121}, {"PK", 28, 68}, {"PL", 52, 20}, {"PM", 47, -56},
    {"PN", -25, -130}, {"PR", 18, -66}, {"PS", 32, 35}, {"PT", 39, -9}, {"PW", 7, 134},
    {"PY", -25, -58}, {"QA", 25, 51}, {"RE", -21, 55}, {"RO", 44, 26}, {"RS", 45, 20},
    {"RU", 56, 38}, {"RW", -2, 30}, {"SA", 24, 45}, {"SB", -9, 160}, {"SC", -5, 55},
    {"SD", 16, 33}, {"SE", 59, 18}, {"SG", 1, 104}, {"SH", -16, -6}, {"SI", 46, 15},
    {"SJ", 78, 16}, {"SK", 48, 17}, {"SL", 8, -13}, {"SM", 44, 12}, {"SN", 15, -17},
    {"SO", 2, 45}, {"SR", 6, -55}, {"SS", 5, 32}, {"ST", 0, 7}, {"SV", 14, -89},
    {"SX", 18, -63}, {"SY", 34, 36}, {"SZ", -26, 31}, {"TC", 22, -72}, {"TD", 12, 15},
    {"TF", -49, 70}, {"TG", 6, 1}, {"TH", 14, 101}, {"TJ", 39, 69}, {"TK", -9, -172},
    {"TL", -9, 126}, {"TM", 38, 58}, {"TN", 37, 10}, {"TO", -21, -175}, {"TR", 41, 29},
    {"TT", 11, -61}, {"TV", -9, 179}, {"TW", 25, 121}, {"TZ", -7, 39}, {"UA", 50, 31},
    {"UG", 0, 33}, {"UM", 19, 167}, {"US", 39, -90}, {"UY", -35, -56}, {"UZ", 41, 69},
    {"VA", 42, 12}, {"VC", 13, -61}, {"VE", 10, -67}, {"VG", 18, -65}, {"VI", 18, -65},
    {"VN", 16, 106}, {"VU", -18, 168}, {"WF", -13, -176}, {"WS", -14, -172}, {"YE", 15, 44},
    {"YT", -13, 45}, {"ZA", -26, 28}, {"ZM", -15, 28}, {"ZW", -18, 31},
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

uint64_t geo_rtt_ns(const char *a, const char *b)
{
	const struct place *from, *to;

	if (a[0] == '\0' || b[0] == '\0')
		return MIDDLING_NS;
	from = find(a);
	to = find(b);
	if (from == NULL || to == NULL)
		return MIDDLING_NS;
	return NEAR_NS + (uint64_t)distance_km(from, to) * KM_NS;
}
