/* SPDX-License-Identifier: MIT
 *
 * Reads one HTTP/1.1 answer from a byte stream, however it is cut: status, headers, a body by
 * length, chunked, or until the end of the stream. Used by the order lane and by the HTTP client
 * over transports.
 */
#ifndef PERIGEE_IO_REPLY_H
#define PERIGEE_IO_REPLY_H

#include <stdbool.h>
#include <stddef.h>

struct reply;

struct reply *reply_new(size_t max_size); /* head and body together; NULL: out of memory */
void reply_free(struct reply *r);
void reply_reset(struct reply *r);
/* After a reset: the answer ends with its head, as answers to HEAD do. */
void reply_bodiless(struct reply *r);
/* Feeds bytes. 0: wants more, 1: complete (the rest of the bytes was not read; see *used),
 * ERR_INPUT: no HTTP answer, ERR_LIMIT: too large. */
int reply_feed(struct reply *r, const void *p, size_t n, size_t *used);
/* End of stream: 1 when that completes the answer, else ERR_CLOSED. */
int reply_eof(struct reply *r);
int reply_status(const struct reply *r);
bool reply_keep_alive(const struct reply *r);
const char *reply_head(const struct reply *r, size_t *n);
const char *reply_body(const struct reply *r, size_t *n);

#endif
