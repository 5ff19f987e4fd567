/* SPDX-License-Identifier: MIT
 *
 * One HTTP/1.1 answer, read with libhttp-parser. Interim answers (1xx but 101) are skipped. The
 * head is kept as "Name: value" lines, each ended by CRLF, whatever the spacing on the wire was;
 * trailers of a chunked body are appended to it.
 *
 * The limit counts the bytes on the wire, so that endless chunk extensions or interim answers end
 * too, and so that it does not depend on how the stream was cut.
 */
#include "io/reply.h"

#include <http_parser.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/str.h"

struct reply {
    struct http_parser parser;
    struct str head; /* header lines so far */
    struct str body; /* body so far */
    size_t max;      /* bytes on the wire */
    size_t total;    /* bytes read of this answer */
    int status;      /* of the final answer; 0: not yet known */
    bool in_value;   /* the last piece of head was a header's value */
    bool bodiless;   /* it ends with its head */
    bool complete;   /* the whole answer was read */
    bool keep_alive; /* the peer will take another request; set when complete */
};

/* Ends the line of the header before. */
static void end_header(struct reply *r)
{
    if (r->in_value) {
        str_add(&r->head, "\r\n", 2);
        r->in_value = false;
    }
}

static int on_field(http_parser *p, const char *at, size_t n)
{
    struct reply *r = p->data;
    end_header(r);
    str_add(&r->head, at, n);
    return r->head.failed ? -1 : 0;
}

static int on_value(http_parser *p, const char *at, size_t n)
{
    struct reply *r = p->data;
    if (!r->in_value) {
        str_add(&r->head, ": ", 2);
        r->in_value = true;
    }
    str_add(&r->head, at, n);
    return r->head.failed ? -1 : 0;
}

static int on_headers(http_parser *p)
{
    struct reply *r = p->data;
    end_header(r);
    if (p->http_major != 1) {
        return -1;
    }
    r->status = (int)p->status_code;
    return r->head.failed ? -1 : r->bodiless; /* 1: the parser skips the body */
}

static int on_body(http_parser *p, const char *at, size_t n)
{
    struct reply *r = p->data;
    str_add(&r->body, at, n);
    return r->body.failed ? -1 : 0;
}

static int on_message(http_parser *p)
{
    struct reply *r = p->data;
    end_header(r);
    if (p->status_code / 100 == 1 && p->status_code != 101) {
        str_clear(&r->head);
        str_clear(&r->body);
        r->status = 0;
        return 0;
    }
    r->complete = true;
    r->keep_alive = http_should_keep_alive(p) != 0;
    http_parser_pause(p, 1);
    return r->head.failed ? -1 : 0;
}

static const struct http_parser_settings settings = {
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_headers,
    .on_body = on_body,
    .on_message_complete = on_message,
};

struct reply *reply_new(size_t max_size)
{
    struct reply *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return NULL;
    }
    str_init(&r->head);
    str_init(&r->body);
    r->max = max_size;
    reply_reset(r);
    return r;
}

void reply_free(struct reply *r)
{
    if (r != NULL) {
        str_fini(&r->head);
        str_fini(&r->body);
        free(r);
    }
}

void reply_reset(struct reply *r)
{
    http_parser_init(&r->parser, HTTP_RESPONSE);
    r->parser.data = r;
    str_clear(&r->head);
    str_clear(&r->body);
    r->head.failed = false;
    r->body.failed = false;
    r->total = 0;
    r->status = 0;
    r->in_value = false;
    r->bodiless = false;
    r->complete = false;
    r->keep_alive = false;
}

void reply_bodiless(struct reply *r)
{
    r->bodiless = true;
}

static int outcome(const struct reply *r)
{
    enum http_errno number = HTTP_PARSER_ERRNO(&r->parser);
    if (r->head.failed || r->body.failed) {
        return ERR_NOMEM;
    }
    if (r->complete) {
        return 1;
    }
    if (number == HPE_OK) {
        return 0;
    }
    return number == HPE_HEADER_OVERFLOW ? ERR_LIMIT : ERR_INPUT;
}

int reply_feed(struct reply *r, const void *p, size_t n, size_t *used)
{
    size_t room = r->max - r->total;
    *used = 0;
    if (r->complete || n == 0) { /* the parser takes a length of 0 for the end of the stream */
        return outcome(r);
    }
    if (HTTP_PARSER_ERRNO(&r->parser) != HPE_OK) {
        return outcome(r);
    }
    if (room == 0) {
        return ERR_LIMIT;
    }
    *used = http_parser_execute(&r->parser, &settings, p, n < room ? n : room);
    r->total += *used;
    int rc = outcome(r);
    return rc == 0 && *used < n ? ERR_LIMIT : rc;
}

int reply_eof(struct reply *r)
{
    if (!r->complete && HTTP_PARSER_ERRNO(&r->parser) == HPE_OK) {
        (void)http_parser_execute(&r->parser, &settings, NULL, 0);
    }
    r->keep_alive = false;
    return outcome(r) == 1 ? 1 : ERR_CLOSED;
}

int reply_status(const struct reply *r)
{
    return r->status;
}

bool reply_keep_alive(const struct reply *r)
{
    return r->keep_alive;
}

const char *reply_head(const struct reply *r, size_t *n)
{
    *n = r->head.len;
    return r->head.p ? r->head.p : "";
}

const char *reply_body(const struct reply *r, size_t *n)
{
    *n = r->body.len;
    return r->body.p ? r->body.p : "";
}
