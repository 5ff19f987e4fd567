/* SPDX-License-Identifier: MIT
 *
 * Tasks: what only C can show. Closing a host in the middle of everything, each allocation failing
 * in turn, the collector at each resume, operations of other modules, posts.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "script/host.h"
#include "script/task.h"

struct world {
    struct clock clock;
    struct loop loop;
    struct log *log;
    int null_fd;
    struct host *host;
};

/* Fails one allocation, counted from arming. */
struct failing {
    bool armed;
    long left; /* allocations until the one that fails */
    bool failed;
};

static void *failing_alloc(void *ud, void *block, size_t old_size, size_t new_size)
{
    struct failing *f = ud;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    if (f->armed && (block == NULL || new_size > old_size) && f->left-- == 0) {
        f->failed = true;
        return NULL;
    }
    return realloc(block, new_size);
}

static void begin(struct world *w, struct failing *f)
{
    struct err e;
    memset(w, 0, sizeof *w);
    clock_init(&w->clock);
    w->null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    w->log = log_new(w->null_fd, LOG_DEBUG, &w->clock);
    assert_int_equal(loop_init(&w->loop, &w->clock, w->log, &e), 0);
    struct host_services s = {.loop = &w->loop, .clock = &w->clock, .log = w->log};
    static struct failing never;
    w->host = host_new_with(&s, failing_alloc, f != NULL ? f : &never, &e);
    assert_non_null(w->host);
}

static void end(struct world *w)
{
    host_free(w->host);
    (void)loop_run_once(&w->loop, false); /* nothing of the host may be called any more */
    assert_int_equal(loop_fini(&w->loop), 0);
    log_free(w->log);
    (void)close(w->null_fd);
}

static const char *const prelude =
    "task = package.preload['perigee.task.core']('perigee.task.core', ':preload:')\n"
    "log = package.preload['perigee.log']()\n";

/* Runs a chunk on the main thread; NULL, or the error message (kept on the stack). */
static const char *run(struct world *w, const char *chunk)
{
    lua_State *L = w->host->L;
    lua_settop(L, 0);
    if (luaL_dostring(L, chunk) != LUA_OK) {
        const char *text = lua_tostring(L, -1);
        return text != NULL ? text : "(no text)";
    }
    return NULL;
}

#define RUN(w, chunk) assert_string_equal_or_null(run(w, chunk), __LINE__)

static void assert_string_equal_or_null(const char *error, int line)
{
    if (error != NULL) {
        print_error("line %d: %s\n", line, error);
    }
    assert_null(error);
}

static bool lua_flag(struct world *w, const char *name)
{
    lua_State *L = w->host->L;
    lua_getglobal(L, name);
    bool is = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is;
}

static void test_free_runs_close_variables(void **state)
{
    (void)state;
    struct world w;
    struct failing f = {0};
    begin(&w, &f);
    RUN(&w, prelude);
    RUN(&w,
        "local q, e = task.queue(), task.event()\n"
        "closed = 0\n"
        "local function guard() return setmetatable({}, {__close = function()\n"
        "  closed = closed + 1\n"
        "  e:set(1) q:push(2)\n" /* wakes tasks that are closed next */
        "  local ok = pcall(task.sleep, 1) assert(not ok)\n"
        "  assert(not pcall(task.spawn, print))\n"
        "  log.error('test', 'closed ' .. closed)\n"
        "end}) end\n"
        "waits = {function() return task.sleep(1e6) end, function() return q:pop() end,\n"
        "  function() return e:wait(1e6) end, function() return task.yield() end,\n"
        "  function() return task.settled() end, function() coroutine.yield() return true end}\n"
        "for _, w in ipairs(waits) do\n"
        "  local t = task.spawn(function() local g <close> = guard() while w() do end end)\n"
        "  task.spawn(function() local g <close> = guard() t:join() task.sleep(1e6) end)\n"
        "end\n"
        "task.run(function() task.yield() end)\n"
        "task.spawn(function() error('never begun') end)\n");
    assert_int_equal(tasks_count(w.host), 13);
    uint64_t before = log_count(w.log, LOG_ERROR);
    struct log *log = w.log;
    host_free(w.host);
    w.host = NULL;
    assert_int_equal(log_count(log, LOG_ERROR), before + 12);
    end(&w);
}

static void test_error_in_close_is_logged(void **state)
{
    (void)state;
    struct world w;
    begin(&w, NULL);
    RUN(&w, prelude);
    RUN(&w, "task.spawn(function()\n"
            "  local g <close> = setmetatable({}, {__close = function() error('in close') end})\n"
            "  task.sleep(1e6)\n"
            "end) task.run(function() task.yield() end)");
    host_free(w.host);
    w.host = NULL;
    assert_int_equal(log_count(w.log, LOG_ERROR), 1);
    end(&w);
}

static void test_close_sees_the_error(void **state)
{
    (void)state;
    struct world w;
    begin(&w, NULL);
    RUN(&w, prelude);
    RUN(&w, "task.spawn(function()\n"
            "  local g <close> = setmetatable({}, {__close = function(_, e) seen = e end})\n"
            "  error('why', 0)\n"
            "end) task.run(function() task.yield() end) assert(seen == 'why', tostring(seen))");
    assert_int_equal(log_count(w.log, LOG_ERROR), 1);
    end(&w);
}

static void test_stack_overflow_and_reuse(void **state)
{
    (void)state;
    struct world w;
    begin(&w, NULL);
    RUN(&w, prelude);
    RUN(&w, "for i = 1, 20 do\n"
            "  task.spawn(function() local function f() return 1 + f() end f() end)\n"
            "  assert(task.run(function() task.yield() return i end) == i)\n"
            "end");
    assert_int_equal(log_count(w.log, LOG_ERROR), 20);
    assert_int_equal(tasks_count(w.host), 0);
    end(&w);
}

static void test_deadlock_is_told(void **state)
{
    (void)state;
    struct world w;
    begin(&w, NULL);
    RUN(&w, prelude);
    RUN(&w, "local ok, e = pcall(task.run, function() task.event():wait() end)\n"
            "assert(not ok and e:find('never happen'), e)");
    assert_int_equal(tasks_count(w.host), 0); /* it was cancelled */
    end(&w);
}

/* ---- an operation of another module ---- */

struct probe {
    struct task_op *op;
    int pushed, cancelled, released;
};

static struct probe probe;

static int probe_push(lua_State *L, struct task_op *op)
{
    probe.pushed++;
    lua_pushinteger(L, op->status);
    return 1;
}

static void probe_cancel(struct task_op *op)
{
    assert_ptr_equal(op, probe.op);
    probe.cancelled++;
}

static void probe_release(struct task_op *op)
{
    assert_ptr_equal(op, probe.op);
    probe.released++;
}

/* wait([mode]): "early" is ready before it waits, a number times out. */
static int probe_wait(lua_State *L)
{
    struct task_op *op = task_begin(L, "probe");
    probe = (struct probe){.op = op};
    op->push = probe_push;
    op->cancel = probe_cancel;
    op->release = probe_release;
    if (lua_isnumber(L, 1)) {
        assert_int_equal(task_timeout(op, lua_tointeger(L, 1), false), 0);
    } else if (lua_isstring(L, 1)) {
        task_ready(op);
    }
    return task_wait(L, op);
}

static void test_operations(void **state)
{
    (void)state;
    struct world w;
    begin(&w, NULL);
    RUN(&w, prelude);
    lua_register(w.host->L, "wait", probe_wait);
    RUN(&w, "assert(task.run(wait, 'early') == 0)");
    assert_int_equal(probe.pushed, 1);
    assert_int_equal(probe.cancelled, 0);
    assert_int_equal(probe.released, 1);
    RUN(&w, "assert(task.run(wait, 1) == -11)");
    assert_int_equal(probe.pushed, 1);
    assert_int_equal(probe.cancelled, 1);
    assert_int_equal(probe.released, 1);
    RUN(&w, "task.run(function() t = task.spawn(function() done = select(2, wait()).code end)\n"
            "  task.yield() t:cancel() t:join() end) assert(done == 'cancelled')");
    assert_int_equal(probe.pushed, 0);
    assert_int_equal(probe.cancelled, 1);
    assert_int_equal(probe.released, 1);
    RUN(&w, "task.spawn(wait) task.run(function() task.yield() end)");
    task_ready(probe.op); /* from a callback, then the host closes before the drain */
    host_free(w.host);
    w.host = NULL;
    assert_int_equal(probe.pushed, 0);
    assert_int_equal(probe.cancelled, 0);
    assert_int_equal(probe.released, 1);
    end(&w);
}

/* ---- posts ---- */

struct note {
    struct task_post post;
    int *ran, *dropped;
    bool raise;
};

static void note_run(lua_State *L, struct task_post *p)
{
    struct note *n = (struct note *)(void *)p;
    ++*n->ran;
    if (n->raise) {
        luaL_error(L, "raised");
    }
}

static void note_drop(struct task_post *p)
{
    struct note *n = (struct note *)(void *)p;
    ++*n->dropped;
    free(n);
}

static void put_note(struct host *h, int *ran, int *dropped, bool raise)
{
    struct note *n = calloc(1, sizeof *n);
    assert_non_null(n);
    n->post.run = note_run;
    n->post.drop = note_drop;
    n->post.what = "test";
    n->ran = ran;
    n->dropped = dropped;
    n->raise = raise;
    task_post(h, &n->post);
}

static void test_posts(void **state)
{
    (void)state;
    struct world w;
    int ran = 0, dropped = 0;
    begin(&w, NULL);
    put_note(w.host, &ran, &dropped, false);
    put_note(w.host, &ran, &dropped, true);
    put_note(w.host, &ran, &dropped, false);
    (void)loop_run_once(&w.loop, false);
    assert_int_equal(ran, 3);
    assert_int_equal(dropped, 3);
    assert_int_equal(log_count(w.log, LOG_ERROR), 1);
    assert_int_equal(lua_gettop(w.host->L), 0);
    put_note(w.host, &ran, &dropped, false);
    host_free(w.host);
    w.host = NULL;
    assert_int_equal(ran, 3);
    assert_int_equal(dropped, 4);
    end(&w);
}

/* ---- draining is bounded ---- */

static void test_drain_is_bounded(void **state)
{
    (void)state;
    struct world w;
    begin(&w, NULL);
    RUN(&w, prelude);
    RUN(&w, "n = 0 task.spawn(function() while true do n = n + 1 task.yield() end end)");
    (void)loop_run_once(&w.loop, false); /* returns although the task is always ready */
    lua_getglobal(w.host->L, "n");
    lua_Integer n = lua_tointeger(w.host->L, -1);
    lua_pop(w.host->L, 1);
    assert_in_range(n, 1, 2000); /* two hooks a turn */
    end(&w);
}

/* ---- memory ---- */

static const char *const busy =
    "local q, e = task.queue(), task.event()\n"
    "local function body()\n"
    "  local a = task.spawn(function() return q:pop(), task.yield(), {1, 2, 3} end)\n"
    "  local b = task.spawn(function() task.sleep(0) error({'object'}) end)\n"
    "  local c = task.spawn(function() local ok, err = e:wait() return err.code end)\n"
    "  task.yield() q:push({}) task.yield() c:cancel()\n"
    "  local ok, v = a:join() b:join()\n"
    "  local ok2, code = c:join()\n"
    "  task.self() tostring(a)\n"
    "  return ok and ok2 and code\n"
    "end\n"
    "result = task.run(body)\n";

static void test_each_allocation_fails(void **state)
{
    (void)state;
    long most = 0;
    for (long nth = 0; nth < 400; nth++) {
        struct world w;
        struct failing f = {.left = nth};
        begin(&w, &f);
        RUN(&w, prelude);
        lua_State *L = w.host->L;
        assert_int_equal(luaL_loadstring(L, busy), LUA_OK);
        (void)lua_gc(L, LUA_GCCOLLECT);
        f.armed = true;
        int rc = lua_pcall(L, 0, 0, 0);
        f.armed = false;
        if (!f.failed) {
            assert_int_equal(rc, LUA_OK);
            most = nth;
            end(&w);
            break;
        }
        lua_settop(L, 0);
        RUN(&w, busy); /* nothing is left in a state that hinders */
        end(&w);
    }
    assert_in_range(most, 20, 399); /* it failed at each of these, and then not at all */
}

static void test_state_cannot_be_made(void **state)
{
    (void)state;
    struct clock clock;
    struct loop loop;
    struct err e;
    clock_init(&clock);
    assert_int_equal(loop_init(&loop, &clock, NULL, &e), 0);
    struct host_services s = {.loop = &loop, .clock = &clock};
    for (long nth = 0; nth < 300; nth += 7) {
        struct failing f = {.armed = true, .left = nth};
        struct host *h = host_new_with(&s, failing_alloc, &f, &e);
        f.armed = false;
        if (f.failed && h == NULL) {
            assert_int_not_equal(e.code, 0);
        }
        host_free(h);
    }
    assert_int_equal(loop_fini(&loop), 0);
}

static void test_collector_at_each_resume(void **state)
{
    (void)state;
    struct world w;
    begin(&w, NULL);
    RUN(&w, prelude);
    tasks_stress(w.host, true);
    for (int i = 0; i < 2; i++) {
        RUN(&w, busy);
        RUN(&w, "assert(result == 'cancelled', tostring(result))");
        RUN(&w, "collectgarbage('generational')");
    }
    RUN(&w,
        "task.run(function() for i = 1, 50 do\n" /* handles die while their tasks live */
        "  task.spawn(function() task.yield() task.self() return {} end) task.yield() end end)\n"
        "task.run(task.settled)");
    assert_int_equal(tasks_count(w.host), 0);
    assert_false(lua_flag(&w, "nothing"));
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_free_runs_close_variables),
        cmocka_unit_test(test_error_in_close_is_logged),
        cmocka_unit_test(test_close_sees_the_error),
        cmocka_unit_test(test_stack_overflow_and_reuse),
        cmocka_unit_test(test_deadlock_is_told),
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_posts),
        cmocka_unit_test(test_drain_is_bounded),
        cmocka_unit_test(test_each_allocation_fails),
        cmocka_unit_test(test_state_cannot_be_made),
        cmocka_unit_test(test_collector_at_each_resume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
