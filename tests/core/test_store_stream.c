/* SPDX-License-Identifier: MIT
 *
 * The stream: numbers and stamps, the fold, group commit, subscribers, breaking.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>

#include "store/stream.h"
#include "store_bench.h"

/* What reducers and subscribers saw, as letters: "r1" reducer and event, "s1" subscriber. */
struct seen {
    struct stream *stream;
    char log[2000];
    uint64_t sum;       /* the state: of the event numbers */
    uint64_t refuse;    /* the reducer fails at this number; 0: never */
    int refuse_with;    /* ... with this code; 0: ERR_STATE */
    uint64_t answer_to; /* the subscriber emits two and commits at this number; 0: never */
    bool emit_inside;   /* the reducer tries to emit and to commit */
    int broken;         /* calls of on_broken */
};

static void note(struct seen *s, char what, uint64_t seq)
{
    size_t n = strlen(s->log);
    snprintf(s->log + n, sizeof s->log - n, "%c%llu ", what, (unsigned long long)seq);
}

static uint64_t emit(struct stream *s)
{
    struct event ev;
    struct err e = {0, ""};
    char text[64];
    bench_event(&ev, 0, text);
    if (stream_emit(s, &ev, &e) != 0)
        fail_msg("%s", e.message);
    assert_int_equal(ev.seq, stream_seq(s));
    return ev.seq;
}

static int reduce(void *arg, const struct event *ev, struct err *e)
{
    struct seen *s = arg;
    if (ev->seq == s->refuse)
        return err_set(e, s->refuse_with ? s->refuse_with : ERR_STATE, "this cannot be");
    if (s->emit_inside) {
        struct event inner;
        char text[64];
        bench_event(&inner, 0, text);
        assert_int_equal(stream_emit(s->stream, &inner, NULL), ERR_STATE);
        assert_int_equal(stream_commit(s->stream, NULL), ERR_STATE);
    }
    note(s, 'r', ev->seq);
    s->sum += ev->seq;
    return 0;
}

static int reduce_later(void *arg, const struct event *ev, struct err *e)
{
    (void)e;
    note(arg, 'R', ev->seq);
    return 0;
}

static void subscriber(void *arg, const struct event *ev, const void *frame, size_t n)
{
    struct seen *s = arg;
    struct event again;
    char text[64];
    event_copy(ev, F_notice_text, text, sizeof text);
    note(s, 's', ev->seq);
    if (ev->seq == s->answer_to) {
        emit(s->stream);
        emit(s->stream);
        assert_int_equal(stream_commit(s->stream, NULL), 0);
        emit(s->stream); /* not committed yet */
    }
    /* Still valid after that. */
    assert_int_equal(event_decode(frame, n, &again, NULL), n);
    assert_int_equal(again.seq, ev->seq);
    assert_memory_equal(event_str(ev, F_notice_text, NULL), text, strlen(text));
}

static void on_broken(void *arg, const char *why)
{
    struct seen *s = arg;
    assert_ptr_equal(stream_broken(s->stream), why);
    s->broken++;
}

static void start(struct seen *s, struct loop *l, const char *folder, enum journal_sync sync)
{
    struct err e = {0, ""};
    struct journal_config config = {.folder = folder, .sync = sync};
    struct journal_report report;
    s->log[0] = '\0';
    s->stream = stream_new(l, &e);
    assert_non_null(s->stream);
    assert_int_equal(stream_reduce(s->stream, reduce, s), 0);
    stream_on_broken(s->stream, on_broken, s);
    if (stream_open(s->stream, &config, &report, &e) != 0)
        fail_msg("%s", e.message);
    assert_int_equal(report.last, stream_seq(s->stream));
    assert_string_equal(stream_folder(s->stream), folder);
}

static uint64_t on_disk(const char *folder)
{
    struct journal_report report;
    struct err e = {0, ""};
    if (journal_verify(folder, &report, &e) != 0)
        fail_msg("%s", e.message);
    return report.last;
}

static void test_fold(void **state)
{
    struct seen a = {0}, b = {0};
    start(&a, NULL, *state, JOURNAL_SYNC_OFF);
    assert_int_equal(stream_subscribe(a.stream, subscriber, &a), 0);
    assert_int_equal(emit(a.stream), 1);
    assert_int_equal(emit(a.stream), 2);
    assert_string_equal(a.log, "r1 r2 "); /* applied, but nothing is announced or written */
    assert_int_equal(on_disk(*state), 0);
    assert_int_equal(stream_commit(a.stream, NULL), 0);
    assert_string_equal(a.log, "r1 r2 s1 s2 ");
    assert_int_equal(on_disk(*state), 2);
    assert_int_equal(stream_commit(a.stream, NULL), 0); /* nothing to do */
    assert_string_equal(a.log, "r1 r2 s1 s2 ");
    emit(a.stream);
    stream_free(a.stream); /* commits */
    assert_int_equal(on_disk(*state), 3);
    start(&b, NULL, *state, JOURNAL_SYNC_OFF);
    assert_string_equal(b.log, "r1 r2 r3 ");
    assert_true(b.sum == a.sum && b.sum == 6);
    assert_int_equal(emit(b.stream), 4);
    stream_free(b.stream);
    stream_free(NULL);
}

static void test_order(void **state)
{
    struct seen s = {0};
    struct err e;
    struct journal_config config = {.folder = *state, .sync = JOURNAL_SYNC_OFF};
    s.stream = stream_new(NULL, &e);
    assert_int_equal(stream_reduce(s.stream, reduce_later, &s), 0);
    assert_int_equal(stream_reduce(s.stream, reduce, &s), 0);
    for (int i = 2; i < 8; i++)
        assert_int_equal(stream_reduce(s.stream, reduce, &s), 0);
    assert_int_equal(stream_reduce(s.stream, reduce, &s), ERR_LIMIT);
    assert_int_equal(stream_open(s.stream, &config, NULL, &e), 0);
    assert_int_equal(stream_reduce(s.stream, reduce, &s), ERR_STATE);
    assert_int_equal(stream_open(s.stream, &config, NULL, &e), ERR_STATE);
    for (int i = 0; i < 8; i++)
        assert_int_equal(stream_subscribe(s.stream, subscriber, &s), 0);
    assert_int_equal(stream_subscribe(s.stream, subscriber, &s), ERR_LIMIT);
    emit(s.stream);
    assert_string_equal(s.log, "R1 r1 r1 r1 r1 r1 r1 r1 ");
    stream_free(s.stream);
}

static void test_subscriber_answers(void **state)
{
    struct seen s = {.answer_to = 2};
    start(&s, NULL, *state, JOURNAL_SYNC_OFF);
    assert_int_equal(stream_subscribe(s.stream, subscriber, &s), 0);
    emit(s.stream);
    emit(s.stream);
    emit(s.stream);
    assert_int_equal(stream_commit(s.stream, NULL), 0);
    /* Its own events come after all that were before; 6 waits for a commit. */
    assert_string_equal(s.log, "r1 r2 r3 s1 s2 r4 r5 r6 s3 s4 s5 ");
    assert_int_equal(on_disk(*state), 5);
    assert_int_equal(stream_commit(s.stream, NULL), 0);
    assert_string_equal(s.log, "r1 r2 r3 s1 s2 r4 r5 r6 s3 s4 s5 s6 ");
    stream_free(s.stream);
}

static void test_refusals(void **state)
{
    static char big[EVENT_MAX_FRAME];
    struct seen s = {.emit_inside = true};
    struct event ev;
    struct err e;
    char text[64];
    bench_event(&ev, 0, text);
    struct stream *closed = stream_new(NULL, &e);
    assert_int_equal(stream_emit(closed, &ev, &e), ERR_STATE);
    assert_int_equal(stream_commit(closed, &e), ERR_STATE);
    assert_string_equal(stream_folder(closed), "");
    stream_free(closed);
    start(&s, NULL, *state, JOURNAL_SYNC_OFF);
    emit(s.stream);
    assert_string_equal(s.log, "r1 ");
    event_init(&ev, 9999);
    assert_int_equal(stream_emit(s.stream, &ev, &e), ERR_INPUT);
    memset(big, 'x', sizeof big);
    event_init(&ev, EVENT_KIND_market_ended);
    event_set_str(&ev, F_market_ended_reason, big, sizeof big);
    assert_int_equal(stream_emit(s.stream, &ev, &e), ERR_LIMIT);
    /* Mistakes of a caller break nothing and use up no number. */
    assert_null(stream_broken(s.stream));
    assert_int_equal(emit(s.stream), 2);
    stream_free(s.stream);
    assert_int_equal(on_disk(*state), 2);
}

/* A new event that contradicts the state costs that event, not the trading. */
static void test_reducer_refuses(void **state)
{
    static const int codes[] = {ERR_STATE, ERR_INPUT, ERR_LIMIT};
    struct seen s = {.refuse = 3};
    struct event ev;
    struct err e;
    char text[64];
    start(&s, NULL, *state, JOURNAL_SYNC_OFF);
    assert_int_equal(stream_subscribe(s.stream, subscriber, &s), 0);
    emit(s.stream);
    emit(s.stream);
    for (size_t i = 0; i < 3; i++) {
        s.refuse_with = codes[i];
        bench_event(&ev, 0, text);
        assert_int_equal(stream_emit(s.stream, &ev, &e), codes[i]);
        assert_string_equal(e.message, "event 3 (notice): this cannot be");
        assert_int_equal(stream_seq(s.stream), 2);
    }
    assert_null(stream_broken(s.stream));
    assert_int_equal(s.broken, 0);
    s.refuse = 0;
    assert_int_equal(emit(s.stream), 3); /* no number was used up */
    assert_int_equal(stream_commit(s.stream, &e), 0);
    assert_string_equal(s.log, "r1 r2 r3 s1 s2 s3 ");
    stream_free(s.stream);
    assert_int_equal(on_disk(*state), 3);
    /* While folding every refusal is fatal: the journal is wrong. */
    struct seen again = {.refuse = 2};
    struct journal_config config = {.folder = *state, .sync = JOURNAL_SYNC_OFF};
    again.stream = stream_new(NULL, &e);
    assert_int_equal(stream_reduce(again.stream, reduce, &again), 0);
    assert_int_equal(stream_open(again.stream, &config, NULL, &e), ERR_STATE);
    stream_free(again.stream);
}

/* The first reducer has applied what the second refuses: the state is no fold any more. */
static void test_second_reducer_refuses(void **state)
{
    struct seen s = {.refuse = 1};
    struct event ev;
    struct err e;
    char text[64];
    struct journal_config config = {.folder = *state, .sync = JOURNAL_SYNC_OFF};
    s.stream = stream_new(NULL, &e);
    assert_int_equal(stream_reduce(s.stream, reduce_later, &s), 0);
    assert_int_equal(stream_reduce(s.stream, reduce, &s), 0);
    assert_int_equal(stream_open(s.stream, &config, NULL, &e), 0);
    bench_event(&ev, 0, text);
    assert_int_equal(stream_emit(s.stream, &ev, &e), ERR_STATE);
    assert_string_equal(s.log, "R1 ");
    assert_non_null(stream_broken(s.stream));
    stream_free(s.stream);
}

static void test_reducer_fails(void **state)
{
    struct seen s = {.refuse = 3, .refuse_with = ERR_NOMEM};
    struct event ev;
    struct err e;
    char text[64];
    start(&s, NULL, *state, JOURNAL_SYNC_OFF);
    assert_int_equal(stream_subscribe(s.stream, subscriber, &s), 0);
    emit(s.stream);
    emit(s.stream);
    bench_event(&ev, 0, text);
    assert_int_equal(stream_emit(s.stream, &ev, &e), ERR_NOMEM);
    assert_string_equal(e.message, "event 3 (notice): this cannot be");
    assert_string_equal(stream_broken(s.stream), e.message);
    assert_int_equal(s.broken, 1);
    assert_int_equal(stream_emit(s.stream, &ev, &e), ERR_STATE);
    assert_non_null(strstr(e.message, "broken"));
    /* What was sound is kept and told; but nothing may leave on the strength of it. */
    assert_int_equal(stream_commit(s.stream, &e), ERR_STATE);
    assert_string_equal(s.log, "r1 r2 s1 s2 ");
    assert_int_equal(s.broken, 1);
    stream_free(s.stream);
    assert_int_equal(on_disk(*state), 2); /* the refused one is not there: it can be folded again */
    struct seen again = {0};
    start(&again, NULL, *state, JOURNAL_SYNC_OFF);
    assert_int_equal(emit(again.stream), 3);
    stream_free(again.stream);
}

static void test_disk_full(void **state)
{
    struct seen s = {0};
    struct event ev;
    struct err e = {0, ""};
    char text[64];
    struct rlimit before, tight;
    start(&s, NULL, *state, JOURNAL_SYNC_OFF);
    assert_int_equal(stream_subscribe(s.stream, subscriber, &s), 0);
    emit(s.stream);
    assert_int_equal(stream_commit(s.stream, NULL), 0);
    for (int i = 0; i < 30; i++)
        emit(s.stream);
    s.log[0] = '\0';
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = before;
    tight.rlim_cur = 1000;
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    int rc = stream_commit(s.stream, &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, old);
    assert_int_equal(rc, ERR_IO);
    assert_int_equal(s.broken, 1);
    assert_non_null(stream_broken(s.stream));
    assert_string_equal(s.log, ""); /* nobody was told of what is not written */
    bench_event(&ev, 0, text);
    assert_int_equal(stream_emit(s.stream, &ev, &e), ERR_STATE);
    assert_true(stream_commit(s.stream, &e) < 0);
    stream_free(s.stream);
    assert_int_equal(on_disk(*state), 1);
}

static void test_stamps(void **state)
{
    struct clock clock;
    struct loop l;
    struct err e;
    struct seen s = {0};
    struct event ev;
    char text[64];
    clock_virtual(&clock, 5000, 70000);
    assert_int_equal(loop_init(&l, &clock, NULL, &e), 0);
    start(&s, &l, *state, JOURNAL_SYNC_OFF);
    bench_event(&ev, 0, text);
    assert_int_equal(stream_emit(s.stream, &ev, &e), 0);
    assert_int_equal(ev.market_ms, 5000);
    assert_int_equal(ev.wall_us, 70000);
    clock_market_set(&clock, 6000);
    clock_io_advance(&clock, 1000000);
    assert_int_equal(stream_emit(s.stream, &ev, &e), 0);
    assert_int_equal(ev.market_ms, 6000);
    assert_int_equal(ev.wall_us, 71000);
    stream_free(s.stream);
    assert_int_equal(loop_fini(&l), 0);
    struct journal_reader *r;
    assert_int_equal(journal_reader_open(&r, *state, 2, &e), 0);
    assert_int_equal(journal_reader_next(r, &ev, &e), 1);
    assert_int_equal(ev.market_ms, 6000);
    assert_int_equal(ev.wall_us, 71000);
    journal_reader_close(r);
}

static bool emit_once(void *arg)
{
    struct seen *s = arg;
    if (s->stream && stream_seq(s->stream) == 2)
        emit(s->stream);
    return false;
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

/* With a loop: committed and told at the end of the turn, before the loop sleeps. */
static void test_loop(void **state)
{
    struct clock clock;
    struct loop l;
    struct err e;
    struct seen s = {0};
    struct timer far;
    clock_init(&clock);
    assert_int_equal(loop_init(&l, &clock, NULL, &e), 0);
    start(&s, &l, *state, JOURNAL_SYNC_OFF);
    assert_int_equal(stream_subscribe(s.stream, subscriber, &s), 0);
    emit(s.stream);
    assert_int_equal(stream_commit(s.stream, &e), 0);
    assert_int_equal(on_disk(*state), 1);
    assert_string_equal(s.log, "r1 "); /* the one who commits is not called back */
    emit(s.stream);
    assert_int_equal(loop_run_once(&l, false), 0);
    assert_string_equal(s.log, "r1 r2 s1 s2 ");
    assert_int_equal(on_disk(*state), 2);
    /* Emitted in a hook that runs after the stream's: the loop may not sleep on it. */
    assert_int_equal(loop_on_drain(&l, emit_once, &s), 0);
    bool slept = false;
    timer_init(&far, &l, set_flag, &slept);
    assert_int_equal(timer_start_io(&far, 3000), 0);
    assert_int_equal(loop_run_once(&l, true), 0);
    assert_false(slept);
    assert_int_equal(on_disk(*state), 3);
    assert_string_equal(s.log, "r1 r2 s1 s2 r3 s3 ");
    timer_stop(&far);
    stream_free(s.stream);
    assert_int_equal(loop_fini(&l), 0);
}

/* The sync timer runs while there is something to sync, and then lets the loop end. */
static void test_interval(void **state)
{
    struct clock clock;
    struct loop l;
    struct err e;
    struct seen s = {0};
    clock_init(&clock);
    assert_int_equal(loop_init(&l, &clock, NULL, &e), 0);
    start(&s, &l, *state, JOURNAL_SYNC_INTERVAL);
    for (int round = 0; round < 3; round++) {
        emit(s.stream);
        assert_int_equal(stream_commit(s.stream, &e), 0);
        assert_int_equal(loop_run(&l), 0);
        assert_int_equal(loop_io_next(&l), INT64_MAX);
    }
    assert_null(stream_broken(s.stream));
    emit(s.stream);
    assert_int_equal(stream_commit(s.stream, &e), 0);
    assert_true(loop_io_next(&l) < INT64_MAX);
    stream_free(s.stream); /* with the timer running */
    assert_int_equal(loop_fini(&l), 0);
    assert_int_equal(on_disk(*state), 4);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
    const struct CMUnitTest tests[] = {
        T(test_fold),          T(test_order),           T(test_subscriber_answers),
        T(test_refusals),      T(test_reducer_refuses), T(test_second_reducer_refuses),
        T(test_reducer_fails), T(test_disk_full),       T(test_stamps),
        T(test_loop),          T(test_interval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
