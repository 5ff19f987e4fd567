/* SPDX-License-Identifier: MIT
 *
 * The log: lines, levels, secrets in all their spellings, one write for each line.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"

/* A datagram socket keeps writes apart: one read gives what one write() wrote. */
struct bench {
    int fds[2];
    struct clock clock;
    struct log *log;
    char line[20000];
};

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, b->fds), 0);
    clock_virtual(&b->clock, 0, INT64_C(1767323045678900)); /* 2026-01-02T03:04:05.6789 */
    b->log = log_new(b->fds[1], LOG_INFO, &b->clock);
    assert_non_null(b->log);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    log_free(b->log);
    close(b->fds[0]);
    close(b->fds[1]);
    free(b);
    return 0;
}

/* The next line written, or "" if there is none. */
static const char *line(struct bench *b)
{
    ssize_t n = read(b->fds[0], b->line, sizeof b->line - 1);
    b->line[n < 0 ? 0 : n] = '\0';
    return b->line;
}

#define STAMP "2026-01-02T03:04:05.678Z "

static void test_lines(void **state)
{
    struct bench *b = *state;
    errno = EAGAIN;
    log_write(b->log, LOG_INFO, "exec", "text %d", 5);
    assert_int_equal(errno, EAGAIN); /* left as it was */
    assert_string_equal(line(b), STAMP "INFO exec: text 5\n");
    log_write(b->log, LOG_DEBUG, "exec", "not shown");
    assert_string_equal(line(b), "");
    log_write(b->log, LOG_WARN, "io", "a\nb\tc\rd\x1b[31m\x7f");
    assert_string_equal(line(b), STAMP "WARN io: a\\nb\\tc\\x0dd\\x1b[31m\\x7f\n");
    log_write(b->log, LOG_ERROR, "io", "%s", "");
    assert_string_equal(line(b), STAMP "ERROR io: \n");
    assert_int_equal(log_count(b->log, LOG_DEBUG), 0);
    assert_int_equal(log_count(b->log, LOG_INFO), 1);
    assert_int_equal(log_count(b->log, LOG_WARN), 1);
    assert_int_equal(log_count(b->log, LOG_ERROR), 1);
    log_write(NULL, LOG_ERROR, "io", "silent");
    assert_int_equal(log_mask(NULL, "secret"), 0);
    log_unmask(NULL, "secret");
    assert_int_equal(log_count(NULL, LOG_ERROR), 0);
    log_free(NULL);
}

static void test_json(void **state)
{
    struct bench *b = *state;
    log_json(b->log, 1);
    assert_int_equal(log_mask(b->log, "hunter2"), 0);
    log_write(b->log, LOG_WARN, "io", "say \"%s\"\n", "hunter2");
    assert_string_equal(line(b), "{\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"warn\","
                                 "\"component\":\"io\",\"text\":\"say \\\"***\\\"\\n\"}\n");
}

static void test_masks(void **state)
{
    struct bench *b = *state;
    assert_int_equal(log_mask(b->log, "token-123456"), 0);
    assert_int_equal(log_mask(b->log, "token-1"), 0); /* a prefix of the other */
    assert_int_equal(log_mask(b->log, "p\"w/ d\n"), 0);
    assert_int_equal(log_mask(b->log, "abc"), 0); /* too short: would cover too much */
    assert_int_equal(log_mask(b->log, "aaaa"), 0);
    log_write(b->log, LOG_INFO, "x", "[token-123456][token-1][token-12] abc");
    assert_string_equal(line(b), STAMP "INFO x: [***][***][***2] abc\n");
    log_write(b->log, LOG_INFO, "x",
              "plain p\"w/ d\n json {\"a\":\"p\\\"w/ d\\n\"} url p%%22w%%2F%%20d%%0A.");
    assert_string_equal(line(b), STAMP "INFO x: plain *** json {\"a\":\"***\"} url ***.\n");
    log_write(b->log, LOG_INFO, "x", "baaaaaab"); /* overlapping occurrences */
    assert_string_equal(line(b), STAMP "INFO x: b***b\n");
    log_write(b->log, LOG_INFO, "token-123456", "in the component");
    assert_string_equal(line(b), STAMP "INFO ***: in the component\n");
    log_write(b->log, LOG_INFO, "x", "token-123456");
    assert_string_equal(line(b), STAMP "INFO x: ***\n");
}

static void test_unmask(void **state)
{
    struct bench *b = *state;
    assert_int_equal(log_mask(b->log, "shared-token"), 0);
    assert_int_equal(log_mask(b->log, "shared-token"), 0);
    assert_int_equal(log_mask(b->log, "other-token"), 0);
    log_unmask(b->log, "shared-token"); /* another user of it is left */
    log_unmask(b->log, "never registered");
    log_write(b->log, LOG_INFO, "x", "shared-token other-token");
    assert_string_equal(line(b), STAMP "INFO x: *** ***\n");
    log_unmask(b->log, "shared-token");
    log_write(b->log, LOG_INFO, "x", "shared-token other-token");
    assert_string_equal(line(b), STAMP "INFO x: shared-token ***\n");
}

static void test_long_lines(void **state)
{
    struct bench *b = *state;
    char *text = malloc(30001);
    assert_non_null(text);
    memset(text, 'x', 30000);
    text[30000] = '\0';
    log_write(b->log, LOG_INFO, "x", "%s", text);
    const char *got = line(b);
    size_t head = strlen(STAMP "INFO x: ");
    assert_int_equal(strlen(got), head + 8192 + 4);
    assert_string_equal(got + head + 8192, "...\n");
    /* A secret over the place of the cut is covered, not halved. */
    assert_int_equal(log_mask(b->log, "0123456789"), 0);
    memcpy(text + 8187, "0123456789", 10);
    log_write(b->log, LOG_INFO, "x", "%s", text);
    got = line(b);
    assert_null(strstr(got, "0123"));
    assert_string_equal(got + head + 8187, "***xx...\n");
    /* Nor a character. */
    memcpy(text + 8190, "\xe2\x82\xac", 3);
    log_unmask(b->log, "0123456789");
    log_write(b->log, LOG_INFO, "x", "%s", text);
    got = line(b);
    assert_int_equal(strlen(got), head + 8190 + 4);
    free(text);
}

static void test_levels(void **state)
{
    (void)state;
    static const char *const names[] = {"debug", "info", "warn", "error"};
    enum log_level level;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(log_level_parse(names[i], &level), 0);
        assert_int_equal(level, i);
    }
    assert_int_equal(log_level_parse("INFO", &level), ERR_INPUT);
    assert_int_equal(log_level_parse("", &level), ERR_INPUT);
    assert_int_equal(log_level_parse("informative", &level), ERR_INPUT);
    assert_int_equal(log_level_parse(NULL, &level), ERR_INPUT);
    assert_int_equal(level, LOG_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_json, setup, teardown),
        cmocka_unit_test_setup_teardown(test_masks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unmask, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_lines, setup, teardown),
        cmocka_unit_test(test_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
