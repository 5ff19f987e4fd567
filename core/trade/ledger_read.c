/* SPDX-License-Identifier: MIT
 *
 * Reading an event's fields for the reducers. What cannot be is refused with a sentence that names
 * the event; an absent field leaves what is there.
 */
#include <stdio.h>
#include <string.h>

#include "trade/ledger_impl.h"

bool ledger_has(const struct event *ev, unsigned field)
{
    return field < EVENT_MAX_FIELDS && ev->v[field].type != EVENT_ABSENT;
}

static const char *kind_name(const struct event *ev)
{
    const struct event_info *info = event_info(ev->kind);
    return info == NULL ? "?" : info->name;
}

int ledger_wrong(const struct event *ev, struct err *e, const char *what, const char *value)
{
    return err_set(e, ERR_STATE, "journal event %llu (%s): %s %s; the journal contradicts itself",
                   (unsigned long long)ev->seq, kind_name(ev), what, value);
}

int ledger_no_memory(const struct event *ev, struct err *e)
{
    return err_set(e, ERR_NOMEM, "journal event %llu (%s): out of memory",
                   (unsigned long long)ev->seq, kind_name(ev));
}

/* Copies a text field whole; an absent one leaves buf as it is. */
int ledger_take(const struct event *ev, unsigned field, char *buf, size_t size, struct err *e)
{
    size_t n;
    const char *text = event_str(ev, field, &n);
    if (n == 0)
        return 0;
    if (n >= size || memchr(text, '\0', n) != NULL)
        return ledger_wrong(ev, e, "a name is too long or broken in field",
                            event_info(ev->kind)->fields[field].name);
    memcpy(buf, text, n);
    memset(buf + n, 0, size - n);
    return 0;
}

int ledger_take_int(const struct event *ev, unsigned field, int32_t *out, struct err *e)
{
    if (!ledger_has(ev, field))
        return 0;
    int64_t x = event_i64(ev, field);
    if (x < 0 || x > INT32_MAX)
        return ledger_wrong(ev, e, "a number is out of range in field",
                            event_info(ev->kind)->fields[field].name);
    *out = (int32_t)x;
    return 0;
}

void ledger_take_dec(const struct event *ev, unsigned field, decimal *out)
{
    if (ledger_has(ev, field))
        *out = event_dec(ev, field);
}

int ledger_take_points(const struct event *ev, unsigned field, const struct instrument *i,
                       int64_t *points, struct err *e)
{
    if (ledger_has(ev, field) &&
        instrument_to_points(i, event_dec(ev, field), DECIMAL_HALF_EVEN, points) != 0)
        return ledger_wrong(ev, e, "a price is out of range of", i->symbol);
    return 0;
}

int ledger_take_side(const struct event *ev, unsigned field, enum side *side, struct err *e)
{
    char text[8] = "";
    int rc = ledger_take(ev, field, text, sizeof text, e);
    if (rc == 0 && side_parse(text, side) != 0)
        rc = ledger_wrong(ev, e, "unknown side", text);
    return rc;
}

/* The account that a field names; it must be known. */
int ledger_take_account(const struct ledger *l, const struct event *ev, unsigned field,
                        int *account, struct err *e)
{
    char id[32] = "";
    int rc = ledger_take(ev, field, id, sizeof id, e);
    if (rc != 0)
        return rc;
    *account = ledger_account(l, id);
    return *account < 0 ? ledger_wrong(ev, e, "unknown account", id) : 0;
}

int ledger_take_instrument(const struct ledger *l, const struct event *ev, unsigned field,
                           int account, int *instrument, struct err *e)
{
    char symbol[32] = "";
    int rc = ledger_take(ev, field, symbol, sizeof symbol, e);
    if (rc != 0)
        return rc;
    *instrument = ledger_instrument(l, ledger_account_at(l, account)->broker, symbol);
    return *instrument < 0 ? ledger_wrong(ev, e, "unknown instrument", symbol) : 0;
}
