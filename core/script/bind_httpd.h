/* SPDX-License-Identifier: MIT
 *
 * What the files of perigee.httpd share: a request on its way through Lua.
 */
#ifndef PERIGEE_SCRIPT_BIND_HTTPD_H
#define PERIGEE_SCRIPT_BIND_HTTPD_H

#include "script/bind_ws.h"
#include "script/task_inner.h"

#define HTTPD_REQUEST_META "perigee.httpd.request"

/* Held by its post, then by its handle; exactly one of them at a time. */
struct httpd_request {
    struct task_post post;             /* first member */
    struct front_request *r;           /* NULL: answered, or the server is gone */
    struct httpd *server;              /* held */
    struct httpd_request *prev, *next; /* in server->live while r is set */
    bool handed;                       /* the handle owns it */
    bool peek;                         /* shown to check(): not ours to answer */
};

/* Linked into h->live; NULL: out of memory. */
struct httpd_request *httpd_request_new(struct httpd *h, struct front_request *r);
/* r is answered, or gone. */
void httpd_request_unlink(struct httpd_request *q);
/* Answers 503 when nobody has answered. */
void httpd_request_free(struct httpd_request *q);

/* Callbacks of the front; arg is the struct httpd. */
int httpd_on_upgrade(void *arg, struct front_request *r);
const char *httpd_on_refusal(void *arg, int status, const char *reason, struct str *body);

#endif
