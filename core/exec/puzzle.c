/* SPDX-License-Identifier: MIT
 *
 * What cannot be told apart. When more than one position (or pending order) at the broker could be
 * an order of ours, or one that may just as well be a hand's, nothing is guessed: the candidates
 * are journalled, entries on that symbol wait, and the operator says which one it is, or none. The
 * word is about this order alone: what is not one order's may still be another's. It takes effect
 * with the next list and is journalled by what follows from it; after a restart the candidates are
 * told again and the word must be given again.
 */
#include <stdlib.h>
#include <string.h>

#include "exec/exec_internal.h"

struct puzzle *puzzle_of(struct acct *a, const char *id)
{
    for (size_t k = 0; k < a->puzzle_count; k++)
        if (strcmp(a->puzzles[k].id, id) == 0)
            return &a->puzzles[k];
    return NULL;
}

struct puzzle *puzzle_add(struct acct *a, const char *id, enum list list, int instrument)
{
    struct puzzle *p = puzzle_of(a, id);
    if (p == NULL) {
        if (a->puzzle_count == a->puzzle_cap) {
            size_t cap = a->puzzle_cap == 0 ? 4 : a->puzzle_cap * 2;
            struct puzzle *grown = realloc(a->puzzles, cap * sizeof *grown);
            if (grown == NULL)
                return NULL;
            a->puzzles = grown;
            a->puzzle_cap = cap;
        }
        p = &a->puzzles[a->puzzle_count++];
        memset(p, 0, sizeof *p);
        memcpy(p->id, id, strnlen(id, sizeof p->id - 1));
        p->instrument = instrument;
        p->seen_ns = exec_now(a->x);
    }
    p->list = list;
    p->round = a->x->round;
    return p;
}

bool puzzle_denied(const struct acct *a, const char *id, uint64_t order)
{
    for (size_t k = 0; k < a->claim_count; k++)
        if (a->claims[k].denied && a->claims[k].order == order && strcmp(a->claims[k].id, id) == 0)
            return true;
    return false;
}

/* Does anything still wait for this order's position? */
static bool waited_for(struct acct *a, uint64_t order)
{
    const struct order *o = ledger_order(a->x->c.ledger, order);
    return exec_orun(a, order) != NULL ||
           (o != NULL && o->op == ORDER_PENDING &&
            ledger_pending(a->x->c.ledger, a->index, o->position) != NULL);
}

static void sweep_claims(struct acct *a)
{
    size_t kept = 0;
    for (size_t k = 0; k < a->claim_count; k++)
        if (waited_for(a, a->claims[k].order))
            a->claims[kept++] = a->claims[k];
    a->claim_count = kept;
}

void puzzle_sweep(struct acct *a, enum list list)
{
    sweep_claims(a);
    size_t kept = 0;
    for (size_t k = 0; k < a->puzzle_count; k++) {
        const struct puzzle *p = &a->puzzles[k];
        bool solved =
            list == LIST_POSITIONS && ledger_position(a->x->c.ledger, a->index, p->id) != NULL;
        if (!solved && (p->list != list || p->round == a->x->round))
            a->puzzles[kept++] = *p;
    }
    a->puzzle_count = kept;
}

/* The candidates of an order in this list are these. */
static int claim_all(struct acct *a, uint64_t order, const struct match *m, enum list list)
{
    size_t kept = 0;
    for (size_t k = 0; k < a->claim_count; k++) {
        const struct claim *c = &a->claims[k];
        if (c->denied || c->order != order || c->list != list)
            a->claims[kept++] = *c;
    }
    a->claim_count = kept;
    if (kept + m->count > a->claim_cap) {
        size_t cap = (kept + m->count) * 2;
        struct claim *grown = realloc(a->claims, cap * sizeof *grown);
        if (grown == NULL)
            return ERR_NOMEM;
        a->claims = grown;
        a->claim_cap = cap;
    }
    for (size_t k = 0; k < m->count; k++) {
        struct claim *c = &a->claims[a->claim_count++];
        *c = (struct claim){.order = order, .list = list};
        memcpy(c->id, m->ids[k], strnlen(m->ids[k], sizeof c->id - 1));
    }
    return 0;
}

static uint64_t hash_of(const struct match *m)
{
    uint64_t hash = 0;
    for (size_t k = 0; k < m->count; k++)
        hash = hash * 31 + map_hash(m->ids[k], strlen(m->ids[k]));
    return m->count == 0 ? 0 : hash | 1;
}

static int emit_candidates(struct acct *a, const struct order *o, const struct match *m,
                           struct err *e)
{
    struct exec *x = a->x;
    struct event ev;
    struct str json;
    str_init(&json);
    str_addc(&json, '[');
    for (size_t k = 0; k < m->count; k++) {
        str_addz(&json, k > 0 ? "," : "");
        str_json_string(&json, m->ids[k], strlen(m->ids[k]));
    }
    str_addc(&json, ']');
    event_init(&ev, EVENT_KIND_order_ambiguous);
    event_set_u64(&ev, F_order_ambiguous_order, o->id);
    event_set_strz(&ev, F_order_ambiguous_account, exec_account(x, a->index)->id);
    event_set_strz(&ev, F_order_ambiguous_symbol,
                   ledger_instrument_at(x->c.ledger, o->instrument)->symbol);
    event_set_json(&ev, F_order_ambiguous_candidates, json.p, json.len);
    int rc = json.failed ? err_set(e, ERR_NOMEM, "exec: out of memory") : emit(x, &ev, e);
    str_fini(&json);
    return rc;
}

static void notice(struct acct *a, const struct order *o, const struct match *m)
{
    struct str ids;
    str_init(&ids);
    for (size_t k = 0; k < m->count; k++)
        str_addf(&ids, "%s%s", k > 0 ? ", " : "", m->ids[k]);
    emit_notice(a->x, "error",
                "account %s: order %llu (%s %s) may be %s at the broker, or none of it; entries on "
                "this symbol wait: say which on the Trading page, or by the command assign",
                exec_account(a->x, a->index)->id, (unsigned long long)o->id, side_name(o->side),
                ledger_instrument_at(a->x->c.ledger, o->instrument)->symbol,
                ids.failed ? "?" : ids.p);
    str_fini(&ids);
}

int puzzle_tell(struct acct *a, const struct order *o, uint64_t *told, const struct match *m,
                enum list list, struct err *e)
{
    uint64_t hash = hash_of(m);
    for (size_t k = 0; k < m->count; k++)
        if (puzzle_add(a, m->ids[k], list, o->instrument) == NULL)
            return err_set(e, ERR_NOMEM, "exec: out of memory");
    if (claim_all(a, o->id, m, list) != 0)
        return err_set(e, ERR_NOMEM, "exec: out of memory");
    if (hash == *told && (hash != 0 || !o->ambiguous))
        return 0;
    struct order own = *o; /* events may move it */
    *told = hash;
    int rc = emit_candidates(a, &own, m, e);
    if (rc == 0 && m->count > 0)
        notice(a, &own, m);
    return rc;
}

int puzzle_solved(struct acct *a, const struct order *o, struct err *e)
{
    struct match none = {.at = -1, .by = ""};
    return o->ambiguous ? emit_candidates(a, o, &none, e) : 0;
}

const char *exec_candidate(const struct exec *x, uint64_t order, size_t n)
{
    const struct order *o = ledger_order(x->c.ledger, order);
    const struct acct *a =
        o != NULL && (size_t)o->account < x->account_count ? x->accounts[o->account] : NULL;
    for (size_t k = 0; a != NULL && o->ambiguous && k < a->claim_count; k++)
        if (a->claims[k].order == order && !a->claims[k].denied && n-- == 0)
            return a->claims[k].id;
    return NULL;
}

int exec_assign(struct exec *x, uint64_t order, const char *position, struct err *e)
{
    const struct order *o = ledger_order(x->c.ledger, order);
    struct acct *a = o != NULL ? exec_acct(x, o->account) : NULL;
    if (a == NULL)
        return err_set(e, ERR_NOTFOUND, "exec: there is no order %llu", (unsigned long long)order);
    if (!o->ambiguous)
        return err_set(e, ERR_STATE, "exec: order %llu is not ambiguous",
                       (unsigned long long)order);
    bool none = position == NULL || position[0] == '\0', found = none;
    for (size_t k = 0; k < a->claim_count; k++) {
        struct claim *c = &a->claims[k];
        if (c->order != order || (!none && strcmp(c->id, position) != 0))
            continue;
        c->denied = none;
        found = true;
    }
    struct puzzle *p = none || !found ? NULL : puzzle_of(a, position);
    if (!none && p == NULL)
        return err_set(e, ERR_NOTFOUND, "exec: %s is no candidate of order %llu", position,
                       (unsigned long long)order);
    for (size_t k = 0; k < a->puzzle_count; k++) /* an earlier word */
        if (a->puzzles[k].order == order)
            a->puzzles[k].order = 0;
    if (p != NULL)
        p->order = order;
    exec_need_now(a, NEED_ORDERS | NEED_POSITIONS | NEED_CLOSED);
    exec_needs_changed(a);
    return 0;
}
