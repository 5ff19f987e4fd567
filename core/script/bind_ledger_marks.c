/* SPDX-License-Identifier: MIT
 *
 * ledger.marks: what moves with each quote, written as JSON in one pass without a table, because it
 * is asked for four times a second with thousands of accounts.
 */
#include <lauxlib.h>
#include <string.h>

#include "script/bind.h"
#include "script/bind_ledger.h"
#include "script/domain.h"

static void add_decimal(struct str *s, decimal d)
{
    str_addc(s, '"');
    str_json_decimal(s, d);
    str_addc(s, '"');
}

static void add_text(struct str *s, const char *text)
{
    str_json_string(s, text, strlen(text));
}

static void add_position(struct str *s, const struct ledger *l, const struct position *p)
{
    if (s->len > 1)
        str_addc(s, ',');
    str_addc(s, '[');
    add_text(s, ledger_account_at(l, p->account)->id);
    str_addc(s, ',');
    add_text(s, p->id);
    str_addc(s, ',');
    add_decimal(s, instrument_price(ledger_instrument_at(l, p->instrument), p->mark));
    str_addc(s, ',');
    if (p->rated)
        add_decimal(s, p->profit);
    else
        str_addz(s, "null");
    str_addc(s, ']');
}

/* Equity by our marks; margin that positions and entries bind, null with what follows from it when
 * a rate is missing. */
static void add_account(struct str *s, const struct ledger *l, int index)
{
    const struct account *a = ledger_account_at(l, index);
    decimal equity, margin, free_margin, profit;
    (void)ledger_equity(l, index, &equity);
    if (s->len > 1)
        str_addc(s, ',');
    str_addc(s, '[');
    add_text(s, a->id);
    str_addc(s, ',');
    add_decimal(s, equity);
    str_addc(s, ',');
    if (ledger_margin(l, index, &margin, NULL) == 0 &&
        decimal_sub(equity, margin, &free_margin) == 0) {
        add_decimal(s, margin);
        str_addc(s, ',');
        add_decimal(s, free_margin);
    } else {
        str_addz(s, "null,null");
    }
    str_addc(s, ',');
    if (decimal_sub(equity, a->balance, &profit) == 0)
        add_decimal(s, profit);
    else
        str_addz(s, "null");
    str_addc(s, ']');
}

/* marks() -> JSON [[account, position, mark, profit], ...], JSON [[account, equity, margin,
 * free_margin, profit], ...]: positions that have a mark, accounts whose balance is known */
int ledger_marks(lua_State *L)
{
    struct ledger *l = BIND_SERVICE(L, ledger);
    struct str *s = domain_str(L);
    size_t cursor = 0;
    const struct position *p;
    str_addc(s, '[');
    while ((p = ledger_position_next(l, -1, &cursor)) != NULL)
        if (p->marked)
            add_position(s, l, p);
    str_addc(s, ']');
    domain_str_finish(L, s);
    s = domain_str(L);
    str_addc(s, '[');
    for (int i = 0; i < ledger_account_count(l); i++)
        if (ledger_account_at(l, i)->have_balance)
            add_account(s, l, i);
    str_addc(s, ']');
    domain_str_finish(L, s);
    return 2;
}
