/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A location database made to order. */
#ifndef LAB_LOCATION_WRITE_H
#define LAB_LOCATION_WRITE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct location_line {
	char network[64];
	char country[3]; /* "A1" or the like for none */
	uint32_t asn;    /* 0: none */
};

/* location_write(f, lines, n): 0 or -errno. */
int location_write(FILE *f, const struct location_line *lines, size_t n);

#endif
