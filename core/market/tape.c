/* SPDX-License-Identifier: MIT
 *
 * Reads a data file whole (gzopen takes plain and compressed alike), checks every line of it, and
 * keeps the bars. Columns that are not asked for are skipped; quoted cells are not supported.
 *
 * Limits: 2 GiB of text, TAPE_COLUMNS columns.
 */
#include "market/tape.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "base/clock.h"

#define TAPE_MAX_BYTES (INT64_C(2) << 30)
#define TAPE_COLUMNS 64
#define TAPE_CHUNK (1u << 20)

enum column { COL_TIME, COL_OPEN, COL_HIGH, COL_LOW, COL_CLOSE, COL_VOLUME, COL_COUNT };

static const char *const column_names[COL_COUNT] = {"timestamp", "open",  "high",
                                                    "low",       "close", "volume"};

struct cell {
    const char *p; /* not NUL-terminated */
    size_t n;
};

struct reader {
    const char *path; /* as opened */
    const char *name; /* as shown: the end of it when it is long, so that the reason is not cut */
    char *text;       /* owned: the whole content */
    size_t length;    /* bytes of text */
    size_t at;        /* of the next line */
    size_t line;      /* number of the line in hand, from 1 */
    size_t columns;   /* of the header */
    size_t where[COL_COUNT]; /* column of each name in the header */
    struct err *e;
};

#define fail(r, ...) fail_at(r, (r)->line, __VA_ARGS__)

static int fail_at(const struct reader *r, size_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail_at(const struct reader *r, size_t line, const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return err_set(r->e, ERR_INPUT, "%s:%zu: %s", r->name, line, text);
}

/* --- the content */

static int grow(struct reader *r, size_t *cap)
{
    size_t grown = *cap == 0 ? TAPE_CHUNK : *cap * 2;
    char *moved = realloc(r->text, grown);
    if (moved == NULL)
        return err_set(r->e, ERR_NOMEM, "%s: out of memory for %zu bytes", r->name, grown);
    r->text = moved;
    *cap = grown;
    return 0;
}

static int read_stream(struct reader *r, gzFile f)
{
    size_t cap = 0;
    for (;;) {
        if (r->length == cap && grow(r, &cap) != 0)
            return ERR_NOMEM;
        size_t room = cap - r->length;
        int got = gzread(f, r->text + r->length, room < TAPE_CHUNK ? (unsigned)room : TAPE_CHUNK);
        if (got < 0) {
            int code;
            const char *why = gzerror(f, &code);
            return code == Z_ERRNO
                       ? err_set_errno(r->e, ERR_INPUT, errno, "cannot read %s", r->name)
                       : err_set(r->e, ERR_INPUT, "%s: damaged: %s", r->name, why);
        }
        if (got == 0)
            return 0;
        r->length += (size_t)got;
        if (r->length > TAPE_MAX_BYTES)
            return err_set(r->e, ERR_INPUT, "%s: more than 2 GiB of text; split it", r->name);
    }
}

static int read_all(struct reader *r)
{
    gzFile f = gzopen(r->path, "rb");
    if (f == NULL)
        return err_set_errno(r->e, ERR_INPUT, errno, "cannot open %s", r->name);
    int rc = read_stream(r, f);
    /* A file that was cut inside a compressed block is noticed only here. */
    int end = gzclose_r(f);
    if (rc == 0 && end != Z_OK)
        return err_set(r->e, ERR_INPUT, "%s: damaged: the file ends too early", r->name);
    if (rc == 0 && memchr(r->text, '\0', r->length) != NULL)
        return err_set(r->e, ERR_INPUT, "%s: not a text file (it holds NUL bytes)", r->name);
    return rc;
}

/* FNV-1a, 64 bits. */
static void hash_content(const char *text, size_t n, char *hex)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++) {
        hash ^= (unsigned char)text[i];
        hash *= UINT64_C(0x100000001b3);
    }
    snprintf(hex, 17, "%016" PRIx64, hash);
}

/* --- lines and cells */

/* The next line without its end; false at the end of the text. */
static bool next_line(struct reader *r, struct cell *line)
{
    if (r->at >= r->length)
        return false;
    const char *start = r->text + r->at;
    const char *end = memchr(start, '\n', r->length - r->at);
    size_t n = end == NULL ? r->length - r->at : (size_t)(end - start);
    r->at += end == NULL ? n : n + 1;
    r->line++;
    if (n > 0 && start[n - 1] == '\r')
        n--;
    *line = (struct cell){start, n};
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct cell trimmed(const char *p, size_t n)
{
    while (n > 0 && is_blank(p[0])) {
        p++;
        n--;
    }
    while (n > 0 && is_blank(p[n - 1]))
        n--;
    return (struct cell){p, n};
}

/* Cuts a line at its commas; the count may exceed TAPE_COLUMNS, the cells do not. */
static size_t cut(struct cell line, struct cell *cells)
{
    size_t count = 0;
    size_t from = 0;
    for (size_t i = 0; i <= line.n; i++) {
        if (i < line.n && line.p[i] != ',')
            continue;
        if (count < TAPE_COLUMNS)
            cells[count] = trimmed(line.p + from, i - from);
        count++;
        from = i + 1;
    }
    return count;
}

static int column_of(struct cell c)
{
    for (int i = 0; i < COL_COUNT; i++) {
        if (c.n == strlen(column_names[i]) && strncasecmp(c.p, column_names[i], c.n) == 0)
            return i;
    }
    return -1;
}

static int read_header(struct reader *r)
{
    struct cell line;
    struct cell cells[TAPE_COLUMNS];
    if (r->length >= 3 && memcmp(r->text, "\xef\xbb\xbf", 3) == 0)
        r->at = 3;
    if (!next_line(r, &line))
        return fail_at(r, 1, "the file is empty");
    r->columns = cut(line, cells);
    if (r->columns > TAPE_COLUMNS)
        return fail(r, "%zu columns; at most %d", r->columns, TAPE_COLUMNS);
    for (int i = 0; i < COL_COUNT; i++)
        r->where[i] = SIZE_MAX;
    for (size_t i = 0; i < r->columns; i++) {
        int column = column_of(cells[i]);
        if (column < 0)
            continue;
        if (r->where[column] != SIZE_MAX)
            return fail(r, "column '%s' is there twice", column_names[column]);
        r->where[column] = i;
    }
    for (int i = 0; i < COL_COUNT; i++) {
        if (r->where[i] == SIZE_MAX)
            return fail(r,
                        "the header has no column '%s'; it needs timestamp, open, high, low, "
                        "close, volume",
                        column_names[i]);
    }
    return 0;
}

/* Shown in messages: never more than this of a cell. */
#define SHOWN(c) (int)((c).n < 40 ? (c).n : 40), (c).p

/* Recorded volumes carry the noise of binary sums ("218102.59507500002"): what is beyond 8 places
 * is rounded to nearest. Prices have none and are taken as they stand. */
static int parse_volume(struct cell c, decimal *out)
{
    const char *point = memchr(c.p, '.', c.n);
    size_t kept = point == NULL ? c.n : (size_t)(point - c.p) + 1 + DECIMAL_PLACES;
    if (kept >= c.n)
        return decimal_parse(c.p, c.n, out);
    for (size_t i = kept; i < c.n; i++) {
        if (c.p[i] < '0' || c.p[i] > '9')
            return ERR_INPUT;
    }
    int rc = decimal_parse(c.p, kept, out);
    if (rc != 0 || c.p[kept] < '5')
        return rc;
    return decimal_add(*out, (decimal){c.p[0] == '-' ? -1 : 1}, out);
}

static int parse_number(const struct reader *r, enum column column, struct cell c, decimal *out)
{
    int rc = column == COL_VOLUME ? parse_volume(c, out) : decimal_parse(c.p, c.n, out);
    if (rc == ERR_OVERFLOW)
        return fail(r, "%s '%.*s' is out of range", column_names[column], SHOWN(c));
    if (rc != 0)
        return fail(r, "%s '%.*s' is not a decimal number%s", column_names[column], SHOWN(c),
                    column == COL_VOLUME ? "" : " of at most 8 places");
    return 0;
}

/* Digits alone: seconds (9 to 11 digits) or milliseconds (12 to 14) since 1970. */
static bool parse_epoch(struct cell c, int64_t *ms)
{
    if (c.n < 9 || c.n > 14)
        return false;
    int64_t value = 0;
    for (size_t i = 0; i < c.n; i++) {
        if (c.p[i] < '0' || c.p[i] > '9')
            return false;
        value = value * 10 + (c.p[i] - '0');
    }
    *ms = c.n <= 11 ? value * 1000 : value;
    return true;
}

static int parse_time(const struct reader *r, struct cell c, int64_t *ms)
{
    char text[48];
    if (parse_epoch(c, ms))
        return 0;
    if (c.n < sizeof text) {
        memcpy(text, c.p, c.n);
        text[c.n] = '\0';
        if (clock_iso_parse(text, ms) == 0)
            return 0;
    }
    return fail(r, "timestamp '%.*s' is neither ISO-8601 nor epoch seconds or milliseconds",
                SHOWN(c));
}

static int check_bar(const struct reader *r, const struct tape_bar *b)
{
    if (b->low.v <= 0)
        return fail(r, "a price is not above 0");
    if (b->low.v > b->high.v)
        return fail(r, "low is above high");
    if (b->open.v < b->low.v || b->open.v > b->high.v)
        return fail(r, "open is outside low and high");
    if (b->close.v < b->low.v || b->close.v > b->high.v)
        return fail(r, "close is outside low and high");
    if (b->volume.v < 0)
        return fail(r, "volume is negative");
    return 0;
}

static int parse_bar(const struct reader *r, struct cell line, struct tape_bar *b)
{
    struct cell cells[TAPE_COLUMNS];
    size_t count = cut(line, cells);
    if (count != r->columns)
        return fail(r, "%zu fields; the header has %zu", count, r->columns);
    decimal *fields[COL_COUNT] = {NULL, &b->open, &b->high, &b->low, &b->close, &b->volume};
    int rc = parse_time(r, cells[r->where[COL_TIME]], &b->open_ms);
    for (int i = COL_OPEN; i < COL_COUNT && rc == 0; i++)
        rc = parse_number(r, (enum column)i, cells[r->where[i]], fields[i]);
    return rc != 0 ? rc : check_bar(r, b);
}

/* Blank lines are allowed at the end of the file only. */
static int only_blank_lines_follow(struct reader *r)
{
    size_t blank = r->line;
    struct cell line;
    while (next_line(r, &line)) {
        if (trimmed(line.p, line.n).n > 0)
            return fail_at(r, blank, "an empty line");
    }
    return 0;
}

static int add_bar(struct tape *t, size_t *cap, const struct tape_bar *b, const struct reader *r)
{
    if (t->count == *cap) {
        size_t grown = *cap == 0 ? 4096 : *cap * 2;
        struct tape_bar *moved = realloc(t->bars, grown * sizeof *moved);
        if (moved == NULL)
            return err_set(r->e, ERR_NOMEM, "%s: out of memory for %zu bars", r->name, grown);
        t->bars = moved;
        *cap = grown;
    }
    t->bars[t->count++] = *b;
    return 0;
}

/* Bar i stands on line i + 2: there is nothing but bars after the header. */
static int read_bars(struct tape *t, struct reader *r)
{
    struct cell line;
    size_t cap = 0;
    while (next_line(r, &line)) {
        if (trimmed(line.p, line.n).n == 0)
            return only_blank_lines_follow(r);
        struct tape_bar b;
        int rc = parse_bar(r, line, &b);
        if (rc == 0 && t->count > 0 && b.open_ms <= t->bars[t->count - 1].open_ms)
            rc = fail(r, "timestamp is not later than that of the line before");
        if (rc == 0)
            rc = add_bar(t, &cap, &b, r);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* --- the timeframe */

static int compare_int64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The most frequent distance; of equally frequent ones the shortest. distances is sorted. */
static int64_t most_frequent(const int64_t *distances, size_t n)
{
    int64_t best = distances[0];
    size_t best_run = 0;
    size_t run = 0;
    for (size_t i = 0; i < n; i++) {
        run = i > 0 && distances[i] == distances[i - 1] ? run + 1 : 1;
        if (run > best_run) {
            best_run = run;
            best = distances[i];
        }
    }
    return best;
}

static int find_timeframe(struct tape *t, const struct reader *r)
{
    if (t->count < 2)
        return fail_at(r, r->line, "%zu bars; a tape needs at least 2", t->count);
    size_t n = t->count - 1;
    int64_t *distances = malloc(n * sizeof *distances);
    if (distances == NULL)
        return err_set(r->e, ERR_NOMEM, "%s: out of memory for %zu bars", r->name, t->count);
    for (size_t i = 0; i < n; i++)
        distances[i] = t->bars[i + 1].open_ms - t->bars[i].open_ms;
    qsort(distances, n, sizeof *distances, compare_int64);
    t->timeframe = most_frequent(distances, n);
    free(distances);
    for (size_t i = 0; i < t->count; i++) {
        if (t->bars[i].open_ms % t->timeframe != 0)
            return fail_at(r, i + 2, "timestamp is not a multiple of the tape's %" PRId64 " ms",
                           t->timeframe);
    }
    return 0;
}

int tape_load(struct tape *t, const char *path, struct err *e)
{
    size_t length = strlen(path);
    struct reader r = {.path = path, .name = path + (length > 80 ? length - 80 : 0), .e = e};
    *t = (struct tape){0};
    int rc = read_all(&r);
    if (rc == 0)
        rc = read_header(&r);
    if (rc == 0)
        rc = read_bars(t, &r);
    if (rc == 0)
        rc = find_timeframe(t, &r);
    if (rc == 0)
        hash_content(r.text, r.length, t->hash);
    else
        tape_fini(t);
    free(r.text);
    return rc;
}

void tape_fini(struct tape *t)
{
    free(t->bars);
    *t = (struct tape){0};
}
