/* SPDX-License-Identifier: MIT
 *
 * A journal that ends at any byte. Lives are lived with market entries, pending orders, an edit, a
 * trigger, a cancel and a close, some answers lost; with entries that turn up after their absence
 * was proven, and with such as are wanted closed before anybody has seen them. Beside each is kept
 * what the broker had done while the journal was so and so long. Then its journal is cut after each
 * byte, the broker is put back to that moment, and the next life must start, read the lists and
 * come to the broker's book: each position and pending order known once as ours, nothing executed
 * twice, nothing left open.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <sys/stat.h>

#include "exec_broker.h"

#define MOMENTS 512
#define FRAMES 512
/* Of the cuts inside of frames, those that are lived to the end. */
#define FULL_EVERY 97

/* The broker while the journal had `size` bytes: when it became so long, and last of all. */
struct moment {
    size_t size;
    struct broker first, last;
    int64_t market_ms;
};

/* A life that is cut. */
struct act {
    void (*live)(struct world *w);
    bool lose;               /* every third answer is lost */
    bool late_close, resend; /* the configuration */
};

struct cut {
    struct stage stage; /* first: see stage_of */
    const struct act *act;
    struct moment *moments;
    size_t moment_count;
    size_t ends[FRAMES]; /* of the journal's frames, bytes */
    size_t frame_count;
    char file[300];
};

static struct cut *cut_of(struct world *w)
{
    return w->extra;
}

static size_t journal_size(struct world *w)
{
    struct cut *c = cut_of(w);
    struct stat st;
    if (c->file[0] == '\0') {
        DIR *d = opendir(w->dir);
        struct dirent *entry;
        size_t best = 0;
        assert_non_null(d);
        while ((entry = readdir(d)) != NULL) {
            char path[300];
            snprintf(path, sizeof path, "%s/%.200s", w->dir, entry->d_name);
            if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size >= best) {
                best = (size_t)st.st_size;
                memcpy(c->file, path, sizeof path);
            }
        }
        closedir(d);
    }
    assert_int_equal(stat(c->file, &st), 0);
    return (size_t)st.st_size;
}

static void note(struct world *w)
{
    struct cut *c = cut_of(w);
    size_t size = journal_size(w);
    struct moment *m = c->moment_count > 0 ? &c->moments[c->moment_count - 1] : NULL;
    if (m == NULL || m->size != size) {
        assert_true(c->moment_count < MOMENTS);
        m = &c->moments[c->moment_count++];
        m->size = size;
        m->first = c->stage.broker;
    }
    m->last = c->stage.broker;
    m->market_ms = clock_market_ms(&w->clock);
}

static void place(struct world *w, int account)
{
    struct err e;
    struct leg_spec leg = w_leg(account);
    leg.price = 495000;
    leg.stop = 485000;
    leg.target = 515000;
    assert_int_equal(exec_pending(w->exec, &leg, ORDER_LIMIT, 7, NULL, NULL, &e), 0);
}

static void a_day(struct world *w)
{
    struct err e;
    struct batch *batch = w_batch(w, ACCOUNTS);
    b_go_on(w, 3);
    batch_free(batch);
    for (int k = 0; k < ACCOUNTS; k++)
        place(w, k);
    b_go_on(w, 3);
    const struct pending *p = b_pending(w, 0);
    assert_non_null(p);
    assert_int_equal(
        exec_pending_edit(w->exec, 0, p->id, p->volume, 494000, p->stop, p->target, NULL, NULL, &e),
        0);
    b_trigger(w, 1);
    exec_suspect(w->exec, 1);
    b_go_on(w, 3);
    assert_int_equal(exec_cancel(w->exec, 0, b_pending(w, 0)->id, "manual", &e), 0);
    size_t cursor = 0;
    const struct position *pos = ledger_position_next(w->ledger, 0, &cursor);
    assert_int_equal(exec_close(w->exec, 0, pos->id, w_dec("0"), "time", &e), 0);
    b_go_on(w, 6);
}

static struct batch *enter(struct world *w, uint64_t replaces)
{
    struct err e;
    struct batch *b = batch_new(w->exec, 7, SETTLE_ALL, 0, &e);
    struct leg_spec leg = w_leg(0);
    leg.replaces = replaces;
    assert_int_equal(batch_add(b, &leg, &e), 0);
    assert_int_equal(batch_submit(b, w_done, w, &e), 0);
    assert_false(batch_leg(b, 0)->refused);
    return b;
}

/* The broker executes order `id` after its absence was proven, and shows it. */
static void turns_up(struct world *w, uint64_t id)
{
    const struct order *o = ledger_order(w->ledger, id);
    assert_int_equal(o->state, ORDER_ABSENT);
    b_note(w);
    b_add(w, o->account, o)->doomed = true;
    b_note(w);
    b_read(w, o->account, true);
}

/* A market entry and a pending order that come too late, where the late ones are closed. */
static void late_ones(struct world *w)
{
    stage_of(w)->swallow = true;
    struct batch *b = enter(w, 0);
    place(w, 1);
    b_go_on(w, 45);
    batch_free(b);
    stage_of(w)->swallow = false;
    turns_up(w, 1);
    turns_up(w, 2);
    b_go_on(w, 6);
}

/* An entry was sent again, and then the first one turns up too. */
static void both_of_two(struct world *w)
{
    stage_of(w)->swallow = true;
    struct batch *b = enter(w, 0);
    b_go_on(w, 45);
    batch_free(b);
    stage_of(w)->swallow = false;
    b = enter(w, 1);
    b_go_on(w, 3);
    batch_free(b);
    turns_up(w, 1);
    b_go_on(w, 6);
}

static void want_closed(struct world *w, uint64_t order)
{
    struct err e;
    assert_int_equal(exec_close_entry(w->exec, order, "manual", &e), 0);
    w_turn(w);
    b_note(w);
}

/* Pending orders that are to be closed: one that nobody has seen yet, one that rests, and an entry
 * whose answer is lost. */
static void unwanted_ones(struct world *w)
{
    place(w, 0);
    place(w, 1);
    stage_of(w)->lose_all = true;
    w_turn(w);
    b_serve(w);
    stage_of(w)->lose_all = false;
    want_closed(w, 1);
    b_go_on(w, 3);
    assert_non_null(b_pending(w, 1));
    want_closed(w, 2);
    b_go_on(w, 4);
    stage_of(w)->lose_all = true;
    uint64_t order = ledger_last_order(w->ledger) + 1;
    struct batch *b = enter(w, 0);
    w_turn(w);
    b_serve(w);
    batch_free(b);
    stage_of(w)->lose_all = false;
    want_closed(w, order);
    b_go_on(w, 4);
}

/* Without a process of its own for each of thousands of folders. */
static void remove_folder(struct world *w)
{
    DIR *d = opendir(w->dir);
    struct dirent *entry;
    assert_non_null(d);
    while ((entry = readdir(d)) != NULL) {
        char path[400];
        snprintf(path, sizeof path, "%s/%.300s", w->dir, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            assert_int_equal(unlink(path), 0);
    }
    closedir(d);
    assert_int_equal(rmdir(w->dir), 0);
}

/* A folder in memory where there is one: each life syncs its journal when it ends, and there are
 * thousands. */
static void init_in_memory(struct world *w)
{
    char path[] = "/dev/shm/perigee-exec-XXXXXX";
    w_init(w);
    if (mkdtemp(path) == NULL)
        return;
    assert_int_equal(rmdir(w->dir), 0);
    snprintf(w->dir, sizeof w->dir, "%s", path);
}

/* A life whose journal has just `size` bytes, at a broker that stands so. */
static void revive(const struct cut *of, const char *bytes, size_t size, const struct broker *at,
                   int64_t market_ms, bool whole)
{
    struct world *w = calloc(1, sizeof *w);
    struct stage stage = {.broker = *at, .lose = of->act->lose};
    char path[400];
    init_in_memory(w);
    w->extra = &stage;
    w->config.late_close = of->act->late_close;
    w->config.resend = of->act->resend;
    snprintf(path, sizeof path, "%s/%s", w->dir, strrchr(of->file, '/') + 1);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
    w->skip_journal = !whole;
    w_live(w, market_ms + 2000);
    if (whole) {
        b_go_on(w, 60); /* longer than the wait that absence needs */
        b_check(w, size);
    }
    assert_int_equal(exec_in_flight(w->exec), 0);
    w_die(w);
    remove_folder(w);
    free(w);
}

static char *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    char *bytes = malloc(*size);
    assert_int_equal(fread(bytes, 1, *size, f), *size);
    fclose(f);
    return bytes;
}

/* Where each frame ends. */
static void find_frames(struct world *w)
{
    struct cut *c = cut_of(w);
    struct journal_reader *r;
    struct event ev;
    struct err e;
    size_t at = 16, n;
    assert_int_equal(journal_reader_open(&r, w->dir, 1, &e), 0);
    while (journal_reader_next(r, &ev, &e) == 1) {
        assert_true(c->frame_count < FRAMES);
        (void)journal_reader_frame(r, &n);
        c->ends[c->frame_count++] = at += n;
    }
    journal_reader_close(r);
}

static bool ends_frame(const struct cut *c, size_t at)
{
    for (size_t k = 0; k < c->frame_count; k++)
        if (c->ends[k] == at)
            return true;
    return false;
}

static void cut_everywhere(const struct act *act)
{
    struct world *w = calloc(1, sizeof *w);
    struct cut c = {.act = act, .stage = {.lose = act->lose}};
    size_t size;
    c.moments = calloc(MOMENTS, sizeof *c.moments);
    w_init(w);
    w->extra = &c;
    w->config.late_close = act->late_close;
    w->config.resend = act->resend;
    w_live(w, W_START);
    w_turn(w);
    c.stage.note = note; /* the accounts are known from here on */
    b_note(w);
    act->live(w);
    w_turn(w);
    b_note(w);
    b_check(w, 0);
    find_frames(w);
    char *bytes = read_file(c.file, &size);
    assert_int_equal(size, c.moments[c.moment_count - 1].size);
    assert_int_equal(size, c.ends[c.frame_count - 1]);
    assert_true(c.moment_count > 4 && c.frame_count > 20);
    for (size_t k = 0; k + 1 < c.moment_count; k++) {
        const struct moment *m = &c.moments[k];
        revive(&c, bytes, m->size, &m->first, m->market_ms, true);
        for (size_t at = m->size; at < c.moments[k + 1].size; at++)
            revive(&c, bytes, at, &m->last, m->market_ms,
                   ends_frame(&c, at) || at % FULL_EVERY == 0);
    }
    free(bytes);
    w_fini(w);
    free(w);
    free(c.moments);
}

static void at_every_byte(void **state)
{
    (void)state;
    cut_everywhere(&(struct act){.live = a_day});
}

static void at_every_byte_with_lost_answers(void **state)
{
    (void)state;
    cut_everywhere(&(struct act){.live = a_day, .lose = true});
}

static void at_every_byte_of_late_ones(void **state)
{
    (void)state;
    cut_everywhere(&(struct act){.live = late_ones, .late_close = true});
}

static void at_every_byte_of_a_resend(void **state)
{
    (void)state;
    cut_everywhere(&(struct act){.live = both_of_two, .resend = true});
}

static void at_every_byte_of_unwanted_ones(void **state)
{
    (void)state;
    cut_everywhere(&(struct act){.live = unwanted_ones});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_every_byte),
        cmocka_unit_test(at_every_byte_with_lost_answers),
        cmocka_unit_test(at_every_byte_of_late_ones),
        cmocka_unit_test(at_every_byte_of_a_resend),
        cmocka_unit_test(at_every_byte_of_unwanted_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
