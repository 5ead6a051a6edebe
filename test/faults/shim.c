/*
 * A library for LD_PRELOAD that makes system calls of the addon fail, or kills processes at them.
 *
 * It counts only calls that come from forkstore.node (by return address), in the parent and in the snapshot
 * child alike, in a plan that the test maps too: the file named by FORKSTORE_FAULT_PLAN. A test writes the
 * plan, lets the store work, and reads how many calls there were and whether the plan struck. It can also
 * hold the snapshot child, or the thread of the log, so that the order of things does not hang on the disk.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum action {
  FAIL_ONCE = 1,      /* the nth call fails with `error` */
  FAIL_FOR_GOOD = 2,  /* the nth call and every later one of the same name do */
  SHORT_ONCE = 3,     /* the nth call, a write or read, moves half of what was asked for */
  KILL_PARENT = 4,    /* SIGKILL, just before the nth call is made */
  KILL_CHILD = 5,
  KILL_BOTH = 6,
};

struct plan {
  volatile int32_t armed;
  volatile int32_t action;
  volatile int32_t error;
  volatile int32_t nth;        /* from 1, over the calls counted, whoever makes them */
  volatile int32_t calls;      /* counted while armed */
  volatile int32_t struck;
  volatile int32_t parent;     /* pid of the process with the store */
  volatile int32_t child;      /* pid of the last snapshot child */
  char struck_name[32];        /* the call that was struck */
  char only[32];               /* not empty: count and strike calls of this name only */
  volatile int32_t hold;       /* HOLD_..., together or alone */
};

enum hold {
  HOLD_CHILD = 1, /* whoever is not `parent`, before each of its calls */
  HOLD_LOG = 2,   /* the thread of the log, before each fdatasync */
};

static struct plan *plan;
static long (*real_syscall)(long, ...);
static uintptr_t addon_start, addon_end;

static int find_addon(struct dl_phdr_info *info, size_t size, void *data) {
  (void)size;
  (void)data;
  /* Not this library, which lies in a folder of a similar name and is there before the addon. */
  if (info->dlpi_name == NULL || strstr(info->dlpi_name, "forkstore") == NULL) return 0;
  if (strstr(info->dlpi_name, ".node") == NULL) return 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    if (header->p_type != PT_LOAD || !(header->p_flags & PF_X)) continue;
    addon_start = info->dlpi_addr + header->p_vaddr;
    addon_end = addon_start + header->p_memsz;
  }
  return 0;
}

__attribute__((constructor)) static void map_plan(void) {
  const char *path = getenv("FORKSTORE_FAULT_PLAN");
  if (path == NULL) return;
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (mapped != MAP_FAILED) plan = mapped;
}

static int is_held(const char *name) {
  if ((plan->hold & HOLD_CHILD) && (int32_t)syscall(SYS_getpid) != plan->parent) return 1;
  if (!(plan->hold & HOLD_LOG) || strcmp(name, "fdatasync") != 0) return 0;
  char thread[16] = "";
  syscall(SYS_prctl, PR_GET_NAME, thread, 0, 0, 0);
  return strcmp(thread, "forkstore-log") == 0;
}

/* A minute at most: who was to let it go may be gone. */
static void wait_while_held(const char *name) {
  const struct timespec millisecond = {0, 1000000};
  for (int i = 0; i < 60000 && is_held(name); i++) syscall(SYS_nanosleep, &millisecond, NULL);
}

/* Whether the call that returns to `caller` is to be struck. */
static int strike(void *caller, const char *name) {
  if (plan == NULL || (!plan->armed && !plan->hold)) return 0;
  if (addon_start == 0) dl_iterate_phdr(find_addon, NULL);
  if ((uintptr_t)caller < addon_start || (uintptr_t)caller >= addon_end) return 0;
  wait_while_held(name);
  if (!plan->armed) return 0;
  if (plan->only[0] != 0 && strcmp(plan->only, name) != 0) return 0;
  const int32_t number = __sync_add_and_fetch(&plan->calls, 1);
  const int again = plan->struck && plan->action == FAIL_FOR_GOOD && strcmp(plan->struck_name, name) == 0;
  if (number != plan->nth && !again) return 0;
  if (!plan->struck) {
    strncpy(plan->struck_name, name, sizeof(plan->struck_name) - 1);
    plan->struck = 1;
  }
  switch (plan->action) {
    case KILL_CHILD:
      if (plan->child > 0) syscall(SYS_kill, plan->child, SIGKILL);
      return 0;
    case KILL_BOTH:
      if (plan->child > 0 && (int32_t)syscall(SYS_getpid) != plan->child) syscall(SYS_kill, plan->child, SIGKILL);
      syscall(SYS_kill, plan->parent, SIGKILL);
      syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
      return 0;
    case KILL_PARENT:
      syscall(SYS_kill, plan->parent, SIGKILL);
      return 0;
    default:
      return 1;
  }
}

static int shortened(void) { return plan->action == SHORT_ONCE; }

#define CALLER __builtin_return_address(0)
#define FAIL_AS(result)    \
  do {                     \
    if (!shortened()) {    \
      errno = plan->error; \
      return (result);     \
    }                      \
  } while (0)

static int open_mode(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) ? va_arg(arguments, int) : 0;
}

int open(const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const int mode = open_mode(flags, arguments);
  va_end(arguments);
  if (strike(CALLER, "open")) FAIL_AS(-1);
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int openat(int folder, const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const int mode = open_mode(flags, arguments);
  va_end(arguments);
  if (strike(CALLER, "openat")) FAIL_AS(-1);
  return (int)syscall(SYS_openat, folder, path, flags, mode);
}
int openat64(int folder, const char *path, int flags, ...) __attribute__((alias("openat")));

ssize_t pwritev(int fd, const struct iovec *vectors, int count, off_t offset) {
  if (strike(CALLER, "pwritev")) {
    FAIL_AS(-1);
    /* Half of the first vector, at a multiple of 4096 so that O_DIRECT takes it. */
    struct iovec half = vectors[0];
    if (half.iov_len >= 8192) half.iov_len = half.iov_len / 2 / 4096 * 4096;
    return syscall(SYS_pwritev, fd, &half, 1, offset, 0);
  }
  return syscall(SYS_pwritev, fd, vectors, count, offset, 0);
}
ssize_t pwritev64(int fd, const struct iovec *vectors, int count, off_t offset) __attribute__((alias("pwritev")));

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset) {
  if (strike(CALLER, "pwrite")) {
    FAIL_AS(-1);
    if (bytes >= 8192) bytes = bytes / 2 / 4096 * 4096;
  }
  return syscall(SYS_pwrite64, fd, data, bytes, offset);
}
ssize_t pwrite64(int fd, const void *data, size_t bytes, off_t offset) __attribute__((alias("pwrite")));

ssize_t write(int fd, const void *data, size_t bytes) {
  if (strike(CALLER, "write")) {
    FAIL_AS(-1);
    bytes = (bytes + 1) / 2;
  }
  return syscall(SYS_write, fd, data, bytes);
}

ssize_t read(int fd, void *data, size_t bytes) {
  if (strike(CALLER, "read")) {
    FAIL_AS(-1);
    bytes = (bytes + 1) / 2;
  }
  return syscall(SYS_read, fd, data, bytes);
}

#define WRAP(result_type, failed, name, number, parameters, ...) \
  result_type name parameters {                                 \
    if (strike(CALLER, #name) && !shortened()) {                \
      errno = plan->error;                                      \
      return failed;                                            \
    }                                                           \
    return (result_type)syscall(number, __VA_ARGS__);           \
  }

WRAP(int, -1, fsync, SYS_fsync, (int fd), fd)
WRAP(int, -1, fdatasync, SYS_fdatasync, (int fd), fd)
WRAP(int, -1, ftruncate, SYS_ftruncate, (int fd, off_t length), fd, length)
int ftruncate64(int fd, off_t length) __attribute__((alias("ftruncate")));
WRAP(int, -1, fallocate, SYS_fallocate, (int fd, int mode, off_t offset, off_t length), fd, mode, offset, length)
int fallocate64(int fd, int mode, off_t offset, off_t length) __attribute__((alias("fallocate")));
WRAP(int, -1, sync_file_range, SYS_sync_file_range, (int fd, off_t offset, off_t length, unsigned flags), fd, offset,
     length, flags)
WRAP(int, -1, statx, SYS_statx, (int folder, const char *path, int flags, unsigned mask, struct statx *result), folder,
     path, flags, mask, result)
WRAP(int, -1, waitid, SYS_waitid, (idtype_t type, id_t id, siginfo_t * info, int options), type, id, info, options, 0)
WRAP(int, -1, renameat, SYS_renameat, (int from_folder, const char *from, int to_folder, const char *to), from_folder,
     from, to_folder, to)
WRAP(int, -1, rename, SYS_rename, (const char *from, const char *to), from, to)
WRAP(int, -1, unlinkat, SYS_unlinkat, (int folder, const char *path, int flags), folder, path, flags)
WRAP(int, -1, unlink, SYS_unlink, (const char *path), path)
WRAP(int, -1, pipe2, SYS_pipe2, (int fds[2], int flags), fds, flags)
WRAP(int, -1, poll, SYS_poll, (struct pollfd * fds, nfds_t count, int timeout), fds, count, timeout)
WRAP(pid_t, -1, waitpid, SYS_wait4, (pid_t pid, int *status, int options), pid, status, options, 0)
WRAP(int, -1, madvise, SYS_madvise, (void *address, size_t bytes, int advice), address, bytes, advice)
WRAP(void *, MAP_FAILED, mmap, SYS_mmap,
     (void *address, size_t bytes, int protection, int flags, int fd, off_t offset), address, bytes, protection,
     flags, fd, offset)
void *mmap64(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
    __attribute__((alias("mmap")));

/* The fork is a raw clone through syscall(); its child's pid is what kills aim at. */
long syscall(long number, ...) {
  va_list list;
  va_start(list, number);
  long a[6];
  for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
  va_end(list);
  /* Looked up before main(): the child must not enter the dynamic linker. */
  if (real_syscall == NULL) real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  if (number == SYS_clone) {
    if (strike(CALLER, "clone") && !shortened()) {
      errno = plan->error;
      return -1;
    }
    const long pid = real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (plan != NULL && pid > 0) plan->child = (int32_t)pid;
    return pid;
  }
  return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
