/* SPDX-License-Identifier: MIT
 *
 * Writing the journal: frames are gathered in memory and go to the kernel in one write for each
 * commit. A segment is begun when the first of its events is appended, so each has one at least; it
 * is synced before the next begins, so that only the last can be torn.
 *
 * A write or sync that failed leaves the journal failed: what is on disk is then not known to be
 * what was promised, and only closing is allowed.
 */
#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "io/file.h"
#include "store/journal_inner.h"

#define DEFAULT_SEGMENT ((size_t)64 << 20)
#define KEEP_BUFFER ((size_t)1 << 20)

struct journal {
    char folder[JOURNAL_FOLDER_MAX + 1];
    size_t segment_size; /* a segment this large is ended */
    enum journal_sync sync;
    int lock;                      /* of the folder's lock file; -1: not held */
    struct file_gate *gate;        /* not owned; NULL: none */
    struct file file;              /* the last segment; fd -1: the next append begins one */
    struct str buffer;             /* frames not yet written, all of that segment */
    uint64_t last;                 /* newest number appended */
    uint64_t committed;            /* newest number written */
    bool dirty;                    /* written since the last sync */
    bool failed;                   /* a write or sync failed */
    struct journal_syncer *syncer; /* JOURNAL_SYNC_INTERVAL only */
};

static int sync_folder(const char *folder, struct err *e)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(e, ERR_IO, errno, "journal: cannot open the folder %s", folder);
    int rc = 0;
    if (fsync(fd) != 0)
        rc = err_set_errno(e, ERR_IO, errno, "journal: cannot sync the folder %s", folder);
    close(fd);
    return rc;
}

static int check_failed(const struct journal *j, struct err *e)
{
    if (!j->failed)
        return 0;
    return err_set(e, ERR_STATE, "the journal in %s failed before; start again to go on",
                   j->folder);
}

static int begin_segment(struct journal *j, uint64_t first, struct err *e)
{
    char path[JOURNAL_PATH_MAX];
    unsigned char head[JOURNAL_HEAD];
    journal_path(path, j->folder, first);
    int rc = file_append_open_through(&j->file, path, 0600, j->gate, e);
    if (rc != 0)
        return rc;
    if (j->file.size != 0) {
        file_close(&j->file);
        return err_set(e, ERR_EXISTS, "journal segment %s exists; another program writes there?",
                       path);
    }
    journal_head(head);
    rc = file_append(&j->file, head, sizeof head, e);
    if (rc == 0 && j->sync != JOURNAL_SYNC_OFF) {
        rc = file_sync(&j->file, e);
        if (rc == 0)
            rc = sync_folder(j->folder, e);
    }
    return rc;
}

static int sync_file(struct journal *j, struct err *e)
{
    int number = j->syncer ? journal_syncer_wait(j->syncer) : 0;
    if (number != 0)
        return err_set_errno(e, ERR_IO, number, "cannot sync %s", j->file.path);
    if (!j->dirty || j->file.fd < 0)
        return 0;
    int rc = file_sync(&j->file, e);
    if (rc == 0)
        j->dirty = false;
    return rc;
}

static int write_buffer(struct journal *j, struct err *e)
{
    if (j->buffer.len == 0)
        return 0;
    int rc = file_append(&j->file, j->buffer.p, j->buffer.len, e);
    if (rc != 0)
        return rc;
    j->dirty = true;
    j->committed = j->last;
    if (j->buffer.cap > KEEP_BUFFER)
        str_fini(&j->buffer);
    else
        str_clear(&j->buffer);
    return 0;
}

static int end_segment(struct journal *j, struct err *e)
{
    int rc = write_buffer(j, e);
    if (rc == 0)
        rc = sync_file(j, e);
    if (rc == 0)
        file_close(&j->file);
    return rc;
}

/* Makes sure that the event `seq` has a segment to go to. */
static int prepare(struct journal *j, uint64_t seq, struct err *e)
{
    int rc = check_failed(j, e);
    if (rc != 0)
        return rc;
    if (seq <= j->last)
        return err_set(e, ERR_STATE, "journal: event %llu after %llu; numbers must rise",
                       (unsigned long long)seq, (unsigned long long)j->last);
    if (j->file.fd >= 0 && (size_t)j->file.size + j->buffer.len >= j->segment_size)
        rc = end_segment(j, e);
    if (rc == 0 && j->file.fd < 0)
        rc = begin_segment(j, seq, e);
    if (rc != 0)
        j->failed = true;
    return rc;
}

int journal_append_frame(struct journal *j, uint64_t seq, const void *frame, size_t n,
                         struct err *e)
{
    int rc = prepare(j, seq, e);
    if (rc != 0)
        return rc;
    str_add(&j->buffer, frame, n);
    if (j->buffer.failed) {
        j->failed = true;
        return err_set(e, ERR_NOMEM, "journal: out of memory for event %llu",
                       (unsigned long long)seq);
    }
    j->last = seq;
    return 0;
}

int journal_append(struct journal *j, const struct event *ev, struct err *e)
{
    struct str frame;
    str_init(&frame);
    int rc = event_encode(ev, &frame);
    if (rc == ERR_LIMIT)
        err_set(e, rc, "journal: event %llu is larger than %u bytes", (unsigned long long)ev->seq,
                EVENT_MAX_FRAME);
    else if (rc != 0)
        err_set(e, rc, "journal: out of memory for event %llu", (unsigned long long)ev->seq);
    else
        rc = journal_append_frame(j, ev->seq, frame.p, frame.len, e);
    str_fini(&frame);
    return rc;
}

int journal_commit(struct journal *j, struct err *e)
{
    int rc = check_failed(j, e);
    if (rc != 0)
        return rc;
    rc = write_buffer(j, e);
    if (rc == 0 && j->sync == JOURNAL_SYNC_COMMIT)
        rc = sync_file(j, e);
    if (rc != 0)
        j->failed = true;
    return rc;
}

int journal_sync_now(struct journal *j, struct err *e)
{
    int rc = journal_commit(j, e);
    if (rc == 0)
        rc = sync_file(j, e);
    if (rc != 0)
        j->failed = true;
    return rc;
}

int journal_tick(struct journal *j, struct err *e)
{
    int rc = check_failed(j, e);
    if (rc != 0 || !j->syncer)
        return rc;
    int number;
    bool running = journal_syncer_running(j->syncer, &number);
    if (number != 0) {
        j->failed = true;
        return err_set_errno(e, ERR_IO, number, "cannot sync %s", j->file.path);
    }
    if (running || !j->dirty || j->file.fd < 0)
        return running;
    journal_syncer_start(j->syncer, j->file.fd);
    j->dirty = false;
    return 1;
}

uint64_t journal_last(const struct journal *j)
{
    return j->last;
}

uint64_t journal_committed(const struct journal *j)
{
    return j->committed;
}

static int journal_free(struct journal *j, int rc)
{
    journal_syncer_free(j->syncer); /* before its descriptor is closed */
    file_close(&j->file);
    if (j->lock >= 0)
        file_unlock(j->lock);
    str_fini(&j->buffer);
    free(j);
    return rc;
}

int journal_close(struct journal *j, struct err *e)
{
    if (!j)
        return 0;
    return journal_free(j, j->failed ? check_failed(j, e) : journal_sync_now(j, e));
}

/* Reads all that there is. The reader is then at the end. */
static int read_all(struct journal_reader *r, journal_fn fold, void *arg,
                    struct journal_report *report, struct err *e)
{
    struct event ev;
    int rc;
    while ((rc = journal_reader_next(r, &ev, e)) == 1) {
        if (report->first == 0)
            report->first = ev.seq;
        rc = fold ? fold(arg, &ev, e) : 0;
        if (rc != 0) {
            err_prefix(e, "journal event %llu (%s)", (unsigned long long)ev.seq,
                       event_info(ev.kind)->name);
            break;
        }
    }
    report->last = r->last;
    report->events = r->events;
    report->segments = r->segments;
    report->cut_bytes = r->torn;
    if (r->torn > 0)
        snprintf(report->cut_file, sizeof report->cut_file, "%s", r->path);
    return rc;
}

/* After reading: takes the last segment over, without its torn tail. One without events goes. */
static int take_over(struct journal *j, const struct journal_reader *r, struct err *e)
{
    j->last = r->last;
    j->committed = r->last;
    if (r->path[0] == '\0')
        return 0;
    if (r->in_segment == 0) {
        if (unlink(r->path) != 0)
            return err_set_errno(e, ERR_IO, errno, "cannot remove the empty segment %s", r->path);
        return sync_folder(j->folder, e);
    }
    int rc = file_append_open_through(&j->file, r->path, 0600, j->gate, e);
    if (rc != 0 || r->torn == 0)
        return rc;
    rc = file_truncate(&j->file, r->offset, e);
    return rc == 0 ? file_sync(&j->file, e) : rc;
}

static int lock_folder(struct journal *j, struct err *e)
{
    char path[JOURNAL_PATH_MAX];
    snprintf(path, sizeof path, "%s/lock", j->folder);
    int rc = file_lock(path, &j->lock, e);
    if (rc == ERR_EXISTS)
        return err_set(e, rc, "the journal in %s is in use by another process", j->folder);
    return rc;
}

int journal_open(struct journal **out, const struct journal_config *config, journal_fn fold,
                 void *arg, struct journal_report *report, struct err *e)
{
    struct journal_report own;
    *out = NULL;
    if (!report)
        report = &own;
    memset(report, 0, sizeof *report);
    int rc = journal_folder_check(config->folder, e);
    if (rc != 0)
        return rc;
    struct journal *j = calloc(1, sizeof *j);
    if (!j)
        return err_set(e, ERR_NOMEM, "journal: out of memory");
    snprintf(j->folder, sizeof j->folder, "%s", config->folder);
    j->segment_size = config->segment_size ? config->segment_size : DEFAULT_SEGMENT;
    j->sync = config->sync;
    j->gate = config->gate;
    j->lock = -1;
    j->file.fd = -1;
    rc = file_make_dirs(j->folder, e);
    if (rc == 0)
        rc = lock_folder(j, e);
    struct journal_reader *r = NULL;
    if (rc == 0)
        rc = journal_reader_open(&r, j->folder, 0, e);
    if (rc == 0)
        rc = read_all(r, fold, arg, report, e);
    if (rc == 0)
        rc = take_over(j, r, e);
    journal_reader_close(r);
    if (rc == 0 && j->sync == JOURNAL_SYNC_INTERVAL) {
        j->syncer = journal_syncer_new(e);
        rc = j->syncer ? 0 : ERR_IO;
    }
    if (rc != 0)
        return journal_free(j, rc);
    *out = j;
    return 0;
}

int journal_verify(const char *folder, struct journal_report *report, struct err *e)
{
    struct journal_reader *r;
    memset(report, 0, sizeof *report);
    int rc = journal_reader_open(&r, folder, 0, e);
    if (rc != 0)
        return rc;
    rc = read_all(r, NULL, NULL, report, e);
    journal_reader_close(r);
    return rc;
}
