/* SPDX-License-Identifier: MIT
 *
 * The ledger's tables: lifetime, indexes, lookups and iteration. What changes them is in
 * ledger_apply.c, marks and money are in ledger_mark.c.
 */
#include "trade/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "trade/ledger_impl.h"

#define ORDER_BLOCK 512 /* orders allocated at once */
#define KEY_MAX 80      /* venue and symbol with their NULs, or venue and two currencies */

struct order_block {
    struct order orders[ORDER_BLOCK];
};

int ledger_list_reserve(struct ledger_list *list, size_t more)
{
    if (list->count + more <= list->cap)
        return 0;
    size_t cap = list->cap == 0 ? 16 : list->cap * 2;
    while (cap < list->count + more)
        cap *= 2;
    void **at = realloc(list->at, cap * sizeof *at);
    if (at == NULL)
        return ERR_NOMEM;
    list->at = at;
    list->cap = cap;
    return 0;
}

int ledger_list_add(struct ledger_list *list, void *item)
{
    int rc = ledger_list_reserve(list, 1);
    if (rc == 0)
        list->at[list->count++] = item;
    return rc;
}

void ledger_list_remove(struct ledger_list *list, const void *item)
{
    for (size_t k = 0; k < list->count; k++) {
        if (list->at[k] == item) {
            list->count--;
            memmove(list->at + k, list->at + k + 1, (list->count - k) * sizeof *list->at);
            return;
        }
    }
}

static size_t key_of(char *key, const char *const *parts, size_t count)
{
    size_t n = 0;
    for (size_t k = 0; k < count; k++) {
        size_t len = strnlen(parts[k], 31);
        memcpy(key + n, parts[k], len);
        n += len;
        key[n++] = '\0';
    }
    return n;
}

static int find(const struct map *m, const char *venue, const char *a, const char *b)
{
    char key[KEY_MAX + 32];
    const char *parts[] = {venue, a, b};
    uint64_t index;
    size_t n = key_of(key, parts, b == NULL ? 2 : 3);
    return map_get(m, key, n, &index) ? (int)index : -1;
}

struct ledger *ledger_new(struct err *e)
{
    struct ledger *l = calloc(1, sizeof *l);
    if (l != NULL) {
        l->account_ids = map_new();
        l->symbols = map_new();
        l->canonicals = map_new();
        l->pairs = map_new();
        l->position_ids = map_new();
    }
    if (l == NULL || l->account_ids == NULL || l->symbols == NULL || l->canonicals == NULL ||
        l->pairs == NULL || l->position_ids == NULL) {
        ledger_free(l);
        err_set(e, ERR_NOMEM, "ledger: out of memory");
        return NULL;
    }
    return l;
}

static void free_all(struct ledger_list *list)
{
    for (size_t k = 0; k < list->count; k++)
        free(list->at[k]);
    free(list->at);
}

void ledger_free(struct ledger *l)
{
    if (l == NULL)
        return;
    ledger_resting_free(l);
    for (size_t k = 0; k < l->accounts.count; k++)
        free(((struct ledger_account *)l->accounts.at[k])->positions.at);
    for (size_t k = 0; k < l->instruments.count; k++)
        free(((struct ledger_instrument *)l->instruments.at[k])->positions.at);
    free_all(&l->accounts);
    free_all(&l->instruments);
    free_all(&l->positions);
    free_all(&l->blocks);
    free_all(&l->parts);
    free(l->orders.at);
    free(l->pending.at);
    free(l->free_orders.at);
    map_free(l->account_ids);
    map_free(l->symbols);
    map_free(l->canonicals);
    map_free(l->pairs);
    map_free(l->position_ids);
    free(l);
}

/* Accounts */

int ledger_account(const struct ledger *l, const char *id)
{
    uint64_t index;
    return map_get(l->account_ids, id, strlen(id), &index) ? (int)index : -1;
}

struct ledger_account *ledger_account_mut(const struct ledger *l, int index)
{
    if (index < 0 || (size_t)index >= l->accounts.count)
        return NULL;
    return l->accounts.at[index];
}

const struct account *ledger_account_at(const struct ledger *l, int index)
{
    struct ledger_account *x = ledger_account_mut(l, index);
    return x == NULL ? NULL : &x->a;
}

int ledger_account_count(const struct ledger *l)
{
    return (int)l->accounts.count;
}

int ledger_account_new(struct ledger *l, const struct account *a)
{
    if (l->accounts.count >= LEDGER_MAX_ACCOUNTS)
        return ERR_LIMIT;
    struct ledger_account *x = calloc(1, sizeof *x);
    if (x == NULL)
        return ERR_NOMEM;
    x->a = *a;
    if (ledger_list_reserve(&l->accounts, 1) != 0 ||
        map_put(l->account_ids, a->id, strlen(a->id), l->accounts.count) != 0) {
        free(x);
        return ERR_NOMEM;
    }
    l->accounts.at[l->accounts.count] = x;
    return (int)l->accounts.count++;
}

/* Instruments */

int ledger_instrument(const struct ledger *l, const char *venue, const char *symbol)
{
    return find(l->symbols, venue, symbol, NULL);
}

int ledger_instrument_canonical(const struct ledger *l, const char *venue, const char *canonical)
{
    return find(l->canonicals, venue, canonical, NULL);
}

struct ledger_instrument *ledger_instrument_mut(const struct ledger *l, int index)
{
    if (index < 0 || (size_t)index >= l->instruments.count)
        return NULL;
    return l->instruments.at[index];
}

const struct instrument *ledger_instrument_at(const struct ledger *l, int index)
{
    struct ledger_instrument *x = ledger_instrument_mut(l, index);
    return x == NULL ? NULL : &x->i;
}

int ledger_instrument_count(const struct ledger *l)
{
    return (int)l->instruments.count;
}

/* Puts index at the end of the chain that begins in the map under this key. */
static int chain(struct ledger *l, struct map *m, const char *const *parts, size_t count, int index,
                 size_t offset)
{
    char key[KEY_MAX + 32];
    uint64_t first;
    size_t n = key_of(key, parts, count);
    if (!map_get(m, key, n, &first))
        return map_put(m, key, n, (uint64_t)index);
    int *next = NULL;
    for (int k = (int)first; k >= 0; k = *next)
        next = (int *)(void *)((char *)l->instruments.at[k] + offset);
    *next = index;
    return 0;
}

static int index_instrument(struct ledger *l, int index)
{
    struct ledger_instrument *x = l->instruments.at[index];
    x->next_canonical = -1;
    x->next_pair = -1;
    char key[KEY_MAX];
    const char *symbol[] = {x->i.venue, x->i.symbol};
    const char *canonical[] = {x->i.venue, x->i.canonical};
    const char *pair[] = {x->i.venue, x->i.base, x->i.quote};
    size_t n = key_of(key, symbol, 2);
    if (map_put(l->symbols, key, n, (uint64_t)index) != 0 ||
        chain(l, l->canonicals, canonical, 2, index,
              offsetof(struct ledger_instrument, next_canonical)) != 0 ||
        chain(l, l->pairs, pair, 3, index, offsetof(struct ledger_instrument, next_pair)) != 0)
        return ERR_NOMEM;
    return 0;
}

int ledger_instrument_new(struct ledger *l, const struct instrument *i)
{
    struct ledger_instrument *x = calloc(1, sizeof *x);
    if (x == NULL || ledger_list_add(&l->instruments, x) != 0) {
        free(x);
        return ERR_NOMEM;
    }
    x->i = *i;
    int index = (int)l->instruments.count - 1;
    return index_instrument(l, index) == 0 ? index : ERR_NOMEM;
}

int ledger_index_instruments(struct ledger *l)
{
    struct map *canonicals = map_new(), *pairs = map_new();
    if (canonicals == NULL || pairs == NULL) {
        map_free(canonicals);
        map_free(pairs);
        return ERR_NOMEM;
    }
    map_free(l->canonicals);
    map_free(l->pairs);
    l->canonicals = canonicals;
    l->pairs = pairs;
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < l->instruments.count; k++)
        rc = index_instrument(l, (int)k);
    return rc;
}

/* Orders */

struct order *ledger_order_mut(const struct ledger *l, uint64_t id)
{
    size_t low = 0, high = l->orders.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (((struct order *)l->orders.at[middle])->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < l->orders.count && ((struct order *)l->orders.at[low])->id == id)
        return l->orders.at[low];
    return NULL;
}

const struct order *ledger_order(const struct ledger *l, uint64_t id)
{
    return ledger_order_mut(l, id);
}

static bool order_settled(const struct ledger *l, const struct order *o)
{
    if (o->op == ORDER_PENDING && o->shown && !o->triggered &&
        ledger_pending(l, o->account, o->position) != NULL)
        return false; /* it rests: what it becomes will need its plan */
    return order_final(o->state) &&
           (!order_enters(o->op) || o->state != ORDER_ACCEPTED || o->shown);
}

/* Settled orders with LEDGER_KEEP_ORDERS newer ones go back to the free ones. */
static void order_evict(struct ledger *l)
{
    size_t old = l->orders.count - LEDGER_KEEP_ORDERS, kept = 0;
    for (size_t k = 0; k < l->orders.count; k++) {
        struct order *o = l->orders.at[k];
        if (k < old && order_settled(l, o) && ledger_list_add(&l->free_orders, o) == 0)
            continue;
        l->orders.at[kept++] = o;
    }
    l->orders.count = kept;
}

static int order_block_new(struct ledger *l)
{
    struct order_block *block = calloc(1, sizeof *block);
    if (block == NULL || ledger_list_reserve(&l->free_orders, ORDER_BLOCK) != 0 ||
        ledger_list_add(&l->blocks, block) != 0) {
        free(block);
        return ERR_NOMEM;
    }
    for (size_t k = ORDER_BLOCK; k > 0; k--)
        l->free_orders.at[l->free_orders.count++] = &block->orders[k - 1];
    return 0;
}

struct order *ledger_order_new(struct ledger *l)
{
    /* Twice the number, so that the walk over all is paid once in LEDGER_KEEP_ORDERS. */
    if (l->orders.count >= 2 * (size_t)LEDGER_KEEP_ORDERS &&
        l->orders.count % LEDGER_KEEP_ORDERS == 0)
        order_evict(l);
    if (l->free_orders.count == 0 && order_block_new(l) != 0)
        return NULL;
    if (ledger_list_reserve(&l->orders, 1) != 0)
        return NULL;
    struct order *o = l->free_orders.at[--l->free_orders.count];
    memset(o, 0, sizeof *o);
    l->orders.at[l->orders.count++] = o;
    return o;
}

const struct order *ledger_order_next(const struct ledger *l, size_t *cursor)
{
    return *cursor < l->orders.count ? l->orders.at[(*cursor)++] : NULL;
}

uint64_t ledger_last_order(const struct ledger *l)
{
    return l->last_order;
}

uint64_t ledger_last_batch(const struct ledger *l)
{
    return l->last_batch;
}

uint64_t ledger_last_signal(const struct ledger *l)
{
    return l->last_signal;
}

/* Positions */

static size_t position_key(char *key, int account, const char *id)
{
    int32_t index = account;
    size_t n = strnlen(id, sizeof((struct position *)0)->id);
    memcpy(key, &index, sizeof index);
    memcpy(key + sizeof index, id, n);
    return sizeof index + n;
}

struct position *ledger_position_mut(const struct ledger *l, int account, const char *id)
{
    char key[64];
    uint64_t value;
    size_t n = position_key(key, account, id);
    return map_get(l->position_ids, key, n, &value) ? (struct position *)(uintptr_t)value : NULL;
}

const struct position *ledger_position(const struct ledger *l, int account, const char *id)
{
    return ledger_position_mut(l, account, id);
}

struct position *ledger_position_new(struct ledger *l, const struct position *p)
{
    struct ledger_account *a = ledger_account_mut(l, p->account);
    struct ledger_instrument *i = ledger_instrument_mut(l, p->instrument);
    struct position *copy = malloc(sizeof *copy);
    char key[64];
    size_t n = position_key(key, p->account, p->id);
    if (copy == NULL || ledger_list_reserve(&l->positions, 1) != 0 ||
        ledger_list_reserve(&a->positions, 1) != 0 || ledger_list_reserve(&i->positions, 1) != 0 ||
        map_put(l->position_ids, key, n, (uint64_t)(uintptr_t)copy) != 0) {
        free(copy);
        return NULL;
    }
    *copy = *p;
    l->positions.at[l->positions.count++] = copy;
    a->positions.at[a->positions.count++] = copy;
    i->positions.at[i->positions.count++] = copy;
    a->a.open_positions++;
    return copy;
}

void ledger_position_drop(struct ledger *l, struct position *p)
{
    struct ledger_account *a = ledger_account_mut(l, p->account);
    char key[64];
    size_t n = position_key(key, p->account, p->id);
    map_remove(l->position_ids, key, n);
    ledger_list_remove(&l->positions, p);
    ledger_list_remove(&a->positions, p);
    ledger_list_remove(&ledger_instrument_mut(l, p->instrument)->positions, p);
    a->a.open_positions--;
    free(p);
}

const struct position *ledger_position_next(const struct ledger *l, int account, size_t *cursor)
{
    const struct ledger_list *list = &l->positions;
    if (account >= 0) {
        const struct ledger_account *a = ledger_account_mut(l, account);
        if (a == NULL)
            return NULL;
        list = &a->positions;
    }
    return *cursor < list->count ? list->at[(*cursor)++] : NULL;
}

bool ledger_entry_pending(const struct ledger *l, int account, int instrument)
{
    const struct ledger_account *a = ledger_account_mut(l, account);
    if (a == NULL || a->entries == 0)
        return false;
    for (size_t k = 0; k < l->pending.count; k++) {
        const struct order *o = l->pending.at[k];
        if (order_enters(o->op) && o->account == account && o->instrument == instrument)
            return true;
    }
    return false;
}

uint32_t ledger_exposure_count(const struct ledger *l, int account)
{
    const struct ledger_account *a = ledger_account_mut(l, account);
    return a == NULL ? 0 : a->a.open_positions + a->entries + (uint32_t)a->resting.count;
}
