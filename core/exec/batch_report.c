/* SPDX-License-Identifier: MIT
 *
 * What the owner of a batch sees of it, and the event that tells how it went.
 */
#include <string.h>

#include "exec/exec_internal.h"

size_t batch_count(const struct batch *b)
{
    return b->count;
}

const struct leg *batch_leg(const struct batch *b, size_t i)
{
    return i < b->count ? &b->legs[i] : NULL;
}

static void report_leg(const struct leg *l, struct batch_report *out)
{
    if (l->refused) {
        out->refused++;
        return;
    }
    if (l->order == 0)
        return;
    out->sent += l->sent_us >= 0;
    out->rejected += l->state == ORDER_REJECTED;
    out->unknown += l->state == ORDER_UNKNOWN;
    out->not_sent += l->state == ORDER_NOT_SENT;
    if (l->state == ORDER_ACCEPTED) {
        out->accepted++;
        (void)decimal_add(out->volume, l->spec.volume, &out->volume);
    }
}

void batch_report(const struct batch *b, struct batch_report *out)
{
    int64_t first = INT64_MAX, last = 0;
    memset(out, 0, sizeof *out);
    out->batch = b->id;
    out->signal = b->signal;
    out->legs = b->count;
    out->elapsed_us = b->answered_us;
    for (size_t k = 0; k < b->count; k++) {
        const struct leg *l = &b->legs[k];
        report_leg(l, out);
        if (l->sent_us >= 0 && l->sent_us < first)
            first = l->sent_us;
        if (l->sent_us > last)
            last = l->sent_us;
    }
    out->skew_us = out->sent >= 2 ? last - first : 0;
}
