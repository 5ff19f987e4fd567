/* SPDX-License-Identifier: MIT
 *
 * The journal damaged: torn tails, flipped bytes, foreign files, and what only looks like damage.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "store_bench.h"

static int64_t frame_end(const struct str *file, uint64_t seq)
{
    size_t at = 16;
    struct event ev;
    for (;;) {
        int64_t n = event_decode(file->p + at, file->len - at, &ev, NULL);
        assert_true(n > 0);
        at += (size_t)n;
        if (ev.seq == seq)
            return (int64_t)at;
    }
}

/* The last segment cut at every byte: what is whole before the cut comes back, and writing goes on.
 */
static void test_torn_at_every_byte(void **state)
{
    const char *folder = *state;
    struct err e = {0, ""};
    char first[400], second[400];
    struct str head, tail;
    str_init(&head);
    str_init(&tail);
    struct journal *j = open_at(folder, 120, NULL);
    append_range(j, 1, 3);
    assert_int_equal(journal_close(j, &e), 0);
    j = open_at(folder, 1 << 20, NULL); /* 3 is in a segment of its own, which now goes on */
    append_range(j, 4, 6);
    assert_int_equal(journal_close(j, &e), 0);
    bench_segment(first, folder, 1);
    bench_segment(second, folder, 3);
    bench_read(first, &head);
    bench_read(second, &tail);
    for (size_t n = 0; n <= tail.len; n++) {
        struct journal_report report;
        bench_write(second, tail.p, n);
        uint64_t last = 2;
        int64_t whole = n >= 16 ? 16 : 0;
        for (uint64_t seq = 3; seq <= 6; seq++) {
            if (frame_end(&tail, seq) <= (int64_t)n) {
                last = seq;
                whole = frame_end(&tail, seq);
            }
        }
        assert_int_equal(journal_verify(folder, &report, &e), 0); /* changes nothing */
        assert_int_equal(report.last, last);
        assert_int_equal(report.cut_bytes, (int64_t)n - whole);
        struct journal_reader *r = reader_at(folder, 0);
        expect_range(r, 1, last);
        assert_int_equal(journal_reader_torn(r), (int64_t)n - whole);

        uint64_t next = 1;
        struct journal_config config = {
            .folder = folder, .segment_size = 1 << 20, .sync = JOURNAL_SYNC_OFF};
        assert_int_equal(journal_open(&j, &config, count_fold, &next, &report, &e), 0);
        assert_int_equal(next, last + 1);
        assert_int_equal(report.last, last);
        assert_int_equal(report.cut_bytes, (int64_t)n - whole);
        assert_string_equal(report.cut_file, (int64_t)n == whole ? "" : second);
        append_range(j, last + 1, 8);
        expect_range(r, last + 1, 8); /* a reader that saw the torn tail goes on */
        journal_reader_close(r);
        assert_int_equal(journal_close(j, &e), 0);
        expect_all(folder, 0, 1, 8);
        bench_empty(folder);
        bench_write(first, head.p, head.len);
    }
    str_fini(&head);
    str_fini(&tail);
}

static void expect_damage(const char *folder, const char *path, int64_t offset)
{
    struct journal_report report;
    struct journal *j;
    struct err e = {0, ""};
    char want[500];
    snprintf(want, sizeof want, "%s is damaged at offset %lld:", path, (long long)offset);
    struct journal_config config = {.folder = folder, .sync = JOURNAL_SYNC_OFF};
    struct str before, after;
    str_init(&before);
    str_init(&after);
    bench_read(path, &before);
    assert_int_equal(journal_verify(folder, &report, &e), ERR_INPUT);
    if (!strstr(e.message, want))
        fail_msg("\"%s\" has no \"%s\"", e.message, want);
    e.message[0] = '\0';
    assert_int_equal(journal_open(&j, &config, NULL, NULL, &report, &e), ERR_INPUT);
    if (!strstr(e.message, want))
        fail_msg("\"%s\" has no \"%s\"", e.message, want);
    assert_null(j);
    bench_read(path, &after); /* nothing was cut */
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.p, after.p, after.len);
    str_fini(&before);
    str_fini(&after);
}

/* Each byte but those of the last frame, flipped: an error at the frame it is in. */
static void test_flipped_in_last_segment(void **state)
{
    const char *folder = *state;
    struct err e;
    char path[400];
    struct str file;
    str_init(&file);
    struct journal *j = open_at(folder, 0, NULL);
    append_range(j, 1, 4);
    assert_int_equal(journal_close(j, &e), 0);
    bench_segment(path, folder, 1);
    bench_read(path, &file);
    for (size_t i = 0; i < (size_t)frame_end(&file, 3); i++) {
        int64_t at = 0;
        for (uint64_t seq = 0; seq < 3 && i >= 16; seq++) {
            int64_t start = seq ? frame_end(&file, seq) : 16;
            if ((int64_t)i >= start)
                at = start;
        }
        for (int bit = 0; bit < 8; bit += 7) {
            file.p[i] = (char)(file.p[i] ^ (1 << bit));
            bench_write(path, file.p, file.len);
            file.p[i] = (char)(file.p[i] ^ (1 << bit));
            expect_damage(folder, path, at);
        }
    }
    /* In the last frame it cannot be told from a torn write: cut, and reported. */
    struct journal_report report;
    file.p[file.len - 8] ^= 1;
    bench_write(path, file.p, file.len);
    j = open_at(folder, 0, &report);
    assert_int_equal(report.last, 3);
    assert_int_equal(report.cut_bytes, (int64_t)file.len - frame_end(&file, 3));
    assert_string_equal(report.cut_file, path);
    assert_int_equal(journal_close(j, &e), 0);
    str_fini(&file);
}

static void test_damage_in_older_segment(void **state)
{
    const char *folder = *state;
    struct err e;
    char path[400], later[400];
    struct str file;
    str_init(&file);
    struct journal *j = open_at(folder, 200, NULL);
    append_range(j, 1, 6);
    assert_int_equal(journal_close(j, &e), 0);
    bench_segment(path, folder, 1);
    bench_read(path, &file);
    struct event ev;
    size_t at = 16, last = 16;
    for (; at < file.len; at += (size_t)event_decode(file.p + at, file.len - at, &ev, NULL))
        last = at;
    uint64_t last_seq = ev.seq;
    /* Its last frame, which in the last segment would be a torn tail. */
    file.p[file.len - 8] ^= 1;
    bench_write(path, file.p, file.len);
    expect_damage(folder, path, (int64_t)last);
    file.p[file.len - 8] ^= 1;
    /* Cut short, also to nothing. */
    bench_write(path, file.p, file.len - 1);
    expect_damage(folder, path, (int64_t)last);
    bench_write(path, file.p, 16);
    expect_damage(folder, path, 16);
    bench_write(path, file.p, 5);
    expect_damage(folder, path, 0);
    bench_write(path, file.p, 0);
    expect_damage(folder, path, 0);
    bench_write(path, file.p, file.len);
    /* Numbers that do not rise. */
    bench_segment(later, folder, last_seq + 1);
    struct str copy;
    str_init(&copy);
    bench_read(later, &copy);
    bench_write(later, file.p, file.len);
    expect_damage(folder, later, 16);
    /* Or not those of the name. */
    bench_write(later, copy.p, copy.len);
    assert_int_equal(unlink(path), 0);
    char renamed[400];
    bench_segment(renamed, folder, 2);
    bench_write(renamed, file.p, file.len);
    expect_damage(folder, renamed, 16);
    str_fini(&copy);
    str_fini(&file);
}

static void test_foreign_files(void **state)
{
    const char *folder = *state;
    struct err e = {0, ""};
    struct journal_report report;
    char path[400];
    bench_segment(path, folder, 1);
    bench_write(path, "this is no journal at all", 25);
    expect_damage(folder, path, 0);
    /* A later version is not damage, and is never cut. */
    struct str file;
    str_init(&file);
    assert_int_equal(unlink(path), 0);
    struct journal *j = open_at(folder, 0, NULL);
    append_range(j, 1, 1);
    assert_int_equal(journal_close(j, &e), 0);
    bench_read(path, &file);
    struct event ev;
    char text[64];
    bench_event(&ev, 2, text);
    ev.kind = 60000; /* of a later version, intact */
    struct str frame;
    str_init(&frame);
    assert_int_equal(event_encode(&ev, &frame), 0);
    str_add(&file, frame.p, frame.len);
    bench_write(path, file.p, file.len);
    expect_damage(folder, path, (int64_t)(file.len - frame.len));
    assert_int_equal(journal_verify(folder, &report, &e), ERR_INPUT);
    assert_non_null(strstr(e.message, "newer version"));
    /* Nor is an intact frame whose number does not rise. */
    file.len -= frame.len;
    str_clear(&frame);
    bench_event(&ev, 1, text);
    assert_int_equal(event_encode(&ev, &frame), 0);
    str_add(&file, frame.p, frame.len);
    bench_write(path, file.p, file.len);
    expect_damage(folder, path, (int64_t)(file.len - frame.len));
    str_fini(&frame);
    str_fini(&file);
}

/* What a power cut leaves: the file grew, its bytes did not arrive. */
static void test_zeros_at_the_end(void **state)
{
    const char *folder = *state;
    struct err e;
    struct journal_report report;
    char path[400];
    struct str file;
    str_init(&file);
    struct journal *j = open_at(folder, 0, NULL);
    append_range(j, 1, 3);
    assert_int_equal(journal_close(j, &e), 0);
    bench_segment(path, folder, 1);
    bench_read(path, &file);
    for (int i = 0; i < 5000; i++)
        str_addc(&file, '\0');
    bench_write(path, file.p, file.len);
    j = open_at(folder, 0, &report);
    assert_int_equal(report.last, 3);
    assert_int_equal(report.cut_bytes, 5000);
    append_range(j, 4, 5);
    assert_int_equal(journal_close(j, &e), 0);
    expect_all(folder, 0, 1, 5);
    /* Zeros instead of a whole new segment. */
    char next[400];
    bench_segment(next, folder, 6);
    str_clear(&file);
    for (int i = 0; i < 100; i++)
        str_addc(&file, '\0');
    bench_write(next, file.p, file.len);
    j = open_at(folder, 0, &report);
    assert_int_equal(report.last, 5);
    assert_int_equal(report.cut_bytes, 100);
    assert_string_equal(report.cut_file, next);
    append_range(j, 6, 7);
    assert_int_equal(journal_close(j, &e), 0);
    expect_all(folder, 0, 1, 7);
    str_fini(&file);
}

/* The reader asks for the file's size when it met half a frame. This stands in for the kernel's
 * fstat, so that a test can write more just then. */
static void (*before_fstat)(void);
static const char *growing_path;
static struct str growing_rest;

int fstat(int fd, struct stat *st)
{
    void (*hook)(void) = before_fstat;
    before_fstat = NULL;
    if (hook)
        hook();
    return fstatat(fd, "", st, AT_EMPTY_PATH);
}

static void grow(void)
{
    FILE *f = fopen(growing_path, "ab");
    assert_non_null(f);
    assert_int_equal(fwrite(growing_rest.p, 1, growing_rest.len, f), growing_rest.len);
    assert_int_equal(fclose(f), 0);
}

/* Half a frame was read, and before the reader has looked again the writer has gone on: no damage.
 */
static void test_completed_meanwhile(void **state)
{
    const char *folder = *state;
    char path[400];
    struct str file;
    str_init(&file);
    struct journal *j = open_at(folder, 0, NULL);
    append_range(j, 1, 4);
    assert_int_equal(journal_close(j, NULL), 0);
    bench_segment(path, folder, 1);
    bench_read(path, &file);
    growing_path = path;
    for (size_t n = 1; n < (size_t)frame_end(&file, 2); n++) {
        bench_write(path, file.p, n);
        str_init(&growing_rest);
        str_add(&growing_rest, file.p + n, file.len - n);
        before_fstat = grow;
        bool asked = n != 16 && n != (size_t)frame_end(&file, 1);
        if (!asked) { /* whole so far: the reader does not wonder */
            before_fstat = NULL;
            grow();
        }
        expect_all(folder, 0, 1, 4);
        assert_null(before_fstat);
        str_fini(&growing_rest);
    }
    str_fini(&file);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
    const struct CMUnitTest tests[] = {
        T(test_torn_at_every_byte),      T(test_flipped_in_last_segment),
        T(test_damage_in_older_segment), T(test_foreign_files),
        T(test_zeros_at_the_end),        T(test_completed_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
