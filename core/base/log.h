/* SPDX-License-Identifier: MIT
 *
 * Log lines for people and machines: "2026-01-02T03:04:05.678Z INFO exec: text". Secrets that were
 * registered with log_mask are replaced by *** wherever they would appear.
 */
#ifndef PERIGEE_BASE_LOG_H
#define PERIGEE_BASE_LOG_H

#include <stdint.h>
#include <stdio.h>

#include "base/clock.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log;

/* Writes to fd (not owned). clock gives the stamp (wall time) and must outlive the log. NULL when
 * out of memory. */
struct log *log_new(int fd, enum log_level least, const struct clock *clock);
void log_free(struct log *log);
void log_json(struct log *log, int on); /* one JSON object a line instead of text */
/* From now on `secret` (at least 4 bytes, else ignored) is printed as ***. Copies it. */
int log_mask(struct log *log, const char *secret);
void log_unmask(struct log *log, const char *secret);
/* A NULL log is silent. */
void log_write(struct log *log, enum log_level level, const char *component, const char *format,
               ...) __attribute__((format(printf, 4, 5)));
void log_set_level(struct log *log, enum log_level least);
/* How many lines of this level were written so far (tests fail on unexpected errors). */
uint64_t log_count(const struct log *log, enum log_level level);
int log_level_parse(const char *text, enum log_level *out); /* "debug", "info", "warn", "error" */

#endif
