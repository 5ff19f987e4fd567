/* SPDX-License-Identifier: MIT
 *
 * The WebSocket handshake as the HTTP front sees it. libwebsockets accepts handshakes that it
 * should refuse and stumbles over headers that it half knows, so they are checked here (RFC 6455,
 * 4.2.1) and written anew. Subprotocols and extensions are not offered.
 */
#include "io/front_inner.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Sixteen bytes in base64: 22 characters and two signs of padding. */
static bool key_valid(const char *key)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return strspn(key, alphabet) == 22 && strcmp(key + 22, "==") == 0;
}

int front_handshake_check(const struct front_request *r, const char **reason)
{
    int status = 400;
    const char *version = front_header(r, "Sec-WebSocket-Version");
    const char *key = front_header(r, "Sec-WebSocket-Key");
    if (strcmp(r->method, "GET") != 0)
        *reason = "a WebSocket handshake is a GET";
    else if (r->old)
        *reason = "a WebSocket handshake wants HTTP/1.1";
    else if (!front_has_token(r, "Upgrade", "websocket"))
        *reason = "the Upgrade header does not name websocket";
    else if (!front_has_token(r, "Connection", "Upgrade"))
        *reason = "the Connection header does not name Upgrade";
    else if (r->body.len > 0 || front_header_count(r, "Transfer-Encoding") > 0)
        *reason = "a WebSocket handshake has no body";
    else if (front_header_count(r, "Sec-WebSocket-Key") != 1 || !key_valid(key))
        *reason = "the Sec-WebSocket-Key is not sixteen bytes in base64";
    else if (front_header_count(r, "Sec-WebSocket-Version") != 1 || strcmp(version, "13") != 0) {
        *reason = "WebSocket version 13 is served";
        status = 426;
    } else {
        status = 0;
    }
    return status;
}

int front_set_tag(struct front_request *r, const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        return ERR_NOMEM;
    free(r->tag);
    r->tag = copy;
    return 0;
}

bool front_same_origin(const struct front_request *r)
{
    const char *origin = front_header(r, "Origin");
    const char *host = front_header(r, "Host");
    if (!origin)
        return true;
    const char *authority = strstr(origin, "://");
    return front_header_count(r, "Origin") == 1 && authority && host &&
           strcasecmp(authority + 3, host) == 0;
}

void front_handshake_write(const struct front_request *r, struct str *out)
{
    str_addz(out, "GET / HTTP/1.1\r\n"
                  "Host: localhost\r\n"
                  "Upgrade: websocket\r\n"
                  "Connection: Upgrade\r\n"
                  "Sec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: ");
    str_addz(out, front_header(r, "Sec-WebSocket-Key"));
    str_addz(out, "\r\n\r\n");
}
