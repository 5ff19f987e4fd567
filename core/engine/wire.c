/* SPDX-License-Identifier: MIT
 *
 * A subscriber is either catching up from the journal's files, a bounded number of frames each time
 * its socket has drained, or live. It goes live at the moment when its reader is empty and has
 * handed out the newest committed number: events that are committed later reach it from the stream.
 */
#include "engine/wire.h"

#include <endian.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "io/sock.h"
#include "script/task.h"

#define WIRE_LIMIT (64u << 20) /* bytes that may pile up for one client */
#define WIRE_CHUNK 512         /* frames read from disk in one go */
#define WIRE_KINDS 32          /* kinds of state: a bit each */

struct wire_client {
    struct wire *wire;
    struct wire_client *next;
    struct sock_conn *conn;
    uint64_t id;                   /* what Lua knows it by */
    struct journal_reader *reader; /* catching up; NULL: live or no subscriber */
    bool subscribed, live, wants_states;
    uint64_t sent;  /* newest number sent */
    uint32_t stale; /* kinds of state whose newest text it has not got */
};

struct wire_kept {
    char kind[32];
    struct str text; /* newest; empty: none since somebody subscribed */
};

struct wire {
    struct loop *loop;
    struct stream *stream;
    struct host *host;
    struct sock_server *server;
    struct wire_client *clients;
    struct wire_kept kept[WIRE_KINDS];
    unsigned kinds; /* used of them */
    uint64_t last_id;
    int handler; /* registry reference of on_command's function, LUA_NOREF */
};

static const char wire_key = 0; /* registry key of the struct wire */

static struct wire *wire_of(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &wire_key);
    struct wire *w = lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (!w)
        luaL_error(L, "perigee: the wire is closed");
    return w;
}

/* Sends what is stale once all before it has left, so that nothing piles up. */
static void send_states(struct wire_client *c)
{
    const struct wire *w = c->wire;
    if (!c->live || !c->wants_states || !c->stale || sock_pending(c->conn) != 0)
        return;
    for (unsigned i = 0; i < w->kinds; i++) {
        const struct str *text = &w->kept[i].text;
        if ((c->stale & UINT32_C(1) << i) && text->len &&
            sock_send(c->conn, WIRE_STATE, text->p, text->len))
            return;
    }
    c->stale = 0;
}

static void catch_up(struct wire_client *c)
{
    struct event ev;
    struct err e;
    for (int i = 0; c->reader && i < WIRE_CHUNK; i++) {
        int rc = journal_reader_next(c->reader, &ev, &e);
        if (rc < 0) {
            log_write(c->wire->loop->log, LOG_ERROR, "wire", "history cannot be read: %s",
                      e.message);
            sock_close(c->conn);
            return;
        }
        if (rc == 0) {
            /* Nothing more on disk. What was emitted but not committed yet comes by the stream. */
            journal_reader_close(c->reader);
            c->reader = NULL;
            c->live = true;
            c->stale = UINT32_MAX;
            send_states(c);
            return;
        }
        size_t n;
        const void *frame = journal_reader_frame(c->reader, &n);
        c->sent = ev.seq;
        if (sock_send(c->conn, WIRE_EVENT, frame, n))
            return;
    }
}

static void on_opened(void *arg, struct sock_conn *conn)
{
    struct wire *w = arg;
    struct wire_client *c = calloc(1, sizeof *c);
    if (!c) {
        sock_close(conn);
        return;
    }
    c->wire = w;
    c->conn = conn;
    c->id = ++w->last_id;
    c->next = w->clients;
    w->clients = c;
    sock_set_data(conn, c);
}

static void subscribe(struct wire_client *c, const void *p, size_t n)
{
    uint64_t from;
    struct err e;
    const unsigned char *flags = (const unsigned char *)p + sizeof from;
    if (n < sizeof from || n > sizeof from + 1 || c->subscribed ||
        (n > sizeof from && *flags > WIRE_EVENTS_ONLY)) {
        sock_close(c->conn);
        return;
    }
    memcpy(&from, p, sizeof from);
    c->wants_states = n == sizeof from || *flags != WIRE_EVENTS_ONLY;
    from = le64toh(from);
    c->subscribed = true;
    c->sent = from ? from - 1 : 0;
    if (stream_commit(c->wire->stream, &e) ||
        journal_reader_open(&c->reader, stream_folder(c->wire->stream), from, &e)) {
        log_write(c->wire->loop->log, LOG_ERROR, "wire", "history cannot be read: %s", e.message);
        sock_close(c->conn);
        return;
    }
    catch_up(c);
}

struct command_call {
    const struct wire_client *client;
    const void *text;
    size_t size;
};

/* Protected: the text of a command may be as large as a frame. */
static int spawn_command(lua_State *L)
{
    const struct command_call *call = lua_touserdata(L, 1);
    const struct wire_client *c = call->client;
    struct err e = {0};
    luaL_checkstack(L, 4, NULL);
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->wire->handler);
    lua_pushinteger(L, (lua_Integer)c->id);
    lua_pushlstring(L, call->text, call->size);
    if (task_spawn(L, 2, "command", &e))
        return luaL_error(L, "%s", e.message);
    return 0;
}

static void refuse(struct wire_client *c, const char *reply)
{
    (void)sock_send(c->conn, WIRE_REPLY, reply, strlen(reply));
}

/* Every command is answered, or its client would wait for ever. */
static void command(struct wire_client *c, const void *p, size_t n)
{
    struct wire *w = c->wire;
    lua_State *L = w->host->L;
    struct command_call call = {c, p, n};
    if (w->handler == LUA_NOREF || !lua_checkstack(L, 4)) {
        refuse(c, "{\"ok\":false,\"code\":\"unavailable\",\"error\":\"the engine is not ready for "
                  "commands\"}");
        return;
    }
    lua_pushcfunction(L, spawn_command);
    lua_pushlightuserdata(L, &call);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK)
        return;
    const char *text = lua_tostring(L, -1);
    log_write(w->loop->log, LOG_ERROR, "wire", "a command was lost: %s",
              text ? text : "out of memory");
    lua_pop(L, 1);
    refuse(
        c,
        "{\"ok\":false,\"code\":\"failed\",\"error\":\"the engine could not take the command\"}");
}

static void on_frame(void *arg, struct sock_conn *conn, uint8_t type, const void *p, size_t n)
{
    struct wire_client *c = sock_data(conn);
    (void)arg;
    if (!c)
        return;
    if (type == WIRE_SUBSCRIBE)
        subscribe(c, p, n);
    else if (type == WIRE_COMMAND)
        command(c, p, n);
    else
        sock_close(conn);
}

/* Also takes the client from its connection, whose callbacks do nothing from here on. */
static void client_free(struct wire_client *c)
{
    for (struct wire_client **at = &c->wire->clients; *at; at = &(*at)->next) {
        if (*at == c) {
            *at = c->next;
            break;
        }
    }
    sock_set_data(c->conn, NULL);
    if (c->reader)
        journal_reader_close(c->reader);
    struct wire *w = c->wire;
    free(c);
    for (c = w->clients; c; c = c->next)
        if (c->wants_states)
            return;
    for (unsigned i = 0; i < w->kinds; i++)
        str_clear(&w->kept[i].text);
}

static void on_closed(void *arg, struct sock_conn *conn, int error)
{
    struct wire_client *c = sock_data(conn);
    (void)arg; /* perhaps freed */
    (void)error;
    if (c)
        client_free(c);
}

static void on_drained(void *arg, struct sock_conn *conn)
{
    struct wire_client *c = sock_data(conn);
    (void)arg;
    if (c && c->reader)
        catch_up(c);
    else if (c)
        send_states(c);
}

static void on_event(void *arg, const struct event *ev, const void *frame, size_t n)
{
    struct wire *w = arg;
    struct wire_client *next;
    for (struct wire_client *c = w->clients; c; c = next) {
        next = c->next;
        if (c->live && ev->seq > c->sent) {
            c->sent = ev->seq;
            sock_send(c->conn, WIRE_EVENT, frame, n);
        }
    }
}

static int wire_on_command(lua_State *L)
{
    struct wire *w = wire_of(L);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    luaL_unref(L, LUA_REGISTRYINDEX, w->handler);
    w->handler = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static int wire_reply(lua_State *L)
{
    struct wire *w = wire_of(L);
    uint64_t id = (uint64_t)luaL_checkinteger(L, 1);
    size_t n;
    const char *text = luaL_checklstring(L, 2, &n);
    struct err e;
    /* What the answer knows of is told before it, so that no client folds an event into rows that
     * have it already. A journal that cannot be written is its own alarm; the answer still goes. */
    (void)stream_commit(w->stream, &e);
    for (struct wire_client *c = w->clients; c; c = c->next) {
        if (c->id == id) {
            lua_pushboolean(L, sock_send(c->conn, WIRE_REPLY, text, n) == 0);
            return 1;
        }
    }
    lua_pushboolean(L, 0);
    return 1;
}

/* The place of a kind, made at its first use; -1: there are WIRE_KINDS others. */
static int kind_place(struct wire *w, const char *kind)
{
    unsigned i = 0;
    while (i < w->kinds && strcmp(w->kept[i].kind, kind) != 0)
        i++;
    if (i == WIRE_KINDS)
        return -1;
    if (i == w->kinds) {
        snprintf(w->kept[i].kind, sizeof w->kept[i].kind, "%s", kind);
        str_init(&w->kept[i].text);
        w->kinds++;
    }
    return (int)i;
}

static int wire_state(lua_State *L)
{
    struct wire *w = wire_of(L);
    size_t length, n;
    const char *kind = luaL_checklstring(L, 1, &length);
    const char *text = luaL_checklstring(L, 2, &n);
    luaL_argcheck(L, length < sizeof w->kept[0].kind, 1, "a kind has at most 31 bytes");
    int place = kind_place(w, kind);
    if (place < 0)
        return luaL_error(L, "wire.state: there are %d kinds already", WIRE_KINDS);
    struct str *kept = &w->kept[place].text;
    if (kept->len == n && n > 0 && memcmp(kept->p, text, n) == 0)
        return 0;
    str_clear(kept);
    str_add(kept, text, n);
    if (kept->failed) {
        str_fini(kept);
        str_init(kept);
        return luaL_error(L, "wire.state: not enough memory");
    }
    struct wire_client *next;
    for (struct wire_client *c = w->clients; c; c = next) {
        next = c->next;
        c->stale |= UINT32_C(1) << place;
        send_states(c);
    }
    return 0;
}

static int wire_subscribers(lua_State *L)
{
    struct wire *w = wire_of(L);
    lua_Integer count = 0;
    for (struct wire_client *c = w->clients; c; c = c->next)
        count += c->subscribed;
    lua_pushinteger(L, count);
    return 1;
}

static int wire_listeners(lua_State *L)
{
    struct wire *w = wire_of(L);
    lua_Integer count = 0;
    for (struct wire_client *c = w->clients; c; c = c->next)
        count += c->wants_states;
    lua_pushinteger(L, count);
    return 1;
}

static int luaopen_wire(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"on_command", wire_on_command},   {"reply", wire_reply},         {"state", wire_state},
        {"subscribers", wire_subscribers}, {"listeners", wire_listeners}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}

int wire_new(struct wire **out, struct loop *l, struct stream *stream, struct host *h,
             const char *path, struct err *e)
{
    static const struct sock_events events = {on_opened, on_frame, on_closed, on_drained};
    lua_State *L = h->L;
    struct wire *w = calloc(1, sizeof *w);
    if (!w)
        return err_set(e, ERR_NOMEM, "out of memory at start");
    w->loop = l;
    w->stream = stream;
    w->host = h;
    w->handler = LUA_NOREF;
    if (path && !(w->server = sock_listen(l, path, WIRE_LIMIT, &events, w, e))) {
        int rc = e->code;
        free(w);
        return rc;
    }
    int rc = path ? stream_subscribe(stream, on_event, w) : 0;
    if (rc) {
        sock_server_free(w->server);
        free(w);
        return err_set(e, rc, "the event stream takes no more subscribers");
    }
    lua_pushlightuserdata(L, w);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &wire_key);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, luaopen_wire);
    lua_setfield(L, -2, "perigee.wire");
    lua_pop(L, 2);
    *out = w;
    return 0;
}

void wire_free(struct wire *w)
{
    if (!w)
        return;
    lua_State *L = w->host->L;
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &wire_key);
    luaL_unref(L, LUA_REGISTRYINDEX, w->handler);
    stream_unsubscribe(w->stream, on_event, w);
    /* closed() of a connection comes on a later turn, when w is gone: it must find no client. */
    while (w->clients)
        client_free(w->clients);
    if (w->server)
        sock_server_free(w->server);
    for (unsigned i = 0; i < w->kinds; i++)
        str_fini(&w->kept[i].text);
    free(w);
}
