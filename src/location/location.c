/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A reader of libloc's format, version 1.  Its own would do, but allocates for each address, and
 * writes beyond its stack when the tree of a spoilt file has a cycle.  Everything is big-endian:
 *
 *	magic "LOCDBXX" 1, created u64, three texts u32, then offset u32 and length u32 of: systems,
 *	networks, tree, countries, texts; signatures
 *	tree: nodes of child for a 0 bit u32, child for a 1 bit u32 (0: none), network u32 (all
 *ones: none), from the first node on by the bits of the address, IPv4 as ::ffff:a.b.c.d network:
 *country 2, 2 unused, system u32, flags u16, 2 unused
 */
#include "location/location.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/xalloc.h"

#define MAGIC      "LOCDBXX\x01"
#define NO_NETWORK UINT32_MAX

enum {
	CREATED_OFF = 8,
	NETWORKS_OFF = 36, /* of their offset and length */
	TREE_OFF = 44,
	HEADER_LEN = 68,
	NODE_LEN = 12,
	NETWORK_LEN = 12,
	ADDRESS_BITS = 128,
	FLAG_ANYCAST = 1 << 2,
};

/* A part of the file: count items. */
struct part {
	const uint8_t *items;
	uint32_t count;
};

struct location_db {
	const uint8_t *file;
	size_t len;
	struct part networks, tree;
	char *path;
};

static bool find_part(const struct location_db *db, size_t at, uint32_t item_len, struct part *out)
{
	const uint32_t offset = get_be32(db->file + at), len = get_be32(db->file + at + 4);

	if ((uint64_t)offset + len > db->len)
		return false;
	*out = (struct part){db->file + offset, len / item_len};
	return true;
}

static int map_file(struct location_db *db, int fd)
{
	struct stat st;
	void *file;

	if (fstat(fd, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < HEADER_LEN)
		return -EINVAL;
	file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (file == MAP_FAILED)
		return -errno;
	db->file = file;
	db->len = (size_t)st.st_size;
	if (memcmp(db->file, MAGIC, CREATED_OFF) != 0 ||
	    !find_part(db, NETWORKS_OFF, NETWORK_LEN, &db->networks) ||
	    !find_part(db, TREE_OFF, NODE_LEN, &db->tree))
		return -EINVAL;
	return 0;
}

/* -ENOENT: it is not there. */
static int open_path(struct location_db *db, const char *path,
		     char error[static LOCATION_ERROR_MAX])
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const int rc = fd < 0 ? -errno : map_file(db, fd);

	if (fd >= 0)
		close(fd);
	db->path = xstrdup(path);
	if (rc == -EINVAL)
		snprintf(error, LOCATION_ERROR_MAX,
			 "%s: no location database, or cut off; install libloc-database anew, or "
			 "run 'location update'",
			 path);
	else if (rc != 0)
		snprintf(error, LOCATION_ERROR_MAX, "location database %s: %s", path,
			 strerror(-rc));
	return rc;
}

int location_open(struct location_db **out, const char *path, char error[static LOCATION_ERROR_MAX])
{
	static const char *const usual[] = {LOCATION_PATH_UPDATED, LOCATION_PATH_PACKAGE};
	const char *const *paths = path != NULL ? &path : usual;
	const size_t count = path != NULL ? 1 : ARRAY_LEN(usual);
	int rc = -ENOENT;

	for (size_t i = 0; i < count && rc == -ENOENT; i++) {
		struct location_db *db = xcalloc(1, sizeof(*db));

		rc = open_path(db, paths[i], error);
		if (rc == 0)
			*out = db;
		else
			location_close(db);
	}
	if (rc == -ENOENT && path == NULL)
		snprintf(error, LOCATION_ERROR_MAX,
			 "there is no location database; Debian's package libloc-database has one");
	return rc;
}

void location_close(struct location_db *db)
{
	if (db == NULL)
		return;
	if (db->file != NULL)
		munmap((void *)(uintptr_t)db->file, db->len);
	free(db->path);
	free(db);
}

/* The network of the longest prefix; NO_NETWORK: none. */
static uint32_t find_network(const struct part *tree, const uint8_t ip[static 16])
{
	uint32_t node = 0, network = NO_NETWORK;

	for (unsigned bit = 0; bit <= ADDRESS_BITS && node < tree->count; bit++) {
		const uint8_t *n = tree->items + (size_t)node * NODE_LEN;
		const uint32_t here = get_be32(n + 8);
		const bool is_one = bit < ADDRESS_BITS && (ip[bit / 8] >> (7 - bit % 8) & 1) != 0;

		if (here != NO_NETWORK)
			network = here;
		node = get_be32(n + (is_one ? 4 : 0));
		if (node == 0)
			break;
	}
	return network;
}

static bool is_letters(const uint8_t code[static 2])
{
	return code[0] >= 'A' && code[0] <= 'Z' && code[1] >= 'A' && code[1] <= 'Z';
}

bool location_find(const struct location_db *db, const uint8_t ip[static 16], struct location *out)
{
	const uint32_t i = find_network(&db->tree, ip);
	const uint8_t *network;

	if (i >= db->networks.count)
		return false;
	network = db->networks.items + (size_t)i * NETWORK_LEN;
	*out = (struct location){.asn = get_be32(network + 4)};
	if (is_letters(network) && (get_be16(network + 8) & FLAG_ANYCAST) == 0)
		memcpy(out->country, network, 2);
	return true;
}

const char *location_path(const struct location_db *db)
{
	return db->path;
}

uint64_t location_created_s(const struct location_db *db)
{
	return (uint64_t)get_be32(db->file + CREATED_OFF) << 32 |
	       get_be32(db->file + CREATED_OFF + 4);
}
