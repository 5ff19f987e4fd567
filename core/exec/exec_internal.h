/* SPDX-License-Identifier: MIT
 *
 * Inside of exec, shared by its files only.
 *
 * What the journal must know is in the ledger and is changed by events alone. What is kept here is
 * of this run: calls in flight, io stamps, counts of reads, back-offs. After a restart it is made
 * anew from the ledger (exec_start).
 *
 * Stamps are io ns. A list from the broker proves the absence of something only when the read was
 * begun at or after the stamp of the last change; the presence of something it proves at any time.
 */
#ifndef PERIGEE_EXEC_EXEC_INTERNAL_H
#define PERIGEE_EXEC_EXEC_INTERNAL_H

#include "base/event.h"
#include "base/map.h"
#include "exec/exec.h"

#define MS_NS INT64_C(1000000)
#define ENTRY_DEADLINE_MS 5000 /* a leg that found no connection for so long is not sent */
#define CLOSE_DEADLINE_MS 5000
#define CLOSE_RETRY_MAX_MS 5000
#define READ_RETRY_MS 500 /* first back-off of a read that settled nothing */
#define READ_RETRY_MAX_MS 5000
#define READ_TRIES_NOTICE 10    /* fruitless reads after which the operator is told */
#define HISTORY_MARGIN_MS 60000 /* history is read from so long before what is looked for */
#define MATCH_EARLY_MS 5000     /* the broker's clock may be so much behind ours */
#define ABSENT_KEPT 16          /* ABSENT entries of an account that may still turn up */
#define GONE_KEPT 1024          /* closed positions remembered against late lists */
#define BUDGET_SLICES 61        /* the running slice and a whole window of 60 before it */

struct acct;

/* One write in flight. */
struct call {
    struct venue_call v; /* its arg is this call */
    struct exec *x;
    struct order order;  /* frozen copy: what the venue encodes */
    int64_t intent_ns;   /* io, when its intent was written */
    int64_t sent_ns;     /* io, first byte; 0: not yet */
    struct batch *batch; /* of a leg; NULL: a single order, owned by the list of calls */
    size_t leg;          /* index in its batch */
    void (*edited)(void *arg, enum order_state state, const char *reason); /* of an edit */
    void *edited_arg;
    struct call *next, *prev; /* in exec's list of calls in flight */
};

/* An order that lists must settle, or an entry in flight. */
struct orun {
    uint64_t id;           /* ledger order */
    int64_t intent_ns;     /* io; lists begun earlier cannot show it; 0: former life */
    int64_t stamp_ns;      /* io, when it was accepted or lost; 0: in flight */
    int64_t absent_ns;     /* io; reads begun from here on may prove absence */
    unsigned reads;        /* of positions, begun since absent_ns */
    unsigned closed_reads; /* of history, begun since absent_ns (accepted: since stamp_ns) */
    unsigned tries;        /* reads of positions since stamp_ns that did not settle it */
    bool missed;           /* a list begun since stamp_ns did not show it: look in the history */
    bool ambiguous;        /* more than one row fits */
    bool told;             /* the operator knows */
};

/* An open position. */
struct prun {
    char id[32];
    int64_t as_of_ns;   /* begin of the list that showed what we know */
    decimal shown;      /* volume in that list; below the ledger's: a partial close is untold */
    bool missing;       /* a list does not show it any more */
    int64_t missing_ns; /* begin of that list, or of the one that showed less volume */
    unsigned tries;     /* histories read since, without finding why */
    bool told;          /* the operator knows */
    uint64_t round;     /* of the list that showed it last */
    uint64_t *uids;     /* hashes of the closings already journalled, owned */
    size_t uid_count;
    /* closing */
    bool wanted; /* closed in full */
    char reason[16];
    struct call *call;   /* the close in flight */
    bool editing;        /* an edit is in flight */
    bool no_session;     /* the venue refused to queue: wait until it is ready */
    unsigned fails;      /* since it was wanted */
    int attempt;         /* closes sent in this run */
    int64_t retry_ns;    /* io, not before; 0: nothing to repeat */
    int64_t answered_ns; /* io of the last ACCEPTED: repeated only when shown after that */
};

/* Something to be read. */
struct need {
    bool on;
    int64_t since_ns; /* io; settled by a read begun at or after */
    int64_t due_ns;   /* io; not asked for before */
    unsigned tries;   /* reads that settled nothing, for the back-off */
};

struct acct {
    struct exec *x;
    int index;
    struct need positions, closed, balance;
    int64_t closed_from;   /* market ms: history to be read once, since the start; 0: it was */
    int64_t told_until_ms; /* market ms: newest close that a former life told */
    bool deferred;         /* a row was left for the next list */
    bool awake;            /* told that something is needed */
    bool wake;             /* to be told on the next turn */
    struct timer timer;    /* io: back-offs of closes and reads */
    struct orun *orders;   /* owned, rising ids */
    size_t order_count, order_cap;
    struct prun *positions_run; /* owned, in order of opening */
    size_t position_count, position_cap;
    uint16_t budget[BUDGET_SLICES]; /* requests in each slice of market time */
    uint32_t budget_used;
    int64_t budget_slice; /* number of the running slice */
};

/* A row of a list in the ledger's terms. */
struct row {
    const char *id, *uid;
    int instrument;
    enum side side;
    decimal volume; /* of closed rows: of this closing */
    decimal price;  /* open price */
    decimal stop, target;
    int64_t stop_points, target_points;
    int64_t opened_ms, closed_ms;
    const struct seen_close *closed; /* NULL in a list of open positions */
    bool known;                      /* belongs to something that the ledger has */
};

struct gone {
    int account;
    char id[32];
    int64_t ns; /* lists begun before cannot revive it */
};

struct exec {
    struct exec_config c;
    struct acct **accounts; /* by ledger index, owned; NULL: not met yet */
    size_t account_count;
    struct call *calls; /* in flight */
    unsigned in_flight;
    struct batch *batches; /* all that are not freed */
    uint64_t last_batch;
    uint64_t unwritten; /* ids of closes sent while the journal is broken */
    bool stopped;       /* no entries */
    bool started;
    struct timer later; /* io, 0 ms: what must not happen inside of a call */
    bool later_held;    /* the loop is held for it */
    void (*need)(void *arg, int account);
    void *need_arg;
    struct map *noticed; /* venue, symbol: reported once */
    struct row *rows;    /* scratch, owned */
    size_t row_count, row_cap;
    uint64_t round;
    struct gone *gone; /* ring of GONE_KEPT, owned */
    size_t gone_next;
};

struct batch {
    struct exec *x;
    uint64_t id, signal;
    enum settle settle;
    int64_t deadline_ms;
    struct leg *legs;   /* owned */
    struct call *calls; /* owned, by leg; made at submit */
    size_t *plans;      /* owned, by leg: offset of its plan in `text`, SIZE_MAX: none */
    size_t count, cap;
    struct str text;                           /* plans, NUL-separated */
    int64_t begun_ns;                          /* io of submit */
    size_t left;                               /* legs without an end */
    bool submitted, orphan, finished, calling; /* freed by its owner; done() is due or was called */
    bool told;                                 /* batch_done is written */
    int64_t answered_us;                       /* newest answer */
    struct timer timer;                        /* io: SETTLE_DEADLINE */
    void (*done)(void *arg, struct batch *b);
    void *arg;
    struct batch *next, *prev;
};

/* exec.c */
int64_t exec_now(const struct exec *x);
struct acct *exec_acct(struct exec *x, int account); /* made when new; NULL: unknown or no memory */
const struct account *exec_account(const struct exec *x, int account);
void exec_later(struct exec *x);
void exec_need_now(struct acct *a, unsigned kind);
void exec_need_after(struct need *n, struct acct *a); /* with the back-off of fruitless reads */
void exec_needs_changed(struct acct *a);
void exec_arm(struct acct *a);
struct orun *exec_orun(struct acct *a, uint64_t id);
struct orun *exec_orun_add(struct acct *a, uint64_t id);
void exec_orun_remove(struct acct *a, uint64_t id);
void exec_orun_lost(struct acct *a, struct orun *o); /* stamps it: reads from now on count */
struct prun *exec_prun(struct acct *a, const char *id);
struct prun *exec_prun_add(struct acct *a, const struct position *p, int64_t as_of_ns);
void exec_prun_remove(struct acct *a, const char *id);

/* call.c: one write from its intent to its verdict */
void call_init(struct call *c, struct exec *x, const struct order *o);
int call_intent(struct call *c, const char *plan, struct err *e); /* emits, not yet committed */
int call_submit(struct call *c, int64_t deadline_ms, bool urgent, struct err *e);
bool call_withdraw(struct call *c, const char *cause);

/* batch.c */
void batch_leg_sent(struct batch *b, size_t leg);
void batch_leg_done(struct batch *b, size_t leg, enum order_state state, const struct verdict *v);
void batch_run_later(struct exec *x); /* done() calls that are due */
void batch_drop_all(struct exec *x);

/* close.c */
void close_verdict(struct acct *a, struct call *c, const struct verdict *v);
void close_tick(struct acct *a);          /* repeats what is due */
int64_t close_next(const struct acct *a); /* io ns of the next repetition; INT64_MAX: none */

/* emit.c: events; each returns what stream_emit says, and stops entries when it fails */
int emit(struct exec *x, struct event *ev, struct err *e);
void emit_notice(struct exec *x, const char *level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int emit_intent(struct exec *x, const struct order *o, const char *plan, struct err *e);
int emit_order_text(struct exec *x, uint16_t kind, uint64_t id, const char *cause, struct err *e);
int emit_absent(struct exec *x, uint64_t id, unsigned reads, struct err *e);
int emit_adopted(struct exec *x, uint64_t id, const char *position, const char *by, struct err *e);
int emit_opened(struct exec *x, int account, const struct row *r, decimal volume,
                const struct order *o, struct err *e);
int emit_closed(struct exec *x, const struct position *p, const struct row *r, bool partial,
                const char *reason, struct err *e);

/* rows.c: from the broker's words to the ledger's */
int rows_begin(struct exec *x, size_t n, struct err *e);
bool rows_add_open(struct acct *a, const struct seen_position *s);
bool rows_add_closed(struct acct *a, const struct seen_close *s);
bool rows_gone(const struct exec *x, int account, const char *id, int64_t begun_ns);
void rows_gone_add(struct exec *x, int account, const char *id, int64_t ns);
/* Volume of the row's position: a closed one may have several rows. */
decimal rows_volume(const struct exec *x, const struct row *r);
/* The row that is this entry: its index, -1 none, -2 more than one. *by tells how. */
int rows_match(const struct acct *a, const struct orun *r, const struct order *o, const char **by);

/* settle.c: what lists say of orders */
int settle_entries(struct acct *a, int64_t begun_ns, bool history, struct err *e);
int settle_writes(struct acct *a, int64_t begun_ns, struct err *e);
int settle_absent(struct acct *a, struct err *e);
bool settle_open(const struct acct *a, bool history); /* is anything left to look for? */
bool settle_resembles(const struct acct *a,
                      const struct row *r); /* an entry not settled, same shape */

/* closed.c */
/* p must be open in the ledger; it is gone when its end was told. */
int closed_tell(struct acct *a, struct prun *p, int64_t begun_ns, struct err *e);

/* budget.c */
void budget_init(struct acct *a);
bool budget_take(struct acct *a, bool urgent, int64_t *wait_ms);

#endif
