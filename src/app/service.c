/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/service.h"

#include "util/now.h"

#include <inttypes.h>
#include <systemd/sd-daemon.h>

void service_ready(void)
{
	(void)sd_notify(0, "READY=1");
}

void service_reloading(void)
{
	(void)sd_notify(0, "RELOADING=1");
}

void service_stopping(void)
{
	(void)sd_notify(0, "STOPPING=1");
}

uint64_t service_alive_period_ns(void)
{
	uint64_t us;

	/* Twice as often as it must be, as its manual asks. */
	return sd_watchdog_enabled(0, &us) > 0 ? us * NS_PER_US / 2 : NEVER;
}

void service_alive(void)
{
	(void)sd_notify(0, "WATCHDOG=1");
}
