/* SPDX-License-Identifier: MIT
 *
 * The connection of an order lane: opened, given up, tried again with a growing pause.
 */
#include "io/lane_inner.h"

#define STABLE_NS (1000 * NS_PER_MS) /* a connection that lived this long is no failure */
#define RETRY_FIRST_MS 50
#define RETRY_MAX_MS 2000       /* with an order waiting */
#define RETRY_MAX_IDLE_MS 10000 /* with none */

static void open_link(struct lane *lane);

void lane_link_close(struct lane *lane)
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
    int64_t max = lane_has_waiting(lane) ? RETRY_MAX_MS : RETRY_MAX_IDLE_MS;
    if (lane->failures <= 1) {
        return 0;
    }
    int64_t ms = (int64_t)RETRY_FIRST_MS << (lane->failures < 12 ? lane->failures - 2 : 10);
    return ms < max ? ms : max;
}

void lane_link_retry(struct lane *lane)
{
    int64_t left = lane->failed_at + retry_delay_ms(lane) * NS_PER_MS - lane_now(lane);
    if (lane->failures == 0 || left <= 0) {
        open_link(lane);
    } else {
        (void)timer_start_io(&lane->link_timer, (left - 1) / NS_PER_MS + 1);
    }
}

static void note_failure(struct lane *lane, const char *message)
{
    lane->failures++;
    lane->failed_at = lane_now(lane);
    if (lane->failures == 2) {
        log_write(lane->loop->log, LOG_INFO, "lane", "no connection to %s: %s; trying on",
                  lane->origin, message);
    }
}

void lane_link_break(struct lane *lane)
{
    bool good = lane->useful || lane_now(lane) - lane->opened_at >= STABLE_NS;
    lane_link_close(lane);
    if (good) {
        lane->failures = 0;
    } else {
        note_failure(lane, "it is closed as soon as it is made");
    }
    lane_link_retry(lane);
}

static void on_opened(void *arg, int error, const char *message)
{
    struct lane *lane = arg;
    lane_enter(lane);
    timer_stop(&lane->link_timer);
    if (error != 0) {
        lane_link_close(lane);
        note_failure(lane, message);
        lane_link_retry(lane);
    } else {
        lane->link = LINK_UP;
        lane->connects++;
        lane->opened_at = lane_now(lane);
        lane->useful = false;
        lane_begin_idle(lane);
        lane_pump(lane);
    }
    lane_leave(lane);
}

void lane_link_timer(void *arg)
{
    struct lane *lane = arg;
    lane_enter(lane);
    if (lane->link == LINK_OPENING) {
        lane_link_close(lane);
        note_failure(lane, "it takes too long");
        lane_link_retry(lane);
    } else if (lane->link == LINK_DOWN) {
        open_link(lane);
    } else if (lane->current == NULL) {
        lane_link_break(lane);
    }
    lane_leave(lane);
}

static const struct transport_events events = {
    .opened = on_opened, .readable = lane_readable, .writable = lane_writable};

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
