/* SPDX-License-Identifier: MIT
 *
 * What the bindings of WebSockets and of the HTTP front share.
 */
#ifndef PERIGEE_SCRIPT_BIND_WS_H
#define PERIGEE_SCRIPT_BIND_WS_H

#include "io/front.h"
#include "script/link.h"

extern const struct link_kind ws_link_kind;

struct httpd_request;

/* An HTTP server of Lua. Its face also holds `handler` and `check`. */
struct httpd {
    struct endpoint ep;         /* first member; counted */
    struct front *front;        /* NULL once shut */
    struct ws_server *ws;       /* NULL: no WebSockets */
    struct httpd_request *live; /* requests that wait for their answer */
};

/* Makes h->ws from the table at index (opened, message, closed, check, max_message), puts its
 * functions into the face on the top of the stack. *check: it has a check function. */
int httpd_ws_open(lua_State *L, int index, struct httpd *h, bool *check, struct err *e);

#endif
