/* SPDX-License-Identifier: MIT
 *
 * The bytes of a request: what a session and a codec say, checked and put together. Nothing that a
 * broker or a script gave us can end a header line or begin another one.
 */
#include <string.h>
#include <strings.h>

#include "venue/remote_impl.h"
#include "venue/shape.h"

static bool plain(const char *text, size_t n)
{
    for (size_t k = 0; k < n; k++)
        if ((unsigned char)text[k] <= ' ' || (unsigned char)text[k] >= 127)
            return false;
    return true;
}

bool remote_path_ok(const char *text, size_t n)
{
    return n > 0 && text[0] == '/' && plain(text, n);
}

static bool method_ok(const char *text)
{
    size_t n = strnlen(text, sizeof((struct codec_request *)0)->method);
    for (size_t k = 0; k < n; k++)
        if (text[k] < 'A' || text[k] > 'Z')
            return false;
    return n > 0 && n < sizeof((struct codec_request *)0)->method;
}

const char *remote_host(const char *origin)
{
    const char *host = NULL;
    if (origin != NULL && strncmp(origin, "http://", 7) == 0)
        host = origin + 7;
    else if (origin != NULL && strncmp(origin, "https://", 8) == 0)
        host = origin + 8;
    if (host == NULL || host[0] == '\0' || strpbrk(host, "/@?#\\") != NULL ||
        !plain(host, strlen(host)))
        return NULL;
    return host;
}

static bool is_name(const char *line, size_t n, const char *name)
{
    return strlen(name) == n && strncasecmp(line, name, n) == 0;
}

/* Length of the first header line with its CRLF; 0: it is none, or not the session's to say. */
static size_t header_line(const char *p, bool *accept, bool *type)
{
    static const char *const ours[] = {"Host",       "Content-Length", "Transfer-Encoding",
                                       "Connection", "Expect",         "Upgrade",
                                       "TE",         "Trailer"};
    size_t n = strcspn(p, "\r\n");
    size_t name = strcspn(p, ":");
    if (p[n] != '\r' || p[n + 1] != '\n' || name == 0 || name >= n)
        return 0;
    for (size_t k = 0; k < name; k++) /* RFC 9110 token */
        if (strchr("()<>@,;:\\\"/[]?={}", p[k]) != NULL || !plain(p + k, 1))
            return 0;
    for (size_t k = name + 1; k < n; k++)
        if (((unsigned char)p[k] < ' ' && p[k] != '\t') || p[k] == 127)
            return 0;
    for (size_t k = 0; k < sizeof ours / sizeof *ours; k++)
        if (is_name(p, name, ours[k]))
            return 0;
    *accept = *accept || is_name(p, name, "Accept");
    *type = *type || is_name(p, name, "Content-Type");
    return n + 2;
}

int remote_head(struct str *out, const char *host, const char *headers, struct err *e)
{
    bool accept = false, type = false;
    str_clear(out);
    str_addf(out, "Host: %s\r\n", host);
    for (const char *p = headers; p != NULL && *p != '\0';) {
        size_t n = header_line(p, &accept, &type);
        if (n == 0)
            return err_set(e, ERR_INPUT,
                           "remote: the session's headers are not complete lines of the form "
                           "\"Name: value\" with CRLF, or set what the lane sets (Host, lengths)");
        str_add(out, p, n);
        p += n;
    }
    if (!accept)
        str_addz(out, "Accept: application/json\r\n");
    if (!type)
        str_addz(out, "Content-Type: application/json\r\n");
    str_addz(out, "Content-Length: ");
    return out->failed ? err_set(e, ERR_NOMEM, "remote: out of memory") : 0;
}

int remote_encode(struct remote *r, const struct slot *s, struct rcall *c,
                  const struct venue_call *call, struct err *e)
{
    struct codec_request *q = &c->parts;
    c->prepared = 0;
    memset(q->method, 0, sizeof q->method);
    str_clear(&q->path);
    str_clear(&q->body);
    int rc = shape_encode(r->shapes, &r->codec, s->broker, call->order, call->instrument, q, e);
    if (rc != 0)
        return rc;
    if (!method_ok(q->method) || !remote_path_ok(q->path.p, q->path.len))
        return err_set(e, ERR_INPUT,
                       "remote: the codec of %s gave a method or a path that cannot "
                       "be sent",
                       s->broker);
    str_clear(&c->bytes);
    str_addz(&c->bytes, q->method);
    str_addc(&c->bytes, ' ');
    str_add(&c->bytes, s->prefix.p, s->prefix.len);
    str_add(&c->bytes, q->path.p, q->path.len);
    str_addz(&c->bytes, " HTTP/1.1\r\n");
    str_add(&c->bytes, s->head.p, s->head.len);
    str_addf(&c->bytes, "%zu\r\n\r\n", q->body.len);
    str_add(&c->bytes, q->body.p, q->body.len);
    if (q->path.failed || q->body.failed || c->bytes.failed)
        return err_set(e, ERR_NOMEM, "remote: out of memory for a request");
    return 0;
}
