/* SPDX-License-Identifier: MIT
 *
 * engine.sock: what the engine tells and takes. Frames of io/sock, by type:
 *
 *   1 SUBSCRIBE  client: u64 little-endian, the first sequence number wanted. The journal is read
 *                from there, then events follow live, without a gap and without a repeat. A
 *                ninth byte may follow: 1 (WIRE_EVENTS_ONLY) for no STATE frames
 *   2 EVENT      engine: one journal frame (base/event)
 *   3 COMMAND    client: JSON {"id":..., "name":..., "args":{...}, "who":...}
 *   4 REPLY      engine: JSON {"id":..., "ok":true, "result":...} or
 *                {"id":..., "ok":false, "code":..., "error":...}
 *   5 STATE      engine: JSON, unnumbered; only the newest of a kind matters
 *
 * States are kept, one text for each kind. A live subscriber gets a new text when everything before
 * it has left the socket, so one that does not read gets the newest of each kind later, and never a
 * pile. A text that equals the kept one is not sent again. Who goes live gets all that are kept;
 * when nobody is subscribed any more, they are forgotten.
 *
 * What a command means is policy: the Lua module perigee.wire gives each to a function.
 *
 *   wire.on_command(fn(client, text))   fn runs as a task
 *   wire.reply(client, text)            the client may be gone: harmless
 *   wire.state(kind, text)              to every subscriber; at most 32 kinds
 *   wire.subscribers() -> count
 *   wire.listeners() -> how many of them want STATE frames
 */
#ifndef PERIGEE_ENGINE_WIRE_H
#define PERIGEE_ENGINE_WIRE_H

#include "base/err.h"
#include "io/loop.h"
#include "script/host.h"
#include "store/stream.h"

#define WIRE_EVENTS_ONLY 1

enum wire_type { WIRE_SUBSCRIBE = 1, WIRE_EVENT, WIRE_COMMAND, WIRE_REPLY, WIRE_STATE };

struct wire;

/* Listens at path and registers perigee.wire in the host. Subscribes to the stream. Without a path
 * nobody can connect: the module is there and finds no client. */
int wire_new(struct wire **out, struct loop *l, struct stream *stream, struct host *h,
             const char *path, struct err *e);
/* Before the host and the stream: closes all clients and leaves both. */
void wire_free(struct wire *w);

#endif
