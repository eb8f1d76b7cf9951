/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "location/location.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "location_write.h"
#include "tests/lib/test.h"
#include "util/endpoint.h"

static const struct location_line lines[] = {
    {"5.1.0.0/16", "DE", 64501}, {"5.2.0.0/16", "NL", 64502},  {"5.2.7.0/24", "JP", 64503},
    {"5.3.0.0/16", "FR", 0},     {"2a00:1::/32", "DE", 64501}, {"2a00:2::/32", "US", 4200000000},
};

static char path[] = "/tmp/test-location-XXXXXX";

static void make(void)
{
	FILE *f = fopen(path, "w");

	NEED(f != NULL);
	CHECK_INT(location_write(f, lines, ARRAY_LEN(lines)), 0);
	fclose(f);
}

static struct location find(struct location_db *db, const char *text)
{
	struct location out = {.country = "--"};
	uint8_t ip[16];

	CHECK_INT(endpoint_ip_parse(ip, text), 0);
	if (!location_find(db, ip, &out))
		snprintf(out.country, sizeof(out.country), "??");
	return out;
}

static void test_finds_the_closest_network(void)
{
	static const struct {
		const char *ip, *country;
		uint32_t asn;
	} want[] = {
	    {"5.1.0.2", "DE", 64501},
	    {"5.1.255.255", "DE", 64501},
	    {"5.2.0.1", "NL", 64502},
	    {"5.2.7.9", "JP", 64503},
	    {"5.3.1.1", "FR", 0},
	    {"2a00:1::2", "DE", 64501},
	    {"2a00:2:ffff::2", "US", 4200000000},
	};
	char error[LOCATION_ERROR_MAX];
	struct location_db *db;

	NEED(location_open(&db, path, error) == 0);
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		const struct location l = find(db, want[i].ip);

		CHECK(strcmp(l.country, want[i].country) == 0);
		CHECK_INT(l.asn, want[i].asn);
	}
	CHECK(strcmp(find(db, "9.9.9.9").country, "??") == 0);
	CHECK(strcmp(find(db, "::1").country, "??") == 0);
	CHECK(strcmp(location_path(db), path) == 0);
	CHECK(location_created_s(db) > 1600000000);
	location_close(db);
}

static void test_what_is_not_there(void)
{
	char error[LOCATION_ERROR_MAX] = "";
	struct location_db *db;

	CHECK_INT(location_open(&db, "/nonexistent/location.db", error), -ENOENT);
	CHECK(strstr(error, "/nonexistent/location.db") != NULL);
	CHECK_INT(location_open(&db, "/tmp", error), -EINVAL);
	location_close(NULL);
}

/* At any place but the padding behind its last part. */
static void test_cut_off(void)
{
	char error[LOCATION_ERROR_MAX];
	struct location_db *db;
	struct stat st;
	int refused = 0, opened = 0;

	NEED(stat(path, &st) == 0);
	for (off_t len = 0; len < st.st_size; len += len < 6000 ? 97 : 997) {
		NEED(truncate(path, len) == 0);
		if (location_open(&db, path, error) == 0) {
			opened++;
			find(db, "5.2.7.9");
			find(db, "2a00:2::2");
			location_close(db);
		} else {
			refused++;
		}
		make();
	}
	CHECK(refused > 60);
	CHECK(opened < refused);
}

/* The one that Debian packages, where it is installed: some networks that have been where they are
 * for decades. */
static void test_the_package(void)
{
	char error[LOCATION_ERROR_MAX];
	struct location_db *db;

	if (location_open(&db, LOCATION_PATH_PACKAGE, error) != 0) {
		printf("# %s\n", error);
		return;
	}
	CHECK(strcmp(find(db, "130.149.1.1").country, "DE") == 0); /* TU Berlin */
	CHECK(strcmp(find(db, "133.11.1.1").country, "JP") == 0);  /* University of Tokyo */
	CHECK_INT(find(db, "18.9.22.69").asn, 3);                  /* MIT */
	CHECK(strcmp(find(db, "2001:638::1").country, "DE") == 0); /* DFN */
	CHECK(find(db, "1.1.1.1").country[0] == '\0');             /* anycast */
	location_close(db);
}

int main(void)
{
	close(mkstemp(path));
	make();
	RUN(test_finds_the_closest_network);
	RUN(test_what_is_not_there);
	RUN(test_cut_off);
	RUN(test_the_package);
	unlink(path);
	return test_done();
}
