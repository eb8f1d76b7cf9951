/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the files behind safety.h. */
#ifndef APP_SAFETY_INT_H
#define APP_SAFETY_INT_H

#include "app/safety.h"

/* safety_profile(s): that the kill switch goes by; never NULL. */
const struct config_profile *safety_profile(const struct safety *s);

/* safety_forget_change(s): our own change of the table is no news. */
void safety_forget_change(struct safety *s);

#endif
