/* SPDX-License-Identifier: MIT
 *
 * Declared indicators: one stream for each distinct declaration, however many ask for it.
 */
#include <stdlib.h>
#include <string.h>

#include "market/market_inside.h"

static int parse_real(const char *text, enum real_input *out)
{
    static const struct {
        const char *name;
        enum real_input real;
    } known[] = {{"close", REAL_CLOSE}, {"open", REAL_OPEN},     {"high", REAL_HIGH},
                 {"low", REAL_LOW},     {"volume", REAL_VOLUME}, {"typical", REAL_TYPICAL}};
    if (text == NULL || *text == '\0')
        text = "close";
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(text, known[i].name) == 0) {
            *out = known[i].real;
            return 0;
        }
    }
    return ERR_INPUT;
}

static double real_of(enum real_input real, const struct bar *bar)
{
    switch (real) {
    case REAL_OPEN:
        return bar->open;
    case REAL_HIGH:
        return bar->high;
    case REAL_LOW:
        return bar->low;
    case REAL_VOLUME:
        return bar->volume;
    case REAL_TYPICAL:
        return (bar->high + bar->low + bar->close) / 3.0;
    case REAL_CLOSE:
        break;
    }
    return bar->close;
}

static double input_of(enum ta_input input, enum real_input real, const struct bar *bar)
{
    switch (input) {
    case TA_OPEN:
        return bar->open;
    case TA_HIGH:
        return bar->high;
    case TA_LOW:
        return bar->low;
    case TA_CLOSE:
        return bar->close;
    case TA_VOLUME:
        return bar->volume;
    case TA_BUY_VOLUME:
        return bar->buy_volume;
    case TA_REAL:
        break;
    }
    return real_of(real, bar);
}

void market_indicator_feed(struct indicator *i, const struct bar *bar)
{
    double in[TA_MAX_INPUTS] = {0};
    for (size_t k = 0; k < i->info->input_count; k++)
        in[k] = input_of(i->info->inputs[k], i->real, bar);
    if (ta_stream_update(i->stream, in, i->values[i->count % MARKET_HISTORY]))
        i->count++;
}

void market_indicator_free(struct indicator *i)
{
    if (i == NULL)
        return;
    ta_stream_free(i->stream);
    free(i);
}

static bool reads_real(const struct ta_info *info)
{
    bool reads = false;
    for (size_t i = 0; i < info->input_count; i++)
        reads = reads || info->inputs[i] == TA_REAL;
    return reads;
}

/* Checks a declaration into *want (no memory is taken). */
static int check_declaration(const struct market *m, int symbol, int64_t timeframe,
                             const char *name, const double *options, size_t option_count,
                             const char *input, struct indicator *want, struct err *e)
{
    const char *shown = name == NULL ? "" : name;
    *want = (struct indicator){.symbol = symbol, .frame = market_frame_index(timeframe)};
    if (symbol < 0 || symbol >= m->symbol_count)
        return err_set(e, ERR_NOTFOUND, "indicator '%s': there is no symbol %d", shown, symbol);
    if (want->frame < 0)
        return err_set(e, ERR_INPUT,
                       "indicator '%s': no bars of %lld ms are kept; use 1s, 1m, 5m or 15m", shown,
                       (long long)timeframe);
    want->info = ta_find(name);
    if (want->info == NULL)
        return err_set(e, ERR_NOTFOUND, "there is no indicator '%s'", shown);
    int rc = ta_options(want->info, options, option_count, want->options, e);
    if (rc != 0)
        return rc;
    if (parse_real(input, &want->real) != 0)
        return err_set(e, ERR_INPUT,
                       "indicator '%s': input '%s' is none of close, open, high, low, volume, "
                       "typical",
                       shown, input);
    if (want->real != REAL_CLOSE && !reads_real(want->info))
        return err_set(e, ERR_INPUT, "indicator '%s' has fixed inputs; '%s' cannot be chosen",
                       shown, input);
    return 0;
}

static bool same(const struct indicator *a, const struct indicator *b)
{
    if (a->info != b->info || a->real != b->real)
        return false;
    for (size_t i = 0; i < a->info->option_count; i++) {
        if (a->options[i] < b->options[i] || a->options[i] > b->options[i])
            return false;
    }
    return true;
}

/* Room for one more pointer. Both arrays grow by doubling. */
static void **room_for_one(void **array, size_t count, size_t *cap)
{
    if (count < *cap)
        return array;
    size_t grown = *cap == 0 ? 8 : *cap * 2;
    void **moved = realloc(array, grown * sizeof *moved);
    if (moved != NULL)
        *cap = grown;
    return moved;
}

/* Makes room for the declaration in both arrays. */
static int make_room(struct market *m, struct frame *f)
{
    void **list = room_for_one((void **)f->list, f->list_count, &f->list_cap);
    if (list == NULL)
        return ERR_NOMEM;
    f->list = (struct indicator **)list;
    void **all = room_for_one((void **)m->indicators, m->indicator_count, &m->indicator_cap);
    if (all == NULL)
        return ERR_NOMEM;
    m->indicators = (struct indicator **)all;
    return 0;
}

static void warm(struct indicator *i, const struct series *s)
{
    for (size_t back = series_count(s); back-- > 0;)
        market_indicator_feed(i, series_at(s, back));
}

int market_indicator(struct market *m, int symbol, int64_t timeframe, const char *name,
                     const double *options, size_t option_count, const char *input, struct err *e)
{
    struct indicator want;
    int rc = check_declaration(m, symbol, timeframe, name, options, option_count, input, &want, e);
    if (rc != 0)
        return rc;
    struct frame *f = &m->symbols[symbol]->frames[want.frame];
    for (size_t i = 0; i < f->list_count; i++) {
        if (same(f->list[i], &want)) {
            f->list[i]->refs++;
            return f->list[i]->handle;
        }
    }
    if (make_room(m, f) != 0)
        return err_set(e, ERR_NOMEM, "indicator '%s': out of memory", name);
    want.stream = ta_stream_new(want.info, want.options, e);
    if (want.stream == NULL)
        return ERR_NOMEM;
    struct indicator *fresh = malloc(sizeof *fresh);
    if (fresh == NULL) {
        ta_stream_free(want.stream);
        return err_set(e, ERR_NOMEM, "indicator '%s': out of memory", name);
    }
    *fresh = want;
    fresh->refs = 1;
    fresh->handle = (int)m->indicator_count;
    m->indicators[m->indicator_count++] = fresh;
    f->list[f->list_count++] = fresh;
    warm(fresh, f->series);
    return fresh->handle;
}

static struct indicator *at(const struct market *m, int handle)
{
    return handle >= 0 && (size_t)handle < m->indicator_count ? m->indicators[handle] : NULL;
}

void market_indicator_drop(struct market *m, int handle)
{
    struct indicator *i = at(m, handle);
    if (i == NULL || --i->refs > 0)
        return;
    struct frame *f = &m->symbols[i->symbol]->frames[i->frame];
    size_t k = 0;
    while (f->list[k] != i)
        k++;
    f->list_count--;
    for (; k < f->list_count; k++)
        f->list[k] = f->list[k + 1];
    m->indicators[handle] = NULL;
    market_indicator_free(i);
}

bool market_indicator_value(const struct market *m, int handle, size_t index, size_t back,
                            double *out)
{
    const struct indicator *i = at(m, handle);
    if (i == NULL || index >= i->info->output_count || back >= MARKET_HISTORY || back >= i->count)
        return false;
    *out = i->values[(i->count - 1 - back) % MARKET_HISTORY][index];
    return true;
}
