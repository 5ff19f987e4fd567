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
#include "io/lane_inner.h"
#include "io/reply.h"

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
    a->done_io_ns = lane_now(lane);
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

void lane_enter(struct lane *lane)
{
    lane->depth++;
}

void lane_leave(struct lane *lane)
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
    int64_t left = first - lane_now(lane);
    (void)timer_start_io(&lane->deadline_timer, left <= 0 ? 0 : (left - 1) / NS_PER_MS + 1);
}

static void on_deadline(void *arg)
{
    struct lane *lane = arg;
    int64_t now = lane_now(lane);
    lane_enter(lane);
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
    lane_leave(lane);
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
    if (lane_request_expired(r, lane_now(lane))) {
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
        int64_t now = lane_now(lane);
        r->sent_io_ns = now != 0 ? now : 1; /* a virtual clock may stand at 0, which means never */
        lane->handed = true;
        write_more(lane);
    }
}

void lane_begin_idle(struct lane *lane)
{
    lane->used_at = lane_now(lane);
    if (lane->idle_ms > 0) {
        (void)timer_start_io(&lane->link_timer, lane->idle_ms);
    }
}

static bool too_long_idle(const struct lane *lane)
{
    return lane->idle_ms > 0 && lane_now(lane) - lane->used_at >= lane->idle_ms * NS_PER_MS;
}

void lane_pump(struct lane *lane)
{
    if (lane->locked || lane->dead) {
        return;
    }
    lane->locked = true;
    while (!lane->dead && lane->link == LINK_UP && lane->current == NULL) {
        if (lane->vacant != NULL) {
            lane->vacant(lane->arg);
        }
        if (!lane_has_waiting(lane)) {
            break;
        }
        if (too_long_idle(lane) || !is_quiet(lane)) { /* the timer may be late: a stall of ours */
            lane_link_break(lane);
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
        lane_begin_idle(lane);
    } else if (!lane->dead) {
        lane_link_break(lane);
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
    lane_link_break(lane);
}

/* Serves n bytes, or the end (0 or negative). False when the connection was given up. */
static bool serve(struct lane *lane, const char *p, ssize_t n)
{
    size_t used = 0;
    if (lane->current == NULL) {
        lane_link_break(lane);
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

void lane_readable(void *arg)
{
    struct lane *lane = arg;
    lane_enter(lane);
    read_all(lane);
    lane_pump(lane);
    lane_leave(lane);
}

void lane_writable(void *arg)
{
    struct lane *lane = arg;
    lane_enter(lane);
    if (lane->current != NULL && !lane->send_failed) {
        write_more(lane);
    }
    lane_leave(lane);
}

static void on_kick(void *arg)
{
    struct lane *lane = arg;
    lane_enter(lane);
    if (lane->current != NULL && lane->send_failed) {
        read_all(lane);
        if (!lane->dead && lane->current != NULL && lane->send_failed) {
            cut(lane, "cut");
        }
    }
    lane_pump(lane);
    lane_leave(lane);
}

static void on_answer_timeout(void *arg)
{
    struct lane *lane = arg;
    lane_enter(lane);
    read_all(lane); /* after a stall of ours the answer may be here already */
    if (!lane->dead && lane->current != NULL) {
        end_current(lane, LANE_TIMEOUT, "timeout");
        lane_link_break(lane);
    }
    lane_pump(lane);
    lane_leave(lane);
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
    lane->vacant = config->vacant;
    lane->arg = config->arg;
    lane->origin = strdup(config->origin);
    lane->reply = reply_new(config->max_answer > 0 ? config->max_answer : (size_t)256 << 10);
    if (lane->origin == NULL || lane->reply == NULL) {
        destroy(lane);
        (void)err_set(e, ERR_NOMEM, "out of memory for an order lane");
        return NULL;
    }
    timer_init(&lane->link_timer, l, lane_link_timer, lane);
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
    lane_link_close(lane);
    timer_stop(&lane->deadline_timer);
    timer_stop(&lane->kick);
    for (size_t k = 0; k < 2; k++) {
        for (struct lane_request *r = lane_queue_pop(&lane->wait[k]); r != NULL;
             r = lane_queue_pop(&lane->wait[k])) {
            end(lane, r, LANE_NOT_SENT, "closed");
        }
    }
    lane_leave(lane);
}

void lane_warm(struct lane *lane)
{
    if (!lane->dead && lane->link == LINK_DOWN) {
        lane_link_retry(lane);
    }
}

bool lane_ready(const struct lane *lane)
{
    return lane->link == LINK_UP && lane->current == NULL && !lane->locked &&
           !lane_has_waiting(lane);
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
    lane_enter(lane);
    lane_pump(lane);
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

struct lane_request *lane_waiting_close(const struct lane *lane)
{
    return lane->wait[LANE_CLOSE].head;
}

uint64_t lane_connects(const struct lane *lane)
{
    return lane->connects;
}
