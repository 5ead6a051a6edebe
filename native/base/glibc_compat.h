// Binds the functions that newer C libraries export under a new version name to the oldest name they
// have, so that an addon built on a recent system loads wherever GLIBC_2.28 is found. To be included
// by every .cc that calls one of them. Sanitizers replace these functions by plain names: there the
// defaults stay.
#pragma once

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FORKSTORE_SANITIZER_BUILD 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FORKSTORE_SANITIZER_BUILD 1
#endif

#if defined(__x86_64__) && defined(__linux__) && !defined(FORKSTORE_SANITIZER_BUILD)
#include <features.h>
#ifdef __GLIBC__
__asm__(".symver pthread_create,pthread_create@GLIBC_2.2.5");
__asm__(".symver pthread_join,pthread_join@GLIBC_2.2.5");
__asm__(".symver pthread_detach,pthread_detach@GLIBC_2.2.5");
__asm__(".symver pthread_sigmask,pthread_sigmask@GLIBC_2.2.5");
__asm__(".symver pthread_setname_np,pthread_setname_np@GLIBC_2.12");
#endif
#endif
