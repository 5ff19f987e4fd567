/* SPDX-License-Identifier: MIT
 *
 * A prefix is copied into a folder of its own and opened by the stream, the ledger and exec as the
 * engine opens them; the venue has no session, so nothing is sent.
 */
#include "engine/simtest_fold.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "exec/exec.h"
#include "io/file.h"
#include "store/stream.h"

struct folding {
    const struct fold_ask *ask;
    char segment[64]; /* name of the journal's file */
    struct str bytes; /* all of it */
    size_t *ends;     /* of each frame, owned */
    size_t count, cap;
    struct clock clock;
    struct loop loop;
};

static int no_session(struct venue *v, int account, struct venue_call *c, struct err *e)
{
    (void)v, (void)account, (void)c;
    return err_set(e, ERR_STATE, "no session");
}

static bool nothing_queued(struct venue *v, int account, struct venue_call *c)
{
    (void)v, (void)account, (void)c;
    return false;
}

static bool never_ready(struct venue *v, int account)
{
    (void)v, (void)account;
    return false;
}

static const struct venue_ops away = {
    .name = "away", .submit = no_session, .withdraw = nothing_queued, .ready = never_ready};

static int legal(const struct ledger *l, bool recovered, struct err *e)
{
    size_t cursor = 0;
    for (const struct order *o; (o = ledger_order_next(l, &cursor));) {
        bool flying = o->state == ORDER_INTENT || o->state == ORDER_SENT;
        if (recovered && flying)
            return err_set(e, ERR_STATE, "order %llu is still %s", (unsigned long long)o->id,
                           order_state_name(o->state));
        if (o->op != ORDER_OPEN || !(flying || o->state == ORDER_UNKNOWN))
            continue;
        size_t inner = 0;
        for (const struct order *other; (other = ledger_order_next(l, &inner));) {
            if (other->id > o->id && other->op == ORDER_OPEN && other->account == o->account &&
                other->instrument == o->instrument && !order_final(other->state))
                return err_set(e, ERR_STATE, "entries %llu and %llu of one account and symbol",
                               (unsigned long long)o->id, (unsigned long long)other->id);
        }
    }
    cursor = 0;
    for (const struct position *p; (p = ledger_position_next(l, -1, &cursor));) {
        if (p->volume.v <= 0)
            return err_set(e, ERR_STATE, "position %s has no volume", p->id);
        if (p->ours && p->order == 0)
            return err_set(e, ERR_STATE, "position %s is ours by no order", p->id);
    }
    return 0;
}

struct taken {
    struct ledger *ledger;
    bool recovering;
    uint64_t changes; /* events of orders in the recovery */
};

static int take(void *arg, const struct event *ev, struct err *e)
{
    struct taken *t = arg;
    int rc = ledger_apply(t->ledger, ev, e);
    if (t->recovering && ev->kind >= EVENT_KIND_intent && ev->kind <= EVENT_KIND_order_adopted)
        t->changes++;
    return rc ? rc : legal(t->ledger, false, e);
}

static int recover(struct folding *f, const char *folder, uint64_t *changes, struct err *e)
{
    struct taken t = {.ledger = ledger_new(e)};
    struct stream *s = stream_new(NULL, e);
    struct exec *x = NULL;
    struct journal_report report;
    struct journal_config config = {.folder = folder, .sync = JOURNAL_SYNC_OFF};
    int rc = t.ledger && s ? stream_reduce(s, take, &t) : ERR_NOMEM;
    if (rc == 0)
        rc = stream_open(s, &config, &report, e);
    if (rc == 0) {
        struct exec_config parts = {.loop = &f->loop,
                                    .clock = &f->clock,
                                    .log = f->ask->log,
                                    .stream = s,
                                    .ledger = t.ledger,
                                    .venue_ops = &away};
        x = exec_new(&parts, e);
        rc = x ? 0 : e->code;
    }
    t.recovering = true;
    if (rc == 0)
        rc = exec_start(x, e);
    if (rc == 0)
        rc = legal(t.ledger, true, e);
    if (x)
        exec_free(x);
    stream_free(s);
    ledger_free(t.ledger);
    *changes = t.changes;
    return rc;
}

/* Twice: the first recovery writes down what it found, the second must find that. */
static int try_prefix(struct folding *f, size_t n, struct err *e)
{
    char path[400];
    struct file file;
    uint64_t changes;
    snprintf(path, sizeof path, "%s/%s", f->ask->scratch, f->segment);
    int rc = file_append_open(&file, path, 0600, e);
    if (rc == 0) {
        rc = file_append(&file, f->bytes.p, n, e);
        file_close(&file);
    }
    if (rc == 0)
        rc = recover(f, f->ask->scratch, &changes, e);
    if (rc == 0)
        rc = recover(f, f->ask->scratch, &changes, e);
    if (rc == 0 && changes > 0)
        rc = err_set(e, ERR_STATE, "a second recovery changed %llu orders",
                     (unsigned long long)changes);
    if (rc)
        err_prefix(e, "the first %zu bytes of the journal", n);
    DIR *dir = opendir(f->ask->scratch);
    for (const struct dirent *d = dir ? readdir(dir) : NULL; d; d = readdir(dir)) {
        snprintf(path, sizeof path, "%s/%s", f->ask->scratch, d->d_name);
        if (d->d_name[0] != '.')
            unlink(path);
    }
    if (dir)
        closedir(dir);
    return rc;
}

static int find_segment(struct folding *f, struct err *e)
{
    char path[400];
    unsigned found = 0;
    DIR *dir = opendir(f->ask->journal);
    for (const struct dirent *d = dir ? readdir(dir) : NULL; d; d = readdir(dir)) {
        if (!strstr(d->d_name, ".journal"))
            continue;
        snprintf(f->segment, sizeof f->segment, "%.63s", d->d_name);
        found++;
    }
    if (dir)
        closedir(dir);
    if (found != 1)
        return err_set(e, ERR_INPUT, "%s holds %u segments and not one", f->ask->journal, found);
    snprintf(path, sizeof path, "%s/%s", f->ask->journal, f->segment);
    return file_read_all(path, &f->bytes, (size_t)1 << 30, e);
}

static int add_end(struct folding *f, size_t end, struct err *e)
{
    if (f->count == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 1024;
        size_t *grown = realloc(f->ends, cap * sizeof *grown);
        if (!grown)
            return err_set(e, ERR_NOMEM, "out of memory for a journal's frames");
        f->ends = grown;
        f->cap = cap;
    }
    f->ends[f->count++] = end;
    return 0;
}

#define HEAD 16 /* bytes before the first frame */

static int find_frames(struct folding *f, struct err *e)
{
    struct event ev;
    int64_t n;
    int rc = 0;
    size_t at = HEAD;
    for (; rc == 0 && at < f->bytes.len; at += (size_t)n) {
        n = event_decode(f->bytes.p + at, f->bytes.len - at, &ev, NULL);
        if (n <= 0)
            break; /* the torn end of the last life */
        rc = add_end(f, at + (size_t)n, e);
    }
    return rc;
}

static int try_all(struct folding *f, uint64_t *prefixes, struct err *e)
{
    struct rng r;
    int rc = 0;
    rng_seed_named(&r, f->ask->seed, "prefixes");
    size_t rounds = f->ask->samples ? f->ask->samples : f->count;
    for (size_t k = 0; rc == 0 && f->count && k < rounds; k++) {
        size_t frame = f->ask->samples ? (size_t)rng_range(&r, 0, (int64_t)f->count - 1) : k;
        size_t begin = frame ? f->ends[frame - 1] : HEAD;
        size_t inside = (size_t)rng_range(&r, (int64_t)begin, (int64_t)f->ends[frame] - 1);
        rc = try_prefix(f, f->ends[frame], e);
        if (rc == 0)
            rc = try_prefix(f, inside, e);
        *prefixes += 2;
    }
    return rc;
}

int simtest_fold(const struct fold_ask *ask, uint64_t *prefixes, struct err *e)
{
    struct folding f = {.ask = ask};
    *prefixes = 0;
    str_init(&f.bytes);
    clock_virtual(&f.clock, 0, 0);
    int rc = loop_init(&f.loop, &f.clock, ask->log, e);
    if (rc)
        return rc;
    rc = file_make_dirs(ask->scratch, e);
    if (rc == 0)
        rc = find_segment(&f, e);
    if (rc == 0)
        rc = find_frames(&f, e);
    if (rc == 0)
        rc = try_all(&f, prefixes, e);
    loop_fini(&f.loop);
    str_fini(&f.bytes);
    free(f.ends);
    return rc;
}
