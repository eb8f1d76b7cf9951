/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lab-locations FILE: a location database of the lines "NETWORK COUNTRY ASN" of standard input. */
#include <stdlib.h>
#include <string.h>

#include "location_write.h"

enum {
	LINES_MAX = 4096
};

static size_t read_lines(struct location_line *lines)
{
	char text[128];
	size_t n = 0;

	while (fgets(text, sizeof(text), stdin) != NULL) {
		struct location_line *l = &lines[n];

		if (n == LINES_MAX ||
		    sscanf(text, "%63s %2[A-Z0-9] %u", l->network, l->country, &l->asn) != 3) {
			fprintf(stderr, "lab-locations: line %zu: NETWORK COUNTRY ASN\n", n + 1);
			exit(EXIT_FAILURE);
		}
		n++;
	}
	return n;
}

int main(int argc, char **argv)
{
	static struct location_line lines[LINES_MAX];
	const size_t n = read_lines(lines);
	FILE *f = argc == 2 ? fopen(argv[1], "we") : NULL;

	if (f == NULL || location_write(f, lines, n) != 0 || fclose(f) != 0) {
		fprintf(stderr, "lab-locations: cannot write %s\n", argc == 2 ? argv[1] : "FILE");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
