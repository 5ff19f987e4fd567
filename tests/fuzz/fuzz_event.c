/* SPDX-License-Identifier: MIT
 *
 * libFuzzer target: frames. What decodes must encode to the same meaning, and have a JSON form.
 */
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Length and sum are made right, or the fuzzer would never get behind them. */
static void seal(uint8_t *p, size_t n)
{
    uint32_t length = (uint32_t)n - 8;
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(length >> (8 * i));
    uint32_t sum = crc32c(0, p, n - 4);
    for (int i = 0; i < 4; i++)
        p[n - 4 + (size_t)i] = (uint8_t)(sum >> (8 * i));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct event ev, again;
    struct str s;
    (void)event_decode(bytes, n, &ev, NULL);
    if (n < 36)
        return 0;
    str_init(&s);
    str_add(&s, bytes, n);
    seal((uint8_t *)s.p, n);
    if (event_decode(s.p, n, &ev, NULL) > 0) {
        struct str copy;
        str_init(&copy);
        if (event_encode(&ev, &copy) != 0 ||
            event_decode(copy.p, copy.len, &again, NULL) != (int64_t)copy.len ||
            again.seq != ev.seq || again.kind != ev.kind)
            abort();
        str_clear(&copy);
        event_json(&ev, &copy);
        str_fini(&copy);
    }
    str_fini(&s);
    return 0;
}
