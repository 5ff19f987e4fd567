/* SPDX-License-Identifier: MIT
 *
 * <data>/sim/ledger.csv: one row for each execution, and the book is the fold of the rows. A row is
 * first written (write(2)), then applied to the book by the same function that a restart uses. A
 * last line without its end is what a crash left of a write: it is cut and reported.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "venue/sim_impl.h"

#define HEADER                                                                                     \
    "seq,time,account,op,position,uid,symbol,side,volume,price,stop,target,open_price,profit,"     \
    "commission,swap,balance,reason\n"
#define FIELDS 18
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
    str_addf(out, "%s\n", row->reason);
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

int sim_row_parse(const char *line, size_t n, struct sim_row *row)
{
    const char *at[FIELDS];
    size_t len[FIELDS], count = 0, from = 0;
    for (size_t k = 0; k <= n; k++) {
        if (k < n && line[k] != ',')
            continue;
        if (count == FIELDS)
            return ERR_INPUT;
        at[count] = line + from;
        len[count++] = k - from;
        from = k + 1;
    }
    if (count != FIELDS)
        return ERR_INPUT;
    *row = (struct sim_row){0};
    char time[40];
    struct {
        char *out;
        size_t size;
    } const texts[] = {{row->account, sizeof row->account},   {row->op, sizeof row->op},
                       {row->position, sizeof row->position}, {row->uid, sizeof row->uid},
                       {row->symbol, sizeof row->symbol},     {row->side, sizeof row->side}};
    decimal *const numbers[] = {&row->volume,     &row->price,      &row->stop,
                                &row->target,     &row->open_price, &row->profit,
                                &row->commission, &row->swap,       &row->balance};
    int rc = parse_seq(at[0], len[0], &row->seq);
    rc |= copy_field(at[1], len[1], time, sizeof time);
    if (rc != 0 || clock_iso_parse(time, &row->time_ms) != 0)
        return ERR_INPUT;
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
        rc |= copy_field(at[2 + k], len[2 + k], texts[k].out, texts[k].size);
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
        rc |= decimal_parse(at[8 + k], len[8 + k], numbers[k]);
    rc |= copy_field(at[17], len[17], row->reason, sizeof row->reason);
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

static int fold_text(struct sim *s, const char *text, size_t n, struct err *e)
{
    size_t from = 0, number = 1;
    int rc = 0;
    while (rc == 0 && from < n) {
        const char *end = memchr(text + from, '\n', n - from);
        size_t len = (size_t)(end - (text + from));
        if (number > 1)
            rc = fold_line(s, text + from, len, number, e);
        else if (len + 1 != strlen(HEADER) || memcmp(text, HEADER, len) != 0)
            rc = err_set(e, ERR_INPUT, "%s:1: not the header of a simulator's ledger",
                         s->ledger.path);
        from += len + 1;
        number++;
    }
    return rc;
}

int sim_ledger_open(struct sim *s, struct err *e)
{
    char path[512];
    snprintf(path, sizeof path, "%s/ledger.csv", s->dir);
    int rc = file_append_open(&s->ledger, path, 0600, e);
    if (rc != 0)
        return rc;
    struct str text;
    str_init(&text);
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
        rc = fold_text(s, text.p, whole, e);
    if (rc == 0 && whole == 0)
        rc = file_append(&s->ledger, HEADER, strlen(HEADER), e);
    str_fini(&text);
    return rc;
}
