/* SPDX-License-Identifier: MIT
 *
 * HTTP/1.1 server with Debian's http-parser, on sockets or in the network in memory, and the way to
 * WebSockets: an upgrade is checked here and its socket handed to libwebsockets (ws.h).
 * libwebsockets' own HTTP server is not used: two requests in one segment can make it spin.
 *
 * Handlers answer now or later, in any order; answers leave in the order of the requests.
 */
#ifndef PERIGEE_IO_FRONT_H
#define PERIGEE_IO_FRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "io/http.h"
#include "io/loop.h"
#include "io/ws.h"

struct front;
struct front_request; /* a request that waits for its answer */

/* Where a front gets its connections from. */
struct front_net_ops;
extern const struct front_net_ops front_tcp_ops;  /* sockets of the kernel; no ctx */
extern const struct front_net_ops front_fake_ops; /* ctx: struct fake_process *; no WebSockets */

struct front_config {
    const char *host;                /* numeric address; NULL: 127.0.0.1 */
    uint16_t port;                   /* 0: any */
    const struct front_net_ops *net; /* NULL: front_tcp_ops */
    void *net_ctx;
    size_t max_head;            /* 0: 16 KiB; more is 431 */
    size_t max_body;            /* 0: 1 MiB; more is 413 */
    int64_t request_timeout_ms; /* for a whole request to arrive; 0: 15,000 */
    int64_t idle_timeout_ms;    /* keep-alive; 0: 300,000 */
    unsigned max_connections;   /* 0: 4,096 */
    unsigned max_per_address;   /* 0: no limit */
    struct ws_server *ws;       /* takes upgrades; NULL: they get 426 */
    /* Asked with front_new's arg about each well-formed WebSocket handshake (cookies, tokens,
     * Origin): 0 lets it through, an HTTP status refuses. r is valid inside the call only. NULL: an
     * Origin, where there is one, must name the same authority as Host (else 403). */
    int (*check_upgrade)(void *arg, struct front_request *r);
    /* Writes the body of what the front itself refuses (too large, unreadable, too late) and
     * returns its content type, a static text; NULL from it, or no function: plain text. */
    const char *(*refusal)(void *arg, int status, const char *reason, struct str *body);
};

/* From inside check_upgrade: a text that the WebSocket carries (ws_tag), such as who it is. Copied.
 * 0 or ERR_NOMEM. */
int front_set_tag(struct front_request *r, const char *text);

/* r stays valid until front_answer; its strings too. A client that went away is noticed by
 * front_request_gone, and answering it is harmless (and still required). */
typedef void (*front_fn)(void *arg, struct front_request *r);

struct front *front_new(struct loop *l, const struct front_config *config, front_fn fn, void *arg,
                        struct err *e);
/* Stops listening, lets answers in progress leave for at most 200 ms (this call blocks meanwhile,
 * which only a client that does not read can cause), closes, frees; memory and handles are gone
 * after the loop's next turn. Requests not answered yet are freed and must not be answered or read
 * afterwards. Must not be called from inside the handler. */
void front_free(struct front *f);
/* The bound address as the kernel tells it, "127.0.0.1:8080". */
const char *front_address(const struct front *f);
uint16_t front_port(const struct front *f);
/* From now on connections may be idle for so long; 0: as at the beginning. */
void front_set_idle(struct front *f, int64_t idle_timeout_ms);
/* Connections open now, without those that became WebSockets. */
unsigned front_connections(const struct front *f);

const char *front_method(const struct front_request *r);
const char *front_path(const struct front_request *r);  /* before '?', not decoded */
const char *front_query(const struct front_request *r); /* after '?', "" when none */
const char *front_header(const struct front_request *r, const char *name); /* NULL: absent */
const char *front_body(const struct front_request *r, size_t *n);
const char *front_peer(const struct front_request *r); /* "127.0.0.1" */
bool front_request_gone(const struct front_request *r);
/* How many requests came before it on its connection. */
unsigned front_request_nth(const struct front_request *r);

/* Answers and frees r. Content-Length and Date are added; 204 and 304 get no length, HEAD no body.
 * headers may hold names several times (Set-Cookie); Content-Length, Transfer-Encoding and
 * Keep-Alive in them are left out, "Connection: close" is obeyed, and so is "Transfer-Encoding:
 * chunked" towards HTTP/1.1: the body goes in small chunks. A Date goes before the own one. A
 * header or status that cannot be sent safely (CR, LF, NUL, no token, not 200 to 599) turns the
 * whole answer into a 500, logged. Bytes are copied. */
void front_answer(struct front_request *r, int status, const struct http_header *headers,
                  size_t header_count, const void *body, size_t n);
/* Closes the connection without an answer, or in its middle: for simulated faults.
 * sent: how many bytes of the answer made by the arguments leave first; reset: RST instead of FIN.
 */
void front_break(struct front_request *r, int status, const void *body, size_t n, size_t sent,
                 bool reset);
/* The same after the whole head, which announces the whole body, and body_sent bytes of that. */
void front_break_body(struct front_request *r, int status, const struct http_header *headers,
                      size_t header_count, const void *body, size_t n, size_t body_sent,
                      bool reset);

#endif
