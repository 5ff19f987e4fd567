/* SPDX-License-Identifier: MIT
 *
 * What ws.c, ws_server.c and ws_client.c share.
 *
 * A ws_conn is bound to its libwebsockets handle by the handle's opaque pointer. Whoever frees a
 * ws_conn unbinds it first, so a handle that lingers in the library meets no freed memory.
 */
#ifndef PERIGEE_IO_WS_INNER_H
#define PERIGEE_IO_WS_INNER_H

/* OpenSSL, which libwebsockets.h includes, has a type of the name of one of our error codes. */
#define ERR_STATE openssl_err_state
#include <libwebsockets.h>
#undef ERR_STATE
#include <uv.h>

#include "base/str.h"
#include "io/ws.h"

#define WS_PROTOCOL "perigee" /* local name only; never on the wire */

struct ws_message {
    struct ws_message *next; /* the one sent after it */
    size_t n;                /* bytes of payload */
    bool text;               /* else binary */
    unsigned char room[];    /* LWS_PRE bytes of head-room, then the payload */
};

struct ws_conn {
    struct ws_context *context;
    struct ws_server *server;    /* NULL: a client */
    struct ws_conn *prev, *next; /* all connections of the context */
    struct lws *wsi;             /* NULL: not yet, or no longer, the library's */
    struct ws_events events;
    void *arg;                       /* of the events */
    void *data;                      /* the caller's */
    struct ws_message *first, *last; /* messages to send, oldest first */
    size_t pending;                  /* bytes of payload among them */
    struct str in;                   /* fragments of an unfinished message */
    size_t max_message;              /* bytes */
    int error;                       /* what closed() is told; 0: decided at the end */
    bool in_text;                    /* the unfinished message is text */
    bool open;                       /* opened() was called */
    bool closing;                    /* ws_close was called */
    bool peer_closed;                /* a close frame came */
    bool connecting;                 /* inside the library's connect call */
    bool resolving;                  /* a name look-up is in flight */
    bool dead;                       /* freed but for the look-up in flight */
    unsigned close_code;             /* of the close frame; 0: normal */
    char *path;                      /* owned */
    char *tag;                       /* server: of the handshake; owned */
    char *host;                      /* client: name or address without port; owned */
    char *authority;                 /* client: for the Host header; owned */
    uint16_t port;                   /* client */
    bool tls;                        /* client: wss */
    uv_getaddrinfo_t resolve;        /* client */
};

struct ws_server {
    struct ws_context *context;
    struct ws_events events;
    void *arg;          /* of the events */
    size_t max_message; /* bytes */
    unsigned count;     /* sockets held */
};

struct ws_context {
    struct loop *loop;
    struct lws_context *lws;
    struct lws_vhost *plain;  /* adopted sockets and ws:// clients */
    struct lws_vhost *tls;    /* wss:// clients; NULL until the first */
    struct ws_conn *conns;    /* all */
    struct ws_conn *adopting; /* waits for the library to show its handle */
    uv_idle_t turn;           /* counts turns of the loop at the end */
    int turns;                /* passed since the library was told to go */
};

struct ws_conn *ws_conn_new(struct ws_context *c, const struct ws_events *events, void *arg,
                            size_t max_message);
/* Tells closed() if the caller knows of the connection, unbinds, frees. */
void ws_conn_finish(struct ws_conn *c, int error);
/* Frees without a word. */
void ws_conn_drop(struct ws_conn *c);
/* Ends a handle on a later turn, whatever the library is doing with it now. The library arms its
 * timers only after one of its sockets had an event, so one is made for it. */
void ws_kill(struct ws_context *c, struct lws *wsi);
struct lws_vhost *ws_vhost_new(struct ws_context *c, bool tls);

#endif
