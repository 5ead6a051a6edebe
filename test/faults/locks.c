/*
 * A library for LD_PRELOAD that counts how often the addon locks a mutex: whether its locks lock at all depends on how it
 * was linked. The count is an 8-byte number in the file named by FORKSTORE_LOCK_COUNT.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile uint64_t *count;
static int (*real_lock)(pthread_mutex_t *);
static uintptr_t addon_start, addon_end;

__attribute__((constructor)) static void begin(void) {
  real_lock = (int (*)(pthread_mutex_t *))dlsym(RTLD_NEXT, "pthread_mutex_lock");
  const char *path = getenv("FORKSTORE_LOCK_COUNT");
  const int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *mapped = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (mapped != MAP_FAILED) count = mapped;
}

static int find_addon(struct dl_phdr_info *info, size_t size, void *data) {
  (void)size;
  (void)data;
  const size_t length = info->dlpi_name == NULL ? 0 : strlen(info->dlpi_name);
  if (length < 5 || strcmp(info->dlpi_name + length - 5, ".node") != 0) return 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    if (header->p_type != PT_LOAD || !(header->p_flags & PF_X)) continue;
    addon_end = info->dlpi_addr + header->p_vaddr + header->p_memsz;
    addon_start = info->dlpi_addr + header->p_vaddr;
  }
  return 0;
}

void *dlopen(const char *path, int flags) {
  void *(*real)(const char *, int) = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");
  void *opened = real(path, flags);
  if (addon_end == 0) dl_iterate_phdr(find_addon, NULL);
  return opened;
}

int pthread_mutex_lock(pthread_mutex_t *mutex) {
  if (real_lock == NULL) return 0; /* before this library is ready there is one thread */
  const uintptr_t caller = (uintptr_t)__builtin_return_address(0);
  if (count != NULL && caller >= addon_start && caller < addon_end) __sync_add_and_fetch(count, 1);
  return real_lock(mutex);
}
