/* SPDX-License-Identifier: Apache-2.0 */
/* The allocator that every object of the library is given. */
#ifndef GOFERBROKE_ALLOC_H
#define GOFERBROKE_ALLOC_H

#include <stddef.h>

#include "goferbroke/export.h"

/* The functions have the meaning of malloc, realloc and free, with `user` in front; memory is
 * aligned for any object. NULL is out of memory and is survived. An allocator is called from the
 * thread that uses the object; one that is given to objects of several threads must be safe for
 * that. It must outlive every object that was given it.
 *
 * The library never asks for size 0. */
typedef struct gb_allocator {
    void *user;
    void *(*malloc)(void *user, size_t size);
    void *(*realloc)(void *user, void *memory, size_t size);
    void (*free)(void *user, void *memory);
} gb_allocator;

/* malloc, realloc and free of the C library. Static storage, safe for all threads. */
GB_EXTERN const gb_allocator *gb_allocator_default(void);

#endif
