/* results: the methods of bytearray that return new bytes, alone or in a list or tuple;
 * here these are GrowBuffers.
 *
 * Where the arguments are plain, the algorithm is in methods.c, and the result is made in
 * one step. All other calls go to bytearray's own method (base.h).
 */
#ifndef GROWBUF_RESULTS_H
#define GROWBUF_RESULTS_H

#include "buffer.h"

extern const PyMethodDef results_methods[];

#endif
