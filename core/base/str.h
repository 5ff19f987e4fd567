/* SPDX-License-Identifier: MIT
 *
 * A growing byte string. p is always NUL-terminated once anything was appended. A failed allocation
 * sets `failed` and makes later appends do nothing, so a writer checks once, at the end.
 */
#ifndef PERIGEE_BASE_STR_H
#define PERIGEE_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/decimal.h"

struct str {
    char *p;     /* bytes, owned */
    size_t len;  /* bytes in use, without the NUL */
    size_t cap;  /* bytes allocated */
    bool failed; /* an append ran out of memory */
};

void str_init(struct str *s);
void str_fini(struct str *s);
void str_clear(struct str *s); /* keeps the memory */
void str_reserve(struct str *s, size_t more);
void str_add(struct str *s, const void *bytes, size_t n);
void str_addz(struct str *s, const char *text);
void str_addc(struct str *s, char c);
void str_addf(struct str *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void str_drop(struct str *s, size_t n); /* removes the first n bytes */

/* Canonical JSON pieces: no locale, no exponent where none is needed, the same bytes every time. */
void str_json_string(struct str *s, const char *text, size_t n); /* quoted; bad UTF-8 -> U+FFFD */
void str_json_double(struct str *s, double x);   /* shortest that reads back; NaN and inf: null */
void str_json_decimal(struct str *s, decimal d); /* a bare number: 0.01 */
void str_json_int(struct str *s, int64_t i);

#endif
