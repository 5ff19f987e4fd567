/* SPDX-License-Identifier: MIT
 *
 * What the HTTP client's files share. http.c keeps the life of clients and calls: lists, callbacks,
 * cancelling, freeing inside a callback. How bytes travel is behind http_transfer_ops: http_curl.c
 * (libcurl), http_over.c (a transport).
 */
#ifndef PERIGEE_IO_HTTP_INNER_H
#define PERIGEE_IO_HTTP_INNER_H

#include <stdbool.h>

#include "io/http.h"

struct http_transfer_ops {
    size_t call_size; /* bytes of the transfer's own call, which begins with a struct http_call */
    /* Begins the transfer; no end is reported from inside. On failure fini is called. */
    int (*begin)(struct http_call *call, const struct http_spec *spec, struct err *e);
    void (*abort)(struct http_call *call); /* takes it out of the transfer: no end is reported */
    void (*fini)(struct http_call *call);  /* frees what begin has made */
    void (*free)(struct http_client *c);   /* no call is left; frees c */
};

struct http_call {
    struct http_client *client;
    struct http_call *next; /* in the client's list of live or of ended calls */
    struct http_call *prev;
    bool over;         /* cancelled, or being delivered */
    size_t max_answer; /* bytes of head and body together */
    http_fn fn;
    void *arg;
    int64_t begun_io_ns;
    int64_t begun_market_ms;
    char label[160]; /* "GET http://host/path", without user, query and fragment */
};

struct http_client {
    const struct http_transfer_ops *ops;
    struct loop *loop;
    struct http_call *live;
    struct http_call *ended; /* cancelled ones, oldest first */
    struct timer later;      /* delivers them */
    unsigned depth;          /* callbacks being served */
    bool dead;               /* http_client_free was called */
};

void http_client_init(struct http_client *c, struct loop *l, const struct http_transfer_ops *ops);
/* Around whatever may call back: the client is freed in the outermost leave at the earliest. */
void http_enter(struct http_client *c);
void http_leave(struct http_client *c);
/* The transfer of a live call has ended: calls back and frees the call. `a` has error, message,
 * status, head and body. */
void http_ended(struct http_call *call, struct http_answer *a);

bool http_is_token(const char *text); /* RFC 9110: nothing in it can end a line */
/* Names and values that can be sent. 0 or ERR_INPUT. */
int http_check_headers(const struct http_call *call, const struct http_spec *spec, struct err *e);
/* Does a request with this method have a body, even if it is empty? */
bool http_sends_body(const struct http_spec *spec);
int64_t http_timeout_ms(const struct http_spec *spec);

#endif
