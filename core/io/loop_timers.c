/* SPDX-License-Identifier: MIT
 *
 * Timers of both clocks: two binary heaps, each with one uv_timer armed for its earliest entry.
 *
 * A uv_timer is only a wake-up: what fires is decided by the clock, so an early wake-up fires
 * nothing and arms again. A batch that was woken fires only timers that were started before it, so
 * a timer of 0 ms that starts itself again costs one turn each and starves nobody. An advance has
 * no such limit: all that falls due on the way fires in order. Clocks that stand still (granted,
 * virtual) arm nothing but what is already due.
 */
#include "io/loop_timers.h"

#include <assert.h>
#include <stdlib.h>

static bool before(const struct timer *a, const struct timer *b)
{
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void heap_place(struct timer_heap *h, size_t slot, struct timer *t)
{
    h->at[slot] = t;
    t->slot = slot;
}

static void heap_up(struct timer_heap *h, size_t slot, struct timer *t)
{
    while (slot > 0 && before(t, h->at[(slot - 1) / 2])) {
        heap_place(h, slot, h->at[(slot - 1) / 2]);
        slot = (slot - 1) / 2;
    }
    heap_place(h, slot, t);
}

static void heap_down(struct timer_heap *h, size_t slot, struct timer *t)
{
    for (;;) {
        size_t child = 2 * slot + 1;
        if (child >= h->count) {
            break;
        }
        if (child + 1 < h->count && before(h->at[child + 1], h->at[child])) {
            child++;
        }
        if (!before(h->at[child], t)) {
            break;
        }
        heap_place(h, slot, h->at[child]);
        slot = child;
    }
    heap_place(h, slot, t);
}

static int heap_push(struct timer_heap *h, struct timer *t)
{
    if (h->count == h->cap) {
        size_t cap = h->cap ? h->cap * 2 : 64;
        struct timer **at = realloc(h->at, cap * sizeof *at);
        if (at == NULL) {
            return ERR_NOMEM;
        }
        h->at = at;
        h->cap = cap;
    }
    h->count++;
    heap_up(h, h->count - 1, t);
    return 0;
}

static void heap_remove(struct timer_heap *h, struct timer *t)
{
    size_t slot = t->slot;
    struct timer *last = h->at[--h->count];
    t->where = TIMER_OFF;
    if (last == t) {
        return;
    }
    if (slot > 0 && before(last, h->at[(slot - 1) / 2])) {
        heap_up(h, slot, last);
    } else {
        heap_down(h, slot, last);
    }
}

struct timer *timer_heap_top(const struct timer_heap *h)
{
    return h->count ? h->at[0] : NULL;
}

static void on_uv_io(uv_timer_t *handle);
static void on_uv_market(uv_timer_t *handle);

/* libuv counts from the cached time of the turn: refresh it, or a long callback makes it fire
 * early. */
static void uv_arm(struct loop *l, uv_timer_t *handle, uv_timer_cb fn, int64_t ms)
{
    uv_update_time(&l->uv);
    uv_timer_start(handle, fn, (uint64_t)ms, 0);
}

static void arm_io(struct loop_timers *w)
{
    const struct timer *top = timer_heap_top(&w->io);
    if (top == NULL) {
        uv_timer_stop(&w->uv_io);
        return;
    }
    int64_t now = clock_io_ns(w->loop->clock);
    if (top->due <= now) {
        uv_arm(w->loop, &w->uv_io, on_uv_io, 0);
    } else if (w->loop->clock->mode == CLOCK_VIRTUAL) {
        uv_timer_stop(&w->uv_io);
    } else {
        uv_arm(w->loop, &w->uv_io, on_uv_io, (top->due - now - 1) / 1000000 + 1);
    }
}

static void arm_market(struct loop_timers *w)
{
    const struct timer *top = timer_heap_top(&w->market);
    if (top == NULL) {
        uv_timer_stop(&w->uv_market);
        return;
    }
    if (top->due <= clock_market_ms(w->loop->clock)) {
        uv_arm(w->loop, &w->uv_market, on_uv_market, 0);
        return;
    }
    int64_t ms = clock_io_ms_until(w->loop->clock, top->due);
    if (ms < 0) {
        uv_timer_stop(&w->uv_market);
    } else {
        uv_arm(w->loop, &w->uv_market, on_uv_market, ms > 0 ? ms : 1);
    }
}

static void fire(struct loop_timers *w, struct timer_heap *h, struct timer *t)
{
    heap_remove(h, t);
    loop_activity(w->loop);
    t->fn(t->arg);
}

void loop_timers_fire(struct loop *l, struct timer *t)
{
    fire(l->timers, t->where == TIMER_IO ? &l->timers->io : &l->timers->market, t);
}

/* Arming waits for prepare when something is due at once: libuv runs a timer of 0 that was started
 * inside a timer callback in the same turn. */
static void end_of_fire(struct loop_timers *w)
{
    w->firing--;
    if (w->firing == 0) {
        w->rearm = true;
        loop_wake(w->loop);
    }
}

static void on_uv_io(uv_timer_t *handle)
{
    struct loop_timers *w = handle->data;
    uint64_t newest = w->order;
    int64_t now = clock_io_ns(w->loop->clock);
    w->firing++;
    for (struct timer *t = timer_heap_top(&w->io); t != NULL && t->due <= now && t->order <= newest;
         t = timer_heap_top(&w->io)) {
        fire(w, &w->io, t);
    }
    end_of_fire(w);
}

static void on_uv_market(uv_timer_t *handle)
{
    struct loop_timers *w = handle->data;
    uint64_t newest = w->order;
    int64_t now = clock_market_ms(w->loop->clock);
    w->firing++;
    for (struct timer *t = timer_heap_top(&w->market);
         t != NULL && t->due <= now && t->order <= newest; t = timer_heap_top(&w->market)) {
        fire(w, &w->market, t);
    }
    end_of_fire(w);
}

int loop_timers_init(struct loop *l, struct err *e)
{
    struct loop_timers *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return err_set(e, ERR_NOMEM, "out of memory for the timers of a loop");
    }
    w->loop = l;
    uv_timer_init(&l->uv, &w->uv_io);
    uv_timer_init(&l->uv, &w->uv_market);
    w->uv_io.data = w;
    w->uv_market.data = w;
    l->timers = w;
    return 0;
}

static void forget(struct loop_timers *w)
{
    struct timer_heap *heaps[2] = {&w->io, &w->market};
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < heaps[k]->count; i++) {
            heaps[k]->at[i]->where = TIMER_OFF;
        }
        heaps[k]->count = 0;
    }
}

void loop_timers_close(struct loop *l)
{
    struct loop_timers *w = l->timers;
    forget(w);
    uv_close((uv_handle_t *)&w->uv_io, NULL);
    uv_close((uv_handle_t *)&w->uv_market, NULL);
}

void loop_timers_free(struct loop *l)
{
    struct loop_timers *w = l->timers;
    forget(w); /* what close callbacks started */
    free(w->io.at);
    free(w->market.at);
    free(w);
    l->timers = NULL;
}

void loop_timers_arm(struct loop *l)
{
    if (l->timers->rearm) {
        l->timers->rearm = false;
        arm_io(l->timers);
        arm_market(l->timers);
    }
}

void timer_init(struct timer *t, struct loop *l, loop_fn fn, void *arg)
{
    *t = (struct timer){.loop = l, .fn = fn, .arg = arg};
}

static int start(struct timer *t, int where, int64_t due)
{
    struct loop_timers *w = t->loop->timers;
    struct timer_heap *h = where == TIMER_IO ? &w->io : &w->market;
    timer_stop(t);
    t->due = due;
    t->order = ++w->order;
    int rc = heap_push(h, t);
    if (rc != 0) {
        return rc;
    }
    t->where = where;
    if (w->firing == 0 && timer_heap_top(h) == t) {
        (where == TIMER_IO ? arm_io : arm_market)(w);
    }
    return 0;
}

int timer_start_io(struct timer *t, int64_t ms)
{
    int64_t now = clock_io_ns(t->loop->clock);
    int64_t due = INT64_MAX;
    int64_t ns = 0;
    if (ms < 0 || __builtin_mul_overflow(ms, INT64_C(1000000), &ns) ||
        __builtin_add_overflow(now, ns, &due)) {
        due = ms < 0 ? now : INT64_MAX;
    }
    return start(t, TIMER_IO, due);
}

int timer_start_io_at(struct timer *t, int64_t due_io_ns)
{
    return start(t, TIMER_IO, due_io_ns);
}

int timer_start_market(struct timer *t, int64_t due_market_ms)
{
    return start(t, TIMER_MARKET, due_market_ms);
}

void timer_stop(struct timer *t)
{
    if (t->where == TIMER_OFF) {
        return;
    }
    struct loop_timers *w = t->loop->timers;
    bool io = t->where == TIMER_IO;
    bool was_top = t->slot == 0;
    heap_remove(io ? &w->io : &w->market, t);
    if (w->firing == 0 && was_top) {
        (io ? arm_io : arm_market)(w);
    }
}

bool timer_active(const struct timer *t)
{
    return t->where != TIMER_OFF;
}

void loop_market_advance(struct loop *l, int64_t market_ms)
{
    struct loop_timers *w = l->timers;
    if (clock_runs(l->clock)) {
        market_ms = clock_market_ms(l->clock);
    }
    w->firing++;
    for (struct timer *t = timer_heap_top(&w->market); t != NULL && t->due <= market_ms;
         t = timer_heap_top(&w->market)) {
        clock_market_set(l->clock, t->due);
        fire(w, &w->market, t);
    }
    clock_market_set(l->clock, market_ms);
    end_of_fire(w);
}

int64_t loop_market_next(const struct loop *l)
{
    const struct timer *t = timer_heap_top(&l->timers->market);
    return t ? t->due : INT64_MAX;
}

void loop_io_advance(struct loop *l, int64_t io_ns)
{
    struct loop_timers *w = l->timers;
    bool is_virtual = l->clock->mode == CLOCK_VIRTUAL;
    if (!is_virtual) {
        io_ns = clock_io_ns(l->clock);
    }
    w->firing++;
    for (struct timer *t = timer_heap_top(&w->io); t != NULL && t->due <= io_ns;
         t = timer_heap_top(&w->io)) {
        int64_t now = clock_io_ns(l->clock);
        if (is_virtual && t->due > now) {
            clock_io_advance(l->clock, t->due - now);
        }
        fire(w, &w->io, t);
    }
    int64_t now = clock_io_ns(l->clock);
    if (is_virtual && io_ns > now) {
        clock_io_advance(l->clock, io_ns - now);
    }
    end_of_fire(w);
}

int64_t loop_io_next(const struct loop *l)
{
    const struct timer *t = timer_heap_top(&l->timers->io);
    return t ? t->due : INT64_MAX;
}

void loop_market_rearm(struct loop *l)
{
    if (l->timers->firing == 0) {
        arm_market(l->timers);
    }
}
