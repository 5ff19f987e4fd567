/* SPDX-License-Identifier: MIT
 *
 * One connection of the network in memory: two pipes, each a queue of chunks with the times of
 * their arrival, and one timer for the next of them. Each chunk arrives in a turn of its own.
 *
 * A pipe has room for its two possible ends (in order, then a reset) before it takes bytes, so an
 * end never fails; bytes that find no memory reset the connection.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "io/fake_inner.h"

#define CHUNKS_FIRST 8 /* room of a ring; a power of two */
#define KEEP_BYTES (1u << 16)

static void on_arrival(void *arg);

static void pipe_init(struct fake_pipe *p, struct fake_link *k)
{
    p->link = k;
    str_init(&p->bytes);
    timer_init(&p->timer, k->net->loop, on_arrival, p);
}

struct fake_link *fake_link_new(struct fake_net *n, const char *address)
{
    struct fake_link *k = calloc(1, sizeof *k);
    if (k == NULL) {
        return NULL;
    }
    k->net = n;
    pipe_init(&k->up, k);
    pipe_init(&k->down, k);
    k->up.cap = k->down.cap = CHUNKS_FIRST;
    k->up.chunks = calloc(CHUNKS_FIRST, sizeof *k->up.chunks);
    k->down.chunks = calloc(CHUNKS_FIRST, sizeof *k->down.chunks);
    if (k->up.chunks == NULL || k->down.chunks == NULL) {
        free(k->up.chunks);
        free(k->down.chunks);
        free(k);
        return NULL;
    }
    (void)strncpy(k->address, address, sizeof k->address - 1);
    k->exchange = (struct fake_exchange){.address = k->address, .connection = ++n->connections};
    k->next = n->links;
    if (k->next != NULL) {
        k->next->prev = k;
    }
    n->links = k;
    n->counts.open++;
    return k;
}

static void pipe_fini(struct fake_pipe *p)
{
    timer_stop(&p->timer);
    str_fini(&p->bytes);
    free(p->chunks);
}

void fake_link_release(struct fake_link *k)
{
    bool held = k->plan.gateway && k->up.count > 0;
    if (k->busy == 0 && k->client == NULL && k->server == NULL && !held) {
        fake_link_free(k);
    }
}

void fake_link_free(struct fake_link *k)
{
    if (k->prev != NULL) {
        k->prev->next = k->next;
    } else {
        k->net->links = k->next;
    }
    if (k->next != NULL) {
        k->next->prev = k->prev;
    }
    k->net->counts.open--;
    timer_stop(&k->timer);
    pipe_fini(&k->up);
    pipe_fini(&k->down);
    free(k);
}

/* ---- putting in ----
 *
 * In order: what is due before its forerunners waits for them. */

static bool ring_reserve(struct fake_pipe *p, size_t more)
{
    size_t cap = p->cap;
    while (cap < p->count + more) {
        cap *= 2;
    }
    if (cap == p->cap) {
        return true;
    }
    struct fake_chunk *ring = calloc(cap, sizeof *ring);
    if (ring == NULL) {
        return false;
    }
    for (size_t i = 0; i < p->count; i++) {
        ring[i] = p->chunks[(p->head + i) & (p->cap - 1)];
    }
    free(p->chunks);
    p->chunks = ring;
    p->head = 0;
    p->cap = cap;
    return true;
}

static void ring_push(struct fake_pipe *p, size_t size, bool reset, int64_t due)
{
    p->chunks[(p->head + p->count++) & (p->cap - 1)] = (struct fake_chunk){due, size, reset};
    if (p->count == 1) {
        (void)timer_start_io_at(&p->timer, due);
    }
}

void fake_pipe_put(struct fake_pipe *p, const void *bytes, size_t n, size_t piece, int64_t due)
{
    if (p->shut || p->link->silent || n == 0) {
        return;
    }
    piece = piece == 0 || piece > n ? n : piece;
    size_t chunks = (n - 1) / piece + 1;
    bool room = ring_reserve(p, chunks + 2);
    if (room) {
        str_add(&p->bytes, bytes, n);
    }
    if (!room || p->bytes.failed) {
        p->bytes.failed = false;
        fake_link_cut(p->link, FAKE_RESET);
        return;
    }
    for (; n > 0; n -= piece < n ? piece : n) {
        ring_push(p, piece < n ? piece : n, false, due);
    }
}

void fake_pipe_put_end(struct fake_pipe *p, bool reset, int64_t due)
{
    if (p->link->silent || p->reset || (p->shut && !reset)) {
        return;
    }
    p->shut = true;
    p->reset = reset;
    ring_push(p, 0, reset, due);
}

const char *fake_pipe_bytes(const struct fake_pipe *p)
{
    return p->bytes.p + p->read;
}

/* What was read is thrown away when it is most of it, so that small pieces of a large answer do not
 * move the rest each time. */
void fake_pipe_drop(struct fake_pipe *p, size_t n)
{
    p->arrived -= n;
    p->read += n;
    if (2 * p->read >= p->bytes.len) {
        str_drop(&p->bytes, p->read);
        p->read = 0;
    }
    if (p->bytes.len == 0 && p->bytes.cap > KEEP_BYTES) {
        str_fini(&p->bytes);
    }
}

void fake_pipe_wake(struct fake_pipe *p)
{
    int64_t now = fake_now(p->link->net);
    if (!timer_active(&p->timer) || p->timer.due > now) {
        (void)timer_start_io_at(&p->timer, now);
    }
}

/* ---- arriving ---- */

static void note(struct fake_net *n, const struct fake_pipe *p, const struct fake_chunk *c)
{
    const struct fake_link *k = p->link;
    uint64_t what = c->size > 0 ? crc32c(0, fake_pipe_bytes(p) + p->arrived, c->size)
                    : c->reset  ? 2
                                : 1;
    uint64_t words[4] = {what, c->size, (uint64_t)fake_now(n),
                         k->exchange.connection * 2 + (p == &k->up)};
    for (unsigned i = 0; i < 4; i++) {
        uint64_t x = (n->fingerprint ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        n->fingerprint = x ^ (x >> 29);
    }
    n->counts.bytes += c->size;
}

/* Bytes for an end that is closed: the sender hears that nobody is there. */
static void bounce(struct fake_pipe *p)
{
    struct fake_link *k = p->link;
    struct fake_pipe *back = p == &k->up ? &k->down : &k->up;
    bool waits = p == &k->up ? k->client != NULL : k->server != NULL;
    fake_pipe_drop(p, p->arrived);
    if (waits) {
        fake_pipe_put_end(back, true, fake_now(k->net) + k->net->config.latency_ns);
    }
}

/* The next chunk, if it is due. True when it brought something for a reader. */
static bool take_chunk(struct fake_pipe *p)
{
    struct fake_link *k = p->link;
    const struct fake_chunk c = p->chunks[p->head];
    if (p->count == 0 || c.due > fake_now(k->net)) {
        return false;
    }
    note(k->net, p, &c);
    p->head = (p->head + 1) & (p->cap - 1);
    p->count--;
    if (c.size == 0) {
        p->end = c.reset ? PIPE_RESET : PIPE_FIN;
        return true;
    }
    if (p == &k->up && k->server == NULL && k->plan.gateway) {
        (void)fake_link_accept(k);
    }
    p->arrived += c.size;
    if (p == &k->up ? k->server == NULL : k->client == NULL) {
        bounce(p);
        return false;
    }
    k->heard = k->heard || p == &k->down;
    return true;
}

static void show_server(struct fake_link *k)
{
    struct fake_pipe *p = &k->up;
    struct fake_conn *c = k->server;
    struct str *shown = &k->net->shown;
    if (c == NULL || c->events == NULL || c->paused) {
        return;
    }
    if (p->arrived > 0) { /* taken out first: what the event does may add to the pipe */
        str_clear(shown);
        str_add(shown, fake_pipe_bytes(p), p->arrived);
        if (shown->failed) {
            shown->failed = false;
            fake_link_cut(k, FAKE_RESET);
            return;
        }
        fake_pipe_drop(p, p->arrived);
        c->events->data(c->arg, shown->p, shown->len);
        c = k->server;
    }
    if (c != NULL && !c->paused && p->end != PIPE_OPEN && p->arrived == 0 && !p->told) {
        p->told = true;
        c->events->end(c->arg, p->end == PIPE_RESET);
    }
}

static void on_arrival(void *arg)
{
    struct fake_pipe *p = arg;
    struct fake_link *k = p->link;
    k->busy++;
    bool news = take_chunk(p);
    if (p == &k->up) {
        show_server(k);
    } else if (news && k->client != NULL) {
        k->client->events->readable(k->client->arg);
    }
    if (p->count > 0 && !timer_active(&p->timer)) {
        (void)timer_start_io_at(&p->timer, p->chunks[p->head].due);
    }
    k->busy--;
    fake_link_release(k);
}

/* ---- ends ---- */

void fake_link_cut(struct fake_link *k, enum fake_end end)
{
    int64_t due = fake_now(k->net) + k->net->config.latency_ns;
    if (end != FAKE_SILENCE) {
        fake_pipe_put_end(&k->up, end == FAKE_RESET, due);
        fake_pipe_put_end(&k->down, end == FAKE_RESET, due);
    }
    k->up.shut = k->down.shut = true;
    k->silent = true; /* from here on nobody's bytes or ends matter */
    timer_stop(&k->timer);
}

/* Closing with bytes unread is a reset, as the kernel does it. */
void fake_link_leave_client(struct fake_link *k)
{
    k->client = NULL;
    timer_stop(&k->timer); /* opening */
    fake_pipe_put_end(&k->up, k->down.arrived > 0, fake_now(k->net) + k->net->config.latency_ns);
    fake_pipe_drop(&k->down, k->down.arrived);
}

void fake_link_leave_server(struct fake_link *k, bool reset)
{
    k->server = NULL;
    fake_pipe_put_end(&k->down, reset || k->up.arrived > 0,
                      fake_now(k->net) + k->net->config.latency_ns);
    fake_pipe_drop(&k->up, k->up.arrived);
}
