/* SPDX-License-Identifier: MIT
 *
 * Values are few and short-lived lists, so a walk finds them. Signals are kept as frames: what a
 * reader gets is the event itself, without a second form of it.
 */
#include "engine/memory.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

struct value {
    struct value *next;
    size_t n;    /* bytes of text */
    char *text;  /* JSON, owned */
    char name[]; /* NUL-terminated */
};

struct spoken {
    uint64_t id;        /* of the signal; 0: empty */
    struct str signal;  /* its frame */
    struct str outcome; /* frame of signal_refused or batch_done; empty: none yet */
};

/* A command that was given with a key. */
struct keyed {
    struct keyed *next; /* an older one */
    int64_t wall_us;    /* of its beginning */
    char digest[72];
    size_t n;     /* bytes of answer */
    char *answer; /* JSON, owned; NULL: it has not ended, or see let_go */
    bool let_go;  /* it has ended, and its answer is not kept any more */
    char key[];   /* NUL-terminated */
};

#define KEYS_KEPT_US (INT64_C(24) * 3600 * 1000000)

/* What a key says whose answer is not kept: it must not be taken for one that was never used. */
static const char let_go_answer[] =
    "{\"ok\":false,\"code\":\"state\",\"error\":\"it was done before; its answer is not kept any "
    "more\"}";

struct memory {
    struct value *values;
    struct keyed *keys;                    /* newest first */
    size_t answer_bytes;                   /* of them all */
    struct spoken signals[MEMORY_SIGNALS]; /* a ring */
    size_t count;                          /* signals ever seen */
};

static const char memory_key = 0; /* registry key of the struct memory */

struct memory *memory_new(struct err *e)
{
    struct memory *m = calloc(1, sizeof *m);
    if (!m)
        err_set(e, ERR_NOMEM, "out of memory at start");
    return m;
}

static void drop_keys(struct memory *m, struct keyed **from)
{
    while (*from) {
        struct keyed *k = *from;
        *from = k->next;
        m->answer_bytes -= k->n;
        free(k->answer);
        free(k);
    }
}

void memory_free(struct memory *m)
{
    if (!m)
        return;
    while (m->values) {
        struct value *v = m->values;
        m->values = v->next;
        free(v->text);
        free(v);
    }
    drop_keys(m, &m->keys);
    for (size_t i = 0; i < MEMORY_SIGNALS; i++) {
        str_fini(&m->signals[i].signal);
        str_fini(&m->signals[i].outcome);
    }
    free(m);
}

static struct value *find_value(const struct memory *m, const char *name, size_t n)
{
    for (struct value *v = m->values; v; v = v->next)
        if (strlen(v->name) == n && memcmp(v->name, name, n) == 0)
            return v;
    return NULL;
}

static int keep_value(struct memory *m, const struct event *ev)
{
    size_t n, size;
    const char *name = event_str(ev, F_policy_state_name, &n);
    const char *text = event_str(ev, F_policy_state_value, &size);
    char *copy = malloc(size + 1);
    if (!copy)
        return ERR_NOMEM;
    memcpy(copy, text, size);
    copy[size] = '\0';
    struct value *v = find_value(m, name, n);
    if (!v) {
        v = calloc(1, sizeof *v + n + 1);
        if (!v) {
            free(copy);
            return ERR_NOMEM;
        }
        memcpy(v->name, name, n);
        v->next = m->values;
        m->values = v;
    }
    free(v->text);
    v->text = copy;
    v->n = size;
    return 0;
}

static struct keyed *find_key(const struct memory *m, const char *key, size_t n)
{
    for (struct keyed *k = m->keys; k; k = k->next)
        if (strlen(k->key) == n && memcmp(k->key, key, n) == 0)
            return k;
    return NULL;
}

/* The newest of a key counts: one whose time is over may be used again. */
static int keep_begun(struct memory *m, const struct event *ev)
{
    size_t n;
    const char *key = event_str(ev, F_command_begun_key, &n);
    struct keyed **at = &m->keys;
    while (*at && ev->wall_us - (*at)->wall_us <= KEYS_KEPT_US)
        at = &(*at)->next;
    drop_keys(m, at);
    struct keyed *k = calloc(1, sizeof *k + n + 1);
    if (!k)
        return ERR_NOMEM;
    memcpy(k->key, key, n);
    k->wall_us = ev->wall_us;
    event_copy(ev, F_command_begun_digest, k->digest, sizeof k->digest);
    k->next = m->keys;
    m->keys = k;
    return 0;
}

/* Lets go of the oldest answers until the others fit. */
static void bound_answers(struct memory *m)
{
    while (m->answer_bytes > MEMORY_ANSWERS) {
        struct keyed *oldest = NULL;
        for (struct keyed *k = m->keys; k; k = k->next)
            if (k->answer)
                oldest = k;
        m->answer_bytes -= oldest->n;
        free(oldest->answer);
        oldest->answer = NULL;
        oldest->n = 0;
        oldest->let_go = true;
    }
}

static int keep_answer(struct memory *m, const struct event *ev)
{
    size_t n, size;
    const char *key = event_str(ev, F_command_key, &n);
    struct keyed *k = n ? find_key(m, key, n) : NULL;
    if (!k)
        return 0;
    const char *text = event_str(ev, F_command_answer, &size);
    if (size == 0) /* it was asked again, and told what is kept */
        return 0;
    char *copy = malloc(size + 1);
    if (!copy)
        return ERR_NOMEM;
    memcpy(copy, text, size);
    copy[size] = '\0';
    free(k->answer);
    m->answer_bytes += size - k->n;
    k->answer = copy;
    k->n = size;
    k->let_go = false;
    bound_answers(m);
    return 0;
}

static int keep_frame(struct str *into, const struct event *ev)
{
    str_clear(into);
    return event_encode(ev, into);
}

static int keep_signal(struct memory *m, const struct event *ev)
{
    struct spoken *s = &m->signals[m->count % MEMORY_SIGNALS];
    int rc = keep_frame(&s->signal, ev);
    if (rc)
        return rc;
    str_clear(&s->outcome);
    s->id = event_u64(ev, F_signal_signal);
    m->count++;
    return 0;
}

static int keep_outcome(struct memory *m, const struct event *ev, uint64_t id)
{
    for (size_t i = 0; id != 0 && i < MEMORY_SIGNALS; i++)
        if (m->signals[i].id == id)
            return keep_frame(&m->signals[i].outcome, ev);
    return 0;
}

int memory_apply(void *arg, const struct event *ev, struct err *e)
{
    struct memory *m = arg;
    int rc = 0;
    switch (ev->kind) {
    case EVENT_KIND_policy_state:
        rc = keep_value(m, ev);
        break;
    case EVENT_KIND_command_begun:
        rc = keep_begun(m, ev);
        break;
    case EVENT_KIND_command:
        rc = keep_answer(m, ev);
        break;
    case EVENT_KIND_signal:
        rc = keep_signal(m, ev);
        break;
    case EVENT_KIND_signal_refused:
        rc = keep_outcome(m, ev, event_u64(ev, F_signal_refused_signal));
        break;
    case EVENT_KIND_batch_done:
        rc = keep_outcome(m, ev, event_u64(ev, F_batch_done_signal));
        break;
    default:
        break;
    }
    return rc ? err_set(e, rc, "journal event %llu: out of memory", (unsigned long long)ev->seq)
              : 0;
}

static const struct memory *memory_of(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &memory_key);
    const struct memory *m = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return m;
}

static int memory_get(lua_State *L)
{
    size_t n;
    const char *name = luaL_checklstring(L, 1, &n);
    const struct value *v = find_value(memory_of(L), name, n);
    if (v)
        lua_pushlstring(L, v->text, v->n);
    else
        lua_pushnil(L);
    return 1;
}

static int memory_key_of(lua_State *L)
{
    size_t n;
    const char *key = luaL_checklstring(L, 1, &n);
    const struct keyed *k = find_key(memory_of(L), key, n);
    if (!k) {
        lua_pushnil(L);
        return 1;
    }
    lua_createtable(L, 0, 3);
    lua_pushstring(L, k->digest);
    lua_setfield(L, -2, "digest");
    lua_pushinteger(L, k->wall_us / 1000);
    lua_setfield(L, -2, "wall_ms");
    if (k->answer || k->let_go) {
        lua_pushstring(L, k->answer ? k->answer : let_go_answer);
        lua_setfield(L, -2, "answer");
    }
    return 1;
}

static int memory_signals(lua_State *L)
{
    const struct memory *m = memory_of(L);
    size_t count = m->count < MEMORY_SIGNALS ? m->count : MEMORY_SIGNALS;
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        const struct spoken *s = &m->signals[(m->count - 1 - i) % MEMORY_SIGNALS];
        lua_createtable(L, 0, 2);
        lua_pushlstring(L, s->signal.p, s->signal.len);
        lua_setfield(L, -2, "signal");
        if (s->outcome.len) {
            lua_pushlstring(L, s->outcome.p, s->outcome.len);
            lua_setfield(L, -2, "outcome");
        }
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int luaopen_memory(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"get", memory_get}, {"key", memory_key_of}, {"signals", memory_signals}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}

void memory_register(struct memory *m, struct host *h)
{
    lua_State *L = h->L;
    lua_pushlightuserdata(L, m);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &memory_key);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, luaopen_memory);
    lua_setfield(L, -2, "perigee.memory");
    lua_pop(L, 2);
}
