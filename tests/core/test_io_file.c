/* SPDX-License-Identifier: MIT
 *
 * Files: append, read, replace, folders, locks.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/file.h"

static char dir[64];

static const char *in_dir(const char *name)
{
    static char path[4][256];
    static unsigned k;
    k = (k + 1) % 4;
    (void)snprintf(path[k], sizeof path[k], "%s/%s", dir, name);
    return path[k];
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/perigee-file-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static void assert_content(const char *path, const char *text)
{
    struct str s;
    str_init(&s);
    assert_int_equal(file_read_all(path, &s, 1000, NULL), 0);
    assert_int_equal(s.len, strlen(text));
    assert_string_equal(s.p, text);
    str_fini(&s);
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void appends_and_truncates(void **state)
{
    (void)state;
    struct file f;
    const char *path = in_dir("log");
    assert_int_equal(file_append_open(&f, path, 0600, NULL), 0);
    assert_int_equal(f.size, 0);
    assert_int_equal(file_append(&f, "abc", 3, NULL), 0);
    assert_int_equal(file_append(&f, "", 0, NULL), 0);
    assert_int_equal(file_append(&f, "defg", 4, NULL), 0);
    assert_int_equal(f.size, 7);
    assert_int_equal(file_sync(&f, NULL), 0);
    assert_int_equal(file_truncate(&f, 5, NULL), 0);
    assert_int_equal(file_truncate(&f, 6, NULL), ERR_INPUT);
    assert_int_equal(file_truncate(&f, -1, NULL), ERR_INPUT);
    assert_int_equal(file_append(&f, "Z", 1, NULL), 0);
    file_close(&f);
    file_close(&f);
    assert_int_equal(file_append(&f, "x", 1, NULL), ERR_STATE);
    assert_int_equal(file_sync(&f, NULL), ERR_STATE);
    assert_int_equal(file_truncate(&f, 0, NULL), ERR_STATE);
    assert_content(path, "abcdeZ");
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(file_append_open(&f, path, 0600, NULL), 0); /* goes on at the end */
    assert_int_equal(f.size, 6);
    assert_int_equal(file_append(&f, "!", 1, NULL), 0);
    file_close(&f);
    assert_content(path, "abcdeZ!");
}

/* A file-size limit stands for a full disk: half a record must not stay. */
static void a_failed_append_leaves_no_half_record(void **state)
{
    (void)state;
    struct file f;
    struct err e;
    struct rlimit old, small;
    char big[8192];
    const char *path = in_dir("full");
    memset(big, 'x', sizeof big);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(file_append_open(&f, path, 0600, NULL), 0);
    assert_int_equal(file_append(&f, "whole", 5, NULL), 0);
    small = old;
    small.rlim_cur = 4096;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = file_append(&f, big, sizeof big, &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(rc, ERR_IO);
    assert_non_null(strstr(e.message, path));
    assert_int_equal(f.size, 5);
    assert_int_equal(file_append(&f, "!", 1, NULL), 0);
    file_close(&f);
    assert_content(path, "whole!");
}

static void opening_what_is_no_file_fails(void **state)
{
    (void)state;
    struct file f;
    struct err e;
    char longer[600];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(file_append_open(&f, in_dir("none/x"), 0600, &e), ERR_NOTFOUND);
    assert_int_equal(f.fd, -1);
    assert_int_equal(file_append_open(&f, dir, 0600, &e), ERR_IO);
    assert_int_equal(file_append_open(&f, "/dev/null", 0600, &e), ERR_INPUT);
    assert_int_equal(file_append_open(&f, longer, 0600, &e), ERR_INPUT);
    assert_int_equal(file_replace(longer, "", 0, 0600, &e), ERR_INPUT);
    assert_int_equal(file_make_dirs(longer, &e), ERR_INPUT);
}

static void reads_whole_files_up_to_a_limit(void **state)
{
    (void)state;
    struct str s;
    struct err e;
    char big[40000];
    const char *path = in_dir("big");
    str_init(&s);
    memset(big, 'q', sizeof big);
    assert_int_equal(file_replace(path, big, sizeof big, 0600, NULL), 0);
    assert_int_equal(file_read_all(path, &s, sizeof big, NULL), 0);
    assert_int_equal(s.len, sizeof big);
    assert_memory_equal(s.p, big, sizeof big);
    assert_int_equal(file_read_all(path, &s, sizeof big - 1, &e), ERR_LIMIT);
    assert_int_equal(s.len, 0);
    assert_int_equal(file_read_all(in_dir("missing"), &s, 10, &e), ERR_NOTFOUND);
    assert_non_null(strstr(e.message, "missing"));
    assert_int_equal(file_replace(path, "", 0, 0600, NULL), 0);
    assert_int_equal(file_read_all(path, &s, 0, NULL), 0);
    assert_int_equal(s.len, 0);
    assert_non_null(s.p);
    assert_int_equal(file_read_all(dir, &s, 10, &e), ERR_IO);
    str_fini(&s);
}

static void replaces_atomically_and_leaves_nothing_beside(void **state)
{
    (void)state;
    char command[128];
    const char *path = in_dir("sub/value");
    assert_int_equal(file_replace(path, "x", 1, 0600, NULL), ERR_NOTFOUND);
    assert_int_equal(file_make_dirs(in_dir("sub"), NULL), 0);
    assert_int_equal(file_replace(path, "old", 3, 0644, NULL), 0);
    assert_int_equal(mode_of(path), 0644);
    assert_int_equal(file_replace(path, "newer", 5, 0600, NULL), 0);
    assert_content(path, "newer");
    assert_int_equal(mode_of(path), 0600);
    /* a folder in its place cannot be replaced */
    assert_int_equal(file_make_dirs(in_dir("sub/folder/x"), NULL), 0);
    assert_int_equal(file_replace(in_dir("sub/folder"), "x", 1, 0600, NULL), ERR_IO);
    (void)snprintf(command, sizeof command,
                   "test \"$(ls %s/sub | tr '\\n' ' ')\" = 'folder value '", dir);
    assert_int_equal(system(command), 0);
}

static void makes_folders(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(file_make_dirs(in_dir("a/b/c"), NULL), 0);
    assert_int_equal(file_make_dirs(in_dir("a/b/c"), NULL), 0);
    assert_int_equal(file_make_dirs(in_dir("a//d/"), NULL), 0);
    assert_int_equal(mode_of(in_dir("a/b")), 0700);
    assert_int_equal(mode_of(in_dir("a/d")), 0700);
    assert_int_equal(file_replace(in_dir("a/plain"), "x", 1, 0600, NULL), 0);
    assert_int_equal(file_make_dirs(in_dir("a/plain"), &e), ERR_EXISTS);
    assert_int_equal(file_make_dirs(in_dir("a/plain/b"), &e), ERR_INPUT);
    assert_int_equal(file_make_dirs("", &e), ERR_INPUT);
}

static void a_lock_keeps_other_processes_out_until_it_is_gone(void **state)
{
    (void)state;
    int fd = -1, status = 0;
    struct err e;
    const char *path = in_dir("lock");
    assert_int_equal(file_lock(path, &fd, NULL), 0);
    pid_t child = fork();
    if (child == 0) {
        int other = -1;
        char text[24];
        (void)snprintf(text, sizeof text, "process %ld:", (long)getppid());
        int rc = file_lock(path, &other, &e);
        _exit(rc == ERR_EXISTS && other == -1 && strstr(e.message, text) ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    file_unlock(fd);
    file_unlock(-1);
    assert_int_equal(file_lock(path, &fd, NULL), 0);
    file_unlock(fd);
    assert_int_equal(file_lock(in_dir("none/lock"), &fd, &e), ERR_NOTFOUND);
    assert_int_equal(file_replace(in_dir("plain"), "x", 1, 0600, NULL), 0);
    assert_int_equal(file_lock(in_dir("plain/lock"), &fd, &e), ERR_INPUT);
    assert_int_equal(fd, -1);
}

static void count_death(void *arg)
{
    ++*(int *)arg;
}

/* The process is killed in the middle of a write: a prefix stays, and nothing has an effect after.
 */
static void a_gate_cuts_a_write_and_lets_nothing_through_after_it(void **state)
{
    (void)state;
    for (unsigned last = 1; last <= 4; last++) {
        int deaths = 0;
        struct file_gate gate = {
            .last = last, .share = 1u << 15, .died = count_death, .arg = &deaths};
        const char *path = in_dir("gated"), *other = in_dir("other");
        struct file f, late;
        (void)remove(path);
        assert_int_equal(file_replace(other, "old", 3, 0600, NULL), 0);
        assert_int_equal(file_append_open_through(&f, path, 0600, &gate, NULL), 0);
        assert_int_equal(file_append(&f, "abcd", 4, NULL), 0);
        assert_int_equal(file_append(&f, "EFGH", 4, NULL), 0);
        assert_int_equal(file_replace_through(other, "newest", 6, 0600, &gate, NULL), 0);
        assert_int_equal(f.size, 8); /* what the process believes */
        assert_int_equal(file_append(&f, "ijkl", 4, NULL), 0);
        assert_true(gate.dead && !file_gate_open(&gate));
        assert_int_equal(file_sync(&f, NULL), 0);
        assert_int_equal(file_truncate(&f, 1, NULL), 0);
        file_close(&f);
        assert_int_equal(file_append_open_through(&late, in_dir("late"), 0600, &gate, NULL), 0);
        assert_int_equal(file_append(&late, "x", 1, NULL), 0);
        file_close(&late);
        assert_int_not_equal(access(in_dir("late"), F_OK), 0);
        assert_int_equal(file_replace_through(other, "never", 5, 0600, &gate, NULL), 0);
        file_gate_kill(&gate);
        assert_int_equal(deaths, 1);
        static const char *const left[] = {"ab", "abcdEF", "abcdEFGH", "abcdEFGHij"};
        assert_content(path, left[last - 1]);
        assert_content(other, last <= 3 ? "old" : "newest");
    }
    assert_true(file_gate_open(NULL));
}

/* With share 0 not a byte of the write arrives; a gate without a last write stops nothing. */
static void a_gate_may_stop_a_whole_write_or_none(void **state)
{
    (void)state;
    struct file_gate gate = {.last = 2};
    struct file f;
    const char *path = in_dir("gated2");
    assert_int_equal(file_append_open_through(&f, path, 0600, &gate, NULL), 0);
    assert_int_equal(file_append(&f, "abc", 3, NULL), 0);
    assert_int_equal(file_append(&f, "def", 3, NULL), 0);
    file_close(&f);
    assert_content(path, "abc");
    struct file_gate open = {0};
    assert_int_equal(file_append_open_through(&f, path, 0600, &open, NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(file_append(&f, "x", 1, NULL), 0);
    file_close(&f);
    assert_content(path, "abcxxx");
    assert_int_equal(open.writes, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_and_truncates),
        cmocka_unit_test(a_failed_append_leaves_no_half_record),
        cmocka_unit_test(opening_what_is_no_file_fails),
        cmocka_unit_test(reads_whole_files_up_to_a_limit),
        cmocka_unit_test(replaces_atomically_and_leaves_nothing_beside),
        cmocka_unit_test(makes_folders),
        cmocka_unit_test(a_lock_keeps_other_processes_out_until_it_is_gone),
        cmocka_unit_test(a_gate_cuts_a_write_and_lets_nothing_through_after_it),
        cmocka_unit_test(a_gate_may_stop_a_whole_write_or_none),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
