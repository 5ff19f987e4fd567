/* SPDX-License-Identifier: MIT
 *
 * The owner's side is a count that is odd while a burst runs. The thread looks at it every TICK:
 * the same odd number again is the same burst still, and what the owner's thread has used of the
 * processor since it was seen first is held against its limit. So a burst is stopped within two
 * ticks behind its limit, and short ones are never looked at twice.
 *
 * The thread goes to sleep after IDLE_TICKS without a burst, by a flag that it raises before it
 * looks a last time; the owner raises its count before it looks at the flag. One of both sees the
 * other.
 */
#include "script/watchdog.h"

#include <errno.h>
#include <lauxlib.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

#define TICK_NS 5000000
#define IDLE_TICKS 20
#define EVERYTHING (LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT)

struct watchdog {
    pthread_t thread, owner;
    struct clock clock;        /* of the wall */
    struct clock_thread usage; /* the owner's */
    sem_t wake;
    atomic_uint_fast64_t count;  /* odd: a burst runs */
    atomic_uint_fast64_t wanted; /* count of the burst that is to be stopped; 0: none */
    atomic_uint limit_ms;        /* of the burst that runs */
    atomic_bool asleep, ending;
};

/* The innermost burst of this thread: all that the signal's handler knows. */
static _Thread_local struct burst *volatile current;

/* ---- in the owner's thread ---- */

static void stop_hook(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    const struct burst *b = current;
    luaL_error(L, "stopped: it used more than %d ms of the processor", b ? (int)b->limit_ms : 0);
}

static void on_signal(int number)
{
    (void)number;
    struct burst *b = current;
    if (!b || !b->dog || atomic_load(&b->dog->wanted) != atomic_load(&b->dog->count))
        return; /* too late: that burst has ended */
    burst_trip(b, b->running, stop_hook);
}

void burst_trip(struct burst *b, lua_State *L, lua_Hook hook)
{
    b->hook = hook;
    b->tripped = 1;
    lua_sethook(L, hook, EVERYTHING, 1);
}

static void install(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGURG, &action, NULL);
}

void burst_begin(struct burst *b, struct watchdog *dog, lua_State *L, unsigned limit_ms)
{
    b->dog = dog;
    b->running = L;
    b->tripped = 0;
    b->hook = NULL;
    b->limit_ms = (sig_atomic_t)limit_ms;
    b->outer = current;
    if (!dog)
        return;
    b->begun_ns = clock_io_ns(&dog->clock);
    current = b;
    atomic_store_explicit(&dog->limit_ms, limit_ms, memory_order_relaxed);
    /* A burst inside of another: two steps, so that it stays odd. */
    atomic_fetch_add(&dog->count, b->outer ? 2 : 1);
    if (atomic_load(&dog->asleep) && atomic_exchange(&dog->asleep, false))
        (void)sem_post(&dog->wake);
}

int64_t burst_end(struct burst *b, lua_State *L)
{
    struct watchdog *dog = b->dog;
    if (!dog)
        return 0;
    atomic_fetch_add(&dog->count, b->outer ? 2 : 1);
    current = b->outer;
    if (b->outer)
        atomic_store_explicit(&dog->limit_ms, (unsigned)b->outer->limit_ms, memory_order_relaxed);
    if (b->tripped)
        lua_sethook(L, NULL, 0, 0);
    return clock_io_ns(&dog->clock) - b->begun_ns;
}

void burst_enter(struct burst *b, lua_State *co)
{
    b->running = co;
}

/* The signal may have come when `running` was the coroutine still, which is not run any more. */
void burst_leave(struct burst *b, lua_State *L)
{
    b->running = L;
    if (!b->tripped)
        return;
    lua_sethook(L, b->hook, EVERYTHING, 1);
    b->hook(L, NULL);
}

/* ---- the thread ---- */

/* false: it is to end. */
static bool sleep_until_needed(struct watchdog *dog)
{
    atomic_store(&dog->asleep, true);
    if (atomic_load(&dog->count) % 2 == 1 && atomic_exchange(&dog->asleep, false))
        return true; /* one began meanwhile, and did not see the flag */
    while (sem_wait(&dog->wake) != 0 && errno == EINTR)
        ;
    return !atomic_load(&dog->ending);
}

static void *watch(void *arg)
{
    struct watchdog *dog = arg;
    const struct timespec tick = {.tv_nsec = TICK_NS};
    uint_fast64_t seen = 0;
    int64_t used = 0; /* by the owner's thread when the burst `seen` was seen first */
    unsigned idle = IDLE_TICKS;
    while (!atomic_load(&dog->ending)) {
        uint_fast64_t count = atomic_load(&dog->count);
        idle = count == seen && count % 2 == 0 ? idle + 1 : 0;
        if (idle >= IDLE_TICKS) {
            if (!sleep_until_needed(dog))
                break;
            idle = 0;
            continue;
        }
        if (count % 2 == 1) {
            int64_t now = clock_thread_ns(&dog->usage);
            if (count != seen)
                used = now;
            int64_t limit = (int64_t)atomic_load(&dog->limit_ms) * 1000000;
            if (count == seen && now - used >= limit) {
                atomic_store(&dog->wanted, count);
                (void)pthread_kill(dog->owner, SIGURG);
            }
        }
        seen = count;
        (void)nanosleep(&tick, NULL);
    }
    return NULL;
}

/* Signals are the owner's to take. */
static int start(struct watchdog *dog)
{
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
        return -1;
    int rc = pthread_create(&dog->thread, NULL, watch, dog);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

int watchdog_new(struct watchdog **out, struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct watchdog *dog = calloc(1, sizeof *dog);
    if (!dog)
        return err_set(e, ERR_NOMEM, "not enough memory for a watchdog");
    clock_init(&dog->clock);
    dog->owner = pthread_self();
    (void)pthread_once(&once, install);
    if (clock_this_thread(&dog->usage) != 0 || sem_init(&dog->wake, 0, 0) != 0) {
        free(dog);
        return err_set(e, ERR_FAILED, "the watchdog of scripts cannot see its thread's time");
    }
    if (start(dog) != 0) {
        sem_destroy(&dog->wake);
        free(dog);
        return err_set(e, ERR_FAILED, "the watchdog of scripts cannot be started");
    }
    *out = dog;
    return 0;
}

void watchdog_free(struct watchdog *dog)
{
    if (!dog)
        return;
    atomic_store(&dog->ending, true);
    (void)sem_post(&dog->wake);
    (void)pthread_join(dog->thread, NULL);
    sem_destroy(&dog->wake);
    free(dog);
}
