/* SPDX-License-Identifier: MIT
 *
 * Reading the journal: one event at a time, from a number on, while another process may write.
 *
 * Nothing half-read is kept between calls: at the end of the file the rest is dropped and read
 * anew, because a restarted writer may have cut it. A segment is taken for whole once a newer one
 * was seen and nothing more came after that; a tail that is no frame is then damage, else it may be
 * torn.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "store/journal_inner.h"

#define FIRST_BUFFER (256u * 1024)
#define NAME_DIGITS 20
#define FRAME_LEAST 36u

void journal_path(char path[JOURNAL_PATH_MAX], const char *folder, uint64_t first)
{
    snprintf(path, JOURNAL_PATH_MAX, "%.*s/%020llu.journal", JOURNAL_FOLDER_MAX, folder,
             (unsigned long long)first);
}

int journal_folder_check(const char *folder, struct err *e)
{
    if (!folder || !*folder)
        return err_set(e, ERR_INPUT, "journal: no folder was given");
    if (strlen(folder) > JOURNAL_FOLDER_MAX)
        return err_set(e, ERR_INPUT, "journal: the folder's path is longer than %d bytes: %s",
                       JOURNAL_FOLDER_MAX, folder);
    return 0;
}

/* The number in a segment's name; false for other files. */
static bool parse_name(const char *name, uint64_t *first)
{
    *first = 0;
    for (int i = 0; i < NAME_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9' || __builtin_mul_overflow(*first, 10u, first) ||
            __builtin_add_overflow(*first, (uint64_t)(name[i] - '0'), first))
            return false;
    }
    return strcmp(name + NAME_DIGITS, ".journal") == 0;
}

/* The folder is named by the user: one that cannot be read is wrong input. */
static int folder_code(int number)
{
    if (number == EACCES || number == ENOTDIR)
        return ERR_INPUT;
    return number == ENOENT ? ERR_NOTFOUND : ERR_IO;
}

int journal_find(const char *folder, uint64_t least, uint64_t most, bool *found, uint64_t *next,
                 uint64_t *before, struct err *e)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return err_set_errno(e, folder_code(errno), errno, "journal: cannot read the folder %s",
                             folder);
    *found = false;
    *next = 0;
    *before = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        uint64_t first;
        if (!entry)
            break;
        if (!parse_name(entry->d_name, &first))
            continue;
        if (first >= least && (!*found || first < *next)) {
            *found = true;
            *next = first;
        }
        if (first <= most && first > *before)
            *before = first;
    }
    int number = errno;
    closedir(dir);
    if (number != 0)
        return err_set_errno(e, ERR_IO, number, "journal: cannot read the folder %s", folder);
    return 0;
}

void journal_head(unsigned char head[JOURNAL_HEAD])
{
    memcpy(head, "PERIGEEJ", 8);
    for (unsigned i = 0; i < 4; i++)
        head[8 + i] = (unsigned char)(JOURNAL_VERSION >> (8 * i));
    uint32_t sum = crc32c(0, head, 12);
    for (unsigned i = 0; i < 4; i++)
        head[12 + i] = (unsigned char)(sum >> (8 * i));
}

int journal_reader_open(struct journal_reader **out, const char *folder, uint64_t from,
                        struct err *e)
{
    *out = NULL;
    int rc = journal_folder_check(folder, e);
    if (rc != 0)
        return rc;
    bool found;
    uint64_t next, before;
    rc = journal_find(folder, 0, from, &found, &next, &before, e);
    if (rc != 0)
        return rc;
    struct journal_reader *r = calloc(1, sizeof *r);
    unsigned char *buf = malloc(FIRST_BUFFER);
    if (!r || !buf) {
        free(r);
        free(buf);
        return err_set(e, ERR_NOMEM, "journal: out of memory for a reader");
    }
    snprintf(r->folder, sizeof r->folder, "%s", folder);
    r->from = from;
    r->next_segment = before;
    r->fd = -1;
    r->buf = buf;
    r->cap = FIRST_BUFFER;
    *out = r;
    return 0;
}

static void leave_segment(struct journal_reader *r)
{
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
}

void journal_reader_close(struct journal_reader *r)
{
    if (!r)
        return;
    leave_segment(r);
    free(r->buf);
    free(r);
}

/* Forgets what was read ahead. */
static void rewind_buffer(struct journal_reader *r)
{
    r->have = 0;
    r->at = 0;
    r->frame_n = 0;
}

/* 1: a segment is open, 0: there is none to open. */
static int enter_segment(struct journal_reader *r, struct err *e)
{
    bool found;
    uint64_t next, before;
    int rc = journal_find(r->folder, r->next_segment, 0, &found, &next, &before, e);
    if (rc != 0 || !found)
        return rc;
    journal_path(r->path, r->folder, next);
    r->fd = open(r->path, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0 && errno == ENOENT)
        return 0; /* a restarted writer has just removed it: it had no events */
    if (r->fd < 0)
        return err_set_errno(e, ERR_IO, errno, "journal: cannot open %s", r->path);
    r->segment = next;
    r->next_segment = next;
    r->segments++;
    r->in_segment = 0;
    r->sealed = false;
    r->head_read = false;
    r->offset = 0;
    rewind_buffer(r);
    return 1;
}

/* Reads more behind what is in the buffer. 1: something came, 0: end of the file. */
static int fill(struct journal_reader *r, struct err *e)
{
    size_t kept = r->have - r->at;
    if (r->at > 0) {
        memmove(r->buf, r->buf + r->at, kept);
        r->have = kept;
        r->at = 0;
    }
    if (r->have == r->cap) {
        unsigned char *buf = realloc(r->buf, r->cap * 2);
        if (!buf)
            return err_set(e, ERR_NOMEM, "journal: out of memory reading %s", r->path);
        r->buf = buf;
        r->cap *= 2;
    }
    ssize_t n;
    do
        n = pread(r->fd, r->buf + r->have, r->cap - r->have, r->offset + (int64_t)kept);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_set_errno(e, ERR_IO, errno, "journal: cannot read %s", r->path);
    r->have += (size_t)n;
    return n > 0;
}

static uint32_t get32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Are these bytes a frame with the right sum, whatever is in it? */
static bool intact(const unsigned char *p, size_t n)
{
    if (n < FRAME_LEAST)
        return false;
    uint32_t length = get32(p);
    if (length < FRAME_LEAST - 8 || length > EVENT_MAX_FRAME - 8 || length > n - 8)
        return false;
    return get32(p + 4 + length) == crc32c(0, p, (size_t)length + 4);
}

/* Is there an intact frame with a later number behind the first byte? Then what is before it was
 * not torn by a crash. */
static bool intact_behind(const unsigned char *p, size_t n, uint64_t last)
{
    for (size_t i = 1; i + FRAME_LEAST <= n; i++) {
        uint64_t seq = (uint64_t)get32(p + i + 8) | (uint64_t)get32(p + i + 12) << 32;
        if (seq > last && seq - last < UINT64_C(1) << 40 && intact(p + i, n - i))
            return true;
    }
    return false;
}

static int damaged(const struct journal_reader *r, const char *why, struct err *e)
{
    return err_set(e, ERR_INPUT, "journal segment %s is damaged at offset %lld: %s", r->path,
                   (long long)r->offset, why);
}

static bool is_zero(const unsigned char *p, size_t n)
{
    while (n > 0 && p[n - 1] == 0)
        n--;
    return n == 0;
}

/* What is left of the last segment is no whole frame: a torn tail (0, r->torn is set) or damage; 1
 * when the writer has completed it meanwhile. */
static int judge_tail(struct journal_reader *r, const char *why, struct err *e)
{
    struct stat st;
    if (fstat(r->fd, &st) != 0)
        return err_set_errno(e, ERR_IO, errno, "journal: cannot read the size of %s", r->path);
    rewind_buffer(r);
    if (st.st_size <= r->offset)
        return 0;
    size_t rest = (size_t)(st.st_size - r->offset);
    unsigned char *p = malloc(rest);
    if (!p)
        return err_set(e, ERR_NOMEM, "journal: out of memory reading %s", r->path);
    size_t have = 0;
    while (have < rest) {
        ssize_t n = pread(r->fd, p + have, rest - have, r->offset + (int64_t)have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        have += (size_t)n;
    }
    bool whole = r->head_read ? intact(p, have) : have >= JOURNAL_HEAD && !is_zero(p, JOURNAL_HEAD);
    bool behind = !whole && intact_behind(p, have, r->last);
    free(p);
    if (whole)
        return 1;
    if (behind)
        return damaged(r, why, e);
    r->torn = (int64_t)have;
    return 0;
}

/* The segment ended or holds no frame at r->offset. 1: read on, 0: end for now, or an error. */
static int at_end(struct journal_reader *r, const char *why, struct err *e)
{
    bool rest = r->have > r->at;
    if (!r->sealed) {
        bool found;
        uint64_t next, before;
        if (r->segment == UINT64_MAX)
            return judge_tail(r, why, e);
        int rc = journal_find(r->folder, r->segment + 1, 0, &found, &next, &before, e);
        if (rc != 0)
            return rc;
        rewind_buffer(r);
        if (found) {
            r->sealed = true;
            return 1;
        }
        rc = rest ? judge_tail(r, why, e) : 0;
        /* A restarted writer replaces a segment without events: look again then. */
        if (rc == 0 && r->in_segment == 0) {
            leave_segment(r);
            r->segments--;
        }
        return rc;
    }
    if (rest)
        return damaged(r, why, e);
    if (r->in_segment == 0)
        return damaged(r, "it has no events, but is not the last segment", e);
    r->next_segment = r->segment + 1;
    leave_segment(r);
    return 1;
}

/* 1: the header is right, 0: the file has less than a header or only zeros. */
static int read_head(struct journal_reader *r, struct err *e)
{
    unsigned char head[JOURNAL_HEAD];
    while (r->have - r->at < JOURNAL_HEAD) {
        int rc = fill(r, e);
        if (rc <= 0)
            return rc;
    }
    journal_head(head);
    const unsigned char *p = r->buf + r->at;
    if (is_zero(p, JOURNAL_HEAD))
        return 0;
    if (memcmp(p, head, 8) != 0)
        return damaged(r, "it does not begin as a journal does", e);
    if (get32(p + 12) != crc32c(0, p, 12))
        return damaged(r, "the sum of its header is wrong", e);
    if (get32(p + 8) != JOURNAL_VERSION)
        return err_set(e, ERR_INPUT, "journal segment %s has version %u, this program reads %u",
                       r->path, get32(p + 8), JOURNAL_VERSION);
    r->head_read = true;
    r->at += JOURNAL_HEAD;
    r->offset += JOURNAL_HEAD;
    return 1;
}

/* 1: *ev is the frame at r->offset; 0: no whole frame there, `why` says more; or an error. */
static int read_frame(struct journal_reader *r, struct event *ev, struct err *why, struct err *e)
{
    int64_t n;
    why->message[0] = '\0';
    while ((n = event_decode(r->buf + r->at, r->have - r->at, ev, why)) == 0) {
        int rc = fill(r, e);
        if (rc < 0)
            return rc;
        if (rc == 0) {
            err_set(why, ERR_INPUT, "the frame's length reaches behind the end of the file");
            return 0;
        }
    }
    if (n < 0) {
        if (intact(r->buf + r->at, r->have - r->at))
            return damaged(r, why->message, e);
        return 0;
    }
    if (ev->seq <= r->last)
        return damaged(r, "the event's number does not rise", e);
    if (r->in_segment == 0 && ev->seq != r->segment)
        return damaged(r, "its first event does not have the number in its name", e);
    r->frame_at = r->at;
    r->frame_n = (size_t)n;
    r->at += (size_t)n;
    r->offset += n;
    r->last = ev->seq;
    r->events++;
    r->in_segment++;
    return 1;
}

int journal_reader_next(struct journal_reader *r, struct event *ev, struct err *e)
{
    struct err why;
    r->torn = 0;
    for (;;) {
        int rc = 1;
        if (r->fd < 0)
            rc = enter_segment(r, e);
        if (rc <= 0)
            return rc;
        if (!r->head_read) {
            err_set(&why, ERR_INPUT, "its header is not whole");
            rc = read_head(r, e);
        }
        if (rc == 1)
            rc = read_frame(r, ev, &why, e);
        if (rc < 0)
            return rc;
        if (rc == 0)
            rc = at_end(r, why.message, e);
        else if (ev->seq >= r->from)
            return 1;
        if (rc <= 0)
            return rc;
    }
}

const void *journal_reader_frame(const struct journal_reader *r, size_t *n)
{
    *n = r->frame_n;
    return r->buf + r->frame_at;
}

int64_t journal_reader_torn(const struct journal_reader *r)
{
    return r->torn;
}
