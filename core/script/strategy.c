/* SPDX-License-Identifier: MIT
 *
 * The life of a strategy: loading, events from the market, stopping alone on an error.
 *
 * A signal is handed on after the handler has returned, outside of Lua. Freeing a strategy inside
 * of one of its own callbacks is allowed: it ends when the outermost call from C is over.
 */
#include "script/strategy.h"

#include <lauxlib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "script/strategy_inner.h"

#define MEMORY_LIMIT ((size_t)32 << 20)
#define SOFT_MS 5
#define HARD_MS 50
#define TELL_NS INT64_C(60000000000) /* between two lines about slow handlers */
#define STEPS 100000                 /* instructions between two looks, while it is loaded */
#define MOST_STEPS 100000000         /* of loading: about a second */

int strategy_fault(struct strategy *s, const char *format, ...)
{
    struct err e;
    char text[200];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)err_set(&e, ERR_INPUT, "%s:%s%s", s->file, text[0] >= '0' && text[0] <= '9' ? "" : " ",
                  text);
    lua_pushstring(s->L, e.message);
    return lua_error(s->L);
}

/* Keeps the traceback, hands on the message. */
static int on_error(lua_State *L)
{
    struct strategy *s = strategy_of(L);
    if (lua_type(L, 1) != LUA_TSTRING) {
        lua_pushfstring(L, "%s: the error is %s, not a text", s->file, luaL_typename(L, 1));
        lua_replace(L, 1);
    }
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
    size_t n;
    const char *text = lua_tolstring(L, -1, &n);
    str_clear(&s->trace);
    str_add(&s->trace, text, n);
    lua_settop(L, 1);
    return 1;
}

/* The message at the top as an error; what has no place in a file gets the file's name. */
static int take_error(struct strategy *s, struct err *e)
{
    const char *text = lua_type(s->L, -1) == LUA_TSTRING ? lua_tostring(s->L, -1) : "unknown error";
    int n = (int)strcspn(text, "\n");
    bool placed = strstr(text, ".lua:") != NULL || strncmp(text, s->file, strlen(s->file)) == 0;
    (void)err_set(e, ERR_INPUT, "%s%s%.*s", placed ? "" : s->file, placed ? "" : ": ", n, text);
    return ERR_INPUT;
}

/* While it is loaded. Coroutines made meanwhile have this hook, too, and may outlive the loading.
 */
static void count_steps(lua_State *L, lua_Debug *ar)
{
    struct strategy *s = strategy_of(L);
    (void)ar;
    if (!s->loading) {
        lua_sethook(L, NULL, 0, 0);
        return;
    }
    s->steps += STEPS;
    if (s->steps < MOST_STEPS)
        return;
    burst_trip(&s->burst, L, count_steps);
    luaL_error(L, "stopped: loading it took more than %d million steps", MOST_STEPS / 1000000);
}

/* The definition, by steps and not by time: whether a script can be loaded does not depend on the
 * machine. */
static int define(struct strategy *s, const char *params, struct err *e)
{
    int rc = 0;
    str_clear(&s->trace);
    s->depth++;
    s->loading = true;
    burst_begin(&s->burst, NULL, s->L, 0);
    lua_sethook(s->L, count_steps, LUA_MASKCOUNT, STEPS);
    lua_pushcfunction(s->L, strategy_define);
    /* The text of the overrides is only read. */
    lua_pushlightuserdata(s->L, (void *)(uintptr_t)params);
    if (lua_pcall(s->L, 1, 0, 1) != LUA_OK)
        rc = take_error(s, e);
    lua_settop(s->L, 1);
    lua_sethook(s->L, NULL, 0, 0);
    s->loading = false;
    s->depth--;
    return rc;
}

/* ---- events ---- */

static void destroy(struct strategy *s);

static void unlisten(struct strategy *s)
{
    if (s->listener >= 0)
        market_unlisten(s->m, s->listener);
    s->listener = -1;
}

static void stop(struct strategy *s, const struct err *e)
{
    s->running = false;
    unlisten(s);
    log_write(s->log, LOG_ERROR, "strategy", "%s stopped: %s", s->instance,
              s->trace.len ? s->trace.p : e->message);
    if (s->on_stop)
        s->on_stop(s->arg, s, e->message, s->trace.len ? s->trace.p : e->message);
}

static void add_cost(struct strategy *s, int64_t took_ns)
{
    s->cost.calls++;
    s->cost.total_ns += took_ns;
    if (took_ns > s->cost.worst_ns)
        s->cost.worst_ns = took_ns;
    if (took_ns <= (int64_t)s->soft_ms * 1000000)
        return;
    s->cost.slow++;
    int64_t now = s->burst.begun_ns + took_ns;
    if (s->told_ns && now - s->told_ns < TELL_NS)
        return;
    s->told_ns = now;
    log_write(s->log, LOG_WARN, "strategy",
              "%s: a handler took %.1f ms, and %u are meant to be enough; %llu of %llu did so far",
              s->instance, (double)took_ns / 1e6, s->soft_ms, (unsigned long long)s->cost.slow,
              (unsigned long long)s->cost.calls);
}

static void event(struct strategy *s, struct strategy_event *ev)
{
    if (!s->running || s->depth > 0)
        return; /* an event that its own signal caused: not for it */
    struct err e = {0};
    s->depth++;
    s->has_signal = false;
    str_clear(&s->trace);
    strategy_push_closure(s->L);
    lua_pushlightuserdata(s->L, ev);
    burst_begin(&s->burst, s->dog, s->L, s->hard_ms);
    int status = lua_pcall(s->L, 1, 0, 1);
    int64_t took_ns = burst_end(&s->burst, s->L);
    int rc = status == LUA_OK ? 0 : take_error(s, &e);
    lua_settop(s->L, 1);
    if (s->dog)
        add_cost(s, took_ns);
    if (rc != 0)
        stop(s, &e);
    else if (s->has_signal && s->on_signal) {
        s->signal.time_ms = ev->time_ms;
        s->on_signal(s->arg, s, &s->signal);
    }
    if (--s->depth == 0 && s->dying)
        destroy(s);
}

static void on_bar(void *arg, int symbol, int64_t timeframe, const struct bar *closed)
{
    struct strategy *s = arg;
    bool wanted = false;
    for (size_t i = 0; i < s->frame_count; i++)
        wanted = wanted || s->frames[i] == timeframe;
    struct strategy_event ev = {.kind = ON_BAR,
                                .time_ms = closed->open_ms + timeframe,
                                .timeframe = timeframe,
                                .bar = closed};
    if (wanted && symbol == s->symbol_index)
        event(s, &ev);
}

static void on_quote(void *arg, int symbol, const struct quote *q)
{
    struct strategy *s = arg;
    struct strategy_event ev = {.kind = ON_QUOTE, .time_ms = q->time_ms, .quote = q};
    if (symbol == s->symbol_index)
        event(s, &ev);
}

static void on_print(void *arg, int symbol, const struct print *p)
{
    struct strategy *s = arg;
    struct strategy_event ev = {.kind = ON_PRINT, .time_ms = p->time_ms, .print = p};
    if (symbol == s->symbol_index)
        event(s, &ev);
}

static void on_book(void *arg, int symbol, const struct book *b)
{
    struct strategy *s = arg;
    struct strategy_event ev = {.kind = ON_BOOK, .time_ms = book_time(b), .book = b};
    if (symbol == s->symbol_index)
        event(s, &ev);
}

static int listen(struct strategy *s, struct err *e)
{
    struct market_listener listener = {.arg = s,
                                       .on_bar = s->has[ON_BAR] ? on_bar : NULL,
                                       .on_quote = s->has[ON_QUOTE] ? on_quote : NULL,
                                       .on_print = s->has[ON_PRINT] ? on_print : NULL,
                                       .on_book = s->has[ON_BOOK] ? on_book : NULL};
    s->listener = market_listen(s->m, &listener);
    if (s->listener < 0)
        return err_set(e, ERR_LIMIT, "%s: the market takes no further listener", s->file);
    return 0;
}

/* ---- loading ---- */

static void destroy(struct strategy *s)
{
    unlisten(s);
    if (s->L)
        lua_close(s->L);
    for (size_t i = 0; s->m && i < s->indicator_count; i++)
        market_indicator_drop(s->m, s->indicators[i]);
    str_fini(&s->text);
    str_fini(&s->params);
    str_fini(&s->conditions);
    str_fini(&s->plan);
    str_fini(&s->trace);
    free(s);
}

void strategy_free(struct strategy *s)
{
    if (!s)
        return;
    s->running = false;
    if (s->depth > 0) {
        s->dying = true;
        unlisten(s);
        return;
    }
    destroy(s);
}

static int copy_text(char *buf, size_t size, const char *text, const char *what, struct err *e)
{
    if (snprintf(buf, size, "%s", text ? text : "") >= (int)size)
        return err_set(e, ERR_INPUT, "the strategy's %s is longer than %zu bytes", what, size - 1);
    return 0;
}

/* FNV-1a: names a version of a text, protects from nothing. */
static uint64_t hash_text(const char *p, size_t n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)p[i]) * UINT64_C(0x100000001b3);
    return h;
}

static int read_config(struct strategy *s, const struct strategy_config *c, struct err *e)
{
    const char *slash = strrchr(c->path, '/');
    int rc = copy_text(s->path, sizeof s->path, c->path, "path", e);
    if (rc == 0)
        rc = copy_text(s->file, sizeof s->file, slash ? slash + 1 : c->path, "file name", e);
    if (rc == 0)
        rc = copy_text(s->instance, sizeof s->instance, c->instance, "instance", e);
    if (rc == 0)
        rc = copy_text(s->symbol, sizeof s->symbol, c->symbol, "symbol", e);
    if (rc == 0)
        rc = copy_text(s->library, sizeof s->library, c->modules, "library", e);
    s->limit = c->memory_limit ? c->memory_limit : MEMORY_LIMIT;
    s->dog = c->watchdog;
    s->soft_ms = c->soft_ms ? c->soft_ms : SOFT_MS;
    s->hard_ms = c->hard_ms ? c->hard_ms : HARD_MS;
    rng_seed_named(&s->rng, 0, s->instance);
    return rc;
}

static int read_script(struct strategy *s, struct err *e)
{
    if (file_read_all(s->path, &s->text, STRATEGY_MAX_TEXT, e) != 0)
        return err_set(e, ERR_INPUT, "%s cannot be read", s->path);
    if (memchr(s->text.p ? s->text.p : "", '\0', s->text.len))
        return err_set(e, ERR_INPUT, "%s: it is no text", s->file);
    (void)snprintf(s->hash, sizeof s->hash, "%016llx",
                   (unsigned long long)hash_text(s->text.p, s->text.len));
    return strategy_manifest(s, s->text.p ? s->text.p : "", e);
}

static int open_state(struct strategy *s, struct err *e)
{
    s->L = sandbox_new(s);
    if (!s->L)
        return err_set(e, ERR_NOMEM, "%s: %zu bytes are not enough for a Lua state", s->file,
                       s->limit);
    lua_pushcfunction(s->L, on_error);
    if (!lua_checkstack(s->L, LUA_MINSTACK))
        return err_set(e, ERR_NOMEM, "%s: not enough memory", s->file);
    return 0;
}

static int load(struct strategy **out, struct market *m, struct log *log,
                const struct strategy_config *config, struct err *e)
{
    struct strategy *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, ERR_NOMEM, "not enough memory for a strategy");
    s->log = log;
    s->listener = -1;
    int rc = read_config(s, config, e);
    if (rc == 0 && m) {
        s->symbol_index = market_symbol(m, s->symbol);
        if (s->symbol_index < 0)
            rc = err_set(e, ERR_INPUT, "%s: the market has no symbol \"%s\"", s->file, s->symbol);
        else
            s->m = m;
    }
    if (rc == 0)
        rc = read_script(s, e);
    if (rc == 0)
        rc = open_state(s, e);
    if (rc == 0)
        rc = define(s, config->params, e);
    if (rc != 0) {
        destroy(s);
        return rc;
    }
    str_fini(&s->text);
    str_init(&s->text);
    s->running = true;
    *out = s;
    return 0;
}

int strategy_load(struct strategy **out, struct market *m, struct log *log,
                  const struct strategy_config *config, strategy_signal_fn on_signal,
                  strategy_stop_fn on_stop, void *arg, struct err *e)
{
    struct strategy *s;
    int rc = load(&s, m, log, config, e);
    if (rc != 0)
        return rc;
    s->on_signal = on_signal;
    s->on_stop = on_stop;
    s->arg = arg;
    rc = listen(s, e);
    if (rc != 0) {
        destroy(s);
        return rc;
    }
    *out = s;
    return 0;
}

int strategy_check(const struct strategy_config *config, struct err *e)
{
    struct strategy *s;
    int rc = load(&s, NULL, NULL, config, e);
    if (rc == 0)
        destroy(s);
    return rc;
}

const char *strategy_name(const struct strategy *s)
{
    return s->name;
}

const char *strategy_version(const struct strategy *s)
{
    return s->version;
}

const char *strategy_instance(const struct strategy *s)
{
    return s->instance;
}

const char *strategy_hash(const struct strategy *s)
{
    return s->hash;
}

const char *strategy_symbol(const struct strategy *s)
{
    return s->symbol;
}

struct strategy_cost strategy_cost(const struct strategy *s)
{
    return s->cost;
}

bool strategy_running(const struct strategy *s)
{
    return s->running;
}

const char *strategy_params(const struct strategy *s)
{
    return s->params.p ? s->params.p : "{}";
}
