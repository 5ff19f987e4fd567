/* SPDX-License-Identifier: MIT
 *
 * perigee.child: processes that this one starts and watches, for the supervisor and for tests.
 *
 *   child.spawn{file=, args={...}, log=path, stdin=true, env={NAME=value}, cwd=path,
 *               stderr_lines=true} -> Child | nil, err        (all but file may be nil)
 *     env is added to this process's environment; stderr_lines: its stderr comes among its lines
 *   Child:line([timeout_ms]) -> next line of its stdout | nil, err ("closed", "timeout")   (yields)
 *   Child:wait([timeout_ms]) -> exit code, signal | nil, err("timeout") (yields)
 *   Child:kill([signal])     Child:pid()
 *   child.parent_gone() -> true when standard input has closed (yields)
 *   child.kill(pid[, signal]) -> sent     child.alive(pid) -> boolean
 *
 * Output that nobody takes is kept up to 1 MiB; then the process waits in its write until lines are
 * taken. A line longer than that comes in pieces. Closing the handle ends a wait with "closed".
 *
 * A child runs in a session of its own, so that a terminal's Ctrl-C reaches the parent alone. With
 * stdin = true it gets a pipe that closes when the parent ends, however it ends.
 */
#ifndef PERIGEE_ENGINE_CHILD_H
#define PERIGEE_ENGINE_CHILD_H

#include "script/host.h"

/* Adds perigee.child to package.preload. */
void child_register(struct host *h);

#endif
