/* SPDX-License-Identifier: MIT
 *
 * For the tests of core/store: a folder of its own for each test, and files as bytes.
 */
#ifndef PERIGEE_TESTS_STORE_BENCH_H
#define PERIGEE_TESTS_STORE_BENCH_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/event.h"
#include "io/file.h"
#include "store/journal.h"

static int bench_setup(void **state)
{
    char *folder = strdup("/tmp/perigee-store-XXXXXX");
    assert_non_null(folder);
    assert_non_null(mkdtemp(folder));
    *state = folder;
    return 0;
}

static void bench_empty(const char *folder)
{
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (const struct dirent *d = readdir(dir); d; d = readdir(dir)) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s", folder, d->d_name);
        if (d->d_name[0] != '.')
            assert_int_equal(unlink(path), 0);
    }
    closedir(dir);
}

static int bench_teardown(void **state)
{
    bench_empty(*state);
    assert_int_equal(rmdir(*state), 0);
    free(*state);
    return 0;
}

static inline void bench_read(const char *path, struct str *out)
{
    struct err e = {0, ""};
    if (file_read_all(path, out, 1u << 24, &e) != 0)
        fail_msg("%s", e.message);
}

static inline void bench_write(const char *path, const void *p, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static inline void bench_segment(char path[400], const char *folder, uint64_t first)
{
    snprintf(path, 400, "%s/%020llu.journal", folder, (unsigned long long)first);
}

/* A notice with its number in its text. */
static inline void bench_event(struct event *ev, uint64_t seq, char text[64])
{
    snprintf(text, 64, "event %llu", (unsigned long long)seq);
    event_init(ev, EVENT_KIND_notice);
    ev->seq = seq;
    ev->market_ms = (int64_t)seq * 10;
    event_set_strz(ev, F_notice_level, "info");
    event_set_strz(ev, F_notice_text, text);
}

static inline struct journal *open_at(const char *folder, size_t segment_size,
                                      struct journal_report *report)
{
    struct journal *j;
    struct err e = {0, ""};
    struct journal_config config = {
        .folder = folder, .segment_size = segment_size, .sync = JOURNAL_SYNC_OFF};
    if (journal_open(&j, &config, NULL, NULL, report, &e) != 0)
        fail_msg("%s", e.message);
    return j;
}

static inline void append(struct journal *j, uint64_t seq)
{
    struct event ev;
    struct err e = {0, ""};
    char text[64];
    bench_event(&ev, seq, text);
    if (journal_append(j, &ev, &e) != 0)
        fail_msg("%s", e.message);
}

static inline void append_range(struct journal *j, uint64_t first, uint64_t last)
{
    for (uint64_t seq = first; seq <= last; seq++)
        append(j, seq);
    assert_int_equal(journal_commit(j, NULL), 0);
}

static inline void check_event(const struct event *ev, uint64_t seq)
{
    char want[64], got[64];
    snprintf(want, sizeof want, "event %llu", (unsigned long long)seq);
    event_copy(ev, F_notice_text, got, sizeof got);
    assert_int_equal(ev->seq, seq);
    assert_string_equal(got, want);
}

/* Reads on; every number from `first` to `last` must come, then the end. */
static inline void expect_range(struct journal_reader *r, uint64_t first, uint64_t last)
{
    struct event ev;
    struct err e = {0, ""};
    for (uint64_t seq = first; seq <= last; seq++) {
        if (journal_reader_next(r, &ev, &e) != 1)
            fail_msg("no event %llu: %s", (unsigned long long)seq, e.message);
        check_event(&ev, seq);
    }
    int rc = journal_reader_next(r, &ev, &e);
    if (rc != 0)
        fail_msg("not the end: %d %s", rc, rc < 0 ? e.message : "");
}

static inline struct journal_reader *reader_at(const char *folder, uint64_t from)
{
    struct journal_reader *r;
    struct err e = {0, ""};
    if (journal_reader_open(&r, folder, from, &e) != 0)
        fail_msg("%s", e.message);
    return r;
}

static inline void expect_all(const char *folder, uint64_t from, uint64_t first, uint64_t last)
{
    struct journal_reader *r = reader_at(folder, from);
    expect_range(r, first, last);
    journal_reader_close(r);
}

static inline int count_fold(void *arg, const struct event *ev, struct err *e)
{
    (void)e;
    uint64_t *next = arg;
    check_event(ev, (*next)++);
    return 0;
}

#endif
