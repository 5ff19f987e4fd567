/* SPDX-License-Identifier: MIT
 *
 * libFuzzer target: the answer parser. The first byte chooses how the stream is cut; the outcome
 * must be the same as in one piece. clang -fsanitize=fuzzer,address,undefined -Icore, with
 * core/io/reply.c, core/base/str.c and what str.c needs, -lhttp_parser.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run(struct reply *r, const uint8_t *p, size_t n, size_t piece, size_t *read)
{
    int rc = 0;
    for (*read = 0; *read < n && rc == 0;) {
        size_t used = 0;
        size_t m = n - *read < piece ? n - *read : piece;
        rc = reply_feed(r, p + *read, m, &used);
        *read += used;
    }
    return rc == 0 ? reply_eof(r) : rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct reply *a = reply_new(4096), *b = reply_new(4096);
    size_t read_a = 0, read_b = 0, body_a = 0, body_b = 0;
    int rc_a = run(a, data + 1, size - 1, size, &read_a);
    int rc_b = run(b, data + 1, size - 1, (size_t)data[0] % 16 + 1, &read_b);
    const char *text_a = reply_body(a, &body_a), *text_b = reply_body(b, &body_b);
    if (rc_a != rc_b || (rc_a == 1 && (read_a != read_b || reply_status(a) != reply_status(b) ||
                                       body_a != body_b || memcmp(text_a, text_b, body_a) != 0))) {
        abort();
    }
    reply_free(a);
    reply_free(b);
    return 0;
}
