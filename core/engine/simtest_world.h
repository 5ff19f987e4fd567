/* SPDX-License-Identifier: MIT
 *
 * One run of one seed: a virtual clock, a network in memory, the keeper and the engine.
 *
 * The keeper is a Lua state that lives for the whole run: it holds the paper broker and its HTTP
 * face, decides about faults, gives orders to the engine, and checks. What it does is
 * lua/perigee/simtest; here is only what Lua cannot do itself. The engine is built from the same
 * parts as in its own process, in a state of its own; between two of its lives there is none.
 *
 * A life ends at the write or send that the keeper named: from then on files and network of that
 * life are dead, so that whatever its code still does on that turn has no effect, and it is taken
 * apart before the next turn.
 *
 * The keeper's half of the module perigee.simtest.core:
 *
 *   core.options() -> table of texts            core.folder() -> path
 *   core.on(name, fn): name is one of
 *     "exchange" fn(address, nth, bytes) -> plan | nil    see fake_net.h; times in ms
 *     "connect"  fn(address) -> "refuse" | "silent" | "at once" | nil
 *     "sending"  fn(bytes) -> nothing     a request leaves the engine; sees the disk as it is
 *     "down"     fn(how, code)            "killed" or "stopped"; on a turn of its own
 *     "told"     fn(text)                 what the engine's half says
 *     It must not yield.
 *   core.start(overrides)    the engine, on the next turn; core.running() -> boolean
 *   core.arm(kind, n, share) the life that runs, or the next: it dies at its nth "write" or
 *                            "send"; share 0..1 of its bytes get through. core.arm() disarms
 *   core.kill()              now          core.counts() -> writes, sends of the newest life
 *   core.cut(end)            "fin", "reset" or "silence": all connections of the engine end
 *   core.command(text)       spawns perigee.simtest.inside.command(text) in the engine
 *   core.quote(ms, bid, ask) what the engine's feed sees next
 *   core.finish(text)        ends the run
 *   core.fold(journal, scratch, samples, seed) -> prefixes | nil, why   see simtest_fold.h
 *   core.digest(journal) -> 16 hex digits: two journals are alike if and only if they are
 *   core.removed(guard) -> boolean                    is it taken out of this program's engine?
 *
 * The engine's half: core.quote() -> ms, bid, ask    core.tell(text)    core.removed(guard)
 */
#ifndef PERIGEE_ENGINE_SIMTEST_WORLD_H
#define PERIGEE_ENGINE_SIMTEST_WORLD_H

#include "engine/engine.h"
#include "io/fake_net.h"

enum world_hook { WORLD_EXCHANGE, WORLD_CONNECT, WORLD_SENDING, WORLD_DOWN, WORLD_TOLD };
#define WORLD_HOOKS 5

struct world {
    struct clock clock;
    struct loop loop;
    struct log *log;
    struct fake_net *net;
    struct rng entropy;  /* tokens and nonces of this run */
    const char *folder;  /* of the run, not owned */
    const char *options; /* "name=value" lines for the keeper, not owned */
    const char *home;
    char config[300];            /* path of the engine's configuration file, which is empty */
    struct fake_process *broker; /* the keeper's end of the network */
    struct host *keeper;
    int hooks[WORLD_HOOKS]; /* registry references of the keeper's functions; LUA_NOREF */
    /* the newest life of the engine */
    unsigned lives;        /* begun so far */
    struct engine *engine; /* NULL: none */
    struct host *host;     /* the engine's, owned by it */
    struct http_client *http;
    struct fake_process *process;
    struct settings *settings;
    char data[300]; /* its data folder */
    struct file_gate gate;
    uint64_t sends;     /* begun in this life */
    uint64_t last_send; /* its bytes are cut and it dies; 0: none */
    uint32_t share;     /* of them that get through, in 1/65536 */
    /* wanted by the keeper, done between two turns */
    struct str start; /* overrides, NUL-separated; with start_wanted */
    bool start_wanted, kill_wanted, stopped;
    int exit_code; /* of a life that stopped by itself */
    int64_t quote_ms;
    double bid, ask;
    bool finished;
    struct str verdict; /* the text of core.finish */
};

/* Runs `module`.start() of the keeper until it finishes. 0, or an error that is no verdict: a part
 * could not be built, the run stands still, a hook failed. */
int world_run(struct world *w, uint64_t seed, const char *module, int64_t limit_ms, struct err *e);

/* simtest_bind.c */
void world_register(struct world *w, struct host *h, bool keeper);
/* Calls the keeper's hook with what is on the top of its stack; leaves `results` values. false:
 * there is no such hook (nothing is left). A hook that fails fails the run. */
bool world_hook(struct world *w, enum world_hook hook, int args, int results);
struct fake_faults world_faults(struct world *w);

#endif
