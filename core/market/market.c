/* SPDX-License-Identifier: MIT
 *
 * Symbols, listeners, input and the closing of bars.
 *
 * Bars are closed instant by instant: at each instant the short timeframes of all symbols before
 * the longer ones, and for each bar series and indicators before listeners. A listener may declare
 * indicators, add symbols, or listen and unlisten while it is called.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "market/market_inside.h"

static const int64_t frame_ms[MARKET_FRAMES] = {BAR_1S, BAR_1M, BAR_5M, BAR_15M};

int market_frame_index(int64_t timeframe)
{
    for (int i = 0; i < MARKET_FRAMES; i++) {
        if (frame_ms[i] == timeframe)
            return i;
    }
    return -1;
}

struct market *market_new(struct err *e)
{
    struct market *m = calloc(1, sizeof *m);
    struct map *names = map_new();
    if (m == NULL || names == NULL) {
        free(m);
        map_free(names);
        err_set(e, ERR_NOMEM, "market: out of memory");
        return NULL;
    }
    m->names = names;
    m->next_end = INT64_MAX;
    return m;
}

static void symbol_free(struct symbol *s)
{
    if (s == NULL)
        return;
    book_free(s->book);
    for (int i = 0; i < MARKET_FRAMES; i++) {
        series_free(s->frames[i].series);
        free(s->frames[i].list);
    }
    free(s);
}

void market_free(struct market *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->indicator_count; i++)
        market_indicator_free(m->indicators[i]);
    free(m->indicators);
    for (int i = 0; i < m->symbol_count; i++)
        symbol_free(m->symbols[i]);
    free(m->symbols);
    map_free(m->names);
    free(m);
}

static struct symbol *symbol_at(const struct market *m, int symbol)
{
    return symbol >= 0 && symbol < m->symbol_count ? m->symbols[symbol] : NULL;
}

static struct symbol *symbol_new(const char *name, size_t length, double point)
{
    struct symbol *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    memcpy(s->name, name, length);
    s->point = point > 0.0 ? point : 1e-8;
    for (int i = 0; i < MARKET_FRAMES; i++) {
        bar_builder_init(&s->frames[i].builder, frame_ms[i]);
        s->frames[i].series = series_new(MARKET_SERIES);
        if (s->frames[i].series == NULL) {
            symbol_free(s);
            return NULL;
        }
    }
    return s;
}

/* A symbol that is there already: may its book have this point? */
static int adopt_point(struct symbol *s, double point, struct err *e)
{
    bool differs = point < s->point || point > s->point;
    if (!(point > 0.0) || !differs)
        return 0;
    if (s->book != NULL)
        return err_set(e, ERR_STATE, "symbol %s: its book has points of %g already, not %g",
                       s->name, s->point, point);
    s->point = point;
    return 0;
}

int market_symbol_add(struct market *m, const char *name, double point, struct err *e)
{
    size_t length = name == NULL ? 0 : strlen(name);
    if (length == 0 || length >= MARKET_NAME)
        return err_set(e, ERR_INPUT, "symbol '%.40s': the name must have 1 to %d bytes",
                       name == NULL ? "" : name, MARKET_NAME - 1);
    if (!(point >= 0.0) || isinf(point))
        return err_set(e, ERR_INPUT, "symbol %s: a point of %g is not a price step", name, point);
    uint64_t found;
    if (map_get(m->names, name, length, &found)) {
        int rc = adopt_point(m->symbols[found], point, e);
        return rc != 0 ? rc : (int)found;
    }
    if (m->symbol_count == m->symbol_cap) {
        int cap = m->symbol_cap == 0 ? 8 : m->symbol_cap * 2;
        struct symbol **moved = realloc(m->symbols, (size_t)cap * sizeof(struct symbol *));
        if (moved == NULL)
            return err_set(e, ERR_NOMEM, "symbol %s: out of memory", name);
        m->symbols = moved;
        m->symbol_cap = cap;
    }
    struct symbol *s = symbol_new(name, length, point);
    if (s == NULL || map_put(m->names, name, length, (uint64_t)m->symbol_count) != 0) {
        symbol_free(s);
        return err_set(e, ERR_NOMEM, "symbol %s: out of memory", name);
    }
    m->symbols[m->symbol_count] = s;
    return m->symbol_count++;
}

int market_symbol(const struct market *m, const char *name)
{
    uint64_t found;
    return name != NULL && map_get(m->names, name, strlen(name), &found) ? (int)found : -1;
}

const char *market_symbol_name(const struct market *m, int symbol)
{
    const struct symbol *s = symbol_at(m, symbol);
    return s == NULL ? NULL : s->name;
}

int market_symbol_count(const struct market *m)
{
    return m->symbol_count;
}

void market_bars_from_quotes(struct market *m, int symbol, bool on)
{
    struct symbol *s = symbol_at(m, symbol);
    if (s != NULL)
        s->from_quotes = on;
}

/* --- listeners */

static void sweep_listeners(struct market *m)
{
    int kept = 0;
    for (int i = 0; i < m->listener_count; i++) {
        if (m->listeners[i].handle >= 0)
            m->listeners[kept++] = m->listeners[i];
    }
    m->listener_count = kept;
}

int market_listen(struct market *m, const struct market_listener *listener)
{
    if (m->listener_count == MARKET_LISTENERS)
        return ERR_LIMIT;
    m->listeners[m->listener_count++] =
        (struct listener_slot){.handle = m->next_listener, .fn = *listener};
    return m->next_listener++;
}

void market_unlisten(struct market *m, int handle)
{
    for (int i = 0; handle >= 0 && i < m->listener_count; i++) {
        if (m->listeners[i].handle == handle)
            m->listeners[i].handle = -1;
    }
    if (m->calling == 0)
        sweep_listeners(m);
}

/* What to tell; the members that its kind does not need are unset. */
struct news {
    enum { NEWS_QUOTE, NEWS_PRINT, NEWS_BOOK, NEWS_BAR } kind;
    int symbol;
    int64_t timeframe;
    const void *what; /* struct quote, print, book or bar */
};

static void tell_one(const struct market_listener *to, const struct news *n)
{
    if (n->kind == NEWS_QUOTE && to->on_quote != NULL)
        to->on_quote(to->arg, n->symbol, n->what);
    else if (n->kind == NEWS_PRINT && to->on_print != NULL)
        to->on_print(to->arg, n->symbol, n->what);
    else if (n->kind == NEWS_BOOK && to->on_book != NULL)
        to->on_book(to->arg, n->symbol, n->what);
    else if (n->kind == NEWS_BAR && to->on_bar != NULL)
        to->on_bar(to->arg, n->symbol, n->timeframe, n->what);
}

/* One that is added by a listener hears from the next news on. */
static void tell(struct market *m, const struct news *n)
{
    int count = m->listener_count;
    m->calling++;
    for (int i = 0; i < count; i++) {
        if (m->listeners[i].handle >= 0) {
            struct market_listener to = m->listeners[i].fn;
            tell_one(&to, n);
        }
    }
    if (--m->calling == 0)
        sweep_listeners(m);
}

/* --- closing bars */

struct closing {
    struct market *m;
    int symbol;
    int frame;
    bool quiet; /* history: nobody is told */
};

static void on_closed(void *arg, const struct bar *closed)
{
    const struct closing *c = arg;
    struct frame *f = &c->m->symbols[c->symbol]->frames[c->frame];
    series_push(f->series, closed);
    for (size_t i = 0; i < f->list_count; i++)
        market_indicator_feed(f->list[i], closed);
    if (c->quiet)
        return;
    f->live = true;
    struct news n = {NEWS_BAR, c->symbol, frame_ms[c->frame], closed};
    tell(c->m, &n);
}

/* The first end of a present bar among symbols first..past - 1. */
static int64_t first_end(const struct market *m, int first, int past)
{
    int64_t end = INT64_MAX;
    for (int s = first; s < past; s++) {
        for (int f = 0; f < MARKET_FRAMES; f++) {
            int64_t one = bar_builder_end(&m->symbols[s]->frames[f].builder);
            end = one < end ? one : end;
        }
    }
    return end;
}

/* Closes what ends at this very instant, short timeframes first. */
static void close_instant(struct market *m, int64_t instant, int first, int past)
{
    for (int f = 0; f < MARKET_FRAMES; f++) {
        for (int s = first; s < past; s++) {
            struct bar_builder *b = &m->symbols[s]->frames[f].builder;
            struct closing c = {m, s, f, false};
            if (bar_builder_end(b) == instant)
                bar_builder_advance(b, instant, on_closed, &c);
        }
    }
}

static void note_time(struct market *m, int64_t time_ms)
{
    if (time_ms > m->time_ms)
        m->time_ms = time_ms;
}

void market_advance(struct market *m, int64_t time_ms)
{
    note_time(m, time_ms);
    while (m->next_end <= time_ms) {
        m->next_end = first_end(m, 0, m->symbol_count);
        if (m->next_end <= time_ms)
            close_instant(m, m->next_end, 0, m->symbol_count);
    }
}

/* --- input */

/* A price into the forming bars of one symbol; closes what ended before it. */
static void into_bars(struct market *m, int symbol, const struct print *p)
{
    struct symbol *s = m->symbols[symbol];
    int64_t end;
    while ((end = first_end(m, symbol, symbol + 1)) <= p->time_ms)
        close_instant(m, end, symbol, symbol + 1);
    for (int f = 0; f < MARKET_FRAMES; f++) {
        struct bar_builder *b = &s->frames[f].builder;
        bar_builder_print(b, p->time_ms, p->price, p->volume, p->buy, p->side, NULL, NULL);
        s->frames[f].live = true;
        if (bar_builder_end(b) < m->next_end)
            m->next_end = bar_builder_end(b);
    }
}

/* Follows the price, and gives a print without a side that of the last change of price. */
static void tick_rule(struct symbol *s, struct print *p)
{
    if (s->last_price > 0.0 && p->price > s->last_price)
        s->tick = 1;
    else if (s->last_price > 0.0 && p->price < s->last_price)
        s->tick = -1;
    s->last_price = p->price;
    if (p->buy != 0)
        return;
    p->buy = s->tick;
    p->side = s->tick != 0 ? BAR_SIDE_TICK_RULE : BAR_SIDE_NONE;
}

static bool good_price(double price)
{
    return price > 0.0 && !isinf(price);
}

int market_quote(struct market *m, int symbol, const struct quote *q)
{
    struct symbol *s = symbol_at(m, symbol);
    if (s == NULL)
        return ERR_NOTFOUND;
    if (!good_price(q->bid) || !good_price(q->ask) || q->bid >= q->ask)
        return ERR_INPUT;
    if (s->quoted && q->time_ms < s->quote.time_ms) {
        s->dropped++;
        return 0;
    }
    note_time(m, q->time_ms);
    s->quote = *q;
    s->quoted = true;
    double mid = (q->bid + q->ask) / 2.0;
    if (s->from_quotes && (mid < s->last_price || mid > s->last_price)) {
        struct print p = {.time_ms = q->time_ms, .price = mid, .volume = 1.0};
        tick_rule(s, &p);
        into_bars(m, symbol, &p);
    }
    struct news n = {NEWS_QUOTE, symbol, 0, q};
    tell(m, &n);
    return 0;
}

int market_print(struct market *m, int symbol, const struct print *p)
{
    struct symbol *s = symbol_at(m, symbol);
    if (s == NULL)
        return ERR_NOTFOUND;
    if (!good_price(p->price) || !(p->volume >= 0.0) || isinf(p->volume))
        return ERR_INPUT;
    note_time(m, p->time_ms);
    struct print told = *p;
    told.buy = (p->buy > 0) - (p->buy < 0);
    if (!s->from_quotes) {
        tick_rule(s, &told);
        into_bars(m, symbol, &told);
    }
    struct news n = {NEWS_PRINT, symbol, 0, &told};
    tell(m, &n);
    return 0;
}

int market_depth(struct market *m, int symbol, int64_t time_ms, const struct book_level *bids,
                 size_t bid_count, const struct book_level *asks, size_t ask_count, struct err *e)
{
    struct symbol *s = symbol_at(m, symbol);
    if (s == NULL)
        return err_set(e, ERR_NOTFOUND, "depth: there is no symbol %d", symbol);
    if (s->book == NULL) {
        s->book = book_new(s->point, MARKET_BOOK_LEVELS, e);
        if (s->book == NULL)
            return ERR_NOMEM;
    }
    if (time_ms < book_time(s->book)) {
        s->dropped++;
        return 0;
    }
    int rc = book_snapshot(s->book, time_ms, bids, bid_count, asks, ask_count, e);
    if (rc != 0) {
        err_prefix(e, "symbol %s", s->name);
        return rc;
    }
    note_time(m, time_ms);
    struct news n = {NEWS_BOOK, symbol, 0, s->book};
    tell(m, &n);
    return 0;
}

static bool good_bar(const struct bar *b)
{
    return good_price(b->low) && good_price(b->high) && b->low <= b->open && b->open <= b->high &&
           b->low <= b->close && b->close <= b->high && b->volume >= 0.0 && !isinf(b->volume) &&
           b->buy_volume >= 0.0 && b->sell_volume >= 0.0;
}

int market_warm(struct market *m, int symbol, int64_t timeframe, const struct bar *bar)
{
    struct symbol *s = symbol_at(m, symbol);
    int frame = market_frame_index(timeframe);
    if (s == NULL)
        return ERR_NOTFOUND;
    if (frame < 0 || !good_bar(bar) || bar->open_ms % timeframe != 0)
        return ERR_INPUT;
    struct frame *f = &s->frames[frame];
    if (f->live || bar->open_ms < f->builder.closed_ms)
        return ERR_STATE;
    struct closing c = {m, symbol, frame, true};
    bar_builder_advance(&f->builder, bar->open_ms, on_closed, &c);
    bar_builder_seed(&f->builder, bar);
    on_closed(&c, bar);
    if (bar_builder_end(&f->builder) < m->next_end)
        m->next_end = bar_builder_end(&f->builder);
    return 0;
}

/* --- questions */

uint64_t market_dropped(const struct market *m, int symbol)
{
    const struct symbol *s = symbol_at(m, symbol);
    return s == NULL ? 0 : s->dropped;
}

bool market_last_quote(const struct market *m, int symbol, struct quote *out)
{
    const struct symbol *s = symbol_at(m, symbol);
    if (s == NULL || !s->quoted)
        return false;
    *out = s->quote;
    return true;
}

const struct book *market_book(const struct market *m, int symbol)
{
    const struct symbol *s = symbol_at(m, symbol);
    return s == NULL ? NULL : s->book;
}

static const struct frame *frame_at(const struct market *m, int symbol, int64_t timeframe)
{
    const struct symbol *s = symbol_at(m, symbol);
    int frame = market_frame_index(timeframe);
    return s == NULL || frame < 0 ? NULL : &s->frames[frame];
}

const struct series *market_series(const struct market *m, int symbol, int64_t timeframe)
{
    const struct frame *f = frame_at(m, symbol, timeframe);
    return f == NULL ? NULL : f->series;
}

bool market_forming(const struct market *m, int symbol, int64_t timeframe, struct bar *out)
{
    const struct frame *f = frame_at(m, symbol, timeframe);
    if (f == NULL || !f->builder.begun)
        return false;
    *out = f->builder.now;
    return true;
}

int64_t market_time(const struct market *m)
{
    return m->time_ms;
}
