/* SPDX-License-Identifier: MIT
 *
 * What WebSockets and Unix sockets share in Lua: connections with an inbox, and servers whose
 * callbacks are run from posts.
 *
 * A link is one connection. It is counted: the library below holds it until closed(), Lua's handle
 * holds it, each post and each waiting reader holds it. So callbacks that come after the Lua state
 * has gone meet no freed memory. An endpoint is a server; its links hold it.
 *
 * Callbacks of a server are plain protected calls (they cannot wait; they may push to a queue or
 * spawn), in the order of arrival. Errors in them are logged.
 */
#ifndef PERIGEE_SCRIPT_LINK_H
#define PERIGEE_SCRIPT_LINK_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "script/host.h"
#include "script/task.h"

#define LINK_INBOX_MAX ((size_t)64 << 20) /* bytes; more that nobody reads ends the connection */

struct link_message {
    struct link_message *next;
    size_t n;     /* bytes */
    uint8_t type; /* of a frame; 0 for WebSockets */
    char bytes[];
};

struct endpoint;

/* What differs between the two. */
struct link_kind {
    const char *meta;                        /* of the handle */
    const char *source;                      /* in errors: "ws", "sock" */
    bool typed;                              /* messages have a type */
    void (*close)(void *raw, unsigned code); /* code: of a WebSocket's close frame; 0: normal */
    int (*send)(void *raw, uint8_t type, const void *p, size_t n, bool text);
    size_t (*pending)(const void *raw);
};

struct link {
    const struct link_kind *kind;
    unsigned refs;
    struct host *host;                 /* NULL once its Lua state is going */
    void *raw;                         /* the library's connection; NULL once it has closed */
    struct endpoint *endpoint;         /* its server, held; NULL: a client */
    struct task_op *op;                /* who waits: for opening, or for a message */
    bool reading;                      /* a reader waits or is about to be resumed */
    bool ending;                       /* close was called */
    bool ended;                        /* closed() was called */
    int error;                         /* why it ended */
    struct link_message *first, *last; /* not read yet */
    size_t queued;                     /* bytes among them */
};

struct endpoint {
    unsigned refs;
    struct host *host; /* NULL once its Lua state is going */
    int face;          /* registry reference of the table of callbacks and handles */
    unsigned links;    /* whose closed callback has not run */
    bool closed;       /* nothing new comes in */
    bool busy;         /* inside a callback that must not free the server */
    void (*shut)(struct endpoint *ep); /* frees the library's server; once */
};

struct link *link_new(struct host *h, const struct link_kind *kind); /* refs: 1; NULL: no memory */
void link_unref(struct link *k);

/* Creates the handle, closed, and leaves it on the stack; *box gets its link later (then it holds
 * one reference). */
struct link **link_push_handle(lua_State *L, const struct link_kind *kind);
void link_open_meta(lua_State *L, const struct link_kind *kind);

/* From the library's callbacks: */
void link_opened(struct link *k, void *raw);
void link_message(struct link *k, uint8_t type, const void *p, size_t n);
void link_closed(struct link *k, int error); /* lets go of the library's reference */

/* Waits until link_opened; the handle is at stack index `handle`. Set link->op = op before
 * starting. */
int link_wait_open(lua_State *L, struct link *k, struct task_op *op);

/* ---- servers ---- */

/* Pushes the face: a table {self =, opened =, message =, closed =, conns = {}}. */
void endpoint_new_face(lua_State *L);
void endpoint_push_face(lua_State *L, const struct endpoint *ep);
void endpoint_unref(struct endpoint *ep);
/* Closes it (now, or at the next drain when it is busy). Idempotent. */
void endpoint_close(lua_State *L, struct endpoint *ep);
/* In the main thread, protected by the caller: makes the handle of a new link, which is kept in the
 * face until it has closed; leaves it on the stack. */
void endpoint_add_link(lua_State *L, struct link *k);
void endpoint_forget_link(lua_State *L, struct link *k);
void endpoint_post_opened(struct link *k);

#endif
