/* SPDX-License-Identifier: MIT
 *
 * The network in memory: the whole, its processes, its listeners.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "io/fake_inner.h"

#define FIRST_PORT 20000

int64_t fake_now(const struct fake_net *n)
{
    return clock_io_ns(n->loop->clock);
}

int64_t fake_latency(const struct fake_net *n, uint64_t connection, unsigned nth, unsigned way)
{
    struct rng r;
    if (n->config.jitter_ns <= 0) {
        return n->config.latency_ns;
    }
    rng_seed(&r, n->config.seed ^ (connection << 24) ^ ((uint64_t)nth << 2) ^ way);
    return n->config.latency_ns + rng_range(&r, 0, n->config.jitter_ns);
}

struct fake_net *fake_net_new(struct loop *l, const struct fake_net_config *config, struct err *e)
{
    struct fake_net *n = calloc(1, sizeof *n);
    if (n == NULL) {
        (void)err_set(e, ERR_NOMEM, "out of memory for a network");
        return NULL;
    }
    n->loop = l;
    n->config = *config;
    if (n->config.latency_ns <= 0) {
        n->config.latency_ns = 1000000;
    }
    n->next_port = FIRST_PORT;
    str_init(&n->shown);
    return n;
}

void fake_net_free(struct fake_net *n)
{
    if (n == NULL) {
        return;
    }
    assert(n->processes == NULL && "processes of the net are still there");
    while (n->links != NULL) { /* held by gateways */
        assert(n->links->client == NULL && n->links->server == NULL);
        fake_link_free(n->links);
    }
    str_fini(&n->shown);
    free(n);
}

struct fake_counts fake_net_counts(const struct fake_net *n)
{
    return n->counts;
}

uint64_t fake_net_fingerprint(const struct fake_net *n)
{
    return n->fingerprint;
}

/* ---- processes ---- */

struct fake_process *fake_process_new(struct fake_net *n, const char *name, struct err *e)
{
    struct fake_process *p = calloc(1, sizeof *p);
    if (p != NULL) {
        p->name = strdup(name);
    }
    if (p == NULL || p->name == NULL) {
        free(p);
        (void)err_set(e, ERR_NOMEM, "out of memory for a process");
        return NULL;
    }
    p->net = n;
    p->next = n->processes;
    n->processes = p;
    return p;
}

const char *fake_process_name(const struct fake_process *p)
{
    return p->name;
}

bool fake_process_alive(const struct fake_process *p)
{
    return !p->dead;
}

static void unlist(struct fake_listener *l)
{
    for (struct fake_listener **at = &l->process->net->listeners; *at != NULL; at = &(*at)->next) {
        if (*at == l) {
            *at = l->next;
            return;
        }
    }
}

static void mute(struct fake_link *k, const struct fake_process *p)
{
    struct transport *client = k->client;
    struct fake_conn *server = k->server;
    k->busy++;
    if (client != NULL && client->process == p) {
        client->link = NULL;
        fake_link_leave_client(k);
    }
    if (server != NULL && server->process == p) {
        server->link = NULL;
        fake_link_leave_server(k, false);
    }
    k->busy--;
}

void fake_process_kill(struct fake_process *p)
{
    struct fake_net *n = p->net;
    if (p->dead) {
        return;
    }
    p->dead = true;
    n->counts.kills++;
    for (struct fake_link *k = n->links, *next; k != NULL; k = next) {
        next = k->next;
        mute(k, p);
        fake_link_release(k);
    }
    for (struct fake_listener *l = n->listeners, *next; l != NULL; l = next) {
        next = l->next;
        if (l->process == p) {
            unlist(l);
        }
    }
}

void fake_process_cut(struct fake_process *p, enum fake_end end)
{
    for (struct fake_link *k = p->net->links; k != NULL; k = k->next) {
        if ((k->client != NULL && k->client->process == p) ||
            (k->server != NULL && k->server->process == p)) {
            fake_link_cut(k, end);
        }
    }
}

void fake_process_free(struct fake_process *p)
{
    if (p == NULL) {
        return;
    }
    fake_process_kill(p);
    assert(p->held == 0 && "ends or listeners of the process were not closed");
    for (struct fake_process **at = &p->net->processes; *at != NULL; at = &(*at)->next) {
        if (*at == p) {
            *at = p->next;
            break;
        }
    }
    free(p->name);
    free(p);
}

/* ---- listeners ---- */

struct fake_listener *fake_find_listener(const struct fake_net *n, const char *address)
{
    for (struct fake_listener *l = n->listeners; l != NULL; l = l->next) {
        if (strcmp(l->address, address) == 0) {
            return l;
        }
    }
    return NULL;
}

static bool choose_address(struct fake_net *n, struct fake_listener *l, const char *host,
                           uint16_t port)
{
    for (unsigned tries = 0; tries < 60000; tries++) {
        l->port = port;
        if (port == 0) {
            l->port = n->next_port;
            n->next_port = n->next_port == UINT16_MAX ? FIRST_PORT : (uint16_t)(n->next_port + 1);
        }
        int length = snprintf(l->address, sizeof l->address, "%s:%u", host, l->port);
        if (length < 0 || (size_t)length >= sizeof l->address) {
            return false;
        }
        if (fake_find_listener(n, l->address) == NULL) {
            return true;
        }
        if (port != 0) {
            return false;
        }
    }
    return false;
}

struct fake_listener *fake_listen(struct fake_process *p, const char *host, uint16_t port,
                                  fake_accept_fn fn, void *arg, struct err *e)
{
    struct fake_net *n = p->net;
    struct fake_listener *l = calloc(1, sizeof *l);
    if (l == NULL) {
        (void)err_set(e, ERR_NOMEM, "out of memory for a listener");
        return NULL;
    }
    if (p->dead || !choose_address(n, l, host, port)) {
        free(l);
        (void)err_set(e, ERR_UNREACHABLE, "cannot listen at %s:%u: %s", host, port,
                      p->dead ? "the process was killed" : "the address is taken");
        return NULL;
    }
    l->process = p;
    l->fn = fn;
    l->arg = arg;
    l->next = n->listeners;
    n->listeners = l;
    p->held++;
    return l;
}

uint16_t fake_listener_port(const struct fake_listener *l)
{
    return l->port;
}

void fake_listener_close(struct fake_listener *l)
{
    if (l != NULL) {
        unlist(l);
        l->process->held--;
        free(l);
    }
}
