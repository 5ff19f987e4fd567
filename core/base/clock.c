/* SPDX-License-Identifier: MIT
 *
 * Time: CLOCK_MONOTONIC for io, CLOCK_REALTIME for the wall, arithmetic for the rest.
 *
 * Not for several threads at once: reading the market time stores the newest answer. Reading io and
 * wall time stores nothing.
 */
#include "base/clock.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"

#define NS_PER_MS INT64_C(1000000)
#define MS_PER_DAY INT64_C(86400000)
#define ISO_FIRST INT64_C(-62167219200000) /* 0000-01-01T00:00:00.000Z */
#define ISO_LAST INT64_C(253402300799999)  /* 9999-12-31T23:59:59.999Z */

void clock_init(struct clock *c)
{
    memset(c, 0, sizeof *c);
    c->mode = CLOCK_WALL;
    c->market = INT64_MIN;
}

void clock_scale(struct clock *c, int64_t market_ms, double speed)
{
    assert(speed > 0 && isfinite(speed));
    if (c->mode == CLOCK_VIRTUAL)
        return;
    int64_t newest = c->mode == CLOCK_SCALED ? c->market : INT64_MIN;
    c->mode = CLOCK_SCALED;
    c->speed = speed;
    c->anchor_market = market_ms;
    c->anchor_io = clock_io_ns(c);
    c->market = newest > market_ms ? newest : market_ms;
}

void clock_grant(struct clock *c, int64_t market_ms)
{
    if (c->mode == CLOCK_VIRTUAL || (c->mode == CLOCK_GRANTED && c->market > market_ms))
        return;
    c->mode = CLOCK_GRANTED;
    c->market = market_ms;
}

void clock_virtual(struct clock *c, int64_t market_ms, int64_t wall_us)
{
    memset(c, 0, sizeof *c);
    c->mode = CLOCK_VIRTUAL;
    c->market = market_ms;
    c->anchor_market = market_ms;
    c->wall_base = wall_us;
}

void clock_market_set(struct clock *c, int64_t market_ms)
{
    if (clock_runs(c) || market_ms <= c->market)
        return;
    c->market = market_ms;
    if (c->mode == CLOCK_VIRTUAL) {
        c->anchor_market = market_ms;
        c->anchor_io = c->io;
    }
}

void clock_io_advance(struct clock *c, int64_t ns)
{
    if (c->mode == CLOCK_VIRTUAL && ns > 0) {
        c->io += ns;
        c->anchor_io += ns;
    }
}

void clock_advance(struct clock *c, int64_t ns)
{
    if (c->mode == CLOCK_VIRTUAL && ns > 0) {
        c->io += ns;
        c->market = c->anchor_market + (c->io - c->anchor_io) / NS_PER_MS;
    }
}

int64_t clock_io_at(const struct clock *c, int64_t market_ms)
{
    int64_t ns;
    if (c->mode != CLOCK_VIRTUAL)
        return INT64_MAX;
    if (market_ms <= c->market)
        return c->io;
    if (__builtin_sub_overflow(market_ms, c->anchor_market, &ns) ||
        __builtin_mul_overflow(ns, NS_PER_MS, &ns) || __builtin_add_overflow(ns, c->anchor_io, &ns))
        return INT64_MAX;
    return ns;
}

static int64_t kernel_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* What a running market clock shows, before "never back" is applied. */
static int64_t running_ms(const struct clock *c)
{
    if (c->mode == CLOCK_WALL)
        return kernel_ns(CLOCK_REALTIME) / NS_PER_MS;
    double passed = (double)(kernel_ns(CLOCK_MONOTONIC) - c->anchor_io) / (double)NS_PER_MS;
    return c->anchor_market + (int64_t)floor(passed * c->speed);
}

int64_t clock_market_ms(struct clock *c)
{
    if (clock_runs(c)) {
        int64_t now = running_ms(c);
        if (now > c->market)
            c->market = now;
    }
    return c->market;
}

int64_t clock_io_ns(const struct clock *c)
{
    return c->mode == CLOCK_VIRTUAL ? c->io : kernel_ns(CLOCK_MONOTONIC);
}

int64_t clock_wall_us(const struct clock *c)
{
    if (c->mode == CLOCK_VIRTUAL)
        return c->wall_base + c->io / 1000;
    return kernel_ns(CLOCK_REALTIME) / 1000;
}

bool clock_runs(const struct clock *c)
{
    return c->mode == CLOCK_WALL || c->mode == CLOCK_SCALED;
}

int64_t clock_io_ms_until(struct clock *c, int64_t market_ms)
{
    if (clock_market_ms(c) >= market_ms)
        return 0;
    if (!clock_runs(c))
        return -1;
    int64_t left = market_ms - running_ms(c);
    if (left <= 0)
        return 0;
    if (c->mode == CLOCK_WALL)
        return left;
    double wait = ceil((double)left / c->speed);
    return wait < 9e18 ? (int64_t)wait : INT64_MAX;
}

/* Days since 1970-01-01 of a proleptic Gregorian date, counted in years that begin in March, so
 * that the leap day is the last of its year. */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, int *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t d = days - era * 146097;
    int64_t y = (d - d / 1460 + d / 36524 - d / 146096) / 365;
    int64_t of_year = d - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * of_year + 2) / 153;
    *day = (int)(of_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = (int)(y + era * 400 + (*month <= 2));
}

void clock_iso(int64_t market_ms, char *buf)
{
    if (market_ms < ISO_FIRST)
        market_ms = ISO_FIRST;
    if (market_ms > ISO_LAST)
        market_ms = ISO_LAST;
    int64_t days = market_ms / MS_PER_DAY;
    int64_t ms = market_ms % MS_PER_DAY;
    if (ms < 0) {
        ms += MS_PER_DAY;
        days--;
    }
    int year, month, day;
    date_of(days, &year, &month, &day);
    /* The masks tell the compiler what the ranges above guarantee: 24 bytes and a NUL. */
    snprintf(buf, 25, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)year % 10000u,
             (unsigned)month % 100u, (unsigned)day % 100u, (unsigned)(ms / 3600000) % 100u,
             (unsigned)(ms / 60000 % 60), (unsigned)(ms / 1000 % 60), (unsigned)(ms % 1000));
}

/* Reads exactly n digits; -1 if they are not there. */
static int digits(const char **p, int n)
{
    int x = 0;
    for (int i = 0; i < n; i++) {
        char c = (*p)[i];
        if (c < '0' || c > '9')
            return -1;
        x = x * 10 + (c - '0');
    }
    *p += n;
    return x;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "hh:mm[:ss[.fraction]]" in ms; a fraction below a millisecond is cut. -1: bad. */
static int64_t parse_time_of_day(const char **p)
{
    int hour = digits(p, 2);
    if (hour < 0 || hour > 23 || *(*p)++ != ':')
        return -1;
    int minute = digits(p, 2);
    if (minute < 0 || minute > 59)
        return -1;
    int64_t ms = (hour * 60 + minute) * INT64_C(60000);
    if (**p != ':')
        return ms;
    (*p)++;
    int second = digits(p, 2);
    if (second < 0 || second > 59)
        return -1;
    ms += second * 1000;
    if (**p != '.')
        return ms;
    (*p)++;
    if (!is_digit(**p))
        return -1;
    for (int unit = 100; is_digit(**p); (*p)++, unit /= 10)
        ms += (**p - '0') * unit;
    return ms;
}

/* "Z", "+hh:mm", "+hhmm", "+hh" or nothing, up to the end of the text; minutes into *offset. */
static bool parse_zone(const char *p, int *offset)
{
    *offset = 0;
    if (*p == '\0')
        return true;
    if (*p == 'Z' || *p == 'z')
        return p[1] == '\0';
    if (*p != '+' && *p != '-')
        return false;
    int sign = *p++ == '-' ? -1 : 1;
    int hour = digits(&p, 2);
    int minute = 0;
    if (hour < 0 || hour > 23)
        return false;
    if (*p != '\0') {
        if (*p == ':')
            p++;
        minute = digits(&p, 2);
    }
    if (minute < 0 || minute > 59 || *p != '\0')
        return false;
    *offset = sign * (hour * 60 + minute);
    return true;
}

int clock_iso_parse(const char *text, int64_t *market_ms)
{
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const char *p = text;
    int year = digits(&p, 4);
    if (year < 0 || *p++ != '-')
        return ERR_INPUT;
    int month = digits(&p, 2);
    if (month < 1 || month > 12 || *p++ != '-')
        return ERR_INPUT;
    int day = digits(&p, 2);
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day < 1 || day > month_days[month - 1] + (month == 2 && leap))
        return ERR_INPUT;
    int64_t ms = 0;
    int offset = 0;
    if (*p != '\0') {
        if (*p != 'T' && *p != 't' && *p != ' ')
            return ERR_INPUT;
        p++;
        ms = parse_time_of_day(&p);
        if (ms < 0 || !parse_zone(p, &offset))
            return ERR_INPUT;
    }
    *market_ms = days_of(year, month, day) * MS_PER_DAY + ms - offset * INT64_C(60000);
    return 0;
}

static_assert(sizeof(clockid_t) == sizeof(int), "a clock of the kernel's is an int");

int clock_this_thread(struct clock_thread *t)
{
    return pthread_getcpuclockid(pthread_self(), &t->id) == 0 ? 0 : -1;
}

int64_t clock_thread_ns(const struct clock_thread *t)
{
    return kernel_ns(t->id);
}
