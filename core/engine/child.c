/* SPDX-License-Identifier: MIT
 *
 * Child processes on libuv. A struct child outlives its Lua handle until its handles have closed.
 */
#include "engine/child.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/str.h"
#include "io/loop.h"
#include "script/task.h"

#define CHILD_META "perigee.child"
#define CHILD_MAX_ARGS 64
#define CHILD_MAX_ENV 64
#define CHILD_MAX_LINES (1u << 20) /* bytes of unread output that are kept */

/* Lives until the process has ended, its pipes are closed and Lua has let go. */
struct child {
    uv_process_t process;
    uv_pipe_t out, in;
    struct loop *loop;
    struct str lines;       /* stdout not yet taken */
    struct task_op *waiter; /* a task in line() or wait() */
    struct timer timeout;   /* of that task */
    bool waits_for_line;
    bool out_open, in_open, running, held_by_lua;
    bool paused;      /* not read: CHILD_MAX_LINES wait to be taken */
    int open_handles; /* whose close callback is still to come, or that are open */
    int64_t exit_code;
    int signal;
};

static void child_let_go(struct child *c)
{
    if (c->open_handles == 0 && !c->held_by_lua) {
        str_fini(&c->lines);
        free(c);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct child *c = handle->data;
    c->open_handles--;
    child_let_go(c);
}

static void wake(struct child *c, int status)
{
    struct task_op *op = c->waiter;
    if (!op)
        return;
    c->waiter = NULL;
    timer_stop(&c->timeout);
    op->status = status;
    task_ready(op);
}

/* A line that is longer than what is kept is taken in pieces. */
static bool has_line(const struct child *c)
{
    return c->lines.len >= CHILD_MAX_LINES ||
           (c->lines.len && memchr(c->lines.p, '\n', c->lines.len));
}

static void on_exit_status(uv_process_t *process, int64_t code, int signal_number)
{
    struct child *c = process->data;
    c->running = false;
    c->exit_code = code;
    c->signal = signal_number;
    uv_close((uv_handle_t *)process, on_closed);
    if (c->in_open) {
        c->in_open = false;
        uv_close((uv_handle_t *)&c->in, on_closed);
    }
    if (!c->waits_for_line)
        wake(c, 0);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    (void)suggested;
    buf->base = malloc(4096);
    buf->len = buf->base ? 4096 : 0;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct child *c = stream->data;
    if (n > 0)
        str_add(&c->lines, buf->base, (size_t)n);
    free(buf->base);
    if (n >= 0 && c->lines.len >= CHILD_MAX_LINES) {
        c->paused = true; /* the process waits in its write meanwhile */
        uv_read_stop(stream);
    }
    if (n < 0) {
        c->out_open = false;
        uv_close((uv_handle_t *)stream, on_closed);
    }
    if (c->waits_for_line && (n < 0 || has_line(c)))
        wake(c, 0);
}

static void on_timeout(void *arg)
{
    wake(arg, ERR_TIMEOUT);
}

static struct child *check_child(lua_State *L)
{
    struct child **box = luaL_checkudata(L, 1, CHILD_META);
    luaL_argcheck(L, *box, 1, "the child handle is closed");
    return *box;
}

/* The child of a wait that has ended; NULL: its handle was closed meanwhile, it may be freed. The
 * handle is still the first argument of the waiting function. */
static struct child *waited_for(lua_State *L, const struct task_op *op)
{
    struct child **box = lua_touserdata(L, 1);
    return op->status == 0 ? *box : NULL;
}

static int push_failure(lua_State *L, const struct task_op *op, const char *late)
{
    if (op->status == ERR_TIMEOUT)
        return push_err(L, ERR_TIMEOUT, late, "child", "safe");
    return push_err(L, ERR_CLOSED, "the handle of the process was closed", "child", "no");
}

static int push_line(lua_State *L, struct task_op *op)
{
    struct child *c = waited_for(L, op);
    if (!c)
        return push_failure(L, op, "the process printed nothing in time");
    if (!has_line(c))
        return push_err(L, ERR_CLOSED, "the process closed its output", "child", "no");
    const char *end = memchr(c->lines.p, '\n', c->lines.len);
    size_t n = end ? (size_t)(end - c->lines.p) : c->lines.len;
    lua_pushlstring(L, c->lines.p, n);
    str_drop(&c->lines, end ? n + 1 : n);
    if (c->paused && c->out_open && c->lines.len < CHILD_MAX_LINES / 2) {
        c->paused = false;
        uv_read_start((uv_stream_t *)&c->out, on_alloc, on_read);
    }
    return 1;
}

static int push_status(lua_State *L, struct task_op *op)
{
    struct child *c = waited_for(L, op);
    if (!c)
        return push_failure(L, op, "the process has not ended in time");
    lua_pushinteger(L, (lua_Integer)c->exit_code);
    lua_pushinteger(L, c->signal);
    return 2;
}

static void cancel_wait(struct task_op *op)
{
    struct child *c = op->data;
    c->waiter = NULL;
    timer_stop(&c->timeout);
}

static int wait_for(lua_State *L, bool line)
{
    struct child *c = check_child(L);
    lua_Integer ms = luaL_optinteger(L, 2, -1);
    if (c->waiter)
        return luaL_error(L, "another task waits for this process already");
    struct task_op *op = task_begin(L, line ? "child:line" : "child:wait");
    op->push = line ? push_line : push_status;
    op->cancel = cancel_wait;
    op->data = c;
    c->waits_for_line = line;
    if (line ? (has_line(c) || !c->out_open) : !c->running) {
        op->status = 0;
        task_ready(op);
    } else {
        c->waiter = op;
        if (ms >= 0)
            timer_start_io(&c->timeout, ms);
    }
    return task_wait(L, op);
}

static int child_line(lua_State *L)
{
    return wait_for(L, true);
}

static int child_wait(lua_State *L)
{
    return wait_for(L, false);
}

static int child_kill(lua_State *L)
{
    struct child *c = check_child(L);
    int number = (int)luaL_optinteger(L, 2, SIGTERM);
    lua_pushboolean(L, c->running && uv_process_kill(&c->process, number) == 0);
    return 1;
}

static int child_pid(lua_State *L)
{
    lua_pushinteger(L, check_child(L)->process.pid);
    return 1;
}

/* Letting go does not end the process: the supervisor decides that by kill. */
static int child_gc(lua_State *L)
{
    struct child **box = luaL_checkudata(L, 1, CHILD_META);
    struct child *c = *box;
    if (!c)
        return 0;
    *box = NULL;
    wake(c, ERR_CLOSED);
    c->held_by_lua = false;
    if (c->running) {
        c->running = false;
        uv_close((uv_handle_t *)&c->process, on_closed);
    }
    if (c->out_open) {
        c->out_open = false;
        uv_close((uv_handle_t *)&c->out, on_closed);
    }
    if (c->in_open) {
        c->in_open = false;
        uv_close((uv_handle_t *)&c->in, on_closed);
    }
    child_let_go(c);
    return 0;
}

static struct child *child_new(struct loop *loop, bool with_stdin)
{
    struct child *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->loop = loop;
    str_init(&c->lines);
    timer_init(&c->timeout, loop, on_timeout, c);
    uv_pipe_init(&loop->uv, &c->out, 0);
    c->out.data = c;
    c->out_open = true;
    c->open_handles = 1;
    if (with_stdin) {
        uv_pipe_init(&loop->uv, &c->in, 0);
        c->in.data = c;
        c->in_open = true;
        c->open_handles++;
    }
    c->held_by_lua = true;
    return c;
}

/* What a process is started with, from the table at index 1. Texts are anchored on the stack. */
struct spawn {
    char *argv[CHILD_MAX_ARGS + 2];
    const char *cwd;
    char **env; /* NULL: this process's own */
    int log_fd;
    bool stderr_lines;
};

/* One pipe for both outputs, so that their lines keep their order. both[1] is the process's end. */
static int join_outputs(struct child *c, int both[2])
{
    if (pipe2(both, O_CLOEXEC))
        return uv_translate_sys_error(errno);
    int rc = uv_pipe_open(&c->out, both[0]);
    if (rc) {
        close(both[0]);
        close(both[1]);
        both[1] = -1;
    }
    return rc;
}

static int start(struct child *c, const struct spawn *s)
{
    uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE}};
    if (c->in_open) {
        stdio[0].flags = UV_CREATE_PIPE | UV_READABLE_PIPE;
        stdio[0].data.stream = (uv_stream_t *)&c->in;
    }
    int both[2] = {-1, -1};
    int rc = 0;
    stdio[1].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
    stdio[1].data.stream = (uv_stream_t *)&c->out;
    stdio[2].flags = UV_INHERIT_FD;
    stdio[2].data.fd = s->log_fd;
    if (s->stderr_lines && (rc = join_outputs(c, both)) == 0) {
        stdio[1].flags = UV_INHERIT_FD;
        stdio[1].data.fd = stdio[2].data.fd = both[1];
    }
    if (rc)
        return rc;
    uv_process_options_t options = {.exit_cb = on_exit_status,
                                    .file = s->argv[0],
                                    .args = (char **)(uintptr_t)s->argv,
                                    .cwd = s->cwd,
                                    .env = s->env,
                                    .flags = UV_PROCESS_DETACHED,
                                    .stdio_count = 3,
                                    .stdio = stdio};
    c->process.data = c;
    rc = uv_spawn(&c->loop->uv, &c->process, &options);
    if (both[1] >= 0)
        close(both[1]);
    c->open_handles++; /* even a failed spawn leaves an initialised handle */
    if (rc) {
        uv_close((uv_handle_t *)&c->process, on_closed);
        return rc;
    }
    c->running = true;
    return uv_read_start((uv_stream_t *)&c->out, on_alloc, on_read);
}

/* Leaves the arguments' strings on the stack. */
static void read_args(lua_State *L, struct spawn *s)
{
    lua_getfield(L, 1, "file");
    s->argv[0] = (char *)(uintptr_t)luaL_checkstring(L, -1);
    lua_getfield(L, 1, "args");
    int at = lua_gettop(L);
    int count = lua_istable(L, at) ? (int)lua_rawlen(L, at) : 0;
    luaL_argcheck(L, count <= CHILD_MAX_ARGS, 1, "too many arguments");
    luaL_checkstack(L, count + 8, "arguments of a process");
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(L, at, i);
        s->argv[i] = (char *)(uintptr_t)luaL_checkstring(L, -1);
    }
    s->argv[count + 1] = NULL;
}

/* env: this process's environment, with the table's names replaced or added. The array and the
 * strings are userdata and Lua's own, anchored on the stack. */
static void read_env(lua_State *L, struct spawn *s)
{
    size_t own = 0, extra = 0, n = 0;
    lua_getfield(L, 1, "env");
    int at = lua_gettop(L);
    if (lua_isnil(L, at))
        return;
    luaL_checktype(L, at, LUA_TTABLE);
    while (environ[own])
        own++;
    for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1))
        extra++;
    luaL_argcheck(L, extra <= CHILD_MAX_ENV, 1, "too many names in env");
    luaL_checkstack(L, (int)extra + 8, "environment of a process");
    char **env = lua_newuserdatauv(L, (own + extra + 1) * sizeof *env, 0);
    for (size_t i = 0; i < own; i++) {
        const char *equals = strchr(environ[i], '=');
        lua_pushlstring(L, environ[i], equals ? (size_t)(equals - environ[i]) : 0);
        if (lua_rawget(L, at) == LUA_TNIL)
            env[n++] = environ[i];
        lua_pop(L, 1);
    }
    lua_pushnil(L);
    while (lua_next(L, at)) {
        luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING, 1,
                      "env holds names and texts");
        lua_pushfstring(L, "%s=%s", lua_tostring(L, -2), lua_tostring(L, -1));
        env[n++] = (char *)(uintptr_t)lua_tostring(L, -1);
        lua_replace(L, -2); /* the text stays below the key, which goes on */
        lua_insert(L, -2);
    }
    env[n] = NULL;
    s->env = env;
}

static int child_spawn(lua_State *L)
{
    struct loop *loop = host_of(L)->services.loop;
    struct spawn s = {.log_fd = STDERR_FILENO};
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_getfield(L, 1, "log"); /* 2 */
    const char *log = luaL_optstring(L, 2, NULL);
    lua_getfield(L, 1, "cwd"); /* 3 */
    s.cwd = luaL_optstring(L, 3, NULL);
    lua_getfield(L, 1, "stderr_lines"); /* 4 */
    s.stderr_lines = lua_toboolean(L, 4);
    lua_getfield(L, 1, "stdin"); /* 5 */
    read_args(L, &s);
    read_env(L, &s);
    struct child **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, CHILD_META);
    if (log)
        s.log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (s.log_fd < 0)
        return push_err(L, ERR_IO, "cannot open the log file of a process", "child", "no");
    *box = child_new(loop, lua_toboolean(L, 5));
    int rc = *box ? start(*box, &s) : UV_ENOMEM;
    if (log)
        close(s.log_fd);
    if (rc) {
        char text[200];
        snprintf(text, sizeof text, "cannot start %s: %s", s.argv[0], uv_strerror(rc));
        return push_err(L, ERR_FAILED, text, "child", "no");
    }
    return 1;
}

/* Waiting for the parent's end of standard input to close. */
struct orphan {
    uv_poll_t poll;
    struct task_op *op; /* NULL: not waited for any more */
};

static void orphan_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_stdin(uv_poll_t *poll, int status, int events)
{
    struct orphan *o = poll->data;
    char scrap[256];
    (void)events;
    if (status == 0 && read(STDIN_FILENO, scrap, sizeof scrap) > 0)
        return;
    uv_poll_stop(poll);
    if (o->op) {
        o->op->status = 0;
        task_ready(o->op);
        o->op = NULL;
    }
}

static void orphan_release(struct task_op *op)
{
    struct orphan *o = op->data;
    o->op = NULL;
    uv_close((uv_handle_t *)&o->poll, orphan_closed);
}

static void orphan_cancel(struct task_op *op)
{
    struct orphan *o = op->data;
    o->op = NULL;
    uv_poll_stop(&o->poll);
}

static int push_true(lua_State *L, struct task_op *op)
{
    (void)op;
    lua_pushboolean(L, 1);
    return 1;
}

static int parent_gone(lua_State *L)
{
    struct loop *loop = host_of(L)->services.loop;
    struct task_op *op = task_begin(L, "child.parent_gone");
    struct orphan *o = calloc(1, sizeof *o);
    op->push = push_true;
    if (!o || uv_poll_init(&loop->uv, &o->poll, STDIN_FILENO)) {
        free(o); /* a standard input that cannot be watched has no parent behind it */
        op->status = 0;
        task_ready(op);
        return task_wait(L, op);
    }
    o->poll.data = o;
    o->op = op;
    op->data = o;
    op->cancel = orphan_cancel;
    op->release = orphan_release;
    uv_poll_start(&o->poll, UV_READABLE | UV_DISCONNECT, on_stdin);
    return task_wait(L, op);
}

static int kill_any(lua_State *L)
{
    int pid = (int)luaL_checkinteger(L, 1);
    int number = (int)luaL_optinteger(L, 2, SIGTERM);
    luaL_argcheck(L, pid > 1, 1, "no such process");
    lua_pushboolean(L, uv_kill(pid, number) == 0);
    return 1;
}

static int alive(lua_State *L)
{
    int pid = (int)luaL_checkinteger(L, 1);
    lua_pushboolean(L, pid > 1 && uv_kill(pid, 0) == 0);
    return 1;
}

static int luaopen_child(lua_State *L)
{
    static const luaL_Reg methods[] = {{"line", child_line},
                                       {"wait", child_wait},
                                       {"kill", child_kill},
                                       {"pid", child_pid},
                                       {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__gc", child_gc}, {"__close", child_gc}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"spawn", child_spawn},
                                         {"kill", kill_any},
                                         {"alive", alive},
                                         {"parent_gone", parent_gone},
                                         {NULL, NULL}};
    luaL_newmetatable(L, CHILD_META);
    luaL_setfuncs(L, meta, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}

void child_register(struct host *h)
{
    lua_State *L = h->L;
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, luaopen_child);
    lua_setfield(L, -2, "perigee.child");
    lua_pop(L, 2);
}
