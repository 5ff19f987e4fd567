/* SPDX-License-Identifier: MIT
 *
 * WebSockets: our client against our server through the HTTP front, and raw sockets that do not
 * keep to the rules. One loop serves both sides.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "io/front.h"
#include "io/ws.h"

#define ROUNDS 20000 /* of at most a millisecond: a hang fails instead of hanging */
#define MAX_MESSAGE 300000

struct fixture {
    struct clock clock;
    struct loop loop;
    struct ws_context *context;
    struct ws_server *server;
    struct front *front;
    int opened, closed; /* server side */
    int last_error;     /* of the server side's last closed() */
    char last_path[64];
    struct ws_conn *last; /* server side, newest */
};

struct client {
    struct ws_conn *conn; /* NULL once closed */
    int opened, closed, error, drained;
    size_t messages;
    struct str last; /* newest message */
    bool text;
};

/* ---- server side: echoes ---- */

static bool server_opened(void *arg, struct ws_conn *c, const char *path)
{
    struct fixture *fx = arg;
    snprintf(fx->last_path, sizeof fx->last_path, "%s", path);
    if (strcmp(path, "/refuse") == 0)
        return false;
    fx->opened++;
    fx->last = c;
    if (strcmp(path, "/greet") == 0)
        ws_send(c, "hello", 5, true);
    return true;
}

static void server_message(void *arg, struct ws_conn *c, const char *p, size_t n, bool text)
{
    (void)arg;
    if (n == 5 && memcmp(p, "close", 5) == 0) {
        assert_int_equal(ws_send(c, "last words", 10, true), 0);
        ws_close(c, 0);
        assert_int_equal(ws_send(c, "too late", 8, true), ERR_STATE);
    } else {
        assert_int_equal(ws_send(c, p, n, text), 0);
    }
}

static void server_closed(void *arg, struct ws_conn *c, int error)
{
    struct fixture *fx = arg;
    fx->closed++;
    fx->last_error = error;
    if (fx->last == c)
        fx->last = NULL;
}

static const struct ws_events server_events = {
    .opened = server_opened, .message = server_message, .closed = server_closed};

/* ---- client side ---- */

static bool client_opened(void *arg, struct ws_conn *c, const char *path)
{
    struct client *client = arg;
    (void)c;
    (void)path;
    client->opened++;
    return true;
}

static void client_message(void *arg, struct ws_conn *c, const char *p, size_t n, bool text)
{
    struct client *client = arg;
    (void)c;
    client->messages++;
    client->text = text;
    str_clear(&client->last);
    str_add(&client->last, p, n);
}

static void client_closed(void *arg, struct ws_conn *c, int error)
{
    struct client *client = arg;
    (void)c;
    client->closed++;
    client->error = error;
    client->conn = NULL;
}

static void client_drained(void *arg, struct ws_conn *c)
{
    struct client *client = arg;
    assert_int_equal(ws_pending(c), 0);
    client->drained++;
}

static const struct ws_events client_events = {.opened = client_opened,
                                               .message = client_message,
                                               .closed = client_closed,
                                               .drained = client_drained};

static void handle(void *arg, struct front_request *r)
{
    (void)arg;
    front_answer(r, 404, NULL, 0, NULL, 0);
}

static void begin_with(struct fixture *fx, const struct front_config *config)
{
    struct err e;
    memset(fx, 0, sizeof *fx);
    clock_init(&fx->clock);
    assert_int_equal(loop_init(&fx->loop, &fx->clock, NULL, &e), 0);
    fx->context = ws_context_new(&fx->loop, &e);
    assert_non_null(fx->context);
    fx->server = ws_server_new(fx->context, MAX_MESSAGE, &server_events, fx, &e);
    assert_non_null(fx->server);
    struct front_config with = *config;
    with.ws = fx->server;
    fx->front = front_new(&fx->loop, &with, handle, fx, &e);
    assert_non_null(fx->front);
}

static void begin(struct fixture *fx)
{
    struct front_config config = {0};
    begin_with(fx, &config);
}

static void end(struct fixture *fx)
{
    front_free(fx->front);
    ws_server_free(fx->server);
    ws_context_free(fx->context);
    assert_int_equal(loop_fini(&fx->loop), 0);
}

static void wait_turn(struct fixture *fx, int rounds)
{
    assert_true(rounds < ROUNDS);
    loop_run_once(&fx->loop, false);
    poll(NULL, 0, rounds > 100);
}

#define WAIT_UNTIL(fx, condition)                                                                  \
    for (int rounds_ = 0; !(condition); rounds_++)                                                 \
    wait_turn(fx, rounds_)

static void join(struct fixture *fx, struct client *client, const char *path)
{
    struct err e;
    char url[128];
    memset(client, 0, sizeof *client);
    str_init(&client->last);
    snprintf(url, sizeof url, "ws://127.0.0.1:%u%s", front_port(fx->front), path);
    client->conn = ws_connect(fx->context, url, MAX_MESSAGE, &client_events, client, &e);
    assert_non_null(client->conn);
    assert_int_equal(client->opened, 0);
}

static int dial(struct fixture *fx)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(front_port(fx->front))};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd;
}

/* Reads until the text has `mark`, or to the end of the stream (true). */
static bool get(struct fixture *fx, int fd, struct str *s, const char *mark)
{
    for (int rounds = 0;; rounds++) {
        char buf[4096];
        wait_turn(fx, rounds);
        ssize_t n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return true;
        if (n > 0)
            str_add(s, buf, (size_t)n);
        if (mark && s->p && memmem(s->p, s->len, mark, strlen(mark)))
            return false;
    }
}

static size_t open_fds(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += dup2(fd, fd) == fd;
    return count;
}

#define SHAKE(path)                                                                                \
    "GET " path " HTTP/1.1\r\nHost: h:1\r\nUpgrade: WebSocket\r\nConnection: keep-alive, "         \
    "Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

/* ---- tests ---- */

static void test_echo(void **state)
{
    struct fixture fx;
    struct client c;
    (void)state;
    begin(&fx);
    join(&fx, &c, "/a/b?token=1");
    ws_set_data(c.conn, &c);
    assert_ptr_equal(ws_data(c.conn), &c);
    char *bytes = malloc(200000);
    assert_non_null(bytes);
    for (size_t i = 0; i < 200000; i++)
        bytes[i] = (char)('a' + i % 26);
    assert_int_equal(ws_send(c.conn, "early", 5, true), 0); /* before it is open */
    WAIT_UNTIL(&fx, c.messages == 1);
    assert_int_equal(c.opened, 1);
    assert_string_equal(fx.last_path, "/a/b?token=1");
    assert_string_equal(c.last.p, "early");
    static const size_t sizes[] = {0,     1,     125,   126,   4095,  4096,   16383,
                                   16384, 16385, 65535, 65536, 65537, 131072, 200000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int text = 0; text < 2; text++) {
            size_t had = c.messages;
            assert_int_equal(ws_send(c.conn, bytes, sizes[i], text != 0), 0);
            assert_int_equal(ws_pending(c.conn), sizes[i]);
            WAIT_UNTIL(&fx, c.messages > had);
            assert_int_equal(c.last.len, sizes[i]);
            assert_int_equal(c.text, text);
            if (sizes[i])
                assert_memory_equal(c.last.p, bytes, sizes[i]);
        }
    }
    /* A burst keeps its order and its count. */
    size_t had = c.messages;
    int drained = c.drained;
    for (int i = 0; i < 1000; i++) {
        char number[16];
        int n = snprintf(number, sizeof number, "%d", i);
        assert_int_equal(ws_send(c.conn, number, (size_t)n, true), 0);
    }
    WAIT_UNTIL(&fx, c.messages == had + 1000);
    assert_string_equal(c.last.p, "999");
    assert_true(c.drained > drained);
    /* Too much for the server's limit. */
    char *large = calloc(1, MAX_MESSAGE + 1);
    ws_send(c.conn, large, MAX_MESSAGE + 1, false);
    WAIT_UNTIL(&fx, c.closed && fx.closed);
    assert_int_equal(fx.last_error, ERR_LIMIT);
    free(large);
    free(bytes);
    str_fini(&c.last);
    end(&fx);
}

static void test_closing(void **state)
{
    struct fixture fx;
    struct client c;
    (void)state;
    begin(&fx);
    join(&fx, &c, "/greet");
    WAIT_UNTIL(&fx, c.messages == 1);
    assert_string_equal(c.last.p, "hello");
    ws_send(c.conn, "close", 5, true); /* the server closes, after what it had queued */
    WAIT_UNTIL(&fx, c.closed && fx.closed);
    assert_string_equal(c.last.p, "last words");
    assert_int_equal(c.closed, 1);
    assert_int_equal(c.error, 0);
    assert_int_equal(fx.last_error, 0);
    str_fini(&c.last);

    join(&fx, &c, "/");
    WAIT_UNTIL(&fx, c.opened);
    ws_send(c.conn, "x", 1, true);
    ws_close(c.conn, 0); /* the client closes, after what it had queued */
    WAIT_UNTIL(&fx, c.closed && fx.closed == 2);
    assert_int_equal(c.error, 0);
    assert_int_equal(fx.last_error, 0);
    str_fini(&c.last);

    join(&fx, &c, "/refuse");
    WAIT_UNTIL(&fx, c.closed);
    assert_int_equal(fx.opened, 2);
    assert_int_equal(fx.closed, 2);
    str_fini(&c.last);

    join(&fx, &c, "/"); /* changed its mind while connecting */
    ws_close(c.conn, 0);
    WAIT_UNTIL(&fx, c.closed);
    assert_int_equal(c.opened, 0);
    assert_int_equal(c.error, ERR_CANCELLED);
    str_fini(&c.last);
    WAIT_UNTIL(&fx, ws_server_count(fx.server) == 0);
    end(&fx);
}

static void test_unreachable(void **state)
{
    struct fixture fx;
    struct client c = {0};
    struct err e;
    (void)state;
    begin(&fx);
    static const char *const bad[] = {"http://a/", "ws://",         "ws://:80/",  "ws://a:0/",
                                      "ws://a:x/", "ws://a:70000/", "ws://a/b c", "ws://a/\r\nX: y",
                                      "ws://u@a/", "ws://a/#f",     "ws://[::1/", ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(ws_connect(fx.context, bad[i], 100, &client_events, &c, &e));
        assert_int_equal(e.code, ERR_INPUT);
    }
    /* A port at which nobody listens, and a server that does not speak WebSocket. */
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t n = sizeof a;
    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    char url[64];
    snprintf(url, sizeof url, "ws://127.0.0.1:%u/", ntohs(a.sin_port));
    str_init(&c.last);
    c.conn = ws_connect(fx.context, url, 100, &client_events, &c, &e);
    assert_non_null(c.conn);
    WAIT_UNTIL(&fx, c.closed);
    assert_int_equal(c.error, ERR_UNREACHABLE);
    close(fd);
    struct front_config config = {0};
    struct front *plain = front_new(&fx.loop, &config, handle, &fx, &e);
    assert_non_null(plain);
    snprintf(url, sizeof url, "ws://%s/", front_address(plain));
    c.closed = c.error = 0;
    c.conn = ws_connect(fx.context, url, 100, &client_events, &c, &e);
    WAIT_UNTIL(&fx, c.closed);
    assert_int_equal(c.error, ERR_UNREACHABLE);
    assert_int_equal(c.opened, 0);
    front_free(plain);
    end(&fx);
}

static void test_bad_handshakes(void **state)
{
#define BASE "GET / HTTP/1.1\r\nHost: h:1\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define V13 "Sec-WebSocket-Version: 13\r\n"
#define UP "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {BASE UP KEY V13 "\r\n", 101},
        {BASE UP KEY V13 "Origin: http://H:1\r\n\r\n", 101},
        {BASE UP KEY V13 "Origin: http://evil\r\n\r\n", 403},
        {BASE UP KEY V13 "Origin: null\r\n\r\n", 403},
        {BASE UP KEY "Sec-WebSocket-Version: 8\r\n\r\n", 426},
        {BASE UP KEY "\r\n", 426},
        {BASE UP KEY V13 V13 "\r\n", 426},
        {BASE UP V13 "\r\n", 400},
        {BASE UP KEY KEY V13 "\r\n", 400},
        {BASE UP V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n\r\n", 400},
        {BASE UP V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR8=\r\n\r\n", 400},
        {BASE UP V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub2%jZQ==\r\n\r\n", 400},
        {BASE KEY V13 "Upgrade: websocket\r\n\r\n", 400},
        {BASE KEY V13 "Connection: Upgrade\r\n\r\n", 400},
        {BASE KEY V13 "Upgrade: websocket\r\nConnection: Upgraded\r\n\r\n", 400},
        {BASE UP KEY V13 "Content-Length: 2\r\n\r\nab", 400},
        {BASE UP KEY V13 "\r\nearly frame", 400},
        {"POST / HTTP/1.1\r\nHost: h\r\n" UP KEY V13 "\r\n", 400},
        {"GET / HTTP/1.0\r\nHost: h\r\n" UP KEY V13 "\r\n", 400},
        {"GET / HTTP/1.1\r\n" UP KEY V13 "\r\n", 400},
    };
    struct fixture fx;
    struct str s;
    (void)state;
    str_init(&s);
    begin(&fx);
    size_t fds = open_fds();
    int good = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char want[32];
        snprintf(want, sizeof want, "HTTP/1.1 %d ", cases[i].status);
        int fd = dial(&fx);
        str_clear(&s);
        send(fd, cases[i].text, strlen(cases[i].text), MSG_NOSIGNAL);
        get(&fx, fd, &s, "\r\n\r\n");
        if (!s.p || strncmp(s.p, want, strlen(want)) != 0)
            fail_msg("case %zu: wanted %d, got %s", i, cases[i].status, s.p ? s.p : "");
        if (cases[i].status == 101) {
            good++;
            assert_non_null(strstr(s.p, ACCEPT));
        }
        if (cases[i].status == 426)
            assert_non_null(strstr(s.p, "Sec-WebSocket-Version: 13\r\n"));
        close(fd);
    }
    assert_int_equal(fx.opened, good);
    WAIT_UNTIL(&fx, fx.closed == good && front_connections(fx.front) == 0);
    assert_int_equal(fx.last_error, ERR_CLOSED); /* cut without a close frame */
    WAIT_UNTIL(&fx, open_fds() == fds);
    str_fini(&s);
    end(&fx);
}

static int refuse_all(void *arg, struct front_request *r)
{
    (void)arg;
    assert_string_equal(front_peer(r), "127.0.0.1");
    assert_string_equal(front_header(r, "Cookie"), "a=b");
    return strcmp(front_path(r), "/in") == 0 ? 0 : 401;
}

static void test_check_upgrade(void **state)
{
    struct fixture fx;
    struct str s;
    (void)state;
    str_init(&s);
    struct front_config config = {.check_upgrade = refuse_all};
    begin_with(&fx, &config);
    int fd = dial(&fx);
    static const char out[] = SHAKE("/out") "Cookie: a=b\r\n\r\n";
    static const char in[] = SHAKE("/in") "Cookie: a=b\r\nOrigin: http://elsewhere\r\n\r\n";
    send(fd, out, sizeof out - 1, MSG_NOSIGNAL);
    get(&fx, fd, &s, NULL);
    assert_memory_equal(s.p, "HTTP/1.1 401 ", 13);
    close(fd);
    str_clear(&s);
    fd = dial(&fx);
    send(fd, in, sizeof in - 1, MSG_NOSIGNAL);
    get(&fx, fd, &s, ACCEPT);
    assert_int_equal(fx.opened, 1);
    close(fd);
    end(&fx);
    str_fini(&s);
}

/* Frames that break the protocol close the connection and nothing else. */
static void test_bad_frames(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
    } cases[] = {
        {"\xf1\x80\0\0\0\0", 6},                                    /* reserved bits */
        {"\x83\x80\0\0\0\0", 6},                                    /* unknown opcode */
        {"\x81\x82\0\0\0\0\xc3\x28", 8},                            /* text that is not UTF-8 */
        {"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0zz", 16}, /* nearly 2^63 bytes */
        {"\x89\xfe\x01\x00\0\0\0\0", 8},                            /* a ping of 256 bytes */
    };
    struct fixture fx;
    struct str s;
    (void)state;
    str_init(&s);
    begin(&fx);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static const char shake[] = SHAKE("/") "\r\n";
        int fd = dial(&fx);
        str_clear(&s);
        send(fd, shake, sizeof shake - 1, MSG_NOSIGNAL);
        get(&fx, fd, &s, "\r\n\r\n");
        send(fd, cases[i].bytes, cases[i].n, MSG_NOSIGNAL);
        if (i == 3) { /* says nothing wrong until the limit is passed: cut it ourselves */
            for (int j = 0; j < 20; j++)
                wait_turn(&fx, j);
            close(fd);
        } else {
            assert_true(get(&fx, fd, &s, NULL));
            close(fd);
        }
        WAIT_UNTIL(&fx, fx.closed == (int)i + 1);
    }
    struct client c;
    join(&fx, &c, "/greet");
    WAIT_UNTIL(&fx, c.messages == 1);
    str_fini(&c.last);
    str_fini(&s);
    end(&fx);
}

static void test_many(void **state)
{
    struct fixture fx;
    static struct client clients[50];
    (void)state;
    begin(&fx);
    size_t fds = open_fds();
    for (int i = 0; i < 50; i++)
        join(&fx, &clients[i], "/");
    for (int round = 0; round < 10; round++)
        for (int i = 0; i < 50; i++)
            assert_int_equal(ws_send(clients[i].conn, "tick", 4, true), 0);
    for (int i = 0; i < 50; i++)
        WAIT_UNTIL(&fx, clients[i].messages == 10);
    assert_int_equal(ws_server_count(fx.server), 50);
    for (int i = 0; i < 50; i++)
        ws_close(clients[i].conn, 0);
    for (int i = 0; i < 50; i++) {
        WAIT_UNTIL(&fx, clients[i].closed);
        str_fini(&clients[i].last);
    }
    WAIT_UNTIL(&fx, fx.closed == 50 && open_fds() == fds);

    /* Connects that are cut somewhere on the way: no descriptor is lost. */
    static const char shake[] = SHAKE("/") "\r\n";
    for (int i = 0; i < 300; i++) {
        int fd = dial(&fx);
        struct linger hard = {.l_onoff = i % 2};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        send(fd, shake, (size_t)i * (sizeof shake - 1) / 299, MSG_NOSIGNAL);
        for (int j = 0; j < i % 4; j++)
            loop_run_once(&fx.loop, false);
        close(fd);
    }
    WAIT_UNTIL(&fx, front_connections(fx.front) == 0 && ws_server_count(fx.server) == 0 &&
                        open_fds() == fds);
    assert_int_equal(fx.opened, fx.closed);
    end(&fx);
}

static void test_teardown(void **state)
{
    struct fixture fx;
    struct client clients[4];
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        size_t fds = open_fds();
        begin(&fx);
        for (int i = 0; i < 4; i++)
            join(&fx, &clients[i], "/greet");
        if (kind > 0) /* 0: while names are being resolved */
            for (int i = 0; i < 4; i++)
                WAIT_UNTIL(&fx, kind == 1 ? fx.opened > i : clients[i].messages == 1);
        ws_send(clients[3].conn, "unsent", 6, true);
        end(&fx);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(clients[i].closed, 1);
            assert_int_equal(clients[i].error, ERR_CANCELLED);
            str_fini(&clients[i].last);
        }
        assert_int_equal(fx.opened, fx.closed);
        assert_int_equal(open_fds(), fds);
    }
    /* The server goes, the clients stay and hear of it. */
    begin(&fx);
    join(&fx, &clients[0], "/greet");
    WAIT_UNTIL(&fx, clients[0].messages == 1);
    front_free(fx.front);
    ws_server_free(fx.server);
    assert_int_equal(fx.closed, 1);
    assert_int_equal(fx.last_error, ERR_CANCELLED);
    WAIT_UNTIL(&fx, clients[0].closed);
    ws_context_free(fx.context);
    assert_int_equal(loop_fini(&fx.loop), 0);
    str_fini(&clients[0].last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),          cmocka_unit_test(test_closing),
        cmocka_unit_test(test_unreachable),   cmocka_unit_test(test_bad_handshakes),
        cmocka_unit_test(test_check_upgrade), cmocka_unit_test(test_bad_frames),
        cmocka_unit_test(test_many),          cmocka_unit_test(test_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
