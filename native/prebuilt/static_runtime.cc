// What the statically linked C++ runtime of the prebuilt addon refers to and glibc 2.28 does not have. No
// other build has this file, or the flags beside it.

#include <features.h>  // says whether this is glibc

#if defined(__x86_64__) && defined(__GLIBC__)

#include <pthread.h>

extern "C" {

// From glibc 2.32: lets reference counts skip atomic instructions. 0: never skip them.
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;

// From glibc 2.35: finds unwind tables. This code base throws nothing and catches nothing; "not found" ends
// the process, as an exception that nobody catches does anyway.
struct dl_find_object;
__attribute__((visibility("hidden"))) int _dl_find_object(void* /*address*/,
                                                          struct dl_find_object* /*result*/) {
  return -1;
}

// Moved into libc.so with glibc 2.34, under new versions. link_flags_x64 wraps the runtime's
// references (ld --wrap), and these go to the old versions, which every glibc has.
int forkstore_pthread_once(pthread_once_t* control, void (*routine)());
int forkstore_pthread_key_create(pthread_key_t* key, void (*destructor)(void*));
__asm__(".symver forkstore_pthread_once,pthread_once@GLIBC_2.2.5");
__asm__(".symver forkstore_pthread_key_create,__pthread_key_create@GLIBC_2.2.5");

__attribute__((visibility("hidden"))) int __wrap_pthread_once(pthread_once_t* control, void (*routine)()) {
  return forkstore_pthread_once(control, routine);
}
__attribute__((visibility("hidden"))) int __wrap___pthread_key_create(pthread_key_t* key,
                                                                      void (*destructor)(void*)) {
  return forkstore_pthread_key_create(key, destructor);
}

}  // extern "C"

#endif
