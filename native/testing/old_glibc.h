// Included before everything else by builds with FORKSTORE_OLD_GLIBC: libstdc++ refers to the functions of
// threads weakly, and takes a program that has no __pthread_key_create for one without threads. That is what
// its headers do with a glibc before 2.34, where these functions were in a library of their own.
#pragma once

#include <bits/c++config.h>

#undef _GLIBCXX_GTHREAD_USE_WEAK
#define _GLIBCXX_GTHREAD_USE_WEAK 1
