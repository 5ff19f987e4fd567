/* SPDX-License-Identifier: MIT
 *
 * What the engine remembers of its journal beside the ledger: the newest value of each
 * policy_state, the newest signals with what came of them, and the commands with a key of the last
 * 24 hours of the wall clock. A fold like the ledger's: the same events give the same memory, live
 * and at a restart.
 *
 * Lua reads it by the module perigee.memory:
 *
 *   memory.get(name) -> JSON text | nil
 *   memory.key(key) -> {digest =, wall_ms =, answer = JSON text | nil: it did not end} | nil; an
 *     answer that had to go for newer ones is a refusal that says so
 *   memory.signals() -> array of {signal = frame, outcome = frame | nil}, newest first
 */
#ifndef PERIGEE_ENGINE_MEMORY_H
#define PERIGEE_ENGINE_MEMORY_H

#include "base/err.h"
#include "base/event.h"
#include "script/host.h"

#define MEMORY_SIGNALS 20          /* signals that are kept */
#define MEMORY_ANSWERS (16u << 20) /* bytes of answers that are kept; the oldest ones go first */

struct memory;

struct memory *memory_new(struct err *e);
void memory_free(struct memory *m);
/* A reducer of the stream (arg: the memory). Fails with ERR_NOMEM only. */
int memory_apply(void *arg, const struct event *ev, struct err *e);
/* Registers perigee.memory; the memory must outlive the host. */
void memory_register(struct memory *m, struct host *h);

#endif
