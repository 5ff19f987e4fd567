/* SPDX-License-Identifier: MIT
 *
 * Shapes of requests and answers: a fan-out sends the same text to every account but for three
 * numbers, and is answered the same text but for an id. A codec that says so (codec_ops.steady) is
 * asked once for each shape; what follows is put together here, at a hundredth of the price.
 *
 * A steady codec promises, for entries at the market with a stop and a target (ORDER_OPEN):
 *   - requests of one broker, symbol, side and precision differ in volume, stop and target alone,
 *     each written as its decimal text, in one place;
 *   - what an answer with status 200 means depends on its body alone, and where it is accepted, the
 *     order's id stands in it as a quoted string and means nothing else.
 * The promise is not believed but tried: a shape is made from a made-up order and compared with
 * what the codec makes of others and of the first real one; a shape of answers must foretell the
 * codec's next verdict before it is used. What does not fit to the byte goes to the codec, as ever.
 *
 * Limits: SHAPES_KEPT shapes of each kind; further ones go to the codec each time.
 */
#ifndef PERIGEE_VENUE_SHAPE_H
#define PERIGEE_VENUE_SHAPE_H

#include "venue/remote.h"

#define SHAPES_KEPT 16

struct shapes;

struct shapes *shapes_new(void); /* NULL: out of memory */
void shapes_free(struct shapes *s);

/* As codec->encode and codec->decode; s may be NULL: always the codec. */
int shape_encode(struct shapes *s, const struct codec_ops *codec, const char *broker,
                 const struct order *o, const struct instrument *i, struct codec_request *out,
                 struct err *e);
int shape_decode(struct shapes *s, const struct codec_ops *codec, const char *broker,
                 const struct order *o, const struct codec_answer *a, struct verdict *out,
                 struct err *e);

#endif
