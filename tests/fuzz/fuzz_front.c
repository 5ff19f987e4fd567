/* SPDX-License-Identifier: MIT
 *
 * Fuzzes the parser layer of the HTTP front: the same bytes whole and cut in pieces must give the
 * same requests. The first byte of the input is the size of the pieces. One refusal may come in
 * pieces alone: the guard against chunks that carry too little judges after each piece, so it can
 * see a long chunk header before the bytes that would excuse it. Up to there all is the same.
 */
#include <stdlib.h>
#include <string.h>

#include "io/front_inner.h"

/* Was the guard the one that refused? */
static bool feed(const char *bytes, size_t n, size_t piece, struct str *out)
{
    struct front_parser p;
    front_parser_init(&p, 512, 256);
    enum front_step step = FRONT_NEED;
    for (size_t start = 0, end = 0; step != FRONT_REFUSED && end < n;) {
        end = n - end < piece ? n : end + piece;
        for (size_t used = 1; used && start < end && step != FRONT_REFUSED; start += used) {
            struct front_request *r = NULL;
            step = front_parser_step(&p, bytes + start, end - start, &used, &r);
            if (step == FRONT_REQUEST)
                str_addf(out, "%s %s?%s %zu %d|", r->method, r->path, r->query, r->field_count,
                         (int)r->keep_alive);
            if (r)
                str_add(out, r->body.p, r->body.len);
            front_request_free(r);
        }
    }
    front_parser_fini(&p);
    return step == FRONT_REFUSED && strcmp(p.reason, "the chunks carry too little") == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2)
        return 0;
    struct str whole, pieces;
    str_init(&whole);
    str_init(&pieces);
    (void)feed((const char *)data + 1, n - 1, n, &whole);
    bool guarded = feed((const char *)data + 1, n - 1, 1u + data[0] % 32u, &pieces);
    if (guarded ? pieces.len > whole.len : pieces.len != whole.len)
        abort();
    if (pieces.len && memcmp(whole.p, pieces.p, pieces.len) != 0)
        abort();
    str_fini(&whole);
    str_fini(&pieces);
    return 0;
}
