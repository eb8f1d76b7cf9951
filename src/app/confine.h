/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the daemon gives up before it listens to anybody. */
#ifndef APP_CONFINE_H
#define APP_CONFINE_H

#include "util/bytes.h"

/*
 * confine(): for this process and all threads it starts, for good: no capabilities but those for
 * the network's configuration, no new ones, and none of the kernel's doors to other programs.
 * 0, or a negative errno with *what naming the step.
 */
MUST_USE int confine(const char **what);

#endif
