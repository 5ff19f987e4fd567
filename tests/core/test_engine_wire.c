/* SPDX-License-Identifier: MIT
 *
 * engine.sock from a client's side: its end while clients are connected, and that every command is
 * answered.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <endian.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/wire.h"
#include "io/sock.h"

#define TURNS 2000
#define LARGE ((size_t)2 << 20)

struct world {
    char folder[64], path[80];
    struct clock clock;
    struct loop loop;
    struct log *log;
    struct stream *stream;
    struct host *host;
    struct wire *wire;
    bool short_of_memory; /* Lua gets no block of a megabyte */
    /* the client */
    bool opened, closed;
    unsigned events;
    char reply[200];
    char states[200]; /* payloads, a space after each */
};

static void *lua_memory(void *ud, void *block, size_t old_size, size_t new_size)
{
    const struct world *w = ud;
    (void)old_size;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    if (w->short_of_memory && new_size >= (size_t)1 << 20)
        return NULL;
    return realloc(block, new_size);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct err e = {0};
    struct journal_report report;
    snprintf(w->folder, sizeof w->folder, "/tmp/perigee-wire-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    snprintf(w->path, sizeof w->path, "%s/sock", w->folder);
    clock_init(&w->clock);
    w->log = log_new(1, LOG_ERROR, &w->clock);
    assert_int_equal(loop_init(&w->loop, &w->clock, w->log, &e), 0);
    w->stream = stream_new(&w->loop, &e);
    struct journal_config config = {.folder = w->folder};
    assert_int_equal(stream_open(w->stream, &config, &report, &e), 0);
    struct host_services services = {.loop = &w->loop,
                                     .clock = &w->clock,
                                     .log = w->log,
                                     .stream = w->stream,
                                     .home = PERIGEE_HOME_DEFAULT};
    w->host = host_new_with(&services, lua_memory, w, &e);
    assert_non_null(w->host);
    assert_int_equal(wire_new(&w->wire, &w->loop, w->stream, w->host, w->path, &e), 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    char command[96];
    wire_free(w->wire);
    host_free(w->host);
    stream_free(w->stream);
    assert_int_equal(loop_fini(&w->loop), 0);
    log_free(w->log);
    snprintf(command, sizeof command, "rm -r %s", w->folder);
    free(w);
    return system(command);
}

static void on_opened(void *arg, struct sock_conn *c)
{
    (void)c;
    ((struct world *)arg)->opened = true;
}

static void on_frame(void *arg, struct sock_conn *c, uint8_t type, const void *p, size_t n)
{
    struct world *w = arg;
    (void)c;
    if (type == WIRE_EVENT)
        w->events++;
    else if (type == WIRE_REPLY)
        snprintf(w->reply, sizeof w->reply, "%.*s", (int)n, (const char *)p);
    else if (type == WIRE_STATE && n > sizeof w->states)
        strcat(w->states, "large ");
    else if (type == WIRE_STATE && n < sizeof w->states - strlen(w->states) - 1)
        snprintf(w->states + strlen(w->states), n + 2, "%.*s ", (int)n, (const char *)p);
}

static void on_closed(void *arg, struct sock_conn *c, int error)
{
    (void)c;
    (void)error;
    ((struct world *)arg)->closed = true;
}

static const struct sock_events client = {
    .opened = on_opened, .frame = on_frame, .closed = on_closed};

static struct sock_conn *client_open(struct world *w)
{
    struct err e;
    struct sock_conn *c = sock_connect(&w->loop, w->path, &client, w, &e);
    assert_non_null(c);
    for (int i = 0; i < TURNS && !w->opened; i++)
        loop_run_once(&w->loop, false);
    assert_true(w->opened);
    return c;
}

static void emit(struct world *w)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_notice);
    event_set_strz(&ev, F_notice_text, "x");
    assert_int_equal(stream_emit(w->stream, &ev, NULL), 0);
}

/* What the server knows of a client must not outlive it: the connection closes on a later turn. */
static void test_end_with_clients(void **state)
{
    struct world *w = *state;
    uint64_t from = htole64(1);
    emit(w);
    struct sock_conn *c = client_open(w);
    assert_int_equal(sock_send(c, WIRE_SUBSCRIBE, &from, sizeof from), 0);
    for (int i = 0; i < TURNS && w->events < 1; i++)
        loop_run_once(&w->loop, false);
    assert_int_equal(w->events, 1);
    wire_free(w->wire);
    w->wire = NULL;
    emit(w); /* nobody listens any more */
    for (int i = 0; i < TURNS && !w->closed; i++)
        loop_run_once(&w->loop, false);
    assert_true(w->closed);
    assert_int_equal(w->events, 1);
}

static void wait_reply(struct world *w)
{
    w->reply[0] = '\0';
    for (int i = 0; i < TURNS && !w->reply[0]; i++)
        loop_run_once(&w->loop, false);
}

static void test_every_command_is_answered(void **state)
{
    struct world *w = *state;
    struct sock_conn *c = client_open(w);
    assert_int_equal(sock_send(c, WIRE_COMMAND, "{}", 2), 0);
    wait_reply(w);
    assert_non_null(strstr(w->reply, "not ready for commands"));
    if (luaL_dostring(w->host->L,
                      "local wire = require 'perigee.wire'\n"
                      "wire.on_command(function(id, text) wire.reply(id, 'got ' .. #text) end)\n"))
        fail_msg("%s", lua_tostring(w->host->L, -1));
    assert_int_equal(sock_send(c, WIRE_COMMAND, "{}", 2), 0);
    wait_reply(w);
    assert_string_equal(w->reply, "got 2");
    /* Lua has no memory for this one. */
    char *large = calloc(1, LARGE);
    assert_non_null(large);
    w->short_of_memory = true;
    assert_int_equal(sock_send(c, WIRE_COMMAND, large, LARGE), 0);
    wait_reply(w);
    w->short_of_memory = false;
    assert_non_null(strstr(w->reply, "could not take the command"));
    assert_int_equal(sock_send(c, WIRE_COMMAND, large, LARGE), 0);
    wait_reply(w);
    assert_string_equal(w->reply, "got 2097152");
    free(large);
    sock_close(c);
    for (int i = 0; i < TURNS && !w->closed; i++)
        loop_run_once(&w->loop, false);
    assert_true(w->closed);
}

static void lua(struct world *w, const char *code)
{
    if (luaL_dostring(w->host->L, code))
        fail_msg("%s", lua_tostring(w->host->L, -1));
}

/* Everything that is on its way arrives before the answer of a command. */
static void settle(struct world *w, struct sock_conn *c)
{
    lua(w, "local wire = require 'perigee.wire'\n"
           "wire.on_command(function(id) wire.reply(id, 'settled') end)\n");
    assert_int_equal(sock_send(c, WIRE_COMMAND, "{}", 2), 0);
    wait_reply(w);
    assert_string_equal(w->reply, "settled");
}

static void subscribe(struct world *w, struct sock_conn *c)
{
    uint64_t from = htole64(1);
    assert_int_equal(sock_send(c, WIRE_SUBSCRIBE, &from, sizeof from), 0);
    settle(w, c);
}

static void close_client(struct world *w, struct sock_conn *c)
{
    sock_close(c);
    w->closed = w->opened = false;
    for (int i = 0; i < TURNS && !w->closed; i++)
        loop_run_once(&w->loop, false);
    assert_true(w->closed);
}

static void test_states(void **state)
{
    struct world *w = *state;
    struct sock_conn *c = client_open(w);
    lua(w, "require 'perigee.wire'.state('a', 'unheard')");
    settle(w, c);
    assert_string_equal(w->states, ""); /* it has not subscribed */
    subscribe(w, c);
    assert_string_equal(w->states, "unheard ");
    /* One that does not fit into the socket: what comes meanwhile waits, only the newest of each.
     */
    lua(w, "local wire = require 'perigee.wire'\n"
           "wire.state('large', ('x'):rep(4 << 20))\n"
           "wire.state('a', '1') wire.state('b', '2') wire.state('a', '3') wire.state('a', '3')\n");
    settle(w, c);
    settle(w, c);
    assert_string_equal(w->states, "unheard large 3 2 ");
    lua(w, "require 'perigee.wire'.state('a', '3')");
    settle(w, c);
    assert_string_equal(w->states, "unheard large 3 2 "); /* nothing is new */
    close_client(w, c);
    /* Nobody listens: what was kept is forgotten, for it would be old. */
    w->states[0] = '\0';
    c = client_open(w);
    subscribe(w, c);
    assert_string_equal(w->states, "");
    lua(w, "local wire = require 'perigee.wire'\n"
           "assert(wire.subscribers() == 1 and wire.listeners() == 1)\n"
           "assert(not pcall(wire.state, ('x'):rep(32), ''))\n"
           "for i = 1, 29 do wire.state('kind' .. i, '') end\n"
           "assert(not pcall(wire.state, 'one too many', ''))\n");
    close_client(w, c);
}

/* One that wants events only gets no state, and keeps none alive. */
static void test_events_only(void **state)
{
    struct world *w = *state;
    struct sock_conn *c = client_open(w);
    unsigned char frame[10] = {1, 0, 0, 0, 0, 0, 0, 0, WIRE_EVENTS_ONLY, 0};
    assert_int_equal(sock_send(c, WIRE_SUBSCRIBE, frame, 9), 0);
    settle(w, c);
    lua(w, "local wire = require 'perigee.wire'\n"
           "assert(wire.subscribers() == 1 and wire.listeners() == 0)\n"
           "wire.state('a', '1')\n");
    emit(w);
    settle(w, c);
    assert_string_equal(w->states, "");
    assert_int_equal(w->events, 1);
    close_client(w, c);
    static const struct {
        unsigned char flags;
        size_t n;
    } wrong[] = {{2, 9}, {0, 10}, {0, 7}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        c = client_open(w);
        frame[8] = wrong[i].flags;
        w->closed = w->opened = false;
        assert_int_equal(sock_send(c, WIRE_SUBSCRIBE, frame, wrong[i].n), 0);
        for (int k = 0; k < TURNS && !w->closed; k++)
            loop_run_once(&w->loop, false);
        assert_true(w->closed);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_end_with_clients), T(test_every_command_is_answered),
                                       T(test_states), T(test_events_only)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
