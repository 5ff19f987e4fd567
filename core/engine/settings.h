/* SPDX-License-Identifier: MIT
 *
 * The effective configuration as C sees it: flat "section.key" -> text. What keys there are, their
 * ranges, defaults and where a value came from is policy (lua/perigee/config.lua).
 */
#ifndef PERIGEE_ENGINE_SETTINGS_H
#define PERIGEE_ENGINE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "script/host.h"

struct settings;

/* Resolves defaults < file < environment < overrides ("section.key=value"). file NULL: perigee.lua
 * of the current folder if there is one. ERR_INPUT with one sentence. */
int settings_load(struct settings **out, struct host *h, const char *file,
                  const char *const *overrides, size_t count, struct err *e);
void settings_free(struct settings *s);
/* The values below are checked by the policy; an absent key gives the fallback. */
const char *settings_text(const struct settings *s, const char *key, const char *fallback);
int64_t settings_int(const struct settings *s, const char *key, int64_t fallback);

#endif
