/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a service manager is told, if one started us (sd_notify(3)). */
#ifndef APP_SERVICE_H
#define APP_SERVICE_H

#include <stdint.h>

void service_ready(void);
void service_reloading(void); /* service_ready follows */
void service_stopping(void);

/* service_alive_period_ns: how often it wants to hear service_alive; NEVER: it does not. */
uint64_t service_alive_period_ns(void);
void service_alive(void);

#endif
