/* SPDX-License-Identifier: MIT
 *
 * The journal on disk: a folder of segments "%020llu.journal" named by their first sequence number,
 * each a 16-byte header ("PERIGEEJ", u32 version, u32 crc of those) and frames of base/event.
 *
 * Only the last segment may have a torn tail: journal_open cuts it and says so. A damaged middle is
 * ERR_INPUT with the segment and the offset: bytes that are no frame, with an intact frame
 * somewhere behind them, in any segment; an intact frame that this version cannot read; numbers
 * that do not rise. Nothing is ever cut then.
 */
#ifndef PERIGEE_STORE_JOURNAL_H
#define PERIGEE_STORE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/event.h"
#include "io/file.h"

struct journal;

enum journal_sync {
    JOURNAL_SYNC_OFF,      /* the kernel decides */
    JOURNAL_SYNC_INTERVAL, /* fdatasync on a thread of its own, begun by journal_tick */
    JOURNAL_SYNC_COMMIT    /* fdatasync in every journal_commit */
};

struct journal_config {
    const char *folder;  /* made if missing; locked against a second process */
    size_t segment_size; /* bytes after which a new segment begins; 0: 64 MiB */
    enum journal_sync sync;
    struct file_gate *gate; /* that its writes pass, outlives the journal; NULL: none */
};

struct journal_report {
    uint64_t first, last; /* sequence numbers; 0: empty */
    uint64_t events;      /* read */
    uint32_t segments;    /* files read */
    int64_t cut_bytes;    /* torn tail that was removed (journal_verify: that is there) */
    char cut_file[300];   /* its segment; empty: none */
};

/* Opens for writing. fold (may be NULL) is called for every event there is, in order; an error from
 * it stops the opening. */
typedef int (*journal_fn)(void *arg, const struct event *ev, struct err *e);
int journal_open(struct journal **out, const struct journal_config *config, journal_fn fold,
                 void *arg, struct journal_report *report, struct err *e);
/* Commits, syncs, closes. */
int journal_close(struct journal *j, struct err *e);

/* Buffers a frame. */
int journal_append(struct journal *j, const struct event *ev, struct err *e);
/* The same for a frame that event_encode has made; seq is the number in it. */
int journal_append_frame(struct journal *j, uint64_t seq, const void *frame, size_t n,
                         struct err *e);
/* Hands what is buffered to the kernel in one write; after it the events survive the process. */
int journal_commit(struct journal *j, struct err *e);
int journal_sync_now(struct journal *j, struct err *e);
/* JOURNAL_SYNC_INTERVAL: begins a sync of what was committed, without waiting for it. The owner of
 * the journal calls it 10 ms after a commit, and again 10 ms later each time it returns 1: there is
 * something to sync or a sync is running. 0: all is on the disk. Negative: a sync has failed. */
int journal_tick(struct journal *j, struct err *e);
uint64_t journal_last(const struct journal *j);      /* newest number appended */
uint64_t journal_committed(const struct journal *j); /* newest number written */

/* Reading, also while another process writes: a torn tail ends it quietly (*torn tells). */
struct journal_reader;
int journal_reader_open(struct journal_reader **out, const char *folder, uint64_t from,
                        struct err *e);
/* 1: *ev is filled (valid until the next call), 0: end for now (call again later), negative: error
 * naming segment and offset. */
int journal_reader_next(struct journal_reader *r, struct event *ev, struct err *e);
/* The raw frame of the event returned last. */
const void *journal_reader_frame(const struct journal_reader *r, size_t *n);
int64_t journal_reader_torn(const struct journal_reader *r); /* bytes of a torn tail at the end */
void journal_reader_close(struct journal_reader *r);

/* Reads everything. 0 and the report, or the first error. */
int journal_verify(const char *folder, struct journal_report *report, struct err *e);

#endif
