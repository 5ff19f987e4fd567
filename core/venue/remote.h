/* SPDX-License-Identifier: MIT
 *
 * The remote venue: each account's writes go out on its own order lane as HTTP/1.1; what a request
 * says and what an answer means is the codec's (Lua policy, behind struct codec_ops). A close never
 * waits for the answer to an entry: while the lane is busy it takes a second one.
 */
#ifndef PERIGEE_VENUE_REMOTE_H
#define PERIGEE_VENUE_REMOTE_H

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "io/lane.h"
#include "io/loop.h"
#include "venue/venue.h"

struct codec_request {
    char method[8];  /* "POST" */
    struct str path; /* after the session's prefix: "/position/open" */
    struct str body; /* JSON, canonical */
};

struct codec_answer {
    int status;
    const char *head; /* raw header lines */
    size_t head_size;
    const char *body;
    size_t body_size;
};

/* Filled by core/script with protected calls; an error of encode means that nothing is sent, an
 * error of decode means VERDICT_UNKNOWN. */
struct codec_ops {
    void *ctx;
    int (*encode)(void *ctx, const char *broker, const struct order *o, const struct instrument *i,
                  struct codec_request *out, struct err *e);
    int (*decode)(void *ctx, const char *broker, const struct order *o,
                  const struct codec_answer *a, struct verdict *out, struct err *e);
    /* May be NULL. The codec's promise of venue/shape.h: 0, it makes none; else a number that is
     * another one for another codec. */
    unsigned (*steady)(void *ctx);
};

struct remote;
extern const struct venue_ops remote_venue_ops; /* its struct venue is a struct remote */

struct remote *remote_new(struct loop *l, struct log *log, const struct transport_ops *ops,
                          void *ops_ctx, const struct codec_ops *codec, struct err *e);
void remote_free(struct remote *r); /* calls in flight end as UNKNOWN, queued ones as NOT_SENT */

struct remote_session {
    const char *broker; /* profile name, for the codec */
    const char *origin; /* "http://127.0.0.1:8080" */
    const char *prefix; /* "/mtr-api/<uuid>" */
    const char
        *headers; /* complete header lines, each with CRLF: tokens, cookies, User-Agent; secret */
    int64_t answer_timeout_ms; /* 0: 10,000 */
    int64_t idle_close_ms;     /* after so long the broker cuts an idle connection; 0: not known */
};
/* Sets or replaces the session of an account (ledger index). A new origin or time opens a new lane;
 * new headers are used from the next request on. NULL takes the session away (queued: NOT_SENT). */
int remote_session_set(struct remote *r, int account, const struct remote_session *s,
                       struct err *e);
/* The second connection of each account, for closes: opened with the session (true), or when one is
 * to leave while an entry waits for its answer (false, from the start). Then it stays open. */
void remote_warm_closes(struct remote *r, bool warm);
static inline struct venue *remote_venue(struct remote *r)
{
    return (struct venue *)r;
}

#endif
