/* SPDX-License-Identifier: MIT
 *
 * The supervisor's process: starts the paper broker and the engine, watches them, shows what
 * happens. What it does is lua/perigee/run.lua.
 */
#include <stdio.h>

#include "engine/process.h"
#include "io/file.h"

int run_main(const struct process_options *options)
{
    struct process p;
    struct err e = {0};
    if (process_init(&p, options, &e))
        return process_fail(&e);
    /* One supervisor for a data folder: a second one would stop the first one's broker. */
    char path[512];
    int lock = -1, code;
    snprintf(path, sizeof path, "%s/run.lock", settings_text(p.settings, "data.dir", "var"));
    if (file_lock(path, &lock, &e)) {
        if (e.code == ERR_EXISTS)
            err_set(&e, ERR_INPUT,
                    "another perigee run uses %s; stop it or give another --data-dir",
                    settings_text(p.settings, "data.dir", "var"));
        code = process_fail(&e);
    } else {
        code = process_run(&p, options);
        file_unlock(lock);
    }
    process_fini(&p);
    return code;
}
