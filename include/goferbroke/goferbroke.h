/* SPDX-License-Identifier: Apache-2.0 */
/* The umbrella header: everything public, in layer order. */
#ifndef GOFERBROKE_GOFERBROKE_H
#define GOFERBROKE_GOFERBROKE_H

/* Layer 0, platform. */
#include "goferbroke/export.h"
#include "goferbroke/version.h"
#include "goferbroke/err.h"
#include "goferbroke/types.h"
#include "goferbroke/alloc.h"

/* Layer 1, codec. */
#include "goferbroke/frame.h"
#include "goferbroke/message.h"

/* Layer 3, engine (event.h: what a node tells its host). */
#include "goferbroke/event.h"
#include "goferbroke/engine.h"

/* Layer 4, transport. */
#include "goferbroke/node.h"

#endif
