/* SPDX-License-Identifier: MIT
 *
 * Files: append-only with an explicit sync, whole-file read, and atomic replacement.
 */
#ifndef PERIGEE_IO_FILE_H
#define PERIGEE_IO_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

/* What a process that will be killed may still write. For deterministic fault runs, where it is a
 * part of a process that lives on: the write with the number `last` lets a share of its bytes
 * through, and nothing after it has an effect, though every call says that it worked. */
struct file_gate {
    uint64_t writes; /* begun so far: appends and replacements */
    uint64_t last;   /* the number of the write that is cut; 0: none */
    uint32_t share;  /* of its bytes that get through, in 1/65536 */
    bool dead;
    void (*died)(void *arg); /* once, from inside the write; may be NULL */
    void *arg;
};

struct file {
    int fd;                 /* -1: closed */
    int64_t size;           /* bytes in it */
    struct file_gate *gate; /* not owned; NULL: none */
    char path[512];
};

/* Nothing has an effect any more, as if the process had been killed. Told once. */
void file_gate_kill(struct file_gate *g);
/* May the process still change files? A gate of NULL always lets through. */
bool file_gate_open(const struct file_gate *g);

/* Opens (creates with `mode`) for appending. */
int file_append_open(struct file *f, const char *path, mode_t mode, struct err *e);
/* The same through a gate (NULL: none), which must outlive the file. */
int file_append_open_through(struct file *f, const char *path, mode_t mode, struct file_gate *gate,
                             struct err *e);
int file_append(struct file *f, const void *p, size_t n, struct err *e); /* all or error */
int file_sync(struct file *f, struct err *e);                            /* fdatasync */
int file_truncate(struct file *f, int64_t size, struct err *e);
void file_close(struct file *f);

int file_read_all(const char *path, struct str *out, size_t max, struct err *e);
/* Writes beside, syncs, renames; the old content stays whole on any failure. */
int file_replace(const char *path, const void *p, size_t n, mode_t mode, struct err *e);
/* The same through a gate (NULL: none). */
int file_replace_through(const char *path, const void *p, size_t n, mode_t mode,
                         struct file_gate *gate, struct err *e);
/* mkdir -p with mode 0700 for what it makes. */
int file_make_dirs(const char *path, struct err *e);
/* Takes an exclusive lock on path for the life of the process (or until file_unlock): 0, or
 * ERR_EXISTS when another process holds it. *fd is the lock's. */
int file_lock(const char *path, int *fd, struct err *e);
void file_unlock(int fd);

#endif
