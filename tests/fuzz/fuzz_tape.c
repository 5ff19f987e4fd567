/* SPDX-License-Identifier: MIT
 *
 * libFuzzer target: data files. The first byte is a choice: bit 0 puts a good header in front of
 * the rest; bit 1 reads it compressed too, with the same outcome; bits 2 to 5 are how much is cut
 * off the end of that file, which must then be refused.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "market/tape.h"

#define HEADER "timestamp,open,high,low,close,volume\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int load(int fd, struct tape *t)
{
    char path[32];
    struct err e;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int rc = tape_load(t, path, &e);
    if (rc != 0 && (rc != ERR_INPUT || e.code != rc || e.message[0] == '\0' || t->bars != NULL ||
                    t->count != 0))
        abort();
    return rc;
}

static void check(const struct tape *t)
{
    if (t->count < 2 || t->timeframe <= 0 || strlen(t->hash) != 16)
        abort();
    for (size_t k = 0; k < t->count; k++) {
        const struct tape_bar *b = &t->bars[k];
        if ((k > 0 && b->open_ms <= b[-1].open_ms) || b->open_ms % t->timeframe != 0)
            abort();
        if (b->low.v <= 0 || b->low.v > b->open.v || b->low.v > b->close.v ||
            b->high.v < b->open.v || b->high.v < b->close.v || b->volume.v < 0)
            abort();
    }
}

static int file_of(const char *text, size_t n, bool packed)
{
    int fd = memfd_create("tape", 0);
    if (fd < 0)
        abort();
    if (!packed) {
        if (write(fd, text, n) != (ssize_t)n)
            abort();
        return fd;
    }
    gzFile f = gzdopen(dup(fd), "wb1");
    if (f == NULL || (n > 0 && gzwrite(f, text, (unsigned)n) != (int)n) || gzclose(f) != Z_OK)
        abort();
    return fd;
}

static void try_packed(const char *text, size_t n, off_t cut, int rc, const struct tape *plain)
{
    struct tape t;
    int fd = file_of(text, n, true);
    off_t size = lseek(fd, 0, SEEK_END);
    if (cut > size - 2)
        cut = size - 2; /* what is left is still known by its first two bytes */
    if (ftruncate(fd, size - cut) != 0)
        abort();
    int packed = load(fd, &t);
    if (cut > 0 ? packed == 0 : packed != rc || strcmp(t.hash, plain->hash) != 0)
        abort();
    tape_fini(&t);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    size_t head = data[0] & 1 ? sizeof HEADER - 1 : 0;
    char *text = malloc(head + n);
    if (text == NULL)
        return 0;
    memcpy(text, HEADER, head);
    memcpy(text + head, data + 1, n - 1);
    struct tape t;
    int fd = file_of(text, head + n - 1, false);
    int rc = load(fd, &t);
    if (rc == 0)
        check(&t);
    /* Bytes that look compressed are unpacked once, not twice. */
    if (data[0] & 2 && !(n > 2 && head == 0 && data[1] == 0x1f && data[2] == 0x8b))
        try_packed(text, head + n - 1, data[0] >> 2 & 15, rc, &t);
    tape_fini(&t);
    close(fd);
    free(text);
    return 0;
}
