/* SPDX-License-Identifier: MIT
 *
 * Framed Unix sockets: both ends on one loop, and raw peers that break the rules.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <sys/un.h>

#include "base/rng.h"
#include "io/sock.h"
#include "io_server.h"

struct end {
    struct fixture *f;
    struct sock_conn *conn; /* the newest */
    unsigned opened, closed, frames, drained;
    int error;
    size_t bytes;
    uint32_t sum;
    uint8_t type;
    bool echo, hang_up;
};

struct fixture {
    struct io_world w;
    char path[64];
    struct sock_server *server;
    struct end here, there; /* server's and client's */
};

static void on_opened(void *arg, struct sock_conn *c)
{
    struct end *x = arg;
    x->opened++;
    x->conn = c;
    sock_set_data(c, x);
}

static void on_frame(void *arg, struct sock_conn *c, uint8_t type, const void *p, size_t n)
{
    struct end *x = arg;
    assert_ptr_equal(sock_data(c), x);
    x->frames++;
    x->type = type;
    x->bytes += n;
    x->sum = crc32c(x->sum, p, n);
    if (x->echo) {
        assert_int_equal(sock_send(c, type, p, n), 0);
    }
    if (x->hang_up) {
        sock_close(c);
        assert_int_equal(sock_send(c, 1, "x", 1), ERR_CLOSED);
    }
}

static void on_closed(void *arg, struct sock_conn *c, int error)
{
    struct end *x = arg;
    (void)c;
    x->closed++;
    x->error = error;
    x->conn = NULL;
}

static void on_drained(void *arg, struct sock_conn *c)
{
    struct end *x = arg;
    assert_int_equal(sock_pending(c), 0);
    x->drained++;
}

static const struct sock_events events = {
    .opened = on_opened, .frame = on_frame, .closed = on_closed, .drained = on_drained};

static void begin(struct fixture *f, size_t limit)
{
    struct err e;
    memset(f, 0, sizeof *f);
    io_world_init(&f->w);
    f->here.f = f;
    f->there.f = f;
    (void)snprintf(f->path, sizeof f->path, "/tmp/perigee-sock-%ld", (long)getpid());
    f->server = sock_listen(&f->w.loop, f->path, limit, &events, &f->here, &e);
    assert_non_null(f->server);
}

static void finish(struct fixture *f)
{
    sock_server_free(f->server);
    assert_int_not_equal(access(f->path, F_OK), 0);
    assert_int_equal(io_world_fini(&f->w), 0);
    assert_int_equal(f->here.opened, f->here.closed); /* each connection closed exactly once */
}

static bool both_open(void *arg)
{
    struct fixture *f = arg;
    return f->here.opened > 0 && f->there.opened > 0;
}

static bool both_closed(void *arg)
{
    struct fixture *f = arg;
    return f->here.closed > 0 && f->there.closed > 0;
}

static bool here_closed(void *arg)
{
    return ((struct fixture *)arg)->here.closed > 0;
}

static bool there_closed(void *arg)
{
    return ((struct fixture *)arg)->there.closed > 0;
}

static struct sock_conn *connect_pair(struct fixture *f)
{
    struct sock_conn *c = sock_connect(&f->w.loop, f->path, &events, &f->there, NULL);
    assert_non_null(c);
    assert_int_equal(sock_send(c, 1, "early", 5), ERR_STATE);
    assert_true(io_run_until(&f->w, both_open, f));
    return c;
}

static bool all_echoed(void *arg)
{
    struct fixture *f = arg;
    return f->there.frames == 40;
}

static void frames_of_all_sizes_go_there_and_back(void **state)
{
    (void)state;
    struct fixture f;
    struct rng rng;
    static unsigned char data[300000];
    uint32_t sum = 0;
    size_t bytes = 0;
    begin(&f, 64u << 20);
    assert_int_equal(f.here.opened, 0);
    struct stat st;
    assert_int_equal(stat(f.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    f.here.echo = true;
    struct sock_conn *c = connect_pair(&f);
    rng_seed(&rng, 3);
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (unsigned char)rng_next(&rng);
    }
    for (int i = 0; i < 40; i++) {
        size_t n = i < 4 ? (size_t)i : (size_t)rng_range(&rng, 0, i % 2 ? 300000 : 300);
        assert_int_equal(sock_send(c, (uint8_t)(i * 7), data, n), 0);
        sum = crc32c(sum, data, n);
        bytes += n;
    }
    assert_true(sock_pending(c) > 0);
    assert_true(io_run_until(&f.w, all_echoed, &f));
    assert_int_equal(f.here.sum, sum);
    assert_int_equal(f.there.sum, sum);
    assert_int_equal(f.there.bytes, bytes);
    assert_int_equal(f.there.type, (uint8_t)(39 * 7));
    assert_true(f.there.drained > 0 && f.here.drained > 0);
    sock_close(c);
    assert_true(io_run_until(&f.w, both_closed, &f));
    assert_int_equal(f.here.error, 0);
    assert_int_equal(f.there.error, 0);
    finish(&f);
}

/* sock_close after a long queue: all of it arrives before the end. */
static void closing_lets_the_queue_go_out(void **state)
{
    (void)state;
    struct fixture f;
    static unsigned char data[1 << 20];
    begin(&f, 64u << 20);
    struct sock_conn *c = connect_pair(&f);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(sock_send(c, 5, data, sizeof data), 0);
    }
    sock_close(c);
    sock_close(c);
    assert_int_equal(sock_send(c, 1, "x", 1), ERR_CLOSED);
    assert_int_equal(f.there.closed, 0); /* never from inside */
    assert_true(io_run_until(&f.w, both_closed, &f));
    assert_int_equal(f.here.frames, 8);
    assert_int_equal(f.here.bytes, sizeof data * 8);
    assert_int_equal(f.here.error, 0);
    finish(&f);
}

static void closing_inside_a_frame_stops_the_frames(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 1 << 20);
    f.here.hang_up = true;
    struct sock_conn *c = connect_pair(&f);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(sock_send(c, 1, "abc", 3), 0);
    }
    assert_true(io_run_until(&f.w, both_closed, &f));
    assert_int_equal(f.here.frames, 1);
    finish(&f);
}

static void a_stuck_reader_is_dropped(void **state)
{
    (void)state;
    struct fixture f;
    static unsigned char data[1 << 16];
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    begin(&f, 1 << 20);
    memcpy(a.sun_path, f.path, strlen(f.path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    f.there.opened = 1;
    assert_true(io_run_until(&f.w, both_open, &f));
    struct sock_conn *c = f.here.conn;
    int rc = 0;
    unsigned sent = 0;
    while (rc == 0 && sent < 1000) {
        rc = sock_send(c, 1, data, sizeof data);
        sent++;
    }
    assert_int_equal(rc, ERR_LIMIT);
    assert_in_range(sent, 16, 100); /* the limit and what the kernel holds */
    assert_int_equal(f.here.closed, 0);
    assert_int_equal(sock_send(c, 1, "x", 1), ERR_CLOSED);
    assert_true(io_run_until(&f.w, here_closed, &f));
    assert_int_equal(f.here.error, ERR_LIMIT);
    close(fd);
    finish(&f);
}

static void send_raw(struct fixture *f, const void *p, size_t n, bool one_by_one)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memcpy(a.sun_path, f->path, strlen(f->path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    for (size_t i = 0; i < n; i += one_by_one ? 1 : n) {
        if (send(fd, (const char *)p + i, one_by_one ? 1 : n, MSG_NOSIGNAL) <= 0) {
            assert_true(f->here.closed > 0); /* it has seen enough */
            break;
        }
        for (int k = 0; k < 3 && one_by_one; k++) {
            loop_run_once(&f->w.loop, false);
        }
    }
    close(fd);
    assert_true(io_run_until(&f->w, here_closed, f));
}

static void broken_frames_close_the_connection(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        int error;
        unsigned frames;
    } cases[] = {
        {"\x03\x00\x00\x00"
         "\x07"
         "ab\x01\x00\x00\x00"
         "\x08",
         12, 0, 2},
        {"\x00\x00\x00\x00", 4, ERR_INPUT, 0},
        {"\x01\x00\x00\x01"
         "\x01",
         5, ERR_LIMIT, 0}, /* one more than the largest */
        {"\xff\xff\xff\xff", 4, ERR_LIMIT, 0},
        {"\x03\x00\x00\x00"
         "\x07"
         "a",
         6, ERR_CLOSED, 0}, /* ends inside a frame */
        {"\x03\x00", 2, ERR_CLOSED, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int one = 0; one < 2; one++) {
            struct fixture f;
            begin(&f, 1 << 20);
            send_raw(&f, cases[i].bytes, cases[i].n, one);
            assert_int_equal(f.here.error, cases[i].error);
            assert_int_equal(f.here.frames, cases[i].frames);
            finish(&f);
        }
    }
}

static void sending_too_large_a_frame_changes_nothing(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 64u << 20);
    f.here.echo = true;
    struct sock_conn *c = connect_pair(&f);
    char *huge = calloc(1, SOCK_MAX_FRAME);
    assert_int_equal(sock_send(c, 1, huge, SOCK_MAX_FRAME), ERR_LIMIT);
    assert_int_equal(sock_send(c, 1, huge, SOCK_MAX_FRAME - 1), 0);
    for (int i = 0; i < 39; i++) {
        assert_int_equal(sock_send(c, 1, NULL, 0), 0);
    }
    assert_true(io_run_until(&f.w, all_echoed, &f));
    assert_int_equal(f.there.bytes, SOCK_MAX_FRAME - 1);
    free(huge);
    sock_close(c);
    assert_true(io_run_until(&f.w, both_closed, &f));
    finish(&f);
}

static void addresses_are_checked_and_stale_sockets_replaced(void **state)
{
    (void)state;
    struct fixture f;
    struct err e;
    struct end none = {0};
    char path[200];
    begin(&f, 1 << 20);
    assert_null(sock_listen(&f.w.loop, f.path, 1, &events, &none, &e)); /* alive */
    assert_int_equal(e.code, ERR_EXISTS);
    memset(path, 'a', sizeof path);
    memcpy(path, "/tmp/", 5);
    path[108] = '\0';
    assert_null(sock_listen(&f.w.loop, path, 1, &events, &none, &e));
    assert_int_equal(e.code, ERR_INPUT);
    assert_null(sock_connect(&f.w.loop, path, &events, &none, &e));
    assert_int_equal(e.code, ERR_INPUT);
    assert_null(sock_listen(&f.w.loop, "", 1, &events, &none, &e));
    assert_null(sock_listen(&f.w.loop, "/nowhere/x", 1, &events, &none, &e));
    assert_int_equal(e.code, ERR_IO);
    /* a plain file is not touched */
    (void)snprintf(path, sizeof path, "%s.file", f.path);
    FILE *plain = fopen(path, "w");
    fclose(plain);
    assert_null(sock_listen(&f.w.loop, path, 1, &events, &none, &e));
    assert_int_equal(e.code, ERR_EXISTS);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    /* a socket that nobody listens on */
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int n = snprintf(a.sun_path, sizeof a.sun_path, "%s.stale", f.path);
    assert_true(n > 0);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    close(fd);
    struct sock_server *s = sock_listen(&f.w.loop, a.sun_path, 1, &events, &none, &e);
    assert_non_null(s);
    /* another took the path over: its socket stays when ours goes */
    unlink(a.sun_path);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    sock_server_free(s);
    assert_int_equal(access(a.sun_path, F_OK), 0);
    close(fd);
    unlink(a.sun_path);
    finish(&f);
}

static void a_failed_connect_is_told_later(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 1 << 20);
    assert_non_null(sock_connect(&f.w.loop, "/tmp/perigee-nobody-here", &events, &f.there, NULL));
    assert_int_equal(f.there.closed, 0);
    assert_true(io_run_until(&f.w, there_closed, &f));
    assert_int_equal(f.there.error, ERR_UNREACHABLE);
    assert_int_equal(f.there.opened, 0);
    /* closed by us while it connects */
    f.there.closed = 0;
    struct sock_conn *c = sock_connect(&f.w.loop, f.path, &events, &f.there, NULL);
    sock_close(c);
    assert_true(io_run_until(&f.w, there_closed, &f));
    assert_int_equal(f.there.error, 0);
    assert_int_equal(f.there.opened, 0);
    finish(&f);
}

static void freeing_the_server_closes_its_connections(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 1 << 20);
    (void)connect_pair(&f);
    sock_server_free(f.server);
    f.server = NULL;
    assert_int_equal(f.here.closed, 0);
    assert_true(io_run_until(&f.w, both_closed, &f));
    assert_int_equal(f.here.error, 0);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_all_sizes_go_there_and_back),
        cmocka_unit_test(closing_lets_the_queue_go_out),
        cmocka_unit_test(closing_inside_a_frame_stops_the_frames),
        cmocka_unit_test(a_stuck_reader_is_dropped),
        cmocka_unit_test(broken_frames_close_the_connection),
        cmocka_unit_test(sending_too_large_a_frame_changes_nothing),
        cmocka_unit_test(addresses_are_checked_and_stale_sockets_replaced),
        cmocka_unit_test(a_failed_connect_is_told_later),
        cmocka_unit_test(freeing_the_server_closes_its_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
