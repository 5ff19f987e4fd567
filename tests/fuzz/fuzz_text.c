/* SPDX-License-Identifier: MIT
 *
 * libFuzzer target: numbers and times as text. What parses must mean what strtold and the calendar
 * say, and survive being written and read again.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/decimal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* z is the same text with a NUL behind it. */
static void try_decimal(const char *text, size_t n, const char *z)
{
    decimal d, again;
    char buf[DECIMAL_BUF];
    if (decimal_parse(text, n, &d) != 0)
        return;
    /* 64 bits of mantissa: exact but for the roundings of the product. */
    char *end;
    long double other = strtold(z, &end) * DECIMAL_ONE;
    if (end != z + n || fabsl(other - (long double)d.v) > 2.0L)
        abort();
    size_t len = decimal_format(d, buf);
    if (len >= sizeof buf || decimal_parse(buf, len, &again) != 0 || again.v != d.v)
        abort();
    len = decimal_format_fixed(d, DECIMAL_PLACES, buf);
    if (len >= sizeof buf || decimal_parse(buf, len, &again) != 0 || again.v != d.v)
        abort();
}

/* The same by other means, but for the zone: that is left in the answer unless it is Z. */
static int64_t zone_of(const char *z, int64_t ms)
{
    struct tm tm = {0};
    int fraction = 0;
    if (sscanf(z, "%4d-%2d-%2d%*c%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec) == 6 &&
        z[19] == '.')
        for (int k = 20, unit = 100; z[k] >= '0' && z[k] <= '9'; k++, unit /= 10)
            fraction += (z[k] - '0') * unit;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return ms - (int64_t)timegm(&tm) * 1000 - fraction;
}

static void try_time(const char *z)
{
    int64_t ms, again, first, last;
    char buf[25];
    if (clock_iso_parse(z, &ms) != 0)
        return;
    int64_t zone = zone_of(z, ms);
    bool utc = strlen(z) == 10 || z[strlen(z) - 1] == 'Z';
    if (utc ? zone != 0 : zone % 60000 != 0 || llabs(zone) >= 86400000)
        abort();
    if (clock_iso_parse("0000-01-01", &first) != 0 ||
        clock_iso_parse("9999-12-31T23:59:59.999Z", &last) != 0)
        abort();
    clock_iso(ms, buf);
    if (strlen(buf) != 24 || clock_iso_parse(buf, &again) != 0)
        abort();
    /* A zone may lead out of the four-digit years, whose ends are then what is written. */
    if (again != (ms < first ? first : ms > last ? last : ms))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *z = malloc(n + 1);
    if (z == NULL)
        return 0;
    if (n > 0)
        memcpy(z, data, n);
    z[n] = '\0';
    try_decimal((const char *)data, n, z);
    try_time(z);
    free(z);
    return 0;
}
