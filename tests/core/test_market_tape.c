/* SPDX-License-Identifier: MIT
 *
 * Data files: what is read, and how each kind of broken line is named. The real tape is read where
 * ../shared/data (or PERIGEE_TEST_DATA) has it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/clock.h"
#include "market/tape.h"

#define HEAD "timestamp,open,high,low,close,volume\n"
#define ROW1 "2021-12-31 23:01:00.000000,46319.0,46385.0,46318.5,46377.0,2300413.7295\n"
#define ROW2 "2021-12-31 23:02:00.000000,46377.0,46411.0,46377.0,46411.0,0\n"

static char dir[64];
static char path[128];

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/perigee-tape-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/t.csv", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

static void put(const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void put_gz(const char *text)
{
    gzFile f = gzopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(gzwrite(f, text, (unsigned)strlen(text)), strlen(text));
    assert_int_equal(gzclose(f), Z_OK);
}

static void load(struct tape *t, const char *text)
{
    struct err e = {0};
    put(text, strlen(text));
    int rc = tape_load(t, path, &e);
    if (rc != 0)
        fail_msg("%s", e.message);
}

/* The message must be "file:line: ..." (line 0: just "file...") and hold `word`. */
static void refuse(size_t line, const char *word, const char *text)
{
    struct tape t;
    struct err e = {0};
    char start[160];
    put(text, strlen(text));
    assert_int_equal(tape_load(&t, path, &e), ERR_INPUT);
    assert_null(t.bars);
    assert_int_equal(t.count, 0);
    if (line > 0)
        snprintf(start, sizeof start, "%s:%zu: ", path, line);
    else
        snprintf(start, sizeof start, "%s: ", path);
    if (strncmp(e.message, start, strlen(start)) != 0 || strstr(e.message, word) == NULL)
        fail_msg("wanted '%s... %s', got '%s'", start, word, e.message);
}

static void test_good(void **state)
{
    (void)state;
    struct tape t;
    load(&t, HEAD ROW1 ROW2);
    assert_int_equal(t.count, 2);
    assert_int_equal(t.timeframe, 60000);
    int64_t ms;
    assert_int_equal(clock_iso_parse("2021-12-31T23:01:00Z", &ms), 0);
    assert_int_equal(t.bars[0].open_ms, ms);
    assert_int_equal(t.bars[0].open.v, 46319 * DECIMAL_ONE);
    assert_int_equal(t.bars[0].high.v, 46385 * DECIMAL_ONE);
    assert_int_equal(t.bars[0].low.v, INT64_C(4631850000000));
    assert_int_equal(t.bars[0].close.v, 46377 * DECIMAL_ONE);
    assert_int_equal(t.bars[0].volume.v, INT64_C(230041372950000));
    assert_int_equal(t.bars[1].volume.v, 0);
    assert_int_equal(strlen(t.hash), 16);
    assert_int_equal(strspn(t.hash, "0123456789abcdef"), 16);
    tape_fini(&t);
    assert_null(t.bars);
    tape_fini(&t);
}

/* Any order of columns, any case, more of them, blanks, CRLF, a byte order mark, no last newline,
 * blank lines at the end. */
static void test_forms(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "volume,close,low,timestamp,high,open\n"
        "7,4,1,2022-01-01T00:00:00Z,5,2\n8,4,1,2022-01-01T00:01:00Z,5,2\n",
        "Timestamp,OPEN,High,low,trades,Close,Volume\n"
        "1640995200,2,5,1,99,4,7\n1640995260,2,5,1,,4,8\n",
        "timestamp, open ,high,low,close,volume\r\n"
        "1640995200000, 2,5 ,1,4,7\r\n1640995260000,2.0,5e0,1,4,8.00\r\n\r\n",
        "\xef\xbb\xbftimestamp,open,high,low,close,volume\n"
        "2022-01-01 00:00,2,5,1,4,7\n2022-01-01T01:01:00+01:00,2,5,1,4,8",
        HEAD "2022-01-01 00:00:00.000000,2,5,1,4,7\n2022-01-01 00:01:00,2,5,1,4,8\n\n \n\n",
    };
    char hashes[5][17];
    for (size_t i = 0; i < 5; i++) {
        struct tape t;
        load(&t, forms[i]);
        assert_int_equal(t.count, 2);
        assert_int_equal(t.timeframe, 60000);
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(t.bars[k].open_ms, INT64_C(1640995200000) + (int64_t)k * 60000);
            assert_int_equal(t.bars[k].open.v, 2 * DECIMAL_ONE);
            assert_int_equal(t.bars[k].high.v, 5 * DECIMAL_ONE);
            assert_int_equal(t.bars[k].low.v, 1 * DECIMAL_ONE);
            assert_int_equal(t.bars[k].close.v, 4 * DECIMAL_ONE);
            assert_int_equal(t.bars[k].volume.v, (7 + (int64_t)k) * DECIMAL_ONE);
        }
        strcpy(hashes[i], t.hash);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(hashes[i], hashes[k]);
        tape_fini(&t);
    }
}

/* Compressed and plain, the same content has the same identity. */
static void test_gz(void **state)
{
    (void)state;
    struct tape plain, packed;
    struct err e = {0};
    load(&plain, HEAD ROW1 ROW2);
    put_gz(HEAD ROW1 ROW2);
    assert_int_equal(tape_load(&packed, path, &e), 0);
    assert_int_equal(packed.count, 2);
    assert_memory_equal(plain.bars, packed.bars, 2 * sizeof plain.bars[0]);
    assert_string_equal(plain.hash, packed.hash);
    tape_fini(&plain);
    tape_fini(&packed);
}

static void test_damaged_gz(void **state)
{
    (void)state;
    static unsigned char bytes[4096];
    char *text = malloc(60 + 100 * 80);
    assert_non_null(text);
    size_t n = (size_t)sprintf(text, HEAD);
    for (int i = 0; i < 100; i++)
        n += (size_t)sprintf(text + n, "%d,2,5,1,4,%d\n", 1640995200 + i * 60, i * 7919 % 1000);
    put_gz(text);
    free(text);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    assert_true(n > 200 && n < sizeof bytes);
    struct tape t;
    struct err e = {0};
    for (size_t kept = n - 1; kept > 30; kept -= 20) {
        put(bytes, kept);
        assert_int_equal(tape_load(&t, path, &e), ERR_INPUT);
        assert_non_null(strstr(e.message, "damaged"));
    }
    bytes[n / 2] ^= 0x55;
    put(bytes, n);
    assert_int_equal(tape_load(&t, path, &e), ERR_INPUT);
    assert_non_null(strstr(e.message, "damaged"));
}

static void test_broken_header(void **state)
{
    (void)state;
    refuse(1, "empty", "");
    refuse(1, "'volume'", "timestamp,open,high,low,close\n" ROW1 ROW2);
    refuse(1, "'timestamp'", ROW1 ROW2);
    refuse(1, "twice", "timestamp,open,high,low,close,volume,Open\n" ROW1);
    char wide[400] = "timestamp,open,high,low,close,volume";
    for (int i = 0; i < 60; i++)
        strcat(wide, ",x");
    strcat(wide, "\n");
    refuse(1, "columns", wide);
}

static void test_broken_lines(void **state)
{
    (void)state;
    refuse(3, "5 fields", HEAD ROW1 "2021-12-31 23:02:00,1,1,1,1\n");
    refuse(3, "7 fields", HEAD ROW1 "2021-12-31 23:02:00,1,1,1,1,1,1\n");
    refuse(2, "open 'x'", HEAD "2021-12-31 23:01:00,x,1,1,1,1\n" ROW2);
    refuse(2, "high ''", HEAD "2021-12-31 23:01:00,1,,1,1,1\n" ROW2);
    refuse(2, "low 'nan'", HEAD "2021-12-31 23:01:00,1,1,nan,1,1\n" ROW2);
    refuse(2, "close '1.123456789'", HEAD "2021-12-31 23:01:00,1,1,1,1.123456789,1\n" ROW2);
    refuse(2, "volume '999999999999' is out of range",
           HEAD "2021-12-31 23:01:00,1,1,1,1,999999999999\n" ROW2);
    refuse(3, "empty line", HEAD ROW1 "\n" ROW2);
    refuse(2, "empty line", HEAD "\n" ROW1 ROW2);
    refuse(3, "low is above high", HEAD ROW1 "2021-12-31 23:02:00,3,2,4,3,1\n");
    refuse(3, "open is outside", HEAD ROW1 "2021-12-31 23:02:00,5,4,1,2,1\n");
    refuse(3, "open is outside", HEAD ROW1 "2021-12-31 23:02:00,1,4,2,2,1\n");
    refuse(3, "close is outside", HEAD ROW1 "2021-12-31 23:02:00,2,4,1,5,1\n");
    refuse(3, "close is outside", HEAD ROW1 "2021-12-31 23:02:00,2,4,2,1,1\n");
    refuse(3, "not above 0", HEAD ROW1 "2021-12-31 23:02:00,0,0,0,0,1\n");
    refuse(3, "not above 0", HEAD ROW1 "2021-12-31 23:02:00,1,1,-1,1,1\n");
    refuse(3, "volume is negative", HEAD ROW1 "2021-12-31 23:02:00,1,1,1,1,-1\n");
}

static void test_broken_stamps(void **state)
{
    (void)state;
    static const char *const stamps[] = {
        "",         "yesterday",        "2021-13-01 00:00:00", "2021-12-31 24:61:00",
        "20211231", "1640995260000000", "-1640995260",         "1640995260.5"};
    for (size_t i = 0; i < sizeof stamps / sizeof stamps[0]; i++) {
        char text[300];
        snprintf(text, sizeof text, HEAD ROW1 "%s,1,1,1,1,1\n", stamps[i]);
        refuse(3, "is neither ISO-8601 nor epoch", text);
    }
    char longest[300];
    snprintf(longest, sizeof longest, HEAD "%0100d-,1,1,1,1,1\n", 0);
    refuse(2, "is neither", longest);
    refuse(3, "not later", HEAD ROW1 ROW1);
    refuse(4, "not later", HEAD ROW1 ROW2 ROW1);
    refuse(4, "multiple of the tape's 60000 ms",
           HEAD ROW1 ROW2 "2021-12-31 23:03:30,1,1,1,1,1\n2021-12-31 23:04:00,1,1,1,1,1\n"
                          "2021-12-31 23:05:00,1,1,1,1,1\n");
    refuse(1, "at least 2", HEAD);
    refuse(2, "at least 2", HEAD ROW1);
}

/* Noise beyond 8 places of a volume is rounded, but must be digits; see the broken lines for
 * prices. */
static void test_volume_noise(void **state)
{
    (void)state;
    struct tape t;
    load(&t, HEAD "1640995200,1,1,1,1,218102.59507500002\n1640995260,1,1,1,1,0.123456785\n"
                  "1640995320,1,1,1,1,1.99999999999\n1640995380,1,1,1,1,0.0000000049\n");
    assert_int_equal(t.bars[0].volume.v, INT64_C(21810259507500));
    assert_int_equal(t.bars[1].volume.v, 12345679);
    assert_int_equal(t.bars[2].volume.v, 2 * DECIMAL_ONE);
    assert_int_equal(t.bars[3].volume.v, 0);
    tape_fini(&t);
    refuse(2, "volume '1.123456789x' is not a decimal number",
           HEAD "1640995200,1,1,1,1,1.123456789x\n" ROW2);
    refuse(2, "volume '1.12x456789' is not", HEAD "1640995200,1,1,1,1,1.12x456789\n" ROW2);
    refuse(2, "volume is negative", HEAD "1640995200,1,1,1,1,-0.000000006\n" ROW2);
}

/* The most frequent distance decides; holes are allowed. */
static void test_timeframe(void **state)
{
    (void)state;
    struct tape t;
    load(&t, HEAD "1640995200,1,1,1,1,1\n1640995500,1,1,1,1,1\n1640995800,1,1,1,1,1\n"
                  "1640997600,1,1,1,1,1\n1640999400,1,1,1,1,1\n1640999700,1,1,1,1,1\n");
    assert_int_equal(t.timeframe, 300000);
    assert_int_equal(t.count, 6);
    tape_fini(&t);
}

static void test_not_a_tape(void **state)
{
    (void)state;
    struct tape t;
    struct err e = {0};
    assert_int_equal(tape_load(&t, "/nonexistent/t.csv", &e), ERR_INPUT);
    assert_non_null(strstr(e.message, "/nonexistent/t.csv"));
    assert_int_equal(tape_load(&t, dir, &e), ERR_INPUT);
    assert_non_null(strstr(e.message, dir));
    const char binary[] = HEAD ROW1 "\0\0\0" ROW2;
    put(binary, sizeof binary - 1);
    assert_int_equal(tape_load(&t, path, &e), ERR_INPUT);
    assert_non_null(strstr(e.message, "NUL"));
    /* A very long path does not push the reason out of the message. */
    char longest[400];
    memset(longest, 'x', sizeof longest);
    memcpy(longest, "/tmp/", 5);
    strcpy(longest + 390, "/end.csv");
    assert_int_equal(tape_load(&t, longest, &e), ERR_INPUT);
    assert_non_null(strstr(e.message, "/end.csv"));
}

static void test_many_rows(void **state)
{
    (void)state;
    enum { ROWS = 60000 };
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(HEAD, f);
    for (int i = 0; i < ROWS; i++)
        fprintf(f, "%d,2.5,5.25,1.125,4,%d.%08d\n", 1640995200 + i, i, i);
    fclose(f);
    struct tape t;
    struct err e = {0};
    assert_int_equal(tape_load(&t, path, &e), 0);
    assert_int_equal(t.count, ROWS);
    assert_int_equal(t.timeframe, 1000);
    assert_int_equal(t.bars[ROWS - 1].volume.v, (ROWS - 1) * DECIMAL_ONE + ROWS - 1);
    tape_fini(&t);
}

static void test_real_tape(void **state)
{
    (void)state;
    static const char *const places[] = {"../shared/data", "../../shared/data",
                                         "../../../shared/data"};
    const char *named = getenv("PERIGEE_TEST_DATA");
    char real[512] = "";
    for (size_t i = 0; i < 3 && access(real, R_OK) != 0; i++)
        snprintf(real, sizeof real, "%s/btcusd-perp-1m-202201.csv.gz",
                 named != NULL ? named : places[i]);
    if (access(real, R_OK) != 0) {
        printf("skipped: no real tape in ../shared/data (PERIGEE_TEST_DATA names its folder)\n");
        skip();
    }
    struct tape t;
    struct err e = {0};
    int rc = tape_load(&t, real, &e);
    if (rc != 0)
        fail_msg("%s", e.message);
    assert_int_equal(t.count, 45031);
    assert_int_equal(t.timeframe, 60000);
    char iso[32];
    clock_iso(t.bars[t.count - 1].open_ms, iso);
    assert_string_equal(iso, "2022-02-01T05:31:00.000Z");
    tape_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_gz),
        cmocka_unit_test(test_damaged_gz),
        cmocka_unit_test(test_broken_header),
        cmocka_unit_test(test_broken_lines),
        cmocka_unit_test(test_broken_stamps),
        cmocka_unit_test(test_timeframe),
        cmocka_unit_test(test_not_a_tape),
        cmocka_unit_test(test_volume_noise),
        cmocka_unit_test(test_many_rows),
        cmocka_unit_test(test_real_tape),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
