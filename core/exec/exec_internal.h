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
#define NEED_ALL (NEED_POSITIONS | NEED_CLOSED | NEED_BALANCE | NEED_ORDERS)
#define CANDIDATES 16          /* of an ambiguous order that are told */
#define ENTRY_DEADLINE_MS 5000 /* a leg that found no connection for so long is not sent */
#define CLOSE_DEADLINE_MS 5000
#define CLOSE_RETRY_MAX_MS 5000
#define READ_RETRY_MS 500 /* first back-off of a read that settled nothing */
#define READ_RETRY_MAX_MS 5000
#define READ_TRIES_NOTICE 10    /* fruitless reads after which the operator is told */
#define HISTORY_MARGIN_MS 60000 /* history is read from so long before what is looked for */
#define MATCH_EARLY_MS 5000     /* the broker's clock may be so much behind ours */
#define MATCH_SLOW_MS 600000    /* and so much where it is wrong */
#define ABSENT_KEPT 16          /* ABSENT entries of an account that may still turn up */
#define GONE_KEPT 1024          /* closed positions remembered against late lists */
#define BUDGET_SLICES 61        /* the running slice and a whole window of 60 before it */

struct acct;

enum list { LIST_ORDERS, LIST_POSITIONS, LIST_CLOSED };

/* The requests of one scope. */
struct bucket {
    enum budget_scope scope;
    bool day;                       /* the second one of its scope */
    char *name;                     /* of a shared one: address or broker, owned; else NULL */
    unsigned limit;                 /* requests in a window */
    int64_t window_ms;              /* market ms; 0: no numbers yet */
    uint32_t slices[BUDGET_SLICES]; /* requests in each slice of market time */
    uint32_t used;                  /* their sum */
    int64_t slice;                  /* number of the running one */
    int64_t rest_ns;                /* io; no request before, the broker said so */
    unsigned rests;                 /* in a row, for the growing pauses */
    struct bucket *next;            /* in exec's list of shared ones */
};

/* One write in flight. */
struct call {
    struct venue_call v; /* its arg is this call */
    struct exec *x;
    struct order order;  /* frozen copy: what the venue encodes */
    int64_t intent_ns;   /* io, when its intent was written */
    int64_t sent_ns;     /* io, first byte; 0: not yet */
    struct batch *batch; /* of a leg; NULL: a single order, owned by the list of calls */
    size_t leg;          /* index in its batch */
    void (*told)(void *arg, enum order_state state, const char *text); /* a waiting caller */
    void *told_arg;
    struct call *next, *prev; /* in exec's list of calls in flight */
};

/* A write by id that is wanted until the broker shows its effect: a full close, a cancel. */
struct wish {
    bool wanted;
    char reason[16];
    struct call *call;   /* the write in flight */
    bool no_session;     /* the venue refused to queue: wait until it is ready */
    unsigned fails;      /* since it was wanted */
    int attempt;         /* sent in this run */
    int64_t retry_ns;    /* io, not before; 0: nothing to repeat */
    int64_t answered_ns; /* io of the last ACCEPTED: repeated only when shown after that */
};

/* An order that lists must settle, or an entry in flight. */
struct orun {
    uint64_t id;       /* ledger order */
    int64_t intent_ns; /* io; lists begun earlier cannot show it; 0: former life */
    int64_t stamp_ns;  /* io, when it was accepted or lost; 0: in flight */
    /* Of reads begun after the wait that absence needs (exec_may_prove_absence): */
    unsigned reads;          /* of positions; of a pending order: of orders */
    unsigned position_reads; /* of a pending order: of positions */
    unsigned closed_reads;   /* of history; of an accepted one: begun since stamp_ns */
    unsigned tries;          /* such reads since stamp_ns that did not settle it */
    bool missed;             /* a list begun since stamp_ns did not show it: look in the history */
    int64_t missed_ns;       /* begin of the newest list of positions that did not show it */
    int64_t part_ns;         /* io: a history shows a part of it closed, and no more; 0: none did */
    bool ambiguous;          /* more than one row fits, or one that may be a hand's */
    enum list ambiguous_in;  /* of the list in which they are */
    uint64_t candidates;     /* hash of their ids, as they were told */
    bool told;               /* the operator knows */
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
    bool editing;  /* an edit is in flight */
    struct wish w; /* its full close; its call may be a partial one */
};

/* A pending order that rests at the broker. */
struct drun {
    char id[32];
    int64_t as_of_ns;        /* begin of the list that showed what we know */
    uint64_t round;          /* of the list that showed it last */
    bool missing;            /* a list does not show it any more: triggered or cancelled */
    int64_t missing_ns;      /* begin of that list */
    unsigned position_reads; /* lists of positions begun since, in which it was not found */
    unsigned closed_reads;   /* histories begun since, likewise */
    int64_t missed_ns;       /* begin of the newest of those lists of positions */
    int64_t part_ns;         /* io: a history shows a part of it closed, and no more; 0: none did */
    bool ambiguous;          /* more than one position could be it */
    uint64_t candidates;     /* hash of their ids, as they were told */
    bool editing;            /* an edit is in flight */
    struct wish w;           /* its cancel */
};

/* A row of a list that is nobody's yet: it may be an order's of ours. */
struct puzzle {
    char id[32];
    enum list list;  /* that shows it */
    int instrument;  /* its symbol */
    int64_t seen_ns; /* io, when a list first showed it */
    uint64_t round;  /* of the list that showed it last */
    uint64_t order;  /* the operator's word: it is this order's; 0: none */
};

/* A candidate of an order, as it was told. */
struct claim {
    uint64_t order;
    char id[32];    /* of the row */
    enum list list; /* that shows it */
    bool denied; /* the operator's word: it is not this order's; kept as long as the order waits */
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
    struct need positions, closed, balance, orders_list;
    int64_t closed_from;   /* market ms: history to be read once from here on; 0: it was */
    int64_t told_until_ms; /* market ms: newest close that a former life told */
    int64_t balance_ms;    /* market ms of the newest balance; 0: none yet */
    bool deferred;         /* a row was left for the next list */
    bool awake;            /* told that something is needed */
    bool wake;             /* to be told on the next turn */
    struct timer timer;    /* io: back-offs of closes and reads */
    struct orun *orders;   /* owned, rising ids */
    size_t order_count, order_cap;
    struct prun *positions_run; /* owned, in order of opening */
    size_t position_count, position_cap;
    struct drun *resting; /* owned, in the order in which they were seen */
    size_t resting_count, resting_cap;
    struct puzzle *puzzles; /* owned */
    size_t puzzle_count, puzzle_cap;
    struct claim *claims; /* owned */
    size_t claim_count, claim_cap;
    int64_t absent_after_ms;             /* of its broker; 0: the configuration's */
    struct bucket own[2];                /* requests of this account alone; [1]: in a day */
    struct bucket *buckets[BUDGET_MOST]; /* in which each request of it is counted */
    unsigned bucket_count;
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
    enum order_type type; /* of a pending order */
    int64_t price_points;
    const struct seen_close *closed; /* NULL in a list of open positions */
    bool known;                      /* belongs to something that the ledger has */
};

/* Which row is this entry? */
struct match {
    int at;                      /* row; -1: none; -2: nobody can tell which of the candidates */
    const char *by;              /* how it was told */
    size_t count;                /* of candidates, at most CANDIDATES */
    const char *ids[CANDIDATES]; /* theirs, as long as the rows live */
};

struct gone {
    int account;
    bool pending; /* a pending order; else a position */
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
    struct bucket *shared; /* budgets of addresses and brokers, owned */
};

/* The policy of one group of accounts in a batch. */
struct part {
    char group[32]; /* "": all groups without one of their own */
    enum on_failure policy;
    unsigned quorum; /* of FAIL_QUORUM */
    size_t legs;     /* that were added */
    size_t refused;  /* of them, before their intent */
    bool begun;      /* batch_begun is written */
};

struct batch {
    struct exec *x;
    uint64_t id, signal;
    enum settle settle;
    size_t quorum; /* of SETTLE_QUORUM */
    int64_t deadline_ms;
    struct part *parts; /* owned; [0] is for groups without a policy of their own */
    size_t part_count;
    struct leg *legs;   /* owned */
    struct call *calls; /* owned, by leg; made at submit */
    size_t *plans;      /* owned, by leg: offset of its plan in `text`, SIZE_MAX: none */
    size_t count, cap;
    struct str text;                           /* plans, NUL-separated */
    int64_t begun_ns;                          /* io of submit */
    size_t left;                               /* legs without an end */
    size_t accepted;                           /* legs that were */
    bool submitted, orphan, finished, calling; /* freed by its owner; done() is due or was called */
    bool told;                                 /* batch_done is written */
    bool late;                                 /* the deadline has passed */
    unsigned quorums;                          /* parts with a quorum that are not decided */
    int64_t answered_us;                       /* newest answer */
    struct timer timer;                        /* io: the deadline, where something waits for it */
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
/* Was a read begun after the wait that the absence of this order needs? The wait is asked for each
 * time: at the start, orders are followed before their broker's own is known. */
bool exec_may_prove_absence(const struct acct *a, const struct orun *o, int64_t begun_ns);
struct prun *exec_prun(struct acct *a, const char *id);
struct prun *exec_prun_add(struct acct *a, const struct position *p, int64_t as_of_ns);
void exec_prun_remove(struct acct *a, const char *id);
struct drun *exec_drun(struct acct *a, const char *id);
struct drun *exec_drun_add(struct acct *a, const struct pending *p, int64_t as_of_ns);
void exec_drun_remove(struct acct *a, const char *id);

/* call.c: one write from its intent to its verdict */
void call_init(struct call *c, struct exec *x, const struct order *o);
int call_intent(struct call *c, const char *plan, struct err *e); /* emits, not yet committed */
int call_submit(struct call *c, int64_t deadline_ms, bool urgent, struct err *e);
bool call_withdraw(struct call *c, const char *cause);
void call_forget(struct call *c, const char *cause); /* has an intent and was not submitted */

/* batch.c */
int64_t batch_us(const struct batch *b); /* since submit */
void batch_leg_sent(struct batch *b, size_t leg);
void batch_leg_done(struct batch *b, size_t leg, enum order_state state, const struct verdict *v);
void batch_leg_dropped(struct batch *b, size_t leg); /* it was taken back: NOT_SENT */
void batch_settled(struct batch *b);                 /* after changes: done() may be due */
void batch_run_later(struct exec *x);                /* done() calls that are due */
void batch_drop_all(struct exec *x);

/* wish.c */
void wish_begin(struct exec *x, struct wish *w, const char *reason);
bool wish_pending(const struct wish *w, bool missing); /* waits for its next attempt */
bool wish_tended(const struct wish *w); /* is wanted, and something will still come of it */
bool wish_due(struct acct *a, struct wish *w, bool missing);
/* o: what is sent but for reason and attempt. */
void wish_send(struct acct *a, struct wish *w, struct order *o, const char *id);
void wish_verdict(struct exec *x, struct wish *w, const struct verdict *v);
void wish_still_there(struct exec *x, struct wish *w, int64_t begun_ns);
/* Writes the intent, commits, submits; the budget is asked by the caller. *out is owned by the list
 * of calls once 0 is returned. */
int write_send(struct acct *a, const struct order *o, bool urgent, const char *plan,
               struct call **out, struct err *e);

/* pending.c: create, edit, cancel */
void pending_verdict(struct acct *a, struct call *c, const struct verdict *v);
void pending_tick(struct acct *a);
/* The ledger says that it is to be cancelled: sees to it, if nobody does yet. */
void pending_follow(struct acct *a, const struct pending *p);
int64_t pending_next(const struct acct *a);

/* resting.c: what has become of pending orders that lists do not show any more */
void resting_missing(struct acct *a, int64_t begun_ns);
/* Positions or closings that were pending orders; then those of which nothing was found. */
int resting_fills(struct acct *a, int64_t begun_ns, bool history, struct err *e);
int resting_gone(struct acct *a, int64_t begun_ns, bool history, struct err *e);
bool resting_resembles(struct acct *a, const struct row *r); /* may be one that was triggered */
bool resting_open(const struct acct *a);
/* Accepted, and in no list ever: it was there and is not. */
int resting_never_seen(struct acct *a, const struct order *o, struct err *e);
/* The order of a pending order of ours that was told gone and whose position turns up after all. */
const struct order *resting_late(const struct acct *a, const struct row *r);

/* puzzle.c: what cannot be told apart, for the operator */
struct puzzle *puzzle_of(struct acct *a, const char *id);
struct puzzle *puzzle_add(struct acct *a, const char *id, enum list list, int instrument);
void puzzle_sweep(struct acct *a, enum list list); /* forgets what this list does not show */
bool puzzle_denied(const struct acct *a, const char *id, uint64_t order); /* by the operator */
/* Tells the candidates of an order when they are others than *told (their hash). m->count 0: there
 * are none any more. */
int puzzle_tell(struct acct *a, const struct order *o, uint64_t *told, const struct match *m,
                enum list list, struct err *e);
/* It is known which one it is. order_adopted says so by itself; an accepted order has none. */
int puzzle_solved(struct acct *a, const struct order *o, struct err *e);

/* batch_leg.c: what keeps legs back, and their intents */
void leg_refuse(struct leg *l, const char *rule, const char *reason);
/* Everything that can keep an entry back, budget last; refused: l->rule and l->reason say why. */
bool leg_passes(struct exec *x, uint64_t signal, struct acct *a, struct leg *l);
int legs_intend(struct batch *b, struct err *e); /* all of them, part by part; not committed */

/* batch_part.c: legs that stand or fall together */
void parts_check(struct exec *x); /* after verdicts, lists and deadlines: decides what can be */

/* close.c */
void close_verdict(struct acct *a, struct call *c, const struct verdict *v);
void close_tick(struct acct *a); /* repeats what is due */
/* The ledger says that the position is to be closed: sees to it, if nobody does yet. */
void close_follow(struct acct *a, const struct position *pos);
int64_t close_next(const struct acct *a); /* io ns of the next repetition; INT64_MAX: none */

/* emit.c: events; each returns what stream_emit says, and stops entries when it fails */
int emit(struct exec *x, struct event *ev, struct err *e);
void emit_notice(struct exec *x, const char *level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int emit_intent(struct exec *x, const struct order *o, const char *plan, struct err *e);
int emit_order_text(struct exec *x, uint16_t kind, uint64_t id, const char *cause, struct err *e);
int emit_absent(struct exec *x, uint64_t id, unsigned reads, struct err *e);
int emit_adopted(struct exec *x, uint64_t id, const char *position, const char *by, struct err *e);
/* What the entry becomes is to be closed. */
int emit_order_closing(struct exec *x, const struct order *o, const char *reason, struct err *e);
int emit_opened(struct exec *x, int account, const struct row *r, decimal volume,
                const struct order *o, struct err *e);
int emit_filled(struct exec *x, uint64_t order, decimal volume, struct err *e);
int emit_pending_seen(struct exec *x, int account, const struct row *r, const struct order *o,
                      struct err *e);
int emit_pending_gone(struct exec *x, const struct pending *p, const char *reason,
                      const char *position, struct err *e);
int emit_closed(struct exec *x, const struct position *p, const struct row *r, bool partial,
                const char *reason, struct err *e);

/* rows.c: from the broker's words to the ledger's */
int rows_begin(struct exec *x, size_t n, struct err *e);
bool rows_add_open(struct acct *a, const struct seen_position *s);
bool rows_add_closed(struct acct *a, const struct seen_close *s);
bool rows_add_order(struct acct *a, const struct seen_order *s);
/* pending: a pending order's id, else a position's; a broker may use the same for both. */
bool rows_gone(const struct exec *x, int account, const char *id, bool pending, int64_t begun_ns);
void rows_gone_add(struct exec *x, int account, const char *id, bool pending);
/* Volume of the row's position: a closed one may have several rows. */
decimal rows_volume(const struct exec *x, const struct row *r);
void rows_match(struct acct *a, const struct orun *r, const struct order *o, int64_t begun_ns,
                struct match *m);
void rows_match_order(struct acct *a, const struct order *o, struct match *m); /* pending orders */
/* The position or closing that a missing pending order became. */
void rows_match_fill(struct acct *a, const struct drun *d, struct match *m);

/* settle.c: what lists say of orders */
int settle_entries(struct acct *a, int64_t begun_ns, bool history, struct err *e);
int settle_writes(struct acct *a, int64_t begun_ns, struct err *e);
int settle_orders(struct acct *a, int64_t begun_ns, struct err *e); /* rows are pending orders */
/* The row is this order's position, open or closed: adopts it. */
/* A history shows a part of what `volume` lots became closed, and the rest may be open: is a list
 * of positions begun after that still awaited? part_ns, missed_ns: of its run-time record. */
bool settle_waits_for_rest(struct acct *a, const struct row *row, decimal volume, int64_t *part_ns,
                           int64_t missed_ns);
int settle_take(struct acct *a, const struct order *o, struct row *row, const char *by,
                int64_t begun_ns, struct err *e);
bool settle_on_position(const struct order *o); /* a write to a position */
int settle_absent(struct acct *a, struct err *e);
bool settle_open(const struct acct *a, bool history); /* is anything left to look for? */
bool settle_resembles(const struct acct *a,
                      const struct row *r); /* an entry not settled, same shape */
bool settle_resembles_order(const struct acct *a, const struct row *r);

/* closed.c */
/* p must be open in the ledger; it is gone when its end was told. */
int closed_tell(struct acct *a, struct prun *p, int64_t begun_ns, struct err *e);

/* budget.c */
void budget_init(struct acct *a);
void budget_free_shared(struct exec *x);
bool budget_take(struct acct *a, enum budget_lane lane, struct budget_wait *wait);
void budget_rest(struct acct *a, int64_t retry_after_ms);

#endif
