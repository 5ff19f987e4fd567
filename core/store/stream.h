/* SPDX-License-Identifier: MIT
 *
 * The event stream: gives each event its sequence number and stamps, appends it to the journal,
 * applies the reducers (the state IS the fold), and tells subscribers after it was committed.
 *
 * Rule: nothing that an event announces leaves the process before stream_commit has returned.
 */
#ifndef PERIGEE_STORE_STREAM_H
#define PERIGEE_STORE_STREAM_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "io/loop.h"
#include "store/journal.h"

struct stream;

/* Reducers run inside stream_emit and at opening, in the order of registration; subscribers run
 * after the commit, outside of any emit, in the order of sequence numbers. */
typedef int (*stream_reducer)(void *arg, const struct event *ev, struct err *e);
typedef void (*stream_subscriber)(void *arg, const struct event *ev, const void *frame, size_t n);

struct stream *stream_new(struct loop *l, struct err *e); /* l NULL: no automatic commit (tests) */
int stream_reduce(struct stream *s, stream_reducer fn, void *arg); /* at most 8, before open */
int stream_subscribe(struct stream *s, stream_subscriber fn, void *arg); /* at most 8 */
/* Not from inside a subscriber. Unknown ones are ignored. */
void stream_unsubscribe(struct stream *s, stream_subscriber fn, void *arg);
/* Opens the journal and folds it through the reducers. */
int stream_open(struct stream *s, const struct journal_config *config,
                struct journal_report *report, struct err *e);
void stream_free(struct stream *s); /* commits, syncs, closes the journal */

/* Numbers, stamps, applies and buffers the event; ev->seq is set. An event that the first reducer
 * refuses (ERR_INPUT, ERR_STATE, ERR_LIMIT: it checks before it changes anything) is dropped: the
 * error is returned, no number is used up, and the stream goes on. Any other failure, of memory, of
 * the journal or half way through the reducers, is fatal for trading: the stream becomes broken and
 * every later emit fails. At opening every refusal is fatal. */
int stream_emit(struct stream *s, struct event *ev, struct err *e);
/* To the kernel, now. Otherwise what was emitted is committed at the end of the turn of the loop.
 */
int stream_commit(struct stream *s, struct err *e);
uint64_t stream_seq(const struct stream *s); /* newest number given */
const char *stream_folder(const struct stream *s);
/* NULL while healthy; else why it is broken. */
const char *stream_broken(const struct stream *s);
void stream_on_broken(struct stream *s, void (*fn)(void *arg, const char *why), void *arg);

#endif
