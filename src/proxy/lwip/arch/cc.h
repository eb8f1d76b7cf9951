/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What lwIP must know of the compiler and the C library. */
#ifndef PROXY_LWIP_CC_H
#define PROXY_LWIP_CC_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#define LWIP_ERRNO_INCLUDE      <errno.h>
#define LWIP_ERRNO_STDINCLUDE   1
#define LWIP_TIMEVAL_PRIVATE    0
#define LWIP_NO_CTYPE_H         0
#define LWIP_PLATFORM_DIAG(x)   ((void)0)
#define LWIP_PLATFORM_ASSERT(x) abort()

unsigned int stack_random(void);
#define LWIP_RAND() stack_random()

#endif
