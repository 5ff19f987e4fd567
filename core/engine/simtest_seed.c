/* SPDX-License-Identifier: MIT
 *
 * One seed: its run, the same run again where that is due (the journals must be alike), and for
 * some seeds two runs that differ in the faults of one account.
 */
#include "engine/simtest.h"

#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/process.h"
#include "engine/simtest_world.h"

#define REPEATED                                                                                   \
    8 /* one seed in so many runs twice; another one for the comparison of accounts                \
       */

/* What a run has in common with no other. */
struct run_ask {
    const char *name; /* of its folder */
    const char *more; /* option lines */
    uint64_t seed;
};

static const char *text_of(const struct str *s)
{
    return s->len ? s->p : "";
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    (void)st, (void)flag, (void)at;
    return remove(path);
}

static void remove_tree(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void write_options(struct str *s, const struct simtest_options *o, const struct run_ask *ask)
{
    str_addf(s, "seed=%" PRIu64 "\nminutes=%.6g\naccounts=%u\nsignals=%u\nkills=%u\nsamples=%u\n",
             ask->seed, o->minutes, o->accounts, o->signals, o->kills, o->samples);
    if (o->calm)
        str_addz(s, "calm=true\n");
    if (o->trace)
        str_addz(s, "trace=true\n");
    if (ask->more)
        str_addz(s, ask->more);
}

/* The log stays on the screen where somebody looks. */
static void show_log(const char *path)
{
    struct str text = {0};
    struct err e;
    if (file_read_all(path, &text, (size_t)1 << 26, &e) == 0)
        fwrite(text.p, 1, text.len, stderr);
    str_fini(&text);
}

static int run_once(const struct simtest_options *o, const char *base, const struct run_ask *ask,
                    struct str *verdict, struct err *e)
{
    char folder[200], path[220];
    snprintf(folder, sizeof folder, "%s/%" PRIu64 "-%s", base, ask->seed, ask->name);
    remove_tree(folder);
    int rc = file_make_dirs(folder, e);
    if (rc)
        return rc;
    snprintf(path, sizeof path, "%s/log", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(e, ERR_IO, "cannot open %s", path);
    struct str options;
    str_init(&options);
    write_options(&options, o, ask);
    struct world w = {.folder = folder, .options = text_of(&options), .home = process_home()};
    w.log = log_new(fd, LOG_WARN, &w.clock);
    rc = world_run(&w, ask->seed, "perigee.simtest.keeper", (int64_t)(o->minutes * 60000) + 360000,
                   e);
    log_free(w.log);
    close(fd);
    if (rc == 0 && w.verdict.len == 0)
        rc = err_set(e, ERR_FAILED, "the run ended without a verdict");
    if (rc || o->trace || strncmp(text_of(&w.verdict), "error:", 6) == 0)
        show_log(path);
    if (rc == 0) {
        str_clear(verdict);
        str_add(verdict, w.verdict.p, w.verdict.len);
    }
    str_fini(&w.verdict);
    str_fini(&options);
    remove_tree(folder);
    return rc;
}

/* ---- verdicts ---- */

/* The text of the first line that begins with `word` and a space; "" when there is none. */
static const char *line_of(const struct str *verdict, const char *word, char *buf, size_t size)
{
    size_t n = strlen(word);
    buf[0] = '\0';
    for (const char *at = verdict->p; at && *at;) {
        size_t length = strcspn(at, "\n");
        if (length > n && strncmp(at, word, n) == 0 && at[n] == ' ') {
            snprintf(buf, size, "%.*s", (int)(length - n - 1), at + n + 1);
            break;
        }
        at += length + (at[length] == '\n');
    }
    return buf;
}

static uint64_t count_of(const char *counts, const char *name)
{
    char key[32];
    snprintf(key, sizeof key, "%s=", name);
    const char *at = strstr(counts, key);
    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static void add_lines(struct str *out, const struct str *verdict, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = verdict->p; at && *at;) {
        size_t length = strcspn(at, "\n");
        if (length > n && strncmp(at, word, n) == 0 && at[n] == ' ') {
            str_addz(out, "  ");
            str_add(out, at + n + 1, length - n - 1);
            str_addc(out, '\n');
        }
        at += length + (at[length] == '\n');
    }
}

static void take_verdict(const struct simtest_options *o, const struct str *verdict,
                         struct simtest_outcome *out)
{
    char counts[300];
    bool ok = strncmp(verdict->p, "ok\n", 3) == 0;
    line_of(verdict, "counts", counts, sizeof counts);
    out->runs++;
    out->intents += count_of(counts, "intents");
    out->opened += count_of(counts, "opened");
    out->unknown += count_of(counts, "unknown");
    out->lives += count_of(counts, "lives");
    out->prefixes += count_of(counts, "prefixes");
    out->writes = count_of(counts, "writes");
    out->sends = count_of(counts, "sends");
    if (strncmp(verdict->p, "error:", 6) == 0) {
        str_addz(&out->text, "  ");
        str_add(&out->text, verdict->p, verdict->len);
        str_addc(&out->text, '\n');
    }
    if (!ok) {
        out->ok = false;
        add_lines(&out->text, verdict, "violation");
    }
    if (!ok || o->trace) {
        str_addz(&out->text, "  ");
        str_addz(&out->text, counts);
        str_addc(&out->text, '\n');
        add_lines(&out->text, verdict, "trace");
    }
}

/* ---- comparisons ---- */

static void compare_hashes(const struct str *first, const struct str *second,
                           struct simtest_outcome *out)
{
    char a[40], b[40];
    line_of(first, "hash", a, sizeof a);
    line_of(second, "hash", b, sizeof b);
    if (strcmp(a, b) == 0)
        return;
    out->ok = false;
    str_addf(&out->text, "  same seed, same journal: one run hashes to %s, the next to %s\n", a, b);
}

/* The length of the line at p, and of what is compared of it: a tab and a time may follow. */
static size_t line_length(const char *p, size_t *compared)
{
    size_t n = strcspn(p, "\n");
    *compared = strcspn(p, "\t\n");
    return n;
}

static void compare_others(const struct str *with, const struct str *without, const char *account,
                           struct simtest_outcome *out)
{
    struct str a, b;
    str_init(&a);
    str_init(&b);
    add_lines(&a, with, "other");
    add_lines(&b, without, "other");
    const char *one = text_of(&a), *other = text_of(&b), *alike = one;
    for (unsigned lines = 0;; lines++) {
        size_t m, n, length = line_length(one, &m), length_other = line_length(other, &n);
        if (m != n || memcmp(one, other, n) != 0) {
            out->ok = false;
            str_addf(
                &out->text,
                "  each alone: with faults of account %s another account's journal says, after\n"
                "%.*s  this\n%.*s\n  and without them\n%.*s\n",
                account, (int)(one - alike), alike, (int)length, one, (int)length_other, other);
            break;
        }
        if (one[length] == '\0' || other[length_other] == '\0')
            break;
        if (lines >= 3) /* as many before the difference are shown */
            alike += strcspn(alike, "\n") + 1;
        one += length + 1;
        other += length_other + 1;
    }
    str_fini(&a);
    str_fini(&b);
}

static int run_again(const struct simtest_options *o, const char *base, uint64_t seed,
                     const char *more, const struct str *first, struct simtest_outcome *out,
                     struct err *e)
{
    struct str second;
    str_init(&second);
    struct run_ask ask = {.name = "again", .more = more, .seed = seed};
    int rc = run_once(o, base, &ask, &second, e);
    if (rc == 0) {
        out->runs++;
        compare_hashes(first, &second, out);
    }
    str_fini(&second);
    return rc;
}

/* The last account has a login of its own, and no quotes are read by it. */
static int run_apart(const struct simtest_options *o, const char *base, uint64_t seed,
                     struct simtest_outcome *out, struct err *e)
{
    struct str with, without;
    char account[16], more[120];
    snprintf(account, sizeof account, "%u", 365100 + o->accounts);
    str_init(&with);
    str_init(&without);
    snprintf(more, sizeof more, "alone=true\nwatch=%s\n", account);
    struct run_ask first = {.name = "with", .more = more, .seed = seed};
    int rc = run_once(o, base, &first, &with, e);
    if (rc == 0) {
        take_verdict(o, &with, out);
        snprintf(more, sizeof more, "alone=true\nwatch=%s\nspare=%s\n", account, account);
        struct run_ask second = {.name = "without", .more = more, .seed = seed};
        rc = run_once(o, base, &second, &without, e);
    }
    if (rc == 0) {
        take_verdict(o, &without, out);
        compare_others(&with, &without, account, out);
    }
    str_fini(&with);
    str_fini(&without);
    return rc;
}

int simtest_seed(const struct simtest_options *o, const char *base, uint64_t seed,
                 struct simtest_outcome *out, struct err *e)
{
    char more[80] = "";
    struct str verdict;
    memset(out, 0, sizeof *out);
    out->ok = true;
    str_init(&out->text);
    str_init(&verdict);
    if (o->kill)
        snprintf(more, sizeof more, "kill=%s\n", o->kill);
    struct run_ask ask = {.name = "run", .more = more, .seed = seed};
    int rc = run_once(o, base, &ask, &verdict, e);
    if (rc == 0)
        take_verdict(o, &verdict, out);
    if (rc == 0 && !o->once && seed % REPEATED == 0)
        rc = run_again(o, base, seed, more, &verdict, out, e);
    if (rc == 0 && !o->once && !o->kill && seed % REPEATED == REPEATED / 2)
        rc = run_apart(o, base, seed, out, e);
    str_fini(&verdict);
    return rc;
}
