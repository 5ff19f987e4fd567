/* SPDX-License-Identifier: MIT
 *
 * The event stream. An event is encoded, applied by the reducers, and only then appended: one that
 * a reducer refuses never reaches the disk, or no restart could fold it. Reducers check before they
 * change anything, so a refusal by the first one leaves the state as it was and the stream whole.
 * Once one reducer has taken an event that a later one refuses, or memory ran out on the way, the
 * state is no fold of the journal any more: the stream is broken.
 *
 * With a loop, what was emitted is committed in the loop's drain hook, and subscribers are told
 * there too: stream_commit itself never calls them, so that code which commits before it sends
 * bytes is not entered again. Without a loop stream_commit tells them, and events keep the stamps
 * that their caller gave them. Frames wait for their subscribers in `frames`.
 *
 * The loop keeps its hook for good: free a stream only when its loop will not run again, and before
 * loop_fini.
 */
#include "store/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define MAX_FNS 8
#define SYNC_MS 10
#define KEEP_FRAMES ((size_t)1 << 20)

struct stream {
    struct loop *loop; /* not owned; may be NULL */
    struct journal *journal;
    char *folder; /* of the journal, owned */
    bool syncs;   /* the journal wants journal_tick */
    struct timer sync_timer;
    struct {
        stream_reducer fn;
        void *arg;
    } reducers[MAX_FNS];
    struct {
        stream_subscriber fn;
        void *arg;
    } subscribers[MAX_FNS];
    unsigned reducer_count, subscriber_count;
    uint64_t seq;           /* newest number given */
    struct str frames;      /* encoded, not yet delivered */
    size_t committed_bytes; /* of frames: already committed */
    struct str delivering;  /* being shown to subscribers */
    bool in_emit;           /* a reducer is running */
    bool in_delivery;       /* a subscriber is running */
    bool broken;
    char why[sizeof((struct err *)0)->message];
    void (*on_broken)(void *arg, const char *why);
    void *on_broken_arg;
};

static bool drain(void *arg);
static void sync_due(void *arg);

struct stream *stream_new(struct loop *l, struct err *e)
{
    struct stream *s = calloc(1, sizeof *s);
    if (!s) {
        err_set(e, ERR_NOMEM, "stream: out of memory");
        return NULL;
    }
    s->loop = l;
    if (!l)
        return s;
    timer_init(&s->sync_timer, l, sync_due, s);
    if (loop_on_drain(l, drain, s) != 0) {
        err_set(e, ERR_LIMIT, "stream: the loop takes no more hooks");
        free(s);
        return NULL;
    }
    return s;
}

int stream_reduce(struct stream *s, stream_reducer fn, void *arg)
{
    if (s->journal)
        return ERR_STATE;
    if (s->reducer_count == MAX_FNS)
        return ERR_LIMIT;
    s->reducers[s->reducer_count].fn = fn;
    s->reducers[s->reducer_count++].arg = arg;
    return 0;
}

int stream_subscribe(struct stream *s, stream_subscriber fn, void *arg)
{
    if (s->subscriber_count == MAX_FNS)
        return ERR_LIMIT;
    s->subscribers[s->subscriber_count].fn = fn;
    s->subscribers[s->subscriber_count++].arg = arg;
    return 0;
}

void stream_unsubscribe(struct stream *s, stream_subscriber fn, void *arg)
{
    for (unsigned i = 0; i < s->subscriber_count; i++) {
        if (s->subscribers[i].fn == fn && s->subscribers[i].arg == arg) {
            s->subscriber_count--;
            for (; i < s->subscriber_count; i++)
                s->subscribers[i] = s->subscribers[i + 1];
            return;
        }
    }
}

/* *taken: how many reducers have applied the event. */
static int reduce(struct stream *s, const struct event *ev, unsigned *taken, struct err *e)
{
    int rc = 0;
    s->in_emit = true;
    for (*taken = 0; *taken < s->reducer_count; ++*taken) {
        rc = s->reducers[*taken].fn(s->reducers[*taken].arg, ev, e);
        if (rc != 0)
            break;
    }
    s->in_emit = false;
    return rc;
}

static int fold(void *arg, const struct event *ev, struct err *e)
{
    unsigned taken;
    return reduce(arg, ev, &taken, e);
}

int stream_open(struct stream *s, const struct journal_config *config,
                struct journal_report *report, struct err *e)
{
    if (s->journal)
        return err_set(e, ERR_STATE, "stream: it is open already");
    char *folder = config->folder ? strdup(config->folder) : NULL;
    if (config->folder && !folder)
        return err_set(e, ERR_NOMEM, "stream: out of memory");
    int rc = journal_open(&s->journal, config, fold, s, report, e);
    if (rc != 0) {
        free(folder);
        return rc;
    }
    free(s->folder);
    s->folder = folder;
    s->syncs = s->loop && config->sync == JOURNAL_SYNC_INTERVAL;
    s->seq = journal_last(s->journal);
    return 0;
}

void stream_free(struct stream *s)
{
    if (!s)
        return;
    if (s->loop) {
        timer_stop(&s->sync_timer);
        loop_off_drain(s->loop, drain, s);
    }
    struct err e;
    if (s->journal && journal_close(s->journal, &e) != 0 && s->loop)
        log_write(s->loop->log, LOG_ERROR, "stream", "the journal did not close: %s", e.message);
    str_fini(&s->frames);
    str_fini(&s->delivering);
    free(s->folder);
    free(s);
}

/* The stream is broken from here on; the first reason stays. Returns e->code. */
static int fail(struct stream *s, const struct err *e)
{
    if (s->broken)
        return e->code;
    s->broken = true;
    snprintf(s->why, sizeof s->why, "%s", e->message);
    if (s->on_broken)
        s->on_broken(s->on_broken_arg, s->why);
    return e->code;
}

static int refuse(const struct stream *s, struct err *e)
{
    if (!s->journal)
        return err_set(e, ERR_STATE, "stream: it is not open");
    if (s->broken)
        return err_set(e, ERR_STATE, "stream: it is broken: %s", s->why);
    return 0;
}

/* Applies and appends the frame that was encoded at `start` of s->frames. *harmless: the event was
 * refused and nothing has changed. */
static int take(struct stream *s, const struct event *ev, size_t start, bool *harmless,
                struct err *e)
{
    unsigned taken;
    int rc = reduce(s, ev, &taken, e);
    *harmless = taken == 0 && (rc == ERR_INPUT || rc == ERR_STATE || rc == ERR_LIMIT);
    if (rc != 0)
        return err_prefix(e, "event %llu (%s)", (unsigned long long)ev->seq,
                          event_info(ev->kind)->name);
    return journal_append_frame(s->journal, ev->seq, s->frames.p + start, s->frames.len - start, e);
}

int stream_emit(struct stream *s, struct event *ev, struct err *e)
{
    struct err own;
    if (!e)
        e = &own;
    int rc = refuse(s, e);
    if (rc != 0)
        return rc;
    if (s->in_emit)
        return err_set(e, ERR_STATE, "stream: a reducer may not emit");
    const struct event_info *info = event_info(ev->kind);
    if (!info)
        return err_set(e, ERR_INPUT, "stream: event kind %u is not in the registry", ev->kind);
    ev->seq = s->seq + 1;
    if (s->loop) {
        ev->market_ms = clock_market_ms(s->loop->clock);
        ev->wall_us = clock_wall_us(s->loop->clock);
    }
    size_t start = s->frames.len;
    bool harmless = false;
    rc = event_encode(ev, &s->frames);
    if (rc == ERR_LIMIT) /* the caller's mistake; nothing has happened */
        return err_set(e, rc, "stream: an event of kind %s is larger than %u bytes", info->name,
                       EVENT_MAX_FRAME);
    if (rc != 0)
        err_set(e, rc, "stream: out of memory for an event of kind %s", info->name);
    else
        rc = take(s, ev, start, &harmless, e);
    if (rc != 0) {
        s->frames.len = start;
        return harmless ? rc : fail(s, e);
    }
    s->seq = ev->seq;
    if (s->subscriber_count == 0)
        s->frames.len = start;
    if (s->loop)
        loop_wake(s->loop); /* it must not sleep on what is not committed */
    return 0;
}

/* Shows one round of committed frames to the subscribers. */
static void deliver_round(struct stream *s)
{
    if (s->committed_bytes == s->frames.len) {
        struct str empty = s->delivering;
        s->delivering = s->frames;
        s->frames = empty;
    } else {
        str_add(&s->delivering, s->frames.p, s->committed_bytes);
        if (s->delivering.failed)
            return;
        str_drop(&s->frames, s->committed_bytes);
    }
    s->committed_bytes = 0;
    struct event ev;
    int64_t n;
    for (size_t at = 0; at < s->delivering.len; at += (size_t)n) {
        n = event_decode(s->delivering.p + at, s->delivering.len - at, &ev, NULL);
        if (n <= 0)
            break;
        for (unsigned i = 0; i < s->subscriber_count; i++)
            s->subscribers[i].fn(s->subscribers[i].arg, &ev, s->delivering.p + at, (size_t)n);
    }
    if (s->delivering.cap > KEEP_FRAMES)
        str_fini(&s->delivering);
    else
        str_clear(&s->delivering);
}

/* A subscriber may emit and commit: its events are shown after all of the round before. */
static void deliver(struct stream *s)
{
    if (s->in_delivery)
        return;
    s->in_delivery = true;
    while (s->committed_bytes > 0 && !s->delivering.failed)
        deliver_round(s);
    s->in_delivery = false;
    if (s->delivering.failed) {
        struct err e;
        err_set(&e, ERR_NOMEM, "stream: out of memory to tell subscribers");
        fail(s, &e);
    }
}

static int commit(struct stream *s, struct err *e)
{
    if (!s->journal)
        return err_set(e, ERR_STATE, "stream: it is not open");
    if (journal_committed(s->journal) != journal_last(s->journal)) {
        struct err own;
        int rc = journal_commit(s->journal, &own);
        if (rc != 0) {
            fail(s, &own);
            return err_set(e, rc, "%s", own.message);
        }
        if (s->syncs && !timer_active(&s->sync_timer) &&
            timer_start_io(&s->sync_timer, SYNC_MS) != 0) {
            err_set(&own, ERR_NOMEM, "stream: cannot start the sync timer");
            fail(s, &own);
        }
    }
    s->committed_bytes = s->frames.len;
    return refuse(s, e);
}

int stream_commit(struct stream *s, struct err *e)
{
    if (s->in_emit)
        return err_set(e, ERR_STATE, "stream: a reducer may not commit");
    int rc = commit(s, e);
    if (!s->loop)
        deliver(s);
    return rc;
}

static bool drain(void *arg)
{
    struct stream *s = arg;
    if (!s->journal || s->in_delivery || s->in_emit)
        return false;
    (void)commit(s, NULL); /* a failure went to on_broken */
    deliver(s);
    return !s->broken && journal_committed(s->journal) != journal_last(s->journal);
}

static void sync_due(void *arg)
{
    struct stream *s = arg;
    struct err e;
    if (s->broken)
        return;
    int rc = journal_tick(s->journal, &e);
    if (rc > 0 && timer_start_io(&s->sync_timer, SYNC_MS) != 0)
        rc = err_set(&e, ERR_NOMEM, "stream: cannot start the sync timer");
    if (rc < 0)
        fail(s, &e);
}

uint64_t stream_seq(const struct stream *s)
{
    return s->seq;
}

const char *stream_folder(const struct stream *s)
{
    return s->folder ? s->folder : "";
}

const char *stream_broken(const struct stream *s)
{
    return s->broken ? s->why : NULL;
}

void stream_on_broken(struct stream *s, void (*fn)(void *arg, const char *why), void *arg)
{
    s->on_broken = fn;
    s->on_broken_arg = arg;
}
