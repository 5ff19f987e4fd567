/* SPDX-License-Identifier: MIT
 *
 * Many seeds: shares them out to processes, gathers what came of them, prints. A process takes
 * every jobs-th seed, so the order of the output follows the seeds roughly; what is printed of a
 * seed does not depend on how many processes there are.
 *
 * A worker writes records into its pipe: before each seed that it begins, and its outcome. One that
 * dies in a seed has failed that seed, and another goes on behind it.
 */
#include "engine/simtest.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/file.h"

#define JOBS_MAX 64
#define TEXT_MAX ((size_t)1 << 20)
#define PROGRESS_NS INT64_C(2000000000)

struct record {
    uint64_t seed;
    uint64_t done; /* 0: begun; 1: the outcome, whose text follows */
    uint64_t ok, runs, intents, opened, unknown, lives, prefixes, writes, sends, size;
};

struct worker {
    pid_t pid;      /* 0: none */
    int fd;         /* its records */
    uint64_t next;  /* seed that it begins or has begun */
    bool begun;     /* it is inside of `next` */
    struct str got; /* bytes of records that are not whole */
};

struct tally {
    const struct simtest_options *o;
    char base[96];
    int64_t begun_ns, told_ns;
    struct clock clock;
    uint64_t seeds, failed, runs, intents, opened, unknown, lives, prefixes;
    struct worker workers[JOBS_MAX];
    unsigned jobs;
};

static volatile sig_atomic_t interrupted; /* set by the handler of SIGINT and SIGTERM */

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

/* Memory is the fastest place for files that live a second. */
static void choose_base(struct tally *t)
{
    const char *root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(t->base, sizeof t->base, "%s/perigee-simtest-%ld", root, (long)getpid());
}

static void print_replay(const struct simtest_options *o, uint64_t seed)
{
    printf("  replay: perigee simtest --seeds %" PRIu64 "..%" PRIu64 " --trace", seed, seed);
    if (o->kill)
        printf(" --kill %s", o->kill);
    if (o->minutes != 10)
        printf(" --minutes %.6g", o->minutes);
    if (o->accounts != 6)
        printf(" --accounts %u", o->accounts);
    if (o->signals != 20)
        printf(" --signals %u", o->signals);
    if (o->kills != 3)
        printf(" --kills %u", o->kills);
    if (o->calm)
        printf(" --calm");
    printf("\n");
}

static void add(struct tally *t, const struct record *r, const char *text)
{
    t->seeds++;
    t->failed += !r->ok;
    t->runs += r->runs;
    t->intents += r->intents;
    t->opened += r->opened;
    t->unknown += r->unknown;
    t->lives += r->lives;
    t->prefixes += r->prefixes;
    if (r->ok && r->size == 0)
        return;
    printf("seed %" PRIu64 ": %s\n%.*s", r->seed, r->ok ? "ok" : "VIOLATED", (int)r->size, text);
    if (!r->ok)
        print_replay(t->o, r->seed);
    fflush(stdout);
}

static void tell_progress(struct tally *t, bool last)
{
    int64_t now = clock_io_ns(&t->clock);
    if (!last && (now - t->told_ns < PROGRESS_NS || !isatty(STDERR_FILENO)))
        return;
    t->told_ns = now;
    double seconds = (double)(now - t->begun_ns) / 1e9;
    fprintf(last ? stdout : stderr,
            "%s%" PRIu64 " seeds, %" PRIu64 " with violations; %" PRIu64 " runs, %" PRIu64
            " lives, %" PRIu64 " intents, %" PRIu64 " positions, %" PRIu64 " UNKNOWN, %" PRIu64
            " prefixes; %.0f s, %.0f seeds a minute%s",
            last ? "" : "\r", t->seeds, t->failed, t->runs, t->lives, t->intents, t->opened,
            t->unknown, t->prefixes, seconds, seconds > 0 ? (double)t->seeds * 60 / seconds : 0.0,
            last ? "\n" : "");
}

/* ---- workers ---- */

static void write_all(int fd, const void *p, size_t n)
{
    const char *at = p;
    while (n > 0) {
        ssize_t did = write(fd, at, n);
        if (did < 0 && errno == EINTR)
            continue;
        if (did <= 0)
            _exit(1); /* nobody reads any more */
        at += did;
        n -= (size_t)did;
    }
}

static struct record run_seed(const struct tally *t, uint64_t seed, struct str *text)
{
    struct simtest_outcome out;
    struct err e = {0};
    struct record r = {.seed = seed, .done = 1};
    int rc = simtest_seed(t->o, t->base, seed, &out, &e);
    if (rc) {
        out.ok = false;
        str_addf(&out.text, "  the run could not be made: %s\n", e.message);
    }
    r.ok = out.ok;
    r.runs = out.runs;
    r.intents = out.intents;
    r.opened = out.opened;
    r.unknown = out.unknown;
    r.lives = out.lives;
    r.prefixes = out.prefixes;
    r.writes = out.writes;
    r.sends = out.sends;
    r.size = out.text.len < TEXT_MAX ? out.text.len : TEXT_MAX;
    *text = out.text;
    return r;
}

static void work(const struct tally *t, uint64_t from, int fd)
{
    for (uint64_t seed = from; seed <= t->o->last && seed >= from; seed += t->jobs) {
        struct record begun = {.seed = seed};
        struct str text;
        write_all(fd, &begun, sizeof begun);
        struct record r = run_seed(t, seed, &text);
        write_all(fd, &r, sizeof r);
        write_all(fd, text.p, (size_t)r.size);
        str_fini(&text);
        if (seed > UINT64_MAX - t->jobs)
            break;
    }
}

static bool is_over(const struct tally *t)
{
    return interrupted || (t->o->until && t->failed);
}

static int begin_worker(struct tally *t, struct worker *w)
{
    int ends[2];
    w->begun = false;
    if (w->next > t->o->last)
        return 0;
    if (pipe(ends))
        return -1;
    fflush(stdout);
    w->pid = fork();
    if (w->pid < 0)
        return -1;
    if (w->pid == 0) {
        close(ends[0]);
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        work(t, w->next, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    w->fd = ends[0];
    return 0;
}

static void take_records(struct tally *t, struct worker *w)
{
    struct record r;
    while (w->got.len >= sizeof r) {
        memcpy(&r, w->got.p, sizeof r);
        if (w->got.len < sizeof r + r.size)
            return;
        if (r.done)
            add(t, &r, w->got.p + sizeof r);
        w->next = r.done ? r.seed + t->jobs : r.seed;
        w->begun = !r.done;
        str_drop(&w->got, sizeof r + (size_t)r.size);
    }
}

static int end_worker(struct tally *t, struct worker *w)
{
    int status = 0;
    close(w->fd);
    waitpid(w->pid, &status, 0);
    w->pid = 0;
    str_fini(&w->got);
    if (w->begun) {
        char text[120];
        if (WIFSIGNALED(status))
            snprintf(text, sizeof text, "  its process was killed by signal %d\n",
                     WTERMSIG(status));
        else
            snprintf(text, sizeof text, "  its process ended with code %d\n", WEXITSTATUS(status));
        struct record r = {.seed = w->next, .done = 1, .size = strlen(text)};
        add(t, &r, text);
        w->next += t->jobs;
    }
    return w->next <= t->o->last ? begin_worker(t, w) : 0;
}

static int gather(struct tally *t)
{
    struct pollfd ask[JOBS_MAX];
    char buf[16384];
    for (;;) {
        unsigned alive = 0, of[JOBS_MAX];
        for (unsigned i = 0; i < t->jobs; i++) {
            if (t->workers[i].pid) {
                of[alive] = i;
                ask[alive++] = (struct pollfd){.fd = t->workers[i].fd, .events = POLLIN};
            }
        }
        if (alive == 0 || is_over(t))
            return 0;
        if (poll(ask, alive, 1000) < 0 && errno != EINTR)
            return -1;
        for (unsigned k = 0; k < alive; k++) {
            struct worker *w = &t->workers[of[k]];
            if (!ask[k].revents)
                continue;
            ssize_t n = read(w->fd, buf, sizeof buf);
            if (n > 0) {
                str_add(&w->got, buf, (size_t)n);
                take_records(t, w);
            } else if (n == 0 && end_worker(t, w)) {
                return -1;
            }
        }
        tell_progress(t, false);
    }
}

static int run_parallel(struct tally *t)
{
    int rc = 0;
    for (unsigned i = 0; i < t->jobs && rc == 0; i++) {
        t->workers[i].next = t->o->first + i;
        rc = begin_worker(t, &t->workers[i]);
    }
    if (rc == 0)
        rc = gather(t);
    for (unsigned i = 0; i < t->jobs; i++) {
        struct worker *w = &t->workers[i];
        if (w->pid) {
            kill(w->pid, SIGTERM);
            waitpid(w->pid, NULL, 0);
            close(w->fd);
        }
        str_fini(&w->got);
    }
    return rc;
}

/* ---- in this process ---- */

/* Counts the writes and sends of the seed's one life, then lets it die at each of them. */
static void run_every_kill(struct tally *t, uint64_t seed)
{
    struct simtest_options each = *t->o;
    const struct simtest_options *given = t->o;
    struct str text;
    char kill_at[48];
    each.kills = 0;
    each.once = true;
    t->o = &each;
    struct record whole = run_seed(t, seed, &text);
    if (whole.ok && (whole.writes == 0 || whole.sends == 0)) {
        str_addz(&text, "  the run counted no writes or no sends to be killed at\n");
        whole.size = text.len;
        whole.ok = 0;
    }
    add(t, &whole, text.p);
    str_fini(&text);
    each.kill = kill_at;
    for (int kind = 0; kind < 2; kind++) {
        uint64_t count = kind == 0 ? whole.writes : whole.sends;
        for (uint64_t n = 1; n <= count && !is_over(t); n++) {
            /* The share of the last write that gets through goes round with n. */
            snprintf(kill_at, sizeof kill_at, "%s:%" PRIu64 ":%.2f", kind == 0 ? "write" : "send",
                     n, (double)(n % 5) / 4);
            struct record r = run_seed(t, seed, &text);
            add(t, &r, text.p);
            str_fini(&text);
            tell_progress(t, false);
        }
    }
    t->o = given;
}

static void run_here(struct tally *t)
{
    for (uint64_t seed = t->o->first; seed <= t->o->last && !is_over(t); seed++) {
        if (t->o->every_kill) {
            run_every_kill(t, seed);
        } else {
            struct str text;
            struct record r = run_seed(t, seed, &text);
            add(t, &r, text.p);
            str_fini(&text);
        }
        tell_progress(t, false);
        if (seed == UINT64_MAX)
            break;
    }
}

int simtest_main(const struct simtest_options *o)
{
    struct tally *t = calloc(1, sizeof *t);
    if (!t)
        return 1;
    t->o = o;
    t->jobs = o->jobs < 1 ? 1 : o->jobs > JOBS_MAX ? JOBS_MAX : o->jobs;
    clock_init(&t->clock);
    t->begun_ns = t->told_ns = clock_io_ns(&t->clock);
    choose_base(t);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    signal(SIGPIPE, SIG_IGN);
    int rc = 0;
    if (t->jobs == 1)
        run_here(t);
    else
        rc = run_parallel(t);
    tell_progress(t, true);
    rmdir(t->base);
    int code = rc ? 1 : interrupted ? 130 : t->failed ? 1 : 0;
    if (rc)
        fprintf(stderr, "perigee simtest: the processes could not be run: %s\n", strerror(errno));
    free(t);
    return code;
}
