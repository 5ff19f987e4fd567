/* SPDX-License-Identifier: MIT
 *
 * The journal's sync thread. fdatasync takes milliseconds, which the loop thread does not have.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/journal_inner.h"

struct journal_syncer {
    pthread_t thread;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t changed;
    int fd;    /* to sync; -1: nothing to do */
    int error; /* errno of the first failure not yet asked for */
    bool quit; /* the thread is to end */
};

static void *run(void *arg)
{
    struct journal_syncer *s = arg;
    pthread_mutex_lock(&s->mutex);
    for (;;) {
        while (s->fd < 0 && !s->quit)
            pthread_cond_wait(&s->changed, &s->mutex);
        if (s->fd < 0)
            break;
        int fd = s->fd;
        pthread_mutex_unlock(&s->mutex);
        int number = fdatasync(fd) == 0 ? 0 : errno;
        pthread_mutex_lock(&s->mutex);
        s->fd = -1;
        if (number != 0 && s->error == 0)
            s->error = number;
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

struct journal_syncer *journal_syncer_new(struct err *e)
{
    struct journal_syncer *s = calloc(1, sizeof *s);
    if (!s) {
        err_set(e, ERR_NOMEM, "journal: out of memory for the sync thread");
        return NULL;
    }
    s->fd = -1;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->changed, NULL);
    /* Signals belong to the loop's thread. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int number = pthread_create(&s->thread, NULL, run, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (number != 0) {
        pthread_cond_destroy(&s->changed);
        pthread_mutex_destroy(&s->mutex);
        free(s);
        err_set_errno(e, ERR_IO, number, "journal: cannot start the sync thread");
        return NULL;
    }
    return s;
}

void journal_syncer_start(struct journal_syncer *s, int fd)
{
    pthread_mutex_lock(&s->mutex);
    s->fd = fd;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->mutex);
}

bool journal_syncer_running(struct journal_syncer *s, int *number)
{
    pthread_mutex_lock(&s->mutex);
    bool running = s->fd >= 0;
    *number = s->error;
    s->error = 0;
    pthread_mutex_unlock(&s->mutex);
    return running;
}

int journal_syncer_wait(struct journal_syncer *s)
{
    pthread_mutex_lock(&s->mutex);
    while (s->fd >= 0)
        pthread_cond_wait(&s->changed, &s->mutex);
    int number = s->error;
    s->error = 0;
    pthread_mutex_unlock(&s->mutex);
    return number;
}

void journal_syncer_free(struct journal_syncer *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->mutex);
    s->quit = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->mutex);
    pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}
