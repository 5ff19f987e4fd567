/* SPDX-License-Identifier: MIT
 *
 * Guards that a fault run may take out, one at a time, to prove that it would notice. They can be
 * taken out only in the program perigee-mutants, which is built with PERIGEE_MUTANTS: everywhere
 * else MUTANT(name) is the constant false and leaves no trace in the code.
 *
 * docs/simtest.md tells what each guard is for and which seed catches its absence.
 */
#ifndef PERIGEE_BASE_MUTANT_H
#define PERIGEE_BASE_MUTANT_H

#include <stdbool.h>
#include <string.h>

/* M(name, what the engine does without the guard) */
#define MUTANTS(M)                                                                                 \
    M(journal_before_send, "bytes leave before their intent is on the disk")                       \
    M(entry_while_unknown, "an entry is taken while the outcome of another is not known")          \
    M(one_entry, "an entry is taken while another is in flight or not shown yet")                  \
    M(reconcile_before_resend, "an entry whose answer was lost is sent again")                     \
    M(never_twice, "the order lane sends again what a kept connection swallowed")                  \
    M(absent_reads, "an entry that one list does not show is given up as absent")                  \
    M(close_repeated, "a close that did not work is not repeated")                                 \
    M(wishes_kept, "closes that were wanted are forgotten at a restart")                           \
    M(former_unknown, "orders in flight in a former life are not taken for UNKNOWN")               \
    M(dedupe, "a position may be taken for more than one order, and come back from old lists")     \
    M(foreign_deferred, "a position that may be an entry on its way is a hand's at once")          \
    M(lane_reserve, "closes wait for the request budget like reads of quotes")

enum mutant {
    MUTANT_none,
#define MUTANT_ENUM(name, text) MUTANT_##name,
    MUTANTS(MUTANT_ENUM)
#undef MUTANT_ENUM
        MUTANT_count
};

static inline const char *mutant_name(enum mutant m)
{
    static const char *const names[] = {"none",
#define MUTANT_NAME(name, text) #name,
                                        MUTANTS(MUTANT_NAME)
#undef MUTANT_NAME
    };
    return names[m];
}

static inline const char *mutant_text(enum mutant m)
{
    static const char *const texts[] = {"every guard is in its place",
#define MUTANT_TEXT(name, text) text,
                                        MUTANTS(MUTANT_TEXT)
#undef MUTANT_TEXT
    };
    return texts[m];
}

#ifdef PERIGEE_MUTANTS
/* Set once, before anything runs: the whole program is that mutant. */
extern enum mutant mutant_now;
#define MUTANT(name) (mutant_now == MUTANT_##name)
#else
#define MUTANT(name) false
#endif

#endif
