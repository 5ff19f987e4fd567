/* SPDX-License-Identifier: MIT
 *
 * What every bench shares: its arguments, samples and their percentiles, the figures that it prints
 * and writes as one flat JSON object, and the machine that they were measured on.
 *
 * A bench measures; it never fails because of a figure.
 */
#ifndef PERIGEE_TESTS_BENCH_H
#define PERIGEE_TESTS_BENCH_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"

#define BENCH_FIGURES 192

struct bench {
    const char *json; /* --json FILE; NULL: none */
    bool all;         /* --all: the large sizes too */
    long rounds;      /* --rounds N; 0: the bench's own number */
    struct {
        char name[64];
        double value;
    } figures[BENCH_FIGURES];
    size_t count;
};

static inline void bench_die(const char *format, ...)
    __attribute__((format(printf, 1, 2), noreturn));
static inline void bench_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "bench: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

static inline void bench_check(int rc, const struct err *e)
{
    if (rc != 0)
        bench_die("%s", e->message);
}

static inline int64_t bench_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Resident memory of this process. */
static inline long bench_rss_kib(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%*d %ld", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* ---- samples ---- */

struct samples {
    double *v; /* owned */
    size_t n, cap;
};

static inline void samples_add(struct samples *s, double x)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 256;
        double *grown = realloc(s->v, s->cap * sizeof *grown);
        if (!grown)
            bench_die("out of memory");
        s->v = grown;
    }
    s->v[s->n++] = x;
}

static inline int samples_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* By nearest rank; share in 0..1. Sorts. */
static inline double samples_at(struct samples *s, double share)
{
    if (s->n == 0)
        return 0;
    qsort(s->v, s->n, sizeof *s->v, samples_compare);
    size_t rank = (size_t)(share * (double)s->n);
    return s->v[rank < s->n ? rank : s->n - 1];
}

static inline void samples_free(struct samples *s)
{
    free(s->v);
    memset(s, 0, sizeof *s);
}

/* ---- the frame of a bench ---- */

static inline void bench_machine(int argc, char **argv)
{
    char line[256], model[200] = "unknown";
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (colon && strncmp(line, "model name", 10) == 0) {
            snprintf(model, sizeof model, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
            break;
        }
    }
    if (f)
        fclose(f);
    double load = 0;
    if (getloadavg(&load, 1) != 1)
        load = 0;
    printf("machine: %s, %ld cores, load %.2f\ncommand:", model, sysconf(_SC_NPROCESSORS_ONLN),
           load);
    for (int i = 0; i < argc; i++)
        printf(" %s", argv[i]);
    printf("\n");
    fflush(stdout); /* before a fork, or it is printed twice */
}

static inline void bench_begin(struct bench *b, int argc, char **argv)
{
    memset(b, 0, sizeof *b);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0 && i + 1 < argc)
            b->json = argv[++i];
        else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            b->rounds = strtol(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--all") == 0)
            b->all = true;
        else
            bench_die("usage: %s [--json FILE] [--rounds N] [--all]", argv[0]);
    }
    if (b->rounds < 0)
        bench_die("--rounds must not be negative");
    bench_machine(argc, argv);
}

static inline void bench_figure(struct bench *b, double value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static inline void bench_figure(struct bench *b, double value, const char *format, ...)
{
    if (b->count == BENCH_FIGURES)
        bench_die("too many figures");
    va_list args;
    va_start(args, format);
    vsnprintf(b->figures[b->count].name, sizeof b->figures[0].name, format, args);
    va_end(args);
    b->figures[b->count].value = value;
    printf("%-36s %14.3f\n", b->figures[b->count].name, value);
    fflush(stdout);
    b->count++;
}

static inline int bench_end(const struct bench *b)
{
    if (!b->json)
        return 0;
    FILE *f = fopen(b->json, "w");
    if (!f)
        bench_die("cannot write %s", b->json);
    fprintf(f, "{");
    for (size_t i = 0; i < b->count; i++)
        fprintf(f, "%s\n  \"%s\": %.3f", i ? "," : "", b->figures[i].name, b->figures[i].value);
    fprintf(f, "\n}\n");
    if (fclose(f) != 0)
        bench_die("cannot write %s", b->json);
    return 0;
}

#endif
