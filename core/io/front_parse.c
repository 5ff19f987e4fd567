/* SPDX-License-Identifier: MIT
 *
 * The parser layer of the HTTP front: bytes in, whole requests out, no sockets.
 *
 * A head is collected whole, checked byte by byte against what http-parser lets pass (bare LF,
 * folded lines, control bytes, white space before a colon), copied into the request, and only then
 * parsed there, so that every string of a request is a piece of its own block. http-parser decides
 * about framing (lengths, chunks); trailers are read and dropped.
 */
#include "io/front_inner.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_FIELDS 100

static int refuse(struct front_parser *p, int status, const char *reason)
{
    if (p->refusal == 0) {
        p->refusal = status;
        p->reason = reason;
    }
    return -1;
}

bool front_is_token(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alnum && (c == 0 || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return n > 0;
}

unsigned front_header_count(const struct front_request *r, const char *name)
{
    unsigned count = 0;
    for (size_t i = 0; i < r->field_count; i++)
        count += strcasecmp(r->fields[i].name, name) == 0;
    return count;
}

static bool list_has(const char *list, const char *token)
{
    size_t n = strlen(token);
    while (*list) {
        list += strspn(list, ", \t");
        size_t word = strcspn(list, ", \t");
        if (word == n && strncasecmp(list, token, n) == 0)
            return true;
        list += word;
    }
    return false;
}

bool front_has_token(const struct front_request *r, const char *name, const char *token)
{
    for (size_t i = 0; i < r->field_count; i++)
        if (strcasecmp(r->fields[i].name, name) == 0 && list_has(r->fields[i].value, token))
            return true;
    return false;
}

/* ---- callbacks of http-parser ---- */

static int on_url(http_parser *http, const char *at, size_t n)
{
    struct front_parser *p = http->data;
    struct front_request *r = p->request;
    if (r->path)
        return refuse(p, 400, "the request line is broken");
    r->path = r->head + (at - r->head);
    r->query = r->path + n; /* its end for now; take_target cuts it */
    return 0;
}

static int on_field(http_parser *http, const char *at, size_t n)
{
    struct front_parser *p = http->data;
    struct front_request *r = p->request;
    if (!p->in_head)
        return 0; /* a trailer */
    if (r->field_count == r->field_cap || !front_is_token(at, n))
        return refuse(p, 400, "a header name is broken");
    struct front_field *f = &r->fields[r->field_count++];
    f->name = r->head + (at - r->head);
    f->name_size = (uint32_t)n;
    f->value = NULL;
    return 0;
}

static int on_value(http_parser *http, const char *at, size_t n)
{
    struct front_parser *p = http->data;
    struct front_request *r = p->request;
    if (!p->in_head)
        return 0;
    if (r->field_count == 0 || r->fields[r->field_count - 1].value)
        return refuse(p, 400, "a header is broken");
    struct front_field *f = &r->fields[r->field_count - 1];
    while (n > 0 && (at[n - 1] == ' ' || at[n - 1] == '\t'))
        n--;
    f->value = r->head + (at - r->head);
    f->value_size = (uint32_t)n;
    return 0;
}

static const struct front_field *find(const struct front_request *r, const char *name,
                                      unsigned *count)
{
    const struct front_field *found = NULL;
    size_t n = strlen(name);
    *count = 0;
    for (size_t i = 0; i < r->field_count; i++) {
        const struct front_field *f = &r->fields[i];
        if (f->name_size == n && strncasecmp(f->name, name, n) == 0) {
            (*count)++;
            if (!found)
                found = f;
        }
    }
    return found;
}

static bool value_is(const struct front_field *f, const char *text)
{
    return f->value_size == strlen(text) && strncasecmp(f->value, text, f->value_size) == 0;
}

static int check_host(struct front_parser *p)
{
    unsigned count;
    const struct front_field *host = find(p->request, "Host", &count);
    if (count > 1)
        return refuse(p, 400, "several Host headers");
    if (count == 0)
        return p->request->old ? 0 : refuse(p, 400, "no Host header");
    for (size_t i = 0; i < host->value_size; i++)
        if (strchr(" \t/\\@?#,\"<>", host->value[i]))
            return refuse(p, 400, "the Host header is broken");
    return 0;
}

static int check_framing(struct front_parser *p)
{
    unsigned codings, lengths, expects;
    const struct front_field *coding = find(p->request, "Transfer-Encoding", &codings);
    const struct front_field *length = find(p->request, "Content-Length", &lengths);
    const struct front_field *expect = find(p->request, "Expect", &expects);
    if (codings && lengths)
        return refuse(p, 400, "both Content-Length and Transfer-Encoding");
    if (lengths > 1)
        return refuse(p, 400, "several Content-Length headers");
    if (codings && p->request->old)
        return refuse(p, 400, "HTTP/1.0 has no transfer codings");
    if (codings > 1 || (codings == 1 && !value_is(coding, "chunked")))
        return refuse(p, 501, "the only transfer coding served is chunked");
    if (lengths) {
        if (length->value_size == 0)
            return refuse(p, 400, "the Content-Length is empty");
        for (size_t i = 0; i < length->value_size; i++)
            if (length->value[i] < '0' || length->value[i] > '9')
                return refuse(p, 400, "the Content-Length is no number");
        if (p->http.content_length > p->max_body)
            return refuse(p, 413, "the body is too large");
    }
    if (expects && !p->request->old && (expects > 1 || !value_is(expect, "100-continue")))
        return refuse(p, 417, "the only expectation served is 100-continue");
    return 0;
}

static int on_headers_complete(http_parser *http)
{
    struct front_parser *p = http->data;
    if (!p->in_head)
        return 0;
    p->http.upgrade = 0; /* whether it is one is decided in front_handshake.c */
    if (http->http_major != 1 || http->http_minor > 1)
        return refuse(p, 505, "HTTP/1.1 is served");
    if (http->method == HTTP_CONNECT)
        return refuse(p, 501, "CONNECT is not served");
    p->request->old = http->http_minor == 0;
    for (size_t i = 0; i < p->request->field_count; i++)
        if (!p->request->fields[i].value)
            return refuse(p, 400, "a header is broken");
    if (check_host(p) || check_framing(p))
        return -1;
    p->request->keep_alive = http_should_keep_alive(http) != 0;
    p->request->method = http_method_str((enum http_method)http->method);
    return 0;
}

static int on_chunk_header(http_parser *http)
{
    struct front_parser *p = http->data;
    if (http->content_length > p->max_body - p->request->body.len)
        return refuse(p, 413, "the body is too large");
    return 0;
}

static int on_body(http_parser *http, const char *at, size_t n)
{
    struct front_parser *p = http->data;
    if (n > p->max_body - p->request->body.len)
        return refuse(p, 413, "the body is too large");
    str_add(&p->request->body, at, n);
    return p->request->body.failed ? refuse(p, 503, "out of memory") : 0;
}

static int on_message_complete(http_parser *http)
{
    struct front_parser *p = http->data;
    p->done = true;
    http_parser_pause(http, 1); /* makes it stop at this very byte */
    return 0;
}

static const http_parser_settings settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
    .on_chunk_header = on_chunk_header,
};

/* ---- heads ---- */

/* Looks for the end of the head. Returns its size, 0 when more bytes are needed, or refuses. */
static size_t head_end(struct front_parser *p, const char *bytes, size_t n)
{
    size_t i = p->searched;
    for (; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];
        unsigned char before = i ? (unsigned char)bytes[i - 1] : 0;
        if (before == '\r' && c != '\n') {
            refuse(p, 400, "a carriage return without its line feed");
        } else if (c == '\n') {
            if (before != '\r')
                refuse(p, 400, "a line that does not end in CRLF");
            p->lines++;
            if (i >= 3 && bytes[i - 2] == '\n')
                return p->refusal ? 0 : i + 1;
        } else if ((c < ' ' && c != '\t' && c != '\r') || c == 127) {
            refuse(p, 400, "a control byte in the head");
        } else if (before == '\n' && (c == ' ' || c == '\t')) {
            refuse(p, 400, "a folded header line");
        } else if (i == 0 && !front_is_token(bytes, 1)) {
            refuse(p, 400, "this is no HTTP");
        }
        if (p->refusal)
            return 0;
        if (i >= p->max_head) {
            refuse(p, 431, "the request's head is too large");
            return 0;
        }
    }
    p->searched = i;
    return 0;
}

static struct front_request *request_new(const char *head, size_t n, size_t fields)
{
    struct front_request *r = malloc(sizeof *r + fields * sizeof(struct front_field) + n + 1);
    if (!r)
        return NULL;
    memset(r, 0, sizeof *r);
    r->fields = (struct front_field *)(r + 1);
    r->field_cap = fields;
    r->head = (char *)(r->fields + fields);
    memcpy(r->head, head, n);
    r->head[n] = '\0';
    str_init(&r->body);
    str_init(&r->answer);
    return r;
}

void front_request_free(struct front_request *r)
{
    if (!r)
        return;
    str_fini(&r->body);
    free(r->tag);
    str_fini(&r->answer);
    free(r);
}

/* The request line is three words with one space between: method, target, version. */
static int check_line(struct front_parser *p, const char *line)
{
    size_t method = strcspn(line, " \r");
    if (line[method] != ' ' || !front_is_token(line, method))
        return refuse(p, 400, "the request line is broken");
    const char *target = line + method + 1;
    size_t n = strcspn(target, " \r");
    if (n == 0 || target[n] != ' ' || strncmp(target + n + 1, "HTTP/", 5) != 0)
        return refuse(p, 400, "the request line is broken");
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)target[i] > 126 || target[i] == '#' || target[i] == '\t')
            return refuse(p, 400, "the request target is broken");
    return 0;
}

/* Cuts the target at '?' and takes scheme and authority off an absolute one. */
static int take_target(struct front_parser *p, struct front_request *r)
{
    char *end = r->query;
    *end = '\0';
    if (strncasecmp(r->path, "http://", 7) == 0) {
        char *authority = r->path + 7;
        char *slash = authority + strcspn(authority, "/?");
        if (slash == authority)
            return refuse(p, 400, "the request target is broken");
        if (*slash != '/') { /* "http://host?x": make room for the slash that is missing */
            slash--;
            *slash = '/';
        }
        r->path = slash;
    } else if (r->path[0] != '/' &&
               !(strcmp(r->path, "*") == 0 && strcmp(r->method, "OPTIONS") == 0)) {
        return refuse(p, 400, "the request target is broken");
    }
    char *mark = strchr(r->path, '?');
    r->query = end;
    if (mark) {
        *mark = '\0';
        r->query = mark + 1;
    }
    return 0;
}

static int status_of(enum http_errno error)
{
    switch (error) {
    case HPE_INVALID_METHOD:
    case HPE_INVALID_TRANSFER_ENCODING:
        return 501;
    case HPE_INVALID_VERSION:
        return 505;
    case HPE_HEADER_OVERFLOW:
        return 431;
    default:
        return 400;
    }
}

static enum front_step refused(struct front_parser *p)
{
    front_request_free(p->request);
    p->request = NULL;
    return FRONT_REFUSED;
}

/* Runs http-parser; false when the request is refused. */
static bool execute(struct front_parser *p, const char *bytes, size_t n, size_t *used)
{
    *used = http_parser_execute(&p->http, &settings, bytes, n);
    enum http_errno error = HTTP_PARSER_ERRNO(&p->http);
    if (error != HPE_OK && error != HPE_PAUSED)
        refuse(p, status_of(error), http_errno_description(error));
    return p->refusal == 0;
}

static bool read_head(struct front_parser *p, const char *bytes, size_t n)
{
    size_t fields = p->lines - 2; /* less the request line and the empty one */
    if (fields > MAX_FIELDS) {
        refuse(p, 431, "too many headers");
        return false;
    }
    struct front_request *r = request_new(bytes, n, fields);
    if (!r) {
        refuse(p, 503, "out of memory");
        return false;
    }
    p->request = r;
    p->done = false;
    p->body_bytes = 0;
    if (check_line(p, r->head))
        return false;
    http_parser_init(&p->http, HTTP_REQUEST);
    p->http.data = p;
    p->in_head = true;
    size_t used;
    bool ok = execute(p, r->head, n, &used);
    p->in_head = false;
    if (!ok)
        return false;
    if (used != n || !r->method || !r->path) {
        refuse(p, 400, "the head is broken");
        return false;
    }
    for (size_t i = 0; i < r->field_count; i++) {
        r->fields[i].name[r->fields[i].name_size] = '\0';
        r->fields[i].value[r->fields[i].value_size] = '\0';
    }
    r->upgrade = front_has_token(r, "Upgrade", "websocket") ||
                 front_header_count(r, "Sec-WebSocket-Key") > 0;
    return take_target(p, r) == 0;
}

/* Chunks of one byte cost six; whoever needs much more for its framing wants to keep us busy. */
static bool framing_sane(const struct front_parser *p)
{
    size_t body = p->request->body.len;
    return p->body_bytes <= p->max_head + 8 * body;
}

void front_parser_init(struct front_parser *p, size_t max_head, size_t max_body)
{
    memset(p, 0, sizeof *p);
    p->max_head = max_head;
    p->max_body = max_body;
}

void front_parser_fini(struct front_parser *p)
{
    front_request_free(p->request);
    p->request = NULL;
}

static enum front_step complete(struct front_parser *p, struct front_request **out)
{
    *out = p->request;
    p->request = NULL;
    p->skip = 0;
    return FRONT_REQUEST;
}

enum front_step front_parser_step(struct front_parser *p, const char *bytes, size_t n, size_t *used,
                                  struct front_request **out)
{
    *used = 0;
    if (p->refusal)
        return FRONT_REFUSED;
    if (!p->request) {
        if (n >= 2 && bytes[0] == '\r' && bytes[1] == '\n' && p->skip++ == 0) {
            *used = 2; /* one empty line before a request is forgiven */
            bytes += 2;
            n -= 2;
            p->searched = p->lines = 0;
        }
        if (n == 1 && bytes[0] == '\r' && p->skip == 0)
            return FRONT_NEED;
        size_t head = head_end(p, bytes, n);
        if (head && head <= p->max_head) {
            *used += head;
            bool ok = read_head(p, bytes, head);
            p->searched = p->lines = 0;
            if (!ok)
                return refused(p);
            if (p->done)
                return complete(p, out);
            return front_has_token(p->request, "Expect", "100-continue") ? FRONT_CONTINUE
                                                                         : FRONT_NEED;
        }
        if (head)
            refuse(p, 431, "the request's head is too large");
        return p->refusal ? FRONT_REFUSED : FRONT_NEED;
    }
    bool ok = execute(p, bytes, n, used);
    p->body_bytes += *used;
    if (ok && !framing_sane(p))
        ok = refuse(p, 400, "the chunks carry too little") == 0;
    if (!ok)
        return refused(p);
    return p->done ? complete(p, out) : FRONT_NEED;
}
