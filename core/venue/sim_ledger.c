/* SPDX-License-Identifier: MIT
 *
 * <data>/sim/ledger.csv: one row for each execution, and the book is the fold of the rows. A row is
 * first written (write(2)), then applied to the book by the same function that a restart uses. A
 * last line without its end is what a crash left of a write: it is cut and reported.
 *
 * Ledgers of before pending orders and swaps lack the columns from `source` on. They are read, and
 * replaced as a whole (file_replace: the old one or the new one, never half) by the same rows with
 * those columns empty, so that a file has one header and rows of one width.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "venue/sim_impl.h"

#define OLD_COLUMNS                                                                                \
    "seq,time,account,op,position,uid,symbol,side,volume,price,stop,target,open_price,profit,"     \
    "commission,swap,balance,reason"
#define OLD_HEADER OLD_COLUMNS "\n"
#define HEADER OLD_COLUMNS ",source,order,type,accrued,parts\n"
#define OLD_FIELDS 18
#define FIELDS 23
#define MAX_BYTES ((size_t)1 << 30)

static void add_decimal(struct str *out, decimal d)
{
    char text[DECIMAL_BUF];
    str_add(out, text, decimal_format(d, text));
    str_addc(out, ',');
}

void sim_row_format(const struct sim_row *row, struct str *out)
{
    char time[32];
    clock_iso(row->time_ms, time);
    str_clear(out);
    str_addf(out, "%" PRIu64 ",%s,%s,%s,%s,%s,%s,%s,", row->seq, time, row->account, row->op,
             row->position, row->uid, row->symbol, row->side);
    add_decimal(out, row->volume);
    add_decimal(out, row->price);
    add_decimal(out, row->stop);
    add_decimal(out, row->target);
    add_decimal(out, row->open_price);
    add_decimal(out, row->profit);
    add_decimal(out, row->commission);
    add_decimal(out, row->swap);
    add_decimal(out, row->balance);
    str_addf(out, "%s,%s,%s,%s,", row->reason, row->source, row->order, row->type);
    add_decimal(out, row->accrued);
    for (size_t k = 0; k < row->part_count; k++) {
        char volume[DECIMAL_BUF], price[DECIMAL_BUF];
        decimal_format(row->parts[k].volume, volume);
        decimal_format(row->parts[k].price, price);
        str_addf(out, "%s%s:%s:%s", k == 0 ? "" : "|", row->parts[k].id, volume, price);
    }
    str_addc(out, '\n');
}

static int copy_field(const char *p, size_t n, char *out, size_t size)
{
    if (n >= size)
        return ERR_INPUT;
    memcpy(out, p, n);
    out[n] = '\0';
    return 0;
}

static int parse_seq(const char *p, size_t n, uint64_t *out)
{
    *out = 0;
    for (size_t k = 0; k < n; k++) {
        if (p[k] < '0' || p[k] > '9' || n > 18)
            return ERR_INPUT;
        *out = *out * 10 + (uint64_t)(p[k] - '0');
    }
    return n == 0 ? ERR_INPUT : 0;
}

/* "id:volume:price|id:volume:price" */
static int parse_parts(const char *p, size_t n, struct sim_row *row)
{
    const char *end = p + n;
    while (p < end) {
        if (row->part_count == SIM_PARTS)
            return ERR_INPUT;
        struct sim_part *part = &row->parts[row->part_count++];
        const char *stop = memchr(p, '|', (size_t)(end - p));
        const char *last = stop != NULL ? stop : end;
        const char *volume = memchr(p, ':', (size_t)(last - p));
        const char *price =
            volume == NULL ? NULL : memchr(volume + 1, ':', (size_t)(last - volume) - 1);
        if (price == NULL || copy_field(p, (size_t)(volume - p), part->id, sizeof part->id) != 0 ||
            decimal_parse(volume + 1, (size_t)(price - volume) - 1, &part->volume) != 0 ||
            decimal_parse(price + 1, (size_t)(last - price) - 1, &part->price) != 0)
            return ERR_INPUT;
        p = last + 1;
        if (stop != NULL && p == end)
            return ERR_INPUT;
    }
    return 0;
}

/* Cuts a line into its fields; how many, 0: too many. */
static size_t split(const char *line, size_t n, const char *at[FIELDS], size_t len[FIELDS])
{
    size_t count = 0, from = 0;
    for (size_t k = 0; k <= n; k++) {
        if (k < n && line[k] != ',')
            continue;
        if (count == FIELDS)
            return 0;
        at[count] = line + from;
        len[count++] = k - from;
        from = k + 1;
    }
    return count;
}

int sim_row_parse(const char *line, size_t n, struct sim_row *row)
{
    const char *at[FIELDS];
    size_t len[FIELDS], count = split(line, n, at, len);
    if (count != FIELDS && count != OLD_FIELDS)
        return ERR_INPUT;
    for (; count < FIELDS; count++) {
        at[count] = "0";
        len[count] = count == 21 ? 1 : 0; /* accrued; the others are texts */
    }
    *row = (struct sim_row){0};
    char time[40];
    struct {
        char *out;
        size_t size, field;
    } const texts[] = {
        {row->account, sizeof row->account, 2},   {row->op, sizeof row->op, 3},
        {row->position, sizeof row->position, 4}, {row->uid, sizeof row->uid, 5},
        {row->symbol, sizeof row->symbol, 6},     {row->side, sizeof row->side, 7},
        {row->reason, sizeof row->reason, 17},    {row->source, sizeof row->source, 18},
        {row->order, sizeof row->order, 19},      {row->type, sizeof row->type, 20}};
    struct {
        decimal *out;
        size_t field;
    } const numbers[] = {{&row->volume, 8},      {&row->price, 9},       {&row->stop, 10},
                         {&row->target, 11},     {&row->open_price, 12}, {&row->profit, 13},
                         {&row->commission, 14}, {&row->swap, 15},       {&row->balance, 16},
                         {&row->accrued, 21}};
    int rc = parse_seq(at[0], len[0], &row->seq);
    rc |= copy_field(at[1], len[1], time, sizeof time);
    if (rc != 0 || clock_iso_parse(time, &row->time_ms) != 0)
        return ERR_INPUT;
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
        rc |= copy_field(at[texts[k].field], len[texts[k].field], texts[k].out, texts[k].size);
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
        rc |= decimal_parse(at[numbers[k].field], len[numbers[k].field], numbers[k].out);
    rc |= parse_parts(at[22], len[22], row);
    return rc != 0 ? ERR_INPUT : 0;
}

int sim_ledger_write(struct sim *s, const struct sim_row *row, struct err *e)
{
    if (s->ledger.fd < 0)
        return 0;
    sim_row_format(row, &s->text);
    if (s->text.failed)
        return err_set(e, ERR_NOMEM, "simulator: out of memory for a ledger row");
    int64_t size = s->ledger.size;
    int rc = file_append(&s->ledger, s->text.p, s->text.len, e);
    if (rc != 0) {
        struct err ignored;
        (void)file_truncate(&s->ledger, size, &ignored); /* no half row before the next one */
    }
    return rc;
}

static int fold_line(struct sim *s, const char *line, size_t n, size_t number, struct err *e)
{
    struct sim_row row;
    if (sim_row_parse(line, n, &row) != 0)
        return err_set(e, ERR_INPUT, "%s:%zu: not a row of the simulator's ledger", s->ledger.path,
                       number);
    if (row.seq != s->seq + 1 || row.time_ms < s->newest_ms)
        return err_set(e, ERR_INPUT, "%s:%zu: rows are missing or out of order", s->ledger.path,
                       number);
    int rc = sim_book_apply(s, &row, NULL, e);
    return rc == 0 ? 0 : err_prefix(e, "%s:%zu", s->ledger.path, number);
}

/* Folds whole lines. *old: the file is of before; its rows are then put into `renewed`, too. */
static int fold_text(struct sim *s, const char *text, size_t n, struct str *renewed, bool *old,
                     struct err *e)
{
    size_t from = 0, number = 1;
    int rc = 0;
    *old = n >= strlen(OLD_HEADER) && memcmp(text, OLD_HEADER, strlen(OLD_HEADER)) == 0;
    const char *header = *old ? OLD_HEADER : HEADER;
    str_addz(renewed, HEADER);
    while (rc == 0 && from < n) {
        const char *end = memchr(text + from, '\n', n - from);
        size_t len = (size_t)(end - (text + from));
        if (number > 1)
            rc = fold_line(s, text + from, len, number, e);
        else if (len + 1 != strlen(header) || memcmp(text, header, len) != 0)
            rc = err_set(e, ERR_INPUT, "%s:1: not the header of a simulator's ledger",
                         s->ledger.path);
        if (rc == 0 && *old && number > 1) {
            struct sim_row row;
            (void)sim_row_parse(text + from, len, &row); /* it was folded a moment ago */
            sim_row_format(&row, &s->text);
            str_add(renewed, s->text.p, s->text.len);
        }
        from += len + 1;
        number++;
    }
    return rc;
}

/* Replaces the file by its rows in the present form and opens that. */
static int renew(struct sim *s, const char *path, const struct str *renewed, struct err *e)
{
    if (renewed->failed || s->text.failed)
        return err_set(e, ERR_NOMEM, "simulator: out of memory for its ledger");
    file_close(&s->ledger);
    int rc = file_replace(path, renewed->p, renewed->len, 0600, e);
    return rc == 0 ? file_append_open(&s->ledger, path, 0600, e) : rc;
}

int sim_ledger_open(struct sim *s, struct err *e)
{
    char path[512];
    bool old = false;
    snprintf(path, sizeof path, "%s/ledger.csv", s->dir);
    int rc = file_append_open(&s->ledger, path, 0600, e);
    if (rc != 0)
        return rc;
    struct str text, renewed;
    str_init(&text);
    str_init(&renewed);
    if (s->ledger.size > 0)
        rc = file_read_all(path, &text, MAX_BYTES, e);
    size_t whole = text.len;
    while (whole > 0 && text.p[whole - 1] != '\n')
        whole--;
    if (rc == 0 && whole < text.len) {
        rc = file_truncate(&s->ledger, (int64_t)whole, e);
        snprintf(s->report, sizeof s->report,
                 "the last line of the simulator's ledger was torn: %zu bytes were cut",
                 text.len - whole);
    }
    if (rc == 0)
        rc = fold_text(s, text.p, whole, &renewed, &old, e);
    if (rc == 0 && old)
        rc = renew(s, path, &renewed, e);
    if (rc == 0 && whole == 0)
        rc = file_append(&s->ledger, HEADER, strlen(HEADER), e);
    str_fini(&renewed);
    str_fini(&text);
    return rc;
}
