/* SPDX-License-Identifier: MIT
 *
 * A growing byte string and the pieces of canonical JSON.
 *
 * Numbers never depend on the locale: doubles are laid out here from their decimal digits.
 */
#include "base/str.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STR_FIRST_CAP 64

void str_init(struct str *s)
{
    memset(s, 0, sizeof *s);
}

void str_fini(struct str *s)
{
    free(s->p);
    memset(s, 0, sizeof *s);
}

void str_clear(struct str *s)
{
    s->len = 0;
    s->failed = false;
    if (s->p)
        s->p[0] = '\0';
}

void str_reserve(struct str *s, size_t more)
{
    if (s->failed)
        return;
    size_t need;
    if (__builtin_add_overflow(s->len, more, &need) || __builtin_add_overflow(need, 1, &need)) {
        s->failed = true;
        return;
    }
    if (need <= s->cap)
        return;
    size_t cap = s->cap ? s->cap : STR_FIRST_CAP;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    char *p = realloc(s->p, cap);
    if (!p) {
        s->failed = true;
        return;
    }
    s->p = p;
    s->cap = cap;
    s->p[s->len] = '\0';
}

void str_add(struct str *s, const void *bytes, size_t n)
{
    str_reserve(s, n);
    if (s->failed)
        return;
    if (n > 0)
        memcpy(s->p + s->len, bytes, n);
    s->len += n;
    s->p[s->len] = '\0';
}

void str_addz(struct str *s, const char *text)
{
    str_add(s, text, strlen(text));
}

void str_addc(struct str *s, char c)
{
    str_add(s, &c, 1);
}

void str_addf(struct str *s, const char *format, ...)
{
    va_list ap, again;
    va_start(ap, format);
    va_copy(again, ap);
    size_t room = s->failed ? 0 : s->cap - s->len;
    int n = vsnprintf(room ? s->p + s->len : NULL, room, format, ap);
    va_end(ap);
    if (n < 0)
        s->failed = true;
    if (n >= 0 && (size_t)n >= room) {
        str_reserve(s, (size_t)n);
        if (!s->failed)
            vsnprintf(s->p + s->len, (size_t)n + 1, format, again);
    }
    va_end(again);
    if (!s->failed)
        s->len += (size_t)n;
    else if (s->p)
        s->p[s->len] = '\0';
}

void str_drop(struct str *s, size_t n)
{
    if (n == 0)
        return;
    if (n >= s->len) {
        s->len = 0;
    } else {
        memmove(s->p, s->p + n, s->len - n);
        s->len -= n;
    }
    if (s->p)
        s->p[s->len] = '\0';
}

/* Length of the well-formed UTF-8 character at p (Unicode table 3-7), or 0, with *bad the bytes to
 * replace by one U+FFFD. */
static size_t utf8_length(const unsigned char *p, size_t n, size_t *bad)
{
    *bad = 1;
    unsigned char c = p[0];
    if (c < 0x80)
        return 1;
    size_t want = c >= 0xc2 && c <= 0xdf   ? 2
                  : (c & 0xf0) == 0xe0     ? 3
                  : c >= 0xf0 && c <= 0xf4 ? 4
                                           : 0;
    if (want == 0)
        return 0;
    unsigned char low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    unsigned char high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    for (size_t i = 1; i < want; i++) {
        if (i >= n || p[i] < low || p[i] > high) {
            *bad = i;
            return 0;
        }
        low = 0x80;
        high = 0xbf;
    }
    return want;
}

static void json_escape(struct str *s, unsigned char c)
{
    switch (c) {
    case '"':
        str_add(s, "\\\"", 2);
        return;
    case '\\':
        str_add(s, "\\\\", 2);
        return;
    case '\b':
        str_add(s, "\\b", 2);
        return;
    case '\f':
        str_add(s, "\\f", 2);
        return;
    case '\n':
        str_add(s, "\\n", 2);
        return;
    case '\r':
        str_add(s, "\\r", 2);
        return;
    case '\t':
        str_add(s, "\\t", 2);
        return;
    default:
        str_addf(s, "\\u%04x", c);
        return;
    }
}

void str_json_string(struct str *s, const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t from = 0; /* start of what needs no change */
    str_addc(s, '"');
    for (size_t i = 0; i < n;) {
        size_t bad;
        size_t length = utf8_length(p + i, n - i, &bad);
        if (length > 0 && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\') {
            i += length;
            continue;
        }
        str_add(s, text + from, i - from);
        if (length > 0)
            json_escape(s, p[i]);
        else
            str_add(s, "\xef\xbf\xbd", 3);
        i += length > 0 ? 1 : bad;
        from = i;
    }
    if (n > from)
        str_add(s, text + from, n - from);
    str_addc(s, '"');
}

/* Decimal digits of |x| without trailing zeros: |x| = 0.d1d2... * 10^*point. The fewest of 15, 16,
 * 17 that read back. Both conversions use the same locale, so its decimal point cancels out. */
static size_t double_digits(double x, char out[18], int *point)
{
    char text[40];
    for (int precision = 14; precision <= 16; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, x);
        if (strtod(text, NULL) == x)
            break;
    }
    char *exponent = strchr(text, 'e');
    size_t n = 0;
    for (const char *p = text; p < exponent; p++) {
        if (*p >= '0' && *p <= '9' && n < 17)
            out[n++] = *p;
    }
    *point = (int)strtol(exponent + 1, NULL, 10) + 1;
    while (n > 1 && out[n - 1] == '0')
        n--;
    out[n] = '\0';
    return n;
}

static void add_zeros(struct str *s, int n)
{
    for (int i = 0; i < n; i++)
        str_addc(s, '0');
}

void str_json_double(struct str *s, double x)
{
    if (!isfinite(x)) {
        str_addz(s, "null");
        return;
    }
    if (x == 0) {
        str_addc(s, '0');
        return;
    }
    if (x < 0)
        str_addc(s, '-');
    x = fabs(x);
    char d[18];
    int point;
    int n = (int)double_digits(x, d, &point);
    if (x < 1e-7 || x > 1e15) {
        str_addc(s, d[0]);
        if (n > 1) {
            str_addc(s, '.');
            str_add(s, d + 1, (size_t)n - 1);
        }
        str_addf(s, "e%d", point - 1);
    } else if (point <= 0) {
        str_addz(s, "0.");
        add_zeros(s, -point);
        str_add(s, d, (size_t)n);
    } else if (n <= point) {
        str_add(s, d, (size_t)n);
        add_zeros(s, point - n);
    } else {
        str_add(s, d, (size_t)point);
        str_addc(s, '.');
        str_add(s, d + point, (size_t)(n - point));
    }
}

void str_json_decimal(struct str *s, decimal d)
{
    char buf[DECIMAL_BUF];
    str_add(s, buf, decimal_format(d, buf));
}

void str_json_int(struct str *s, int64_t i)
{
    str_addf(s, "%lld", (long long)i);
}
