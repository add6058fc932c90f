/* SPDX-License-Identifier: Apache-2.0 */
/* GB_EXTERN marks what the library exports; everything else is hidden in the shared library. */
#ifndef GOFERBROKE_EXPORT_H
#define GOFERBROKE_EXPORT_H

#if defined(__GNUC__) || defined(__clang__)
#define GB_EXPORT_VISIBILITY __attribute__((visibility("default")))
#else
#define GB_EXPORT_VISIBILITY
#endif

#ifdef __cplusplus
#define GB_EXTERN extern "C" GB_EXPORT_VISIBILITY
#else
#define GB_EXTERN extern GB_EXPORT_VISIBILITY
#endif

#endif
