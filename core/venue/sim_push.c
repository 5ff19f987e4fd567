/* SPDX-License-Identifier: MIT
 *
 * Pushes: somebody moved the main symbol's price, for good. All prints after that moment lie higher
 * or lower. They are a part of the market, so that it runs over them again at the next start: each
 * is a line of <data>/sim/pushes ("time points"), written before it has an effect.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "venue/sim_impl.h"

#define MOST_POINTS INT64_C(1000000000)
#define MOST_BYTES (16u << 20)
#define FILE_MODE 0600

static int check(const struct sim *s, int64_t points, struct err *e)
{
    int64_t unit = instrument_price(&s->symbols[0].i, 1).v, sum, raw;
    if (__builtin_add_overflow(s->push_points, points, &sum) || sum < -MOST_POINTS ||
        sum > MOST_POINTS || __builtin_mul_overflow(sum, unit, &raw))
        return err_set(e, ERR_INPUT,
                       "simulator: the price can be pushed by %" PRId64 " points at most in all",
                       MOST_POINTS);
    return 0;
}

static int add(struct sim *s, int64_t time_ms, int64_t points, struct err *e)
{
    int rc = check(s, points, e);
    if (rc != 0)
        return rc;
    struct sim_push *p = sim_list_add(&s->pushes, sizeof *p);
    if (p == NULL)
        return err_set(e, ERR_NOMEM, "simulator: out of memory for a push of the price");
    *p = (struct sim_push){time_ms, points};
    s->push_points += points;
    return 0;
}

/* One line without its end; 0 or ERR_INPUT. */
static int parse(const char *line, size_t n, int64_t *time_ms, int64_t *points)
{
    char text[64], *end;
    if (n >= sizeof text)
        return ERR_INPUT;
    memcpy(text, line, n);
    text[n] = '\0';
    *time_ms = strtoll(text, &end, 10);
    if (end == text || *end != ' ')
        return ERR_INPUT;
    char *number = end + 1;
    *points = strtoll(number, &end, 10);
    return end != number && *end == '\0' ? 0 : ERR_INPUT;
}

static int read_lines(struct sim *s, const struct str *text, const char *path, struct err *e)
{
    size_t at = 0, line = 1;
    int64_t last = INT64_MIN;
    for (; at < text->len; line++) {
        const char *end = memchr(text->p + at, '\n', text->len - at);
        if (end == NULL)
            break; /* torn: it never had an effect */
        int64_t time_ms, points;
        size_t n = (size_t)(end - (text->p + at));
        if (parse(text->p + at, n, &time_ms, &points) != 0 || time_ms < last)
            return err_set(e, ERR_INPUT, "%s:%zu: not a push of the price; repair or remove it",
                           path, line);
        int rc = add(s, time_ms, points, e);
        if (rc != 0)
            return rc;
        last = time_ms;
        at += n + 1;
    }
    return at < text->len ? file_truncate(&s->push_file, (int64_t)at, e) : 0;
}

int sim_pushes_open(struct sim *s, struct err *e)
{
    char path[512];
    struct str text;
    snprintf(path, sizeof path, "%s/pushes", s->dir);
    str_init(&text);
    int rc = file_append_open(&s->push_file, path, FILE_MODE, e);
    if (rc == 0)
        rc = file_read_all(path, &text, MOST_BYTES, e);
    if (rc == 0)
        rc = read_lines(s, &text, path, e);
    str_fini(&text);
    return rc;
}

int64_t sim_pushed(struct sim *s, int64_t price)
{
    int64_t unit = instrument_price(&s->symbols[0].i, 1).v, out;
    while (s->pushes_done < s->pushes.count) {
        const struct sim_push *p = s->pushes.at[s->pushes_done];
        if (p->time_ms >= s->now)
            break;
        s->pushed += p->points * unit; /* cannot overflow: see check */
        s->pushes_done++;
    }
    if (__builtin_add_overflow(price, s->pushed, &out) || out < unit)
        return unit;
    return out;
}

int sim_push(struct sim *s, int64_t points, struct err *e)
{
    char line[64];
    if (s->ended)
        return err_set(e, ERR_STATE, "simulator: the market has ended, its price stands");
    int rc = check(s, points, e);
    if (rc == 0 && s->push_file.fd >= 0) {
        int n = snprintf(line, sizeof line, "%" PRId64 " %" PRId64 "\n", s->now, points);
        rc = file_append(&s->push_file, line, (size_t)n, e);
    }
    return rc == 0 ? add(s, s->now, points, e) : rc;
}
