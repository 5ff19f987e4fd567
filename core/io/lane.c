/* SPDX-License-Identifier: MIT
 *
 * The order lane. Three states of the link (down, opening, up) and at most one request on it.
 *
 * Why no byte goes out twice: a request leaves its queue exactly once, in start_request(), and no
 * path puts it back. From there it can only end: answered, cut, or timed out. `sent` only grows,
 * and the transport is asked for the bytes after it only.
 *
 * Where callbacks run: done() is called from events of the transport and from timers only. What
 * ends inside lane_submit() waits in `ended` for the kick timer. A lane that is freed inside a
 * callback goes when the outermost event has returned (`depth`).
 */
#include "io/lane.h"

#include <stdlib.h>
#include <string.h>

#include "base/mutant.h"
#include "io/lane_queue.h"
#include "io/reply.h"

#define NS_PER_MS INT64_C(1000000)
#define STABLE_NS (1000 * NS_PER_MS) /* a connection that lived this long is no failure */
#define RETRY_FIRST_MS 50
#define RETRY_MAX_MS 2000       /* with an order waiting */
#define RETRY_MAX_IDLE_MS 10000 /* with none */

enum link { LINK_DOWN, LINK_OPENING, LINK_UP };

struct lane {
    struct loop *loop;
    char *origin;
    const struct transport_ops *ops;
    void *ops_ctx;
    int64_t connect_timeout_ms;
    int64_t answer_timeout_ms;
    int64_t idle_ms; /* a connection is used no more after so long without a request; 0: always */
    enum link link;
    struct transport *t;          /* NULL while down */
    struct lane_queue wait[2];    /* by enum lane_priority */
    struct lane_queue ended;      /* over, done() not yet called */
    struct lane_request *current; /* the one in flight */
    size_t sent;                  /* bytes of current that the transport took */
    bool handed;                  /* the transport was asked to send current: it may have acted */
    bool send_failed;        /* current can not be sent further; an answer may still be there */
    struct reply *reply;     /* answer to current */
    struct timer link_timer; /* opening: time-out; down: next attempt; up: end of idle_ms */
    struct timer answer_timer;
    struct timer deadline_timer; /* earliest deadline of those that wait */
    struct timer kick;           /* ends what went wrong inside lane_submit */
    unsigned failures;           /* attempts in a row that gave no useful connection */
    int64_t failed_at;           /* io ns of the newest of them */
    int64_t opened_at;           /* io ns */
    int64_t used_at;             /* io ns: opened, or the newest answer */
    bool useful;                 /* this connection has answered */
    uint64_t connects;
    unsigned depth; /* events being served */
    bool locked;    /* no request may be started now */
    bool dead;      /* lane_free was called */
};

static void open_link(struct lane *lane);
static void break_link(struct lane *lane);

static int64_t now_ns(const struct lane *lane)
{
    return clock_io_ns(lane->loop->clock);
}

static bool waiting(const struct lane *lane)
{
    return lane->wait[LANE_CLOSE].head != NULL || lane->wait[LANE_OPEN].head != NULL;
}

/* ---- ends ---- */

static void end(struct lane *lane, struct lane_request *r, enum lane_outcome outcome,
                const char *cause)
{
    r->outcome = outcome;
    r->cause = cause;
    lane_queue_push(&lane->ended, r);
}

static void end_current(struct lane *lane, enum lane_outcome outcome, const char *cause)
{
    struct lane_request *r = lane->current;
    lane->current = NULL;
    timer_stop(&lane->answer_timer);
    if (r != NULL) {
        end(lane, r, outcome, cause);
    }
}

/* r may be gone when this returns. */
static void deliver(struct lane *lane, struct lane_request *r, struct lane_answer *a)
{
    struct loop *l = lane->loop;
    a->sent_io_ns = r->sent_io_ns;
    a->done_io_ns = now_ns(lane);
    r->done(r, a);
    loop_release(l);
}

static void flush_ended(struct lane *lane)
{
    for (struct lane_request *r = lane_queue_pop(&lane->ended); r != NULL;
         r = lane_queue_pop(&lane->ended)) {
        struct lane_answer a = {.outcome = r->outcome, .cause = r->cause, .head = "", .body = ""};
        deliver(lane, r, &a);
    }
}

static void destroy(struct lane *lane)
{
    reply_free(lane->reply);
    free(lane->origin);
    free(lane);
}

static void enter(struct lane *lane)
{
    lane->depth++;
}

/* The lane may be gone when this returns. */
static void leave(struct lane *lane)
{
    flush_ended(lane);
    lane->depth--;
    if (lane->dead && lane->depth == 0) {
        destroy(lane);
    }
}

/* ---- deadlines of those that wait ---- */

static void arm_deadline(struct lane *lane)
{
    int64_t first = lane_queue_deadline(&lane->wait[LANE_CLOSE], 0);
    first = lane_queue_deadline(&lane->wait[LANE_OPEN], first);
    if (first == 0) {
        timer_stop(&lane->deadline_timer);
        return;
    }
    int64_t left = first - now_ns(lane);
    (void)timer_start_io(&lane->deadline_timer, left <= 0 ? 0 : (left - 1) / NS_PER_MS + 1);
}

static void on_deadline(void *arg)
{
    struct lane *lane = arg;
    int64_t now = now_ns(lane);
    enter(lane);
    for (size_t k = 0; k < 2; k++) {
        struct lane_request *next = NULL;
        for (struct lane_request *r = lane->wait[k].head; r != NULL; r = next) {
            next = r->next;
            if (lane_request_expired(r, now)) {
                (void)lane_queue_take(&lane->wait[k], r);
                end(lane, r, LANE_NOT_SENT, lane->link == LINK_UP ? "deadline" : "unreachable");
            }
        }
    }
    arm_deadline(lane);
    leave(lane);
}

/* ---- writing ---- */

/* Reads what an idle connection has to say: nothing is right; an end, a reset or bytes that nobody
 * asked for make it unfit for an order. */
static bool is_quiet(struct lane *lane)
{
    char byte;
    return lane->ops->recv(lane->t, &byte, 1) == TRANSPORT_AGAIN;
}

static void write_more(struct lane *lane)
{
    struct lane_request *r = lane->current;
    while (lane->sent < r->size) {
        ssize_t n =
            lane->ops->send(lane->t, (const char *)r->bytes + lane->sent, r->size - lane->sent);
        if (n == TRANSPORT_AGAIN) {
            lane->ops->want_write(lane->t, true);
            return;
        }
        if (n <= 0) { /* what the peer said before it closed is read by the kick timer */
            lane->send_failed = true;
            lane->ops->want_write(lane->t, false);
            (void)timer_start_io(&lane->kick, 0);
            return;
        }
        lane->sent += (size_t)n;
    }
    lane->ops->want_write(lane->t, false);
}

/* The point of no return for r: it is in no queue any more. */
static void start_request(struct lane *lane, struct lane_request *r)
{
    if (lane_request_expired(r, now_ns(lane))) {
        end(lane, r, LANE_NOT_SENT, "deadline");
        return;
    }
    if (timer_start_io(&lane->answer_timer, lane->answer_timeout_ms) != 0) {
        end(lane, r, LANE_NOT_SENT, "memory");
        return;
    }
    reply_reset(lane->reply);
    lane->current = r;
    lane->sent = 0;
    lane->handed = false;
    lane->send_failed = false;
    if (r->sending != NULL) {
        r->sending(r);
    }
    if (!lane->dead) { /* else lane_free, called in sending(), has ended r */
        int64_t now = now_ns(lane);
        r->sent_io_ns = now != 0 ? now : 1; /* a virtual clock may stand at 0, which means never */
        lane->handed = true;
        write_more(lane);
    }
}

/* The link is idle from now on, for as long as the peer is sure to keep it. */
static void begin_idle(struct lane *lane)
{
    lane->used_at = now_ns(lane);
    if (lane->idle_ms > 0) {
        (void)timer_start_io(&lane->link_timer, lane->idle_ms);
    }
}

static bool too_long_idle(const struct lane *lane)
{
    return lane->idle_ms > 0 && now_ns(lane) - lane->used_at >= lane->idle_ms * NS_PER_MS;
}

/* Starts the next request when the link is up and idle. The caller has raised `depth`. */
static void pump(struct lane *lane)
{
    if (lane->locked || lane->dead) {
        return;
    }
    lane->locked = true;
    while (!lane->dead && lane->link == LINK_UP && lane->current == NULL && waiting(lane)) {
        if (too_long_idle(lane) || !is_quiet(lane)) { /* the timer may be late: a stall of ours */
            break_link(lane);
            break;
        }
        struct lane_request *r = lane_queue_pop(&lane->wait[LANE_CLOSE]);
        start_request(lane, r != NULL ? r : lane_queue_pop(&lane->wait[LANE_OPEN]));
    }
    lane->locked = false;
    if (!lane->dead) {
        arm_deadline(lane);
    }
}

/* ---- reading ---- */

static void answered(struct lane *lane, bool keep)
{
    struct lane_request *r = lane->current;
    struct lane_answer a = {.outcome = LANE_ANSWERED, .cause = ""};
    lane->current = NULL;
    timer_stop(&lane->answer_timer);
    lane->useful = true;
    a.status = reply_status(lane->reply);
    a.head = reply_head(lane->reply, &a.head_size);
    a.body = reply_body(lane->reply, &a.body_size);
    lane->locked = true; /* the next request would overwrite the answer */
    deliver(lane, r, &a);
    lane->locked = false;
    if (!lane->dead && keep) {
        begin_idle(lane);
    } else if (!lane->dead) {
        break_link(lane);
    }
}

static void cut(struct lane *lane, const char *cause)
{
    if (MUTANT(never_twice) && lane->useful) { /* as HTTP clients do on kept connections */
        struct lane_request *r = lane->current;
        lane->current = NULL;
        timer_stop(&lane->answer_timer);
        lane_queue_push(&lane->wait[r->priority], r);
    }
    end_current(lane, LANE_CUT, cause);
    break_link(lane);
}

/* Serves n bytes, or the end (0 or negative). False when the connection was given up. */
static bool serve(struct lane *lane, const char *p, ssize_t n)
{
    size_t used = 0;
    if (lane->current == NULL) {
        break_link(lane);
        return false;
    }
    if (n <= 0) {
        if (n == 0 && reply_eof(lane->reply) == 1) {
            answered(lane, false);
        } else {
            cut(lane, "cut");
        }
        return false;
    }
    int rc = reply_feed(lane->reply, p, (size_t)n, &used);
    if (rc == 0) {
        return true;
    }
    if (rc == 1) {
        bool whole = lane->sent == lane->current->size && !lane->send_failed;
        bool keep = reply_keep_alive(lane->reply) && used == (size_t)n && whole;
        answered(lane, keep);
        return keep;
    }
    cut(lane, rc == ERR_LIMIT ? "limit" : rc == ERR_NOMEM ? "memory" : "garbage");
    return false;
}

/* Until AGAIN: TLS holds bytes that poll does not show. Where nothing is held, a whole answer ends
 * it: what comes behind is shown by the next poll, or found before the next request. */
static void read_all(struct lane *lane)
{
    char buf[16384];
    while (!lane->dead && lane->link == LINK_UP) {
        ssize_t n = lane->ops->recv(lane->t, buf, sizeof buf);
        if (n == TRANSPORT_AGAIN || !serve(lane, buf, n) || lane->dead) {
            return;
        }
        if (lane->current == NULL && lane->ops->holds != NULL && !lane->ops->holds(lane->t)) {
            return;
        }
    }
}

static void on_readable(void *arg)
{
    struct lane *lane = arg;
    enter(lane);
    read_all(lane);
    pump(lane);
    leave(lane);
}

static void on_writable(void *arg)
{
    struct lane *lane = arg;
    enter(lane);
    if (lane->current != NULL && !lane->send_failed) {
        write_more(lane);
    }
    leave(lane);
}

static void on_kick(void *arg)
{
    struct lane *lane = arg;
    enter(lane);
    if (lane->current != NULL && lane->send_failed) {
        read_all(lane);
        if (!lane->dead && lane->current != NULL && lane->send_failed) {
            cut(lane, "cut");
        }
    }
    pump(lane);
    leave(lane);
}

static void on_answer_timeout(void *arg)
{
    struct lane *lane = arg;
    enter(lane);
    read_all(lane); /* after a stall of ours the answer may be here already */
    if (!lane->dead && lane->current != NULL) {
        end_current(lane, LANE_TIMEOUT, "timeout");
        break_link(lane);
    }
    pump(lane);
    leave(lane);
}

/* ---- the link ---- */

static void close_link(struct lane *lane)
{
    struct transport *t = lane->t;
    lane->t = NULL;
    lane->link = LINK_DOWN;
    timer_stop(&lane->link_timer);
    if (t != NULL) {
        lane->ops->close(t);
    }
}

/* Milliseconds between the newest failure and the next attempt: the first one costs no wait. */
static int64_t retry_delay_ms(const struct lane *lane)
{
    int64_t max = waiting(lane) ? RETRY_MAX_MS : RETRY_MAX_IDLE_MS;
    if (lane->failures <= 1) {
        return 0;
    }
    int64_t ms = (int64_t)RETRY_FIRST_MS << (lane->failures < 12 ? lane->failures - 2 : 10);
    return ms < max ? ms : max;
}

static void retry(struct lane *lane)
{
    int64_t left = lane->failed_at + retry_delay_ms(lane) * NS_PER_MS - now_ns(lane);
    if (lane->failures == 0 || left <= 0) {
        open_link(lane);
    } else {
        (void)timer_start_io(&lane->link_timer, (left - 1) / NS_PER_MS + 1);
    }
}

static void note_failure(struct lane *lane, const char *message)
{
    lane->failures++;
    lane->failed_at = now_ns(lane);
    if (lane->failures == 2) {
        log_write(lane->loop->log, LOG_INFO, "lane", "no connection to %s: %s; trying on",
                  lane->origin, message);
    }
}

/* Gives up a connection that was open, and opens the next. The request in flight has been ended. */
static void break_link(struct lane *lane)
{
    bool good = lane->useful || now_ns(lane) - lane->opened_at >= STABLE_NS;
    close_link(lane);
    if (good) {
        lane->failures = 0;
    } else {
        note_failure(lane, "it is closed as soon as it is made");
    }
    retry(lane);
}

static void on_opened(void *arg, int error, const char *message)
{
    struct lane *lane = arg;
    enter(lane);
    timer_stop(&lane->link_timer);
    if (error != 0) {
        close_link(lane);
        note_failure(lane, message);
        retry(lane);
    } else {
        lane->link = LINK_UP;
        lane->connects++;
        lane->opened_at = now_ns(lane);
        lane->useful = false;
        begin_idle(lane);
        pump(lane);
    }
    leave(lane);
}

static void on_link_timer(void *arg)
{
    struct lane *lane = arg;
    enter(lane);
    if (lane->link == LINK_OPENING) {
        close_link(lane);
        note_failure(lane, "it takes too long");
        retry(lane);
    } else if (lane->link == LINK_DOWN) {
        open_link(lane);
    } else if (lane->current == NULL) {
        break_link(lane);
    }
    leave(lane);
}

static const struct transport_events events = {
    .opened = on_opened, .readable = on_readable, .writable = on_writable};

static void open_link(struct lane *lane)
{
    struct err e = {0};
    timer_stop(&lane->link_timer);
    lane->link = LINK_OPENING;
    int rc = lane->ops->open(lane->ops_ctx, lane->loop, lane->origin, &events, lane, &lane->t, &e);
    if (rc == 0) {
        (void)timer_start_io(&lane->link_timer, lane->connect_timeout_ms);
        return;
    }
    lane->t = NULL;
    lane->link = LINK_DOWN;
    note_failure(lane, e.message);
    int64_t ms = retry_delay_ms(lane);
    (void)timer_start_io(&lane->link_timer, ms > RETRY_FIRST_MS ? ms : RETRY_FIRST_MS);
}

/* ---- the public face ---- */

struct lane *lane_new(struct loop *l, const struct lane_config *config, struct err *e)
{
    struct lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL) {
        (void)err_set(e, ERR_NOMEM, "out of memory for an order lane");
        return NULL;
    }
    lane->loop = l;
    lane->ops = config->ops;
    lane->ops_ctx = config->ops_ctx;
    lane->connect_timeout_ms = config->connect_timeout_ms > 0 ? config->connect_timeout_ms : 5000;
    lane->answer_timeout_ms = config->answer_timeout_ms > 0 ? config->answer_timeout_ms : 10000;
    lane->idle_ms = config->idle_close_ms - config->idle_close_ms / 4; /* clocks and ways differ */
    lane->origin = strdup(config->origin);
    lane->reply = reply_new(config->max_answer > 0 ? config->max_answer : (size_t)256 << 10);
    if (lane->origin == NULL || lane->reply == NULL) {
        destroy(lane);
        (void)err_set(e, ERR_NOMEM, "out of memory for an order lane");
        return NULL;
    }
    timer_init(&lane->link_timer, l, on_link_timer, lane);
    timer_init(&lane->answer_timer, l, on_answer_timeout, lane);
    timer_init(&lane->deadline_timer, l, on_deadline, lane);
    timer_init(&lane->kick, l, on_kick, lane);
    return lane;
}

void lane_free(struct lane *lane)
{
    if (lane == NULL || lane->dead) {
        return;
    }
    lane->dead = true;
    lane->depth++;
    if (lane->current != NULL) {
        end_current(lane, lane->handed ? LANE_CUT : LANE_NOT_SENT, "closed");
    }
    close_link(lane);
    timer_stop(&lane->deadline_timer);
    timer_stop(&lane->kick);
    for (size_t k = 0; k < 2; k++) {
        for (struct lane_request *r = lane_queue_pop(&lane->wait[k]); r != NULL;
             r = lane_queue_pop(&lane->wait[k])) {
            end(lane, r, LANE_NOT_SENT, "closed");
        }
    }
    leave(lane);
}

void lane_warm(struct lane *lane)
{
    if (!lane->dead && lane->link == LINK_DOWN) {
        retry(lane);
    }
}

bool lane_ready(const struct lane *lane)
{
    return lane->link == LINK_UP && lane->current == NULL && !lane->locked && !waiting(lane);
}

void lane_submit(struct lane *lane, struct lane_request *r)
{
    loop_hold(lane->loop);
    r->sent_io_ns = 0;
    if (lane->dead) { /* from a done() inside lane_free, which calls this one next */
        end(lane, r, LANE_NOT_SENT, "closed");
        return;
    }
    lane_queue_push(&lane->wait[r->priority == LANE_CLOSE ? LANE_CLOSE : LANE_OPEN], r);
    lane_warm(lane);
    enter(lane);
    pump(lane);
    if (!lane->dead && lane->ended.head != NULL) {
        (void)timer_start_io(&lane->kick, 0);
    }
    lane->depth--;
    if (lane->dead && lane->depth == 0) { /* lane_free was called in sending() */
        destroy(lane);
    }
}

bool lane_withdraw(struct lane *lane, struct lane_request *r)
{
    if (!lane_queue_take(&lane->wait[LANE_CLOSE], r) &&
        !lane_queue_take(&lane->wait[LANE_OPEN], r)) {
        return false;
    }
    loop_release(lane->loop);
    arm_deadline(lane);
    return true;
}

uint64_t lane_connects(const struct lane *lane)
{
    return lane->connects;
}
