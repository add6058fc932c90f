/* SPDX-License-Identifier: Apache-2.0 */
/* libuv, as the system has it. */
#include <uv.h>
