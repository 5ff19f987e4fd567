/* SPDX-License-Identifier: MIT
 *
 * Crashes. A life of the engine runs in a child that dies in the middle of the n-th event (for
 * every n there is), without closing anything; the broker lives on in shared memory. The next life
 * folds the journal, reads the broker's lists, and must come to the same book: each position of the
 * broker known once, at most one for each intent, no order left open, every wanted close done.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/mman.h>
#include <sys/wait.h>

#include "exec_world.h"

#define B_MAX 64

/* What outlives the engine. */
struct broker {
    struct {
        char id[16];
        int account;
        bool open;
        enum side side;
        decimal volume;
        int64_t stop, target, opened_ms, closed_ms;
        uint64_t order; /* that opened it */
    } p[B_MAX];
    size_t count;
    unsigned executed[B_MAX]; /* entries executed, by order id */
    int64_t market_ms;        /* newest time of the engine */
};

struct crash {
    struct broker *broker;
    unsigned die_at; /* event number; 0: never */
    unsigned events;
    bool lose_answers; /* every other answer is cut */
    bool dying;        /* in the child */
};

static struct crash *crash_of(struct world *w)
{
    return w->extra;
}

static void on_event(struct world *w, const struct event *ev)
{
    struct crash *c = crash_of(w);
    (void)ev;
    c->broker->market_ms = clock_market_ms(&w->clock);
    if (c->dying && w->exec != NULL && ++c->events == c->die_at) /* folding does not count */
        _exit(0);
}

/* The broker acts on what has left. */
static enum verdict_kind execute(struct world *w, const struct w_call *call, char id[16])
{
    struct broker *b = crash_of(w)->broker;
    const struct order *o = &call->order;
    for (size_t k = 0; o->op == ORDER_CLOSE && k < b->count; k++) {
        if (strcmp(b->p[k].id, o->position) != 0 || b->p[k].account != call->account)
            continue;
        if (!b->p[k].open)
            return VERDICT_REJECTED;
        b->p[k].open = false;
        b->p[k].closed_ms = clock_market_ms(&w->clock);
        return VERDICT_ACCEPTED;
    }
    assert_int_equal(o->op, ORDER_OPEN);
    assert_true(b->count < B_MAX && o->id < B_MAX);
    snprintf(id, 16, "W%zu", b->count);
    b->p[b->count].account = call->account;
    snprintf(b->p[b->count].id, sizeof b->p[0].id, "%s", id);
    b->p[b->count].open = true;
    b->p[b->count].side = o->side;
    b->p[b->count].volume = o->volume;
    b->p[b->count].stop = o->stop;
    b->p[b->count].target = o->target;
    b->p[b->count].opened_ms = clock_market_ms(&w->clock);
    b->p[b->count].order = o->id;
    b->count++;
    b->executed[o->id]++;
    return VERDICT_ACCEPTED;
}

/* Bytes of call k have left: the broker acts, and its answer comes or not. */
static void serve(struct world *w, size_t k)
{
    char id[16] = "";
    enum verdict_kind kind = execute(w, &w->calls[k], id);
    if (crash_of(w)->lose_answers && k % 2 == 1)
        w_answer(w, k, VERDICT_UNKNOWN, NULL, "cut");
    else
        w_answer(w, k, kind, id, "rejected");
}

static void serve_all(struct world *w)
{
    for (size_t k = 0; k < w->call_count; k++)
        if (w->calls[k].call != NULL && w->calls[k].sent)
            serve(w, k);
}

static void read_lists(struct world *w, int account)
{
    struct broker *b = crash_of(w)->broker;
    struct seen_position open[B_MAX];
    struct seen_close closed[B_MAX];
    size_t opens = 0, closes = 0;
    for (size_t k = 0; k < b->count; k++) {
        if (b->p[k].account != account)
            continue;
        struct seen_position row = {.id = b->p[k].id,
                                    .symbol = "BTCUSD.",
                                    .side = b->p[k].side,
                                    .volume = b->p[k].volume,
                                    .price = w_price(500010),
                                    .stop = w_price(b->p[k].stop),
                                    .target = w_price(b->p[k].target),
                                    .opened_ms = b->p[k].opened_ms};
        if (b->p[k].open)
            open[opens++] = row;
        else
            closed[closes++] = w_closed(&row, row.id, 505000, b->p[k].closed_ms);
    }
    if ((w_needs(w, account) & NEED_ORDERS) != 0)
        w_orders(w, account, w_now(w), NULL, 0);
    unsigned needs = w_needs(w, account);
    if ((needs & NEED_POSITIONS) != 0)
        w_list(w, account, w_now(w), open, opens);
    if ((w_needs(w, account) & NEED_CLOSED) != 0)
        w_history(w, account, w_now(w), closed, closes);
    if ((w_needs(w, account) & NEED_BALANCE) != 0)
        assert_int_equal(exec_observe_balance(w->exec, account, w_dec("1000"), w_dec("1000"),
                                              w_dec("0"), w_dec("1000"), NULL),
                         0);
}

static void go_on(struct world *w, int rounds)
{
    for (int k = 0; k < rounds; k++) {
        w_turn(w);
        serve_all(w);
        for (int a = 0; a < 3; a++)
            read_lists(w, a);
        w_pass(w, 1000);
    }
}

/* The life that is cut short: entries on three accounts, a hit stop, two closes, more entries. */
static void scenario(struct world *w)
{
    struct broker *b = crash_of(w)->broker;
    struct batch *first = w_batch(w, 3);
    go_on(w, 3);
    batch_free(first);
    b->p[0].open = false; /* a stop was hit */
    b->p[0].closed_ms = clock_market_ms(&w->clock);
    exec_suspect(w->exec, b->p[0].account);
    for (int a = 0; a < 3; a++) {
        size_t cursor = 0;
        const struct position *p = ledger_position_next(w->ledger, a, &cursor);
        if (p != NULL && b->p[0].account != a)
            (void)exec_close(w->exec, a, p->id, w_dec("0"), "time", NULL);
    }
    go_on(w, 4);
    w_turn(w);
    struct batch *second = w_batch(w, 3);
    go_on(w, 3);
    batch_free(second);
    w_turn(w);
}

static void check_book(struct world *w)
{
    struct broker *b = crash_of(w)->broker;
    for (size_t k = 0; k < B_MAX; k++)
        assert_true(b->executed[k] <= 1);
    size_t cursor = 0, held = 0, open = 0;
    const struct order *o;
    while ((o = ledger_order_next(w->ledger, &cursor)) != NULL) {
        assert_true(order_final(o->state));
        if (o->op == ORDER_OPEN && o->id < B_MAX) /* executed is accepted, and nothing else is */
            assert_int_equal(o->state == ORDER_ACCEPTED, b->executed[o->id] == 1);
    }
    for (size_t k = 0; k < b->count; k++) {
        const struct position *p = ledger_position(w->ledger, b->p[k].account, b->p[k].id);
        assert_int_equal(p != NULL, b->p[k].open);
        if (p == NULL)
            continue;
        open++;
        assert_true(p->ours);
        assert_int_equal(p->order, b->p[k].order);
        assert_false(p->closing); /* wanted closes were done */
    }
    cursor = 0;
    while (ledger_position_next(w->ledger, -1, &cursor) != NULL)
        held++;
    assert_int_equal(held, open);
    assert_int_equal(w->intents_missing, 0);
}

/* A life in a child that dies in event n. Returns its exit status: 0, or 7 when it outlived n. */
static int life(struct world *w, unsigned n, int64_t market_ms, bool first)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        crash_of(w)->die_at = n;
        crash_of(w)->dying = !first;
        w_live(w, market_ms);
        crash_of(w)->dying = true;
        if (first) {
            w_turn(w);
            scenario(w);
        } else {
            go_on(w, 60);
        }
        _exit(7);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 7));
    return WEXITSTATUS(status);
}

/* Runs the scenario until event n, then the next life, which may crash too. false: the scenario
 * ended before n. */
static bool crash_at(unsigned n, bool lose_answers, unsigned again)
{
    struct broker *b =
        mmap(NULL, sizeof *b, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(b, MAP_FAILED);
    struct world *w = calloc(1, sizeof *w);
    struct crash c = {.broker = b, .lose_answers = lose_answers};
    w_init(w);
    w->extra = &c;
    w->on_event = on_event;
    int status = life(w, n, W_START, true);
    if (again != 0)
        (void)life(w, 1 + n % again, b->market_ms + 2000, false);
    w_live(w, b->market_ms + 2000);
    go_on(w, 60); /* longer than the wait that absence needs */
    check_book(w);
    /* The accounts are free for the next signal. */
    size_t before = w->call_count;
    struct batch *batch = w_batch(w, 3);
    assert_int_equal(w->call_count, before + 3);
    go_on(w, 60);
    batch_free(batch);
    check_book(w);
    w_fini(w);
    free(w);
    munmap(b, sizeof *b);
    return status == 0;
}

static void every_event_may_be_the_last(void **state)
{
    (void)state;
    unsigned n = 1;
    while (crash_at(n, false, 0))
        n++;
    assert_true(n > 30);
}

static void with_lost_answers(void **state)
{
    (void)state;
    unsigned n = 1;
    while (crash_at(n, true, 0))
        n++;
    assert_true(n > 30);
}

static void and_the_next_life_crashes_too(void **state)
{
    (void)state;
    for (unsigned n = 1; crash_at(n, n % 2 == 0, 2 + n % 11); n++)
        ;
}

/* What was in flight when the engine died is UNKNOWN, and waits the whole time before absence. */
static void in_flight_becomes_unknown(void **state)
{
    (void)state;
    struct world *w = calloc(1, sizeof *w);
    w_init(w);
    pid_t child = fork();
    if (child == 0) {
        w_live(w, W_START);
        w->keep_queued = true;
        (void)w_batch(w, 2);
        w_send(w, 1);
        w_turn(w);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    w_live(w, W_START + 60000);
    assert_int_equal(w_state(w, 1), ORDER_UNKNOWN); /* INTENT: its bytes may have left */
    assert_int_equal(w_state(w, 2), ORDER_UNKNOWN);
    w_said(w, order_unknown, "\"restart\"");
    for (int k = 0; k < 4; k++) {
        w_list(w, 0, w_now(w), NULL, 0);
        w_history(w, 0, w_now(w), NULL, 0);
        w_pass(w, 5000);
    }
    assert_int_equal(w_state(w, 1), ORDER_UNKNOWN);
    w_pass(w, 20000);
    for (int k = 0; k < 3; k++) {
        w_list(w, 0, w_now(w), NULL, 0);
        w_history(w, 0, w_now(w), NULL, 0);
    }
    assert_int_equal(w_state(w, 1), ORDER_ABSENT);
    assert_int_equal(w_state(w, 2), ORDER_UNKNOWN); /* another account: nobody has looked */
    assert_int_equal(w->call_count, 0);
    w_fini(w);
    free(w);
}

/* A close that was wanted goes out as soon as the account has a session again. */
static void wanted_closes_wait_for_the_session(void **state)
{
    (void)state;
    struct world *w = calloc(1, sizeof *w);
    struct seen_position row;
    struct err e;
    w_init(w);
    w_live(w, W_START);
    w_open(w, "W1", &row);
    w->refuse = w->not_ready = true;
    assert_int_equal(exec_close(w->exec, 0, "W1", w_dec("0"), "time", &e), 0);
    w_turn(w);
    w_die(w);
    w_live(w, W_START + 10000);
    assert_true(ledger_position(w->ledger, 0, "W1")->closing);
    unsigned tried = w_events(w, order_not_sent);
    w_pass(w, 3000);
    assert_int_equal(w->call_count, 0);
    assert_int_equal(w_events(w, order_not_sent), tried); /* nothing is tried without a session */
    assert_int_equal(exec_close(w->exec, 0, "W1", w_dec("0"), "time", &e), 0); /* wanted already */
    w->refuse = w->not_ready = false;
    w_pass(w, 300);
    assert_int_equal(w->call_count, 1);
    assert_int_equal(w->calls[0].order.op, ORDER_CLOSE);
    assert_string_equal(w->calls[0].order.reason, "time");
    w_answer(w, 0, VERDICT_ACCEPTED, NULL, NULL);
    w_fini(w);
    free(w);
}

static void ids_go_on(void **state)
{
    (void)state;
    struct world *w = calloc(1, sizeof *w);
    struct err e;
    w_init(w);
    w_live(w, W_START);
    struct batch *b = w_batch(w, 2);
    struct batch_report one, two;
    batch_report(b, &one);
    w_answer(w, 0, VERDICT_REJECTED, NULL, "rejected");
    w_answer(w, 1, VERDICT_REJECTED, NULL, "rejected");
    batch_free(b);
    w_turn(w);
    w_die(w);
    w_live(w, W_START + 1000);
    assert_int_equal(exec_start(w->exec, &e), ERR_STATE);
    b = w_batch(w, 1);
    batch_report(b, &two);
    assert_true(two.batch > one.batch);
    assert_int_equal(batch_leg(b, 0)->order, 3);
    w_answer(w, 0, VERDICT_REJECTED, NULL, "rejected");
    batch_free(b);
    w_fini(w);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_may_be_the_last),
        cmocka_unit_test(with_lost_answers),
        cmocka_unit_test(and_the_next_life_crashes_too),
        cmocka_unit_test(in_flight_becomes_unknown),
        cmocka_unit_test(wanted_closes_wait_for_the_session),
        cmocka_unit_test(ids_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
