/* SPDX-License-Identifier: MIT
 *
 * perigee.pg: PostgreSQL for tasks. A connection is used by one task at a time; cancelling one that
 * waits closes it, because nobody would read the answer. An answer with many rows becomes tables in
 * pieces, with a turn of the loop between them.
 */
#include "script/bind_pg.h"

#include <lauxlib.h>
#include <string.h>

#include "script/bind.h"
#include "script/domain.h"
#include "script/task.h"

#define CONN_META "perigee.pg.conn"
#define ANSWER_META "perigee.pg.answer"

struct answer;

struct conn {
    struct pg *pg;          /* NULL: closed, or lost */
    bool closed;            /* by its user: any further use is a mistake */
    struct answer *waiting; /* of the task that waits; NULL: none */
};

/* An operation as its task holds it: the answer, and how far it has become tables. */
struct answer {
    struct pg_answer a; /* its results are freed by __gc at the latest */
    struct pg_cursor at;
    struct conn *conn;
    struct task_op *op;
    bool batch; /* the caller wants an array of Results, and an error's index */
};

static struct conn *check_conn(lua_State *L)
{
    return luaL_checkudata(L, 1, CONN_META);
}

/* NULL: it was lost. Raises when it cannot be used. */
static struct pg *check_usable(lua_State *L, const char *what)
{
    const struct conn *c = check_conn(L);
    if (c->closed) {
        luaL_error(L, "%s: the connection is closed", what);
    }
    if (c->pg != NULL && pg_busy(c->pg)) {
        luaL_error(L, "%s: the connection is in use by another task", what);
    }
    return c->pg;
}

static int push_lost(lua_State *L)
{
    return push_err(L, ERR_UNREACHABLE, "the connection to the database was lost before", "pg",
                    "safe");
}

static void shut(struct conn *c)
{
    struct pg *pg = c->pg;
    c->pg = NULL;
    pg_close(pg);
}

/* ---- errors ---- */

static int push_failure(lua_State *L, const struct pg_answer *a, bool indexed)
{
    bool refused = a->err.code == ERR_FAILED && a->sqlstate[0] != '\0';
    const char *retry = "no";
    if (a->err.code == ERR_UNREACHABLE || a->err.code == ERR_TIMEOUT) {
        retry = a->sent ? "reconcile" : "safe";
    }
    (void)push_err(L, a->err.code, a->err.message, "pg", retry);
    if (refused) {
        lua_pushliteral(L, "database");
        lua_setfield(L, -2, "code");
    }
    domain_set_string(L, "sqlstate", a->sqlstate);
    domain_set_string(L, "constraint", a->constraint);
    if (indexed && a->err.code == ERR_FAILED) {
        domain_set_integer(L, "index", (lua_Integer)a->index + 1);
    }
    return 2;
}

/* ---- waiting ---- */

static void on_done(void *arg)
{
    struct answer *x = arg;
    task_ready(x->op);
}

static void cancel(struct task_op *op)
{
    struct answer *x = op->data;
    x->conn->waiting = NULL;
    shut(x->conn);
}

/* true, or nil and the error. */
static int push_done(lua_State *L, struct task_op *op)
{
    const struct answer *x = op->data;
    x->conn->waiting = NULL;
    if (x->a.err.code != 0) {
        if (x->conn->pg != NULL && !pg_alive(x->conn->pg)) {
            shut(x->conn);
        }
        return push_failure(L, &x->a, x->batch);
    }
    lua_pushboolean(L, 1);
    return 1;
}

static int push_copied(lua_State *L, struct task_op *op)
{
    const struct answer *x = op->data;
    int n = push_done(L, op);
    if (n == 1) {
        lua_pushinteger(L, (lua_Integer)x->a.rows);
    }
    return n;
}

static void arm(struct task_op *op, struct answer *x, struct conn *c)
{
    x->op = op;
    x->conn = c;
    op->data = x;
    op->push = push_done;
    op->cancel = cancel;
    c->waiting = x;
}

static struct answer *push_answer(lua_State *L)
{
    struct answer *x = lua_newuserdatauv(L, sizeof *x, 0);
    memset(x, 0, sizeof *x);
    luaL_setmetatable(L, ANSWER_META);
    return x;
}

static int answer_gc(lua_State *L)
{
    struct answer *x = luaL_checkudata(L, 1, ANSWER_META);
    pg_answer_fini(&x->a);
    return 0;
}

/* Not begun after all: what the caller gets. */
static int refused_start(lua_State *L, struct conn *c, struct task_op *op, const struct err *e)
{
    task_abandon(op);
    c->waiting = NULL;
    if (!pg_alive(c->pg)) {
        shut(c);
    }
    bool away = e->code == ERR_CLOSED || e->code == ERR_UNREACHABLE;
    return push_err(L, away ? ERR_UNREACHABLE : e->code, e->message, "pg", away ? "safe" : "no");
}

/* ---- connecting ---- */

static int connected(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    (void)context;
    if (lua_isnil(L, 4)) { /* 2: conn, 3: answer, from 4: the wait's results */
        struct conn *c = lua_touserdata(L, 2);
        shut(c);
        lua_settop(L, 5);
        return 2;
    }
    lua_settop(L, 2);
    return 1;
}

/* (conn, answer, conninfo, timeout_ms) */
static int wait_connect(lua_State *L)
{
    struct err e;
    struct conn *c = lua_touserdata(L, 1);
    struct answer *x = lua_touserdata(L, 2);
    struct task_op *op = task_begin(L, "pg.connect");
    arm(op, x, c);
    c->pg = pg_connect(host_of(L)->services.loop, lua_tostring(L, 3), lua_tointeger(L, 4), &x->a,
                       on_done, x, &e);
    if (c->pg == NULL) {
        task_abandon(op);
        c->waiting = NULL;
        return push_err(L, e.code, e.message, "pg", e.code == ERR_INPUT ? "no" : "safe");
    }
    return task_wait(L, op);
}

static int l_connect(lua_State *L)
{
    static const char *const fields[] = {"conninfo", "timeout_ms", NULL};
    (void)BIND_SERVICE(L, loop);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    domain_only(L, 1, "pg.connect", fields);
    const char *conninfo = domain_string(L, 1, "pg.connect", "conninfo");
    lua_Integer timeout = domain_integer(L, 1, "pg.connect", "timeout_ms", 5000);
    luaL_argcheck(L, timeout >= 1, 1, "timeout_ms is above 0");
    struct conn *c = lua_newuserdatauv(L, sizeof *c, 0); /* 2 */
    memset(c, 0, sizeof *c);
    luaL_setmetatable(L, CONN_META);
    (void)push_answer(L); /* 3 */
    lua_pushcfunction(L, wait_connect);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    lua_pushstring(L, conninfo);
    lua_pushinteger(L, timeout);
    lua_callk(L, 4, LUA_MULTRET, 0, connected);
    return connected(L, LUA_OK, 0);
}

/* ---- statements ---- */

/* A turn of the loop. */
static int pause_turn(lua_State *L)
{
    struct task_op *op = task_begin(L, "pg.query");
    if (task_timeout(op, 0, false) != 0) {
        task_abandon(op);
        return push_err(L, ERR_NOMEM, "out of memory for a timer", "pg", "no");
    }
    return task_wait(L, op);
}

/* Stack of a query: 1 conn, 2 and 3 its arguments, 4 answer, 5 request, 6 array of Results, from 7
 * what the last wait gave. */
static int to_tables(lua_State *L, int status, lua_KContext context)
{
    struct answer *x = lua_touserdata(L, 4);
    (void)status;
    (void)context;
    for (;;) {
        if (lua_isnil(L, 7) && lua_gettop(L) > 7) { /* nil, err */
            pg_answer_fini(&x->a);
            return 2;
        }
        lua_settop(L, 6);
        if (pg_push_some(L, &x->a, &x->at, 6)) {
            break;
        }
        lua_pushcfunction(L, pause_turn);
        lua_callk(L, 0, LUA_MULTRET, 0, to_tables);
    }
    pg_answer_fini(&x->a);
    if (!x->batch) {
        lua_rawgeti(L, 6, 1);
    }
    return 1;
}

/* (conn, answer, request) */
static int wait_query(lua_State *L)
{
    struct err e;
    struct conn *c = lua_touserdata(L, 1);
    struct answer *x = lua_touserdata(L, 2);
    const struct pg_request *r = lua_touserdata(L, 3);
    struct task_op *op = task_begin(L, "pg.query");
    arm(op, x, c);
    if (pg_query(c->pg, r->statements, r->count, &x->a, on_done, x, &e) != 0) {
        return refused_start(L, c, op, &e);
    }
    return task_wait(L, op);
}

/* The stack of a query up to 5. */
static int run_query(lua_State *L, const struct pg_request *r)
{
    struct answer *x = lua_touserdata(L, 4);
    if (r->nul != 0) { /* PostgreSQL's texts have none, and libpq would cut there */
        (void)err_set(&x->a.err, ERR_FAILED, "a parameter has a NUL byte, which no text may have");
        memcpy(x->a.sqlstate, "22021", sizeof "22021");
        x->a.index = r->nul - 1;
        return push_failure(L, &x->a, x->batch);
    }
    lua_createtable(L, (int)r->count, 0); /* 6 */
    lua_pushcfunction(L, wait_query);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 4);
    lua_pushvalue(L, 5);
    lua_callk(L, 3, LUA_MULTRET, 0, to_tables);
    return to_tables(L, LUA_OK, 0);
}

/* query(sql[, params]) */
static int c_query(lua_State *L)
{
    if (check_usable(L, "pg query") == NULL) {
        return push_lost(L);
    }
    lua_settop(L, 3);
    (void)push_answer(L);
    return run_query(L, pg_check_statement(L, 2, 3));
}

/* batch{ {sql, params}, ... } */
static int c_batch(lua_State *L)
{
    if (check_usable(L, "pg batch") == NULL) {
        return push_lost(L);
    }
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 3);
    push_answer(L)->batch = true;
    const struct pg_request *r = pg_check_batch(L, 2);
    if (r->count == 0) {
        lua_newtable(L);
        return 1;
    }
    return run_query(L, r);
}

/* exec(sql) */
static int c_exec(lua_State *L)
{
    struct err e;
    struct pg *pg = check_usable(L, "pg exec");
    size_t n;
    const char *sql = luaL_checklstring(L, 2, &n);
    luaL_argcheck(L, strlen(sql) == n, 2, "SQL has no NUL bytes");
    lua_settop(L, 2);
    if (pg == NULL) {
        return push_lost(L);
    }
    struct answer *x = push_answer(L);
    struct task_op *op = task_begin(L, "pg.exec");
    arm(op, x, check_conn(L));
    if (pg_exec(pg, sql, &x->a, on_done, x, &e) != 0) {
        return refused_start(L, check_conn(L), op, &e);
    }
    return task_wait(L, op);
}

/* copy(sql, text); the stack keeps the text until the end */
static int c_copy(lua_State *L)
{
    struct err e;
    struct pg *pg = check_usable(L, "pg copy");
    size_t n, size;
    const char *sql = luaL_checklstring(L, 2, &n), *text = luaL_checklstring(L, 3, &size);
    luaL_argcheck(L, strlen(sql) == n, 2, "SQL has no NUL bytes");
    lua_settop(L, 3);
    if (pg == NULL) {
        return push_lost(L);
    }
    struct answer *x = push_answer(L);
    struct task_op *op = task_begin(L, "pg.copy");
    arm(op, x, check_conn(L));
    op->push = push_copied;
    if (pg_copy(pg, sql, text, size, &x->a, on_done, x, &e) != 0) {
        return refused_start(L, check_conn(L), op, &e);
    }
    return task_wait(L, op);
}

/* ---- the rest ---- */

static int c_alive(lua_State *L)
{
    const struct conn *c = check_conn(L);
    lua_pushboolean(L, c->pg != NULL && pg_alive(c->pg));
    return 1;
}

static int c_aborted(lua_State *L)
{
    const struct conn *c = check_conn(L);
    lua_pushboolean(L, c->pg != NULL && pg_aborted(c->pg));
    return 1;
}

/* Also __gc and __close. A task that waits gets "cancelled". */
static int c_close(lua_State *L)
{
    struct conn *c = check_conn(L);
    struct answer *x = c->waiting;
    c->waiting = NULL;
    c->closed = true;
    shut(c);
    if (x != NULL) {
        pg_answer_fini(&x->a);
        (void)err_set(&x->a.err, ERR_CANCELLED,
                      "the connection to the database was closed while it was in use");
        task_ready(x->op);
    }
    return 0;
}

static const luaL_Reg conn_methods[] = {
    {"query", c_query}, {"exec", c_exec},       {"batch", c_batch}, {"copy", c_copy},
    {"alive", c_alive}, {"aborted", c_aborted}, {"close", c_close}, {NULL, NULL},
};
static const luaL_Reg conn_meta[] = {{"__gc", c_close}, {"__close", c_close}, {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"connect", l_connect}, {"array", pg_l_array}, {"conninfo", pg_l_conninfo}, {NULL, NULL}};

int luaopen_perigee_pg(lua_State *L)
{
    luaL_newmetatable(L, ANSWER_META);
    lua_pushcfunction(L, answer_gc);
    lua_setfield(L, -2, "__gc");
    luaL_newmetatable(L, CONN_META);
    luaL_setfuncs(L, conn_meta, 0);
    luaL_newlib(L, conn_methods);
    lua_setfield(L, -2, "__index");
    pg_open_values(L);
    luaL_newlib(L, functions);
    lua_pushlightuserdata(L, NULL); /* the same as cjson.null */
    lua_setfield(L, -2, "null");
    return 1;
}
