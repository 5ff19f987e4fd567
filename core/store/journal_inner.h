/* SPDX-License-Identifier: MIT
 *
 * What the files of the journal share: the reader's state, which the writer takes over at opening,
 * segment names and headers, and the thread that syncs.
 */
#ifndef PERIGEE_STORE_JOURNAL_INNER_H
#define PERIGEE_STORE_JOURNAL_INNER_H

#include "store/journal.h"

#define JOURNAL_HEAD 16
#define JOURNAL_VERSION 1u
#define JOURNAL_FOLDER_MAX 240 /* so that a segment's path fits a report */
#define JOURNAL_PATH_MAX 300

struct journal_reader {
    char folder[JOURNAL_FOLDER_MAX + 1];
    char path[JOURNAL_PATH_MAX]; /* of the open segment */
    uint64_t from;               /* lower numbers are not shown */
    uint64_t segment;            /* the open segment's name */
    uint64_t next_segment;       /* least name that may be opened next */
    uint64_t last;               /* newest number read; 0: none */
    uint64_t events;             /* read in all, skipped ones included */
    uint64_t in_segment;         /* of those, in the open segment */
    uint32_t segments;           /* opened so far */
    int fd;                      /* of the open segment; -1: none */
    bool sealed;              /* a newer segment was seen before the newest read: this is whole */
    bool head_read;           /* the segment's header was checked */
    int64_t offset;           /* in the file, of buf[at] */
    int64_t torn;             /* bytes of a torn tail at the end; 0: none */
    unsigned char *buf;       /* read ahead, owned */
    size_t cap, have, at;     /* its size, bytes in it, the next frame */
    size_t frame_at, frame_n; /* the frame returned last, in buf */
};

/* Checks the folder's length and writes "<folder>/<first>.journal". */
void journal_path(char path[JOURNAL_PATH_MAX], const char *folder, uint64_t first);
int journal_folder_check(const char *folder, struct err *e);
/* The least segment name in the folder that is >= `least` (*found tells), and the greatest that is
 * <= `most` (0: none). */
int journal_find(const char *folder, uint64_t least, uint64_t most, bool *found, uint64_t *next,
                 uint64_t *before, struct err *e);
void journal_head(unsigned char head[JOURNAL_HEAD]);

/* The sync thread: at most one fdatasync at a time, of a descriptor that stays the writer's. */
struct journal_syncer;
struct journal_syncer *journal_syncer_new(struct err *e);
/* Begins a sync of fd; only when none is running. */
void journal_syncer_start(struct journal_syncer *s, int fd);
/* Is one running? *number: errno of one that failed since the last question, or 0. */
bool journal_syncer_running(struct journal_syncer *s, int *number);
/* Waits until none is running, as must be done before the descriptor is closed; the same errno. */
int journal_syncer_wait(struct journal_syncer *s);
/* Waits, too. NULL is ignored. */
void journal_syncer_free(struct journal_syncer *s);

#endif
