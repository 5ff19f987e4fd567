/* SPDX-License-Identifier: MIT
 *
 * libFuzzer target: rows of the simulator's ledger file. A row that is taken must come out of the
 * writer as a row that is taken, and then be written the same again.
 */
#include <stdlib.h>
#include <string.h>

#include "venue/sim_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct sim_row row, again;
    struct str first, second;
    if (sim_row_parse((const char *)data, n, &row) != 0)
        return 0;
    str_init(&first);
    str_init(&second);
    sim_row_format(&row, &first);
    if (first.failed || first.p[first.len - 1] != '\n' ||
        sim_row_parse(first.p, first.len - 1, &again) != 0 || again.seq != row.seq ||
        again.volume.v != row.volume.v || again.balance.v != row.balance.v)
        abort();
    sim_row_format(&again, &second);
    if (second.len != first.len || memcmp(second.p, first.p, first.len) != 0)
        abort();
    str_fini(&first);
    str_fini(&second);
    return 0;
}
