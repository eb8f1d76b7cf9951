/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Location databases of any content, and a few addresses looked for in them. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "location/location.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const int fd = memfd_create("location", MFD_CLOEXEC);
	char error[LOCATION_ERROR_MAX], path[64];
	struct location_db *db;
	struct location out;
	uint8_t ip[16] = {[10] = 0xff, [11] = 0xff, [12] = 5};

	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (location_open(&db, path, error) == 0) {
		for (unsigned i = 0; i < 8; i++) {
			ip[13] = (uint8_t)i;
			(void)location_find(db, ip, &out);
		}
		for (unsigned i = 0; i < 16; i++)
			ip[i] = data[len - 1 - i];
		(void)location_find(db, ip, &out);
		location_close(db);
	}
	close(fd);
	return 0;
}
