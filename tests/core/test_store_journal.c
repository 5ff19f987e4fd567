/* SPDX-License-Identifier: MIT
 *
 * The journal: segments, commits, locks, killed writers, reading while another writes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "store_bench.h"

static void test_write_and_read(void **state)
{
    const char *folder = *state;
    struct journal_report report;
    struct err e;
    struct journal *j = open_at(folder, 0, &report);
    assert_int_equal(report.first, 0);
    assert_int_equal(report.last, 0);
    assert_int_equal(report.segments, 0);
    assert_int_equal(journal_last(j), 0);
    append(j, 1);
    append(j, 2);
    assert_int_equal(journal_last(j), 2);
    assert_int_equal(journal_committed(j), 0);
    struct journal_reader *r = reader_at(folder, 0);
    expect_range(r, 1, 0); /* nothing before the commit */
    assert_int_equal(journal_commit(j, &e), 0);
    assert_int_equal(journal_committed(j), 2);
    expect_range(r, 1, 2);
    struct event ev;
    char text[64];
    bench_event(&ev, 2, text);
    assert_int_equal(journal_append(j, &ev, &e), ERR_STATE); /* numbers rise */
    assert_non_null(strstr(e.message, "must rise"));
    append(j, 10);                             /* with gaps */
    assert_int_equal(journal_close(j, &e), 0); /* commits */
    assert_int_equal(journal_reader_next(r, &ev, &e), 1);
    check_event(&ev, 10);
    size_t n;
    struct event again;
    const void *frame = journal_reader_frame(r, &n);
    assert_int_equal(event_decode(frame, n, &again, &e), n);
    check_event(&again, 10);
    expect_range(r, 1, 0);
    journal_reader_close(r);

    j = open_at(folder, 0, &report);
    assert_int_equal(report.first, 1);
    assert_int_equal(report.last, 10);
    assert_int_equal(report.events, 3);
    assert_int_equal(report.segments, 1);
    assert_int_equal(report.cut_bytes, 0);
    assert_string_equal(report.cut_file, "");
    assert_int_equal(journal_last(j), 10);
    append_range(j, 11, 12);
    assert_int_equal(journal_close(j, &e), 0);
    expect_all(folder, 10, 10, 12);
    assert_int_equal(journal_close(NULL, &e), 0);
}

static void test_segments(void **state)
{
    const char *folder = *state;
    struct journal_report report;
    struct err e;
    char path[400];
    struct journal *j = open_at(folder, 500, NULL);
    append_range(j, 5, 100); /* one commit over many segments */
    assert_int_equal(journal_close(j, &e), 0);
    uint64_t next = 5;
    struct journal_config config = {
        .folder = folder, .segment_size = 500, .sync = JOURNAL_SYNC_OFF};
    assert_int_equal(journal_open(&j, &config, count_fold, &next, &report, &e), 0);
    assert_int_equal(next, 101);
    assert_int_equal(report.events, 96);
    assert_true(report.segments > 10);
    uint32_t segments = report.segments;
    for (uint64_t seq = 101; seq <= 200; seq++)
        append_range(j, seq, seq);
    assert_int_equal(journal_close(j, &e), 0);
    for (uint64_t from = 0; from <= 200; from += 13)
        expect_all(folder, from, from < 5 ? 5 : from, 200);
    expect_all(folder, 200, 200, 200);
    expect_all(folder, 201, 1, 0);
    assert_int_equal(journal_verify(folder, &report, &e), 0);
    assert_int_equal(report.first, 5);
    assert_int_equal(report.last, 200);
    assert_true(report.segments > segments);
    bench_segment(path, folder, 5);
    assert_int_equal(access(path, F_OK), 0); /* named by the first number */
    /* Other files in the folder are left alone. */
    bench_write(strcat(strcpy(path, folder), "/0001.journal"), "x", 1);
    bench_write(strcat(strcpy(path, folder), "/00000000000000000001.journal.old"), "x", 1);
    bench_write(strcat(strcpy(path, folder), "/99999999999999999999.journal"), "x", 1);
    expect_all(folder, 0, 5, 200);
}

static int refuse_third(void *arg, const struct event *ev, struct err *e)
{
    (void)arg;
    return ev->seq == 3 ? err_set(e, ERR_STATE, "no room") : 0;
}

static void test_fold_error(void **state)
{
    const char *folder = *state;
    struct err e;
    struct journal *j = open_at(folder, 0, NULL);
    append_range(j, 1, 5);
    assert_int_equal(journal_close(j, &e), 0);
    struct journal_config config = {.folder = folder, .sync = JOURNAL_SYNC_OFF};
    assert_int_equal(journal_open(&j, &config, refuse_third, NULL, NULL, &e), ERR_STATE);
    assert_string_equal(e.message, "journal event 3 (notice): no room");
    assert_null(j);
    j = open_at(folder, 0, NULL); /* the lock was given back */
    assert_int_equal(journal_close(j, &e), 0);
}

static void test_refusals(void **state)
{
    const char *folder = *state;
    struct err e;
    struct journal *j;
    struct journal_reader *r;
    struct journal_report report;
    struct journal_config config = {.folder = NULL, .sync = JOURNAL_SYNC_OFF};
    char path[600];
    assert_int_equal(journal_open(&j, &config, NULL, NULL, NULL, &e), ERR_INPUT);
    memset(path, 'x', 500);
    path[0] = '/';
    path[500] = '\0';
    config.folder = path;
    assert_int_equal(journal_open(&j, &config, NULL, NULL, NULL, &e), ERR_INPUT);
    assert_int_equal(journal_reader_open(&r, path, 0, &e), ERR_INPUT);
    snprintf(path, sizeof path, "%s/missing", folder);
    assert_int_equal(journal_reader_open(&r, path, 0, &e), ERR_NOTFOUND);
    assert_null(r);
    assert_int_equal(journal_verify(path, &report, &e), ERR_NOTFOUND);
    journal_reader_close(NULL);
}

static void test_lock(void **state)
{
    const char *folder = *state;
    struct journal *j = open_at(folder, 0, NULL);
    append_range(j, 1, 1);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct err e;
        struct journal *other;
        struct journal_config config = {.folder = folder, .sync = JOURNAL_SYNC_OFF};
        _exit(journal_open(&other, &config, NULL, NULL, NULL, &e) == ERR_EXISTS ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(journal_close(j, NULL), 0);
}

/* A writer is killed at any moment, again and again: no committed event is lost, none is doubled.
 */
static void test_killed_writer(void **state)
{
    const char *folder = *state;
    uint64_t last = 0;
    for (int round = 0; round < 15; round++) {
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
            struct journal *j = open_at(folder, 3000, NULL);
            for (uint64_t seq = last + 1;; seq++) {
                append(j, seq);
                if (seq % 3 != 0)
                    continue;
                if (journal_commit(j, NULL) != 0 || write(fds[1], &seq, 8) != 8)
                    _exit(1);
            }
        }
        close(fds[1]);
        uint64_t promised = 0;
        for (int i = 0; i < 20 + 7 * round; i++)
            assert_int_equal(read(fds[0], &promised, 8), 8);
        assert_int_equal(kill(pid, SIGKILL), 0);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        while (read(fds[0], &promised, 8) == 8)
            continue;
        close(fds[0]);
        struct journal_report report;
        struct journal *j = open_at(folder, 3000, &report);
        assert_true(report.last >= promised);
        assert_int_equal(report.events, report.last);
        last = report.last;
        assert_int_equal(journal_close(j, NULL), 0);
        expect_all(folder, 0, 1, last);
    }
}

/* A reader beside a writer in another process, over many segments. */
static void test_reading_while_appending(void **state)
{
    const char *folder = *state;
    const uint64_t last = 20000;
    fflush(NULL);
    struct journal_reader *r = reader_at(folder, 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct journal *j = open_at(folder, 20000, NULL);
        for (uint64_t seq = 1; seq <= last; seq++) {
            append(j, seq);
            /* Small commits and such that cross pages, where half a frame may be seen. */
            if (seq % (seq % 2000 < 1000 ? 7 : 150) == 0 && journal_commit(j, NULL) != 0)
                _exit(1);
        }
        _exit(journal_close(j, NULL) == 0 ? 0 : 1);
    }
    uint64_t next = 1;
    while (next <= last) {
        struct event ev;
        struct err e = {0, ""};
        int rc = journal_reader_next(r, &ev, &e);
        if (rc < 0)
            fail_msg("%s", e.message);
        if (rc == 1)
            check_event(&ev, next++);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    expect_range(r, 1, 0);
    journal_reader_close(r);
}

static void test_disk_full(void **state)
{
    const char *folder = *state;
    struct err e = {0, ""};
    struct journal *j = open_at(folder, 0, NULL);
    append_range(j, 1, 10);
    struct rlimit before, tight;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = before;
    tight.rlim_cur = 1000;
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    for (uint64_t seq = 11; seq <= 30; seq++)
        append(j, seq);
    int rc = journal_commit(j, &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, old);
    assert_int_equal(rc, ERR_IO);
    assert_int_equal(journal_committed(j), 10);
    /* It stays failed: what was promised is not known to be there. */
    struct event ev;
    char text[64];
    bench_event(&ev, 31, text);
    assert_int_equal(journal_append(j, &ev, &e), ERR_STATE);
    assert_int_equal(journal_commit(j, &e), ERR_STATE);
    assert_int_equal(journal_sync_now(j, &e), ERR_STATE);
    assert_int_equal(journal_tick(j, &e), ERR_STATE);
    assert_int_equal(journal_close(j, &e), ERR_STATE);
    expect_all(folder, 0, 1, 10);
}

static void test_big_events(void **state)
{
    const char *folder = *state;
    static char big[EVENT_MAX_FRAME];
    struct err e;
    struct event ev;
    memset(big, 'x', sizeof big);
    struct journal *j = open_at(folder, 0, NULL);
    for (uint64_t seq = 1; seq <= 5; seq++) {
        event_init(&ev, EVENT_KIND_market_ended);
        ev.seq = seq;
        event_set_str(&ev, F_market_ended_reason, big, sizeof big - 41 * seq);
        assert_int_equal(journal_append(j, &ev, &e), 0);
    }
    ev.seq = 6;
    event_set_str(&ev, F_market_ended_reason, big, sizeof big);
    assert_int_equal(journal_append(j, &ev, &e), ERR_LIMIT);
    append_range(j, 6, 6); /* that refused nothing else */
    assert_int_equal(journal_close(j, &e), 0);
    struct journal_reader *r = reader_at(folder, 0);
    for (uint64_t seq = 1; seq <= 5; seq++) {
        size_t n;
        assert_int_equal(journal_reader_next(r, &ev, &e), 1);
        assert_int_equal(ev.seq, seq);
        const char *p = event_str(&ev, F_market_ended_reason, &n);
        assert_int_equal(n, sizeof big - 41 * seq);
        assert_memory_equal(p, big, n);
    }
    expect_range(r, 6, 6);
    journal_reader_close(r);
}

static void test_syncs(void **state)
{
    const char *folder = *state;
    struct err e;
    struct journal *j;
    uint64_t seq = 1;
    static const enum journal_sync modes[] = {JOURNAL_SYNC_OFF, JOURNAL_SYNC_COMMIT,
                                              JOURNAL_SYNC_INTERVAL};
    for (size_t i = 0; i < 3; i++) {
        struct journal_config config = {.folder = folder, .segment_size = 400, .sync = modes[i]};
        assert_int_equal(journal_open(&j, &config, NULL, NULL, NULL, &e), 0);
        assert_int_equal(journal_tick(j, &e), 0); /* nothing to do */
        for (int k = 0; k < 30; k++, seq++) {
            append_range(j, seq, seq);
            int rc = journal_tick(j, &e);
            assert_int_equal(rc, modes[i] == JOURNAL_SYNC_INTERVAL);
        }
        if (modes[i] == JOURNAL_SYNC_INTERVAL) {
            while (journal_tick(j, &e) == 1)
                continue;
            assert_int_equal(journal_tick(j, &e), 0);
        }
        append(j, seq++);
        assert_int_equal(journal_sync_now(j, &e), 0);
        assert_int_equal(journal_committed(j), seq - 1);
        append(j, seq++);
        assert_int_equal(journal_close(j, &e), 0);
    }
    expect_all(folder, 0, 1, seq - 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
    const struct CMUnitTest tests[] = {
        T(test_write_and_read),
        T(test_segments),
        T(test_fold_error),
        T(test_refusals),
        T(test_lock),
        T(test_killed_writer),
        T(test_reading_while_appending),
        T(test_disk_full),
        T(test_big_events),
        T(test_syncs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
