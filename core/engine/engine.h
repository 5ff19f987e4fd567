/* SPDX-License-Identifier: MIT
 *
 * The engine as a part: market, ledger, journal, orders and the Lua modules over them, built inside
 * of a loop that is there already. Its process (engine_main) adds signals, the real HTTP and the
 * socket; deterministic fault runs add virtual time and a fake network, and drop it in the middle.
 */
#ifndef PERIGEE_ENGINE_ENGINE_H
#define PERIGEE_ENGINE_ENGINE_H

#include "engine/settings.h"
#include "io/file.h"
#include "io/transport.h"
#include "script/host.h"

struct engine;

struct engine_parts {
    struct loop *loop; /* with its clock and log */
    /* Taken over, on failure too. Its services of stream, ledger, market and exec are set here. */
    struct host *host;
    const struct settings *settings;       /* read while it is opened */
    const struct transport_ops *transport; /* of the order lanes; outlives the engine */
    void *transport_ctx;
    struct file_gate *gate; /* that the journal's writes pass; NULL: none */
    const char *socket;     /* path of engine.sock; NULL: none, nobody can subscribe */
};

/* Folds the journal and recovers; policy is not started. On failure nothing is left. */
int engine_open(struct engine **out, const struct engine_parts *parts, struct err *e);
/* Everything that was emitted reaches the kernel, at least when the journal works. */
void engine_commit(struct engine *g);
/* Closes all tasks and connections and the journal. With a gate that is dead nothing of it reaches
 * the disk: that is a crash. The caller's clients of the network are its own to cut off before. */
void engine_free(struct engine *g);

#endif
