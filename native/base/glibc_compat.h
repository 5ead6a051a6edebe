// Binds the functions that newer C libraries export under a new version name to the oldest name they
// have, so that the prebuilt addon, built on a recent system, loads wherever GLIBC_2.28 is found. To be
// included by every .cc that calls one of them. Every other build takes what its C library offers.
#pragma once

#if defined(FORKSTORE_PREBUILT) && defined(__x86_64__) && defined(__linux__)
#include <features.h>
#ifdef __GLIBC__
__asm__(".symver pthread_create,pthread_create@GLIBC_2.2.5");
__asm__(".symver pthread_join,pthread_join@GLIBC_2.2.5");
__asm__(".symver pthread_detach,pthread_detach@GLIBC_2.2.5");
__asm__(".symver pthread_sigmask,pthread_sigmask@GLIBC_2.2.5");
__asm__(".symver pthread_setname_np,pthread_setname_np@GLIBC_2.12");
#endif
#endif
