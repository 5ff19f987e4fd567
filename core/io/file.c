/* SPDX-License-Identifier: MIT
 *
 * Files: append-only with an explicit sync, whole-file read, atomic replacement, locks.
 *
 * All calls block. Every descriptor is close-on-exec. file_replace syncs the file and then its
 * folder, so that after a power cut there is either the old content or the new one.
 */
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int code_of(int number)
{
    return number == ENOENT ? ERR_NOTFOUND : ERR_IO;
}

/* For what a user has named: a place that may not be used is wrong input. */
static int place_code(int number)
{
    return number == EACCES || number == EPERM || number == EROFS || number == ENOTDIR
               ? ERR_INPUT
               : code_of(number);
}

static int write_all(int fd, const void *p, size_t n)
{
    const unsigned char *at = p;
    while (n > 0) {
        ssize_t did = write(fd, at, n);
        if (did < 0 && errno == EINTR) {
            continue;
        }
        if (did < 0) {
            return -1;
        }
        at += did;
        n -= (size_t)did;
    }
    return 0;
}

void file_gate_kill(struct file_gate *g)
{
    if (g->dead) {
        return;
    }
    g->dead = true;
    if (g->died != NULL) {
        g->died(g->arg);
    }
}

bool file_gate_open(const struct file_gate *g)
{
    return g == NULL || !g->dead;
}

/* Counts a write. Returns how many of its n bytes reach the file; *whole: nothing stops it. */
static size_t gate_pass(struct file_gate *g, size_t n, bool *whole)
{
    *whole = true;
    if (g == NULL) {
        return n;
    }
    *whole = false;
    if (g->dead) {
        return 0;
    }
    *whole = ++g->writes != g->last;
    return *whole ? n : (size_t)((uint64_t)n * g->share >> 16);
}

int file_append_open(struct file *f, const char *path, mode_t mode, struct err *e)
{
    return file_append_open_through(f, path, mode, NULL, e);
}

int file_append_open_through(struct file *f, const char *path, mode_t mode, struct file_gate *gate,
                             struct err *e)
{
    struct stat st;
    f->fd = -1;
    f->size = 0;
    f->gate = gate;
    f->path[0] = '\0';
    if (strlen(path) >= sizeof f->path) {
        return err_set(e, ERR_INPUT, "the path of a file is longer than %zu bytes: %s",
                       sizeof f->path - 1, path);
    }
    bool open_gate = file_gate_open(gate); /* a dead process makes no file */
    int fd = open_gate ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, mode)
                       : open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_set_errno(e, code_of(errno), errno, "cannot open %s for appending", path);
    }
    if (fstat(fd, &st) != 0) {
        int number = errno;
        (void)close(fd);
        return err_set_errno(e, ERR_IO, number, "cannot read the size of %s", path);
    }
    if (open_gate && !S_ISREG(st.st_mode)) {
        (void)close(fd);
        return err_set(e, ERR_INPUT, "%s is not a plain file", path);
    }
    f->fd = fd;
    f->size = open_gate ? st.st_size : 0;
    memcpy(f->path, path, strlen(path) + 1);
    return 0;
}

/* A short write (disk full) is cut off again, so that a file never ends in half a record. */
int file_append(struct file *f, const void *p, size_t n, struct err *e)
{
    if (f->fd < 0) {
        return err_set(e, ERR_STATE, "append to a closed file");
    }
    bool whole;
    size_t pass = gate_pass(f->gate, n, &whole);
    if (write_all(f->fd, p, pass) != 0) {
        int number = errno;
        if (ftruncate(f->fd, f->size) != 0) {
            return err_set_errno(e, ERR_IO, errno, "cannot append to %s, nor cut off its torn end",
                                 f->path);
        }
        return err_set_errno(e, ERR_IO, number, "cannot append %zu bytes to %s", n, f->path);
    }
    f->size += (int64_t)n;
    if (!whole) {
        file_gate_kill(f->gate);
    }
    return 0;
}

int file_sync(struct file *f, struct err *e)
{
    if (f->fd < 0) {
        return err_set(e, ERR_STATE, "sync of a closed file");
    }
    if (file_gate_open(f->gate) && fdatasync(f->fd) != 0) {
        return err_set_errno(e, ERR_IO, errno, "cannot sync %s", f->path);
    }
    return 0;
}

int file_truncate(struct file *f, int64_t size, struct err *e)
{
    if (f->fd < 0) {
        return err_set(e, ERR_STATE, "truncation of a closed file");
    }
    if (size < 0 || size > f->size) {
        return err_set(e, ERR_INPUT, "cannot cut %s to %lld bytes: it has %lld", f->path,
                       (long long)size, (long long)f->size);
    }
    if (file_gate_open(f->gate) && ftruncate(f->fd, size) != 0) {
        return err_set_errno(e, ERR_IO, errno, "cannot cut %s to %lld bytes", f->path,
                             (long long)size);
    }
    f->size = size;
    return 0;
}

void file_close(struct file *f)
{
    if (f->fd >= 0) {
        (void)close(f->fd);
        f->fd = -1;
    }
}

static int read_into(int fd, const char *path, struct str *out, size_t max, struct err *e)
{
    char buf[16384];
    for (;;) {
        ssize_t n = read(fd, buf, sizeof buf);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_set_errno(e, ERR_IO, errno, "cannot read %s", path);
        }
        if (n == 0) {
            str_add(out, "", 0);
            return out->failed ? err_set(e, ERR_NOMEM, "out of memory reading %s", path) : 0;
        }
        if (out->len + (size_t)n > max) {
            return err_set(e, ERR_LIMIT, "%s is larger than %zu bytes", path, max);
        }
        str_add(out, buf, (size_t)n);
        if (out->failed) {
            return err_set(e, ERR_NOMEM, "out of memory reading %s", path);
        }
    }
}

int file_read_all(const char *path, struct str *out, size_t max, struct err *e)
{
    str_clear(out);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_set_errno(e, code_of(errno), errno, "cannot open %s", path);
    }
    int rc = read_into(fd, path, out, max, e);
    (void)close(fd);
    if (rc != 0) {
        str_clear(out);
    }
    return rc;
}

/* Makes the rename itself durable. */
static int sync_parent(const char *path, struct err *e)
{
    char dir[512];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (slash == NULL) {
        memcpy(dir, ".", 2);
    } else {
        n = n == 0 ? 1 : n;
        memcpy(dir, path, n);
        dir[n] = '\0';
    }
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return err_set_errno(e, ERR_IO, errno, "cannot open the folder %s", dir);
    }
    int rc = fsync(fd) == 0 ? 0 : err_set_errno(e, ERR_IO, errno, "cannot sync the folder %s", dir);
    (void)close(fd);
    return rc;
}

int file_replace(const char *path, const void *p, size_t n, mode_t mode, struct err *e)
{
    return file_replace_through(path, p, n, mode, NULL, e);
}

/* A write that is cut leaves what a killed process leaves: a part of the new content beside the old
 * file, which stays. */
int file_replace_through(const char *path, const void *p, size_t n, mode_t mode,
                         struct file_gate *gate, struct err *e)
{
    char beside[512 + 8];
    bool whole;
    if (strlen(path) >= 512) {
        return err_set(e, ERR_INPUT, "the path of a file is longer than 511 bytes: %s", path);
    }
    if (!file_gate_open(gate)) {
        return 0;
    }
    n = gate_pass(gate, n, &whole);
    (void)snprintf(beside, sizeof beside, "%s.XXXXXX", path);
    int fd = mkostemp(beside, O_CLOEXEC);
    if (fd < 0) {
        return err_set_errno(e, code_of(errno), errno, "cannot write beside %s", path);
    }
    const char *what = "write";
    bool done = write_all(fd, p, n) == 0;
    if (done) {
        what = "set the mode of";
        done = fchmod(fd, mode) == 0;
    }
    if (done) {
        what = "sync";
        done = fsync(fd) == 0;
    }
    int number = errno;
    if (close(fd) != 0 && done) {
        number = errno;
        done = false;
    }
    if (done && !whole) {
        file_gate_kill(gate);
        return 0;
    }
    if (done) {
        what = "replace";
        done = rename(beside, path) == 0;
        number = errno;
    }
    if (!done) {
        (void)unlink(beside);
        return err_set_errno(e, ERR_IO, number, "cannot %s %s", what, path);
    }
    return sync_parent(path, e);
}

int file_make_dirs(const char *path, struct err *e)
{
    char part[512];
    struct stat st;
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part) {
        return err_set(e, ERR_INPUT, "the path of a folder must have 1 to %zu bytes: %s",
                       sizeof part - 1, path);
    }
    memcpy(part, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i] != '\0') {
            continue;
        }
        part[i] = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST) {
            return err_set_errno(e, place_code(errno), errno, "cannot make the folder %s", part);
        }
        if (i < n) {
            part[i] = '/';
        }
    }
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        return err_set(e, ERR_EXISTS, "%s is there and is not a folder", path);
    }
    return 0;
}

/* The file keeps the owner's process number for people; the lock itself is the kernel's. */
int file_lock(const char *path, int *fd, struct err *e)
{
    char text[24];
    *fd = -1;
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0) {
        return err_set_errno(e, place_code(errno), errno, "cannot open the lock %s", path);
    }
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        int number = errno;
        ssize_t n = number == EWOULDBLOCK ? pread(lock, text, sizeof text - 1, 0) : 0;
        (void)close(lock);
        if (number != EWOULDBLOCK) {
            return err_set_errno(e, ERR_IO, number, "cannot lock %s", path);
        }
        text[n > 0 ? n : 0] = '\0';
        text[strcspn(text, "\n")] = '\0';
        return err_set(e, ERR_EXISTS, "%s is locked by process %s: it must end first", path,
                       text[0] ? text : "(unknown)");
    }
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(lock, 0) != 0 || pwrite(lock, text, (size_t)n, 0) != n) {
        int number = errno;
        (void)close(lock);
        return err_set_errno(e, ERR_IO, number, "cannot write the lock %s", path);
    }
    *fd = lock;
    return 0;
}

void file_unlock(int fd)
{
    if (fd >= 0) {
        (void)flock(fd, LOCK_UN); /* even if a forked child still has the descriptor */
        (void)close(fd);
    }
}
