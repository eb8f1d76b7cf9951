/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/geo.h"

#include "mesh/region.h"
#include "tests/lib/test.h"
#include "util/bytes.h"
#include "util/now.h"

/* Cities near their country's edge, and how far it is between them. */
static void test_no_city_lies_outside(void)
{
	static const struct {
		const char *a, *b;
		uint32_t km;
	} pairs[] = {
	    {"DE", "PL", 85},                      /* Goerlitz, Jelenia Gora is further */
	    {"FR", "GB", 34},                      /* Calais, Dover */
	    {"ES", "MA", 14},                      /* Tarifa, Tangier */
	    {"ES", "EH", 95},                      /* Fuerteventura, Tarfaya's south */
	    {"PT", "CA", 2250},                    /* Flores, St. John's */
	    {"US", "JP", 2500},                    /* Attu, Wakkanai */
	    {"US", "RU", 85},                      /* Wales, Uelen */
	    {"US", "NZ", 6900},                    /* Honolulu, Kerikeri */
	    {"US", "BS", 85},                      /* Miami, Bimini */
	    {"US", "MX", 1},                       /* El Paso, Juarez */
	    {"JP", "TW", 110},                     /* Yonaguni, Yilan */
	    {"JP", "RU", 43},                      /* Wakkanai, Sakhalin */
	    {"AU", "ID", 410},                     /* Darwin's north, Saumlaki */
	    {"AU", "PG", 150},                     /* Bamaga, Daru */
	    {"CL", "PF", 2600},                    /* Easter Island, Mangareva */
	    {"SG", "MY", 1},    {"GB", "FO", 300}, /* Unst, Suduroy */
	    {"NO", "FI", 1},    {"BR", "CO", 1},   /* Tabatinga, Leticia */
	    {"BR", "GF", 1},                       /* Oiapoque */
	    {"EC", "CR", 800},                     /* Galapagos, Cocos Island */
	    {"IN", "MM", 40},                      /* Andamans, Coco Islands */
	    {"CN", "KZ", 1},    {"CA", "GL", 26},  /* Ellesmere */
	    {"RU", "NO", 1},    {"ZA", "MZ", 1},
	};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		const uint32_t least = geo_least_km(pairs[i].a, pairs[i].b);

		if (least > pairs[i].km)
			printf("# %s %s: at least %u km\n", pairs[i].a, pairs[i].b, least);
		CHECK(least <= pairs[i].km);
		CHECK_INT(least, geo_least_km(pairs[i].b, pairs[i].a));
	}
}

/* And yet the circles tell continents apart. */
static void test_far_is_far(void)
{
	CHECK(geo_least_km("DE", "JP") > 6000);
	CHECK(geo_least_km("DE", "US") > 3000);
	CHECK(geo_least_km("NL", "SG") > 9000);
	CHECK(geo_least_km("FR", "BR") > 3500);
	CHECK(geo_least_km("GB", "AU") > 11000);
	CHECK_INT(geo_least_km("DE", "DE"), 0);
}

static void test_unknown_is_near(void)
{
	CHECK_INT(geo_least_km("", "JP"), 0);
	CHECK_INT(geo_least_km("XX", "JP"), 0);
	CHECK_INT(geo_km("XX", "JP"), UINT32_MAX);
	CHECK(geo_km("DE", "NL") < 600);
	CHECK(geo_rtt_ns("DE", "XX") == geo_rtt_ns("", ""));
}

static void test_light(void)
{
	CHECK_INT(geo_light_km(0), 1);
	CHECK_INT(geo_light_km(5 * NS_PER_MS), 750);
	CHECK_INT(geo_light_km(100 * NS_PER_MS), 14990);
}

static void test_regions(void)
{
	enum region r;

	CHECK_INT(region_of("US"), REGION_NORTH_AMERICA);
	CHECK_INT(region_of("CA"), REGION_NORTH_AMERICA);
	for (const char *c = "GBDENLFR"; *c != '\0'; c += 2)
		CHECK_INT(region_of(c), REGION_EUROPE);
	for (const char *c = "SGJPHK"; *c != '\0'; c += 2)
		CHECK_INT(region_of(c), REGION_ASIA);
	CHECK_INT(region_of("AU"), REGION_OCEANIA);
	CHECK_INT(region_of("BR"), REGION_SOUTH_AMERICA);
	CHECK_INT(region_of("XX"), REGION_COUNT);
	for (unsigned i = 0; i < REGION_COUNT; i++) {
		CHECK(region_parse(&r, region_name((enum region)i)));
		CHECK_INT(r, i);
	}
	CHECK(region_parse(&r, "North-America"));
	CHECK_INT(r, REGION_NORTH_AMERICA);
	CHECK(!region_parse(&r, ""));
	CHECK(!region_parse(&r, "europ"));
	CHECK(!region_parse(&r, "DE"));
}

int main(void)
{
	RUN(test_no_city_lies_outside);
	RUN(test_far_is_far);
	RUN(test_unknown_is_near);
	RUN(test_light);
	RUN(test_regions);
	return test_done();
}
