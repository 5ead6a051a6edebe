#include "log/log_file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

#include "files/file_descriptor.h"

namespace forkstore {

namespace {

// The C library's stat family got new symbol names in 2.33; lseek has always been there.
class PosixFile final : public LogFile {
 public:
  explicit PosixFile(int fd) : fd_(fd) {}
  int fd() const { return fd_.get(); }

  int WriteAt(uint64_t position, const void* data, size_t bytes, size_t* written) override {
    const ssize_t result = pwrite(fd_.get(), data, bytes, static_cast<off_t>(position));
    if (result < 0) return errno;
    *written = static_cast<size_t>(result);
    return 0;
  }
  int ReadAt(uint64_t position, void* out, size_t bytes, size_t* got) override {
    const ssize_t result = pread(fd_.get(), out, bytes, static_cast<off_t>(position));
    if (result < 0) return errno;
    *got = static_cast<size_t>(result);
    return 0;
  }
  int DataSync() override { return fdatasync(fd_.get()) == 0 ? 0 : errno; }
  int Allocate(uint64_t bytes) override {
    return fallocate(fd_.get(), 0, 0, static_cast<off_t>(bytes)) == 0 ? 0 : errno;
  }
  int Truncate(uint64_t bytes) override {
    uint64_t size = 0;
    if (const int error = Size(&size); error != 0) return error;
    const auto end = static_cast<off_t>(bytes);
    constexpr int kHole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    const int result = bytes < size ? fallocate(fd_.get(), kHole, end, static_cast<off_t>(size - bytes))
                                    : ftruncate(fd_.get(), end);
    return result == 0 ? 0 : errno;
  }
  int Size(uint64_t* bytes) override {
    const off_t end = lseek(fd_.get(), 0, SEEK_END);
    if (end < 0) return errno;
    *bytes = static_cast<uint64_t>(end);
    return 0;
  }
  int DataEnd(uint64_t* bytes) override {
    uint64_t end = 0;
    uint64_t begin = 0;
    do {
      *bytes = end;
      if (!FindData(fd_.get(), *bytes, &begin, &end)) return Size(bytes);
    } while (begin < end);
    return 0;
  }
  int NextData(uint64_t from, uint64_t* begin, uint64_t* end) override {
    return FindData(fd_.get(), from, begin, end) ? 0 : LogFile::NextData(from, begin, end);
  }
  void DropCache() override { posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_DONTNEED); }

 private:
  FileDescriptor fd_;
};

class PosixFileSystem final : public LogFileSystem {
 public:
  PosixFileSystem(int directory, const DirectoryLock* lock) : directory_(directory), lock_(lock) {}

  int Create(const std::string& name, std::unique_ptr<LogFile>* file) override {
    return Opened(openat(directory_, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666),
                  file);
  }
  int Open(const std::string& name, std::unique_ptr<LogFile>* file) override {
    int fd = OpenRegular(directory_, name.c_str(), O_RDWR);
    if (fd < 0 && (errno == EACCES || errno == EROFS)) fd = OpenRegular(directory_, name.c_str(), O_RDONLY);
    return Opened(fd, file);
  }
  int Rename(const std::string& from, const std::string& to) override {
    return renameat(directory_, from.c_str(), directory_, to.c_str()) == 0 ? 0 : errno;
  }
  int Remove(const std::string& name) override {
    return unlinkat(directory_, name.c_str(), 0) == 0 ? 0 : errno;
  }
  int SyncDirectory() override { return fsync(directory_) == 0 ? 0 : errno; }
  int List(std::vector<std::string>* names) override {
    names->clear();
    // Not a duplicate of the directory's descriptor, which would share its position with other threads.
    FileDescriptor own(OpenRetrying(directory_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    DIR* stream = own.valid() ? fdopendir(own.get()) : nullptr;
    if (stream == nullptr) return errno;
    own.Release();
    for (;;) {
      errno = 0;
      const dirent* entry = readdir(stream);
      if (entry == nullptr) break;
      names->push_back(entry->d_name);
    }
    const int error = errno;
    closedir(stream);
    return error;
  }
  int FreeBytes(uint64_t* bytes) override {
    struct statvfs found;
    if (fstatvfs(directory_, &found) != 0) return errno;
    *bytes = uint64_t{found.f_bavail} * found.f_frsize;
    return 0;
  }
  Status Confirm(const std::string& name, const LogFile* file) override {
    const int error = FindAgain(directory_, name.c_str(), static_cast<const PosixFile*>(file)->fd());
    if (error == 0) return lock_ == nullptr ? Status::Ok() : lock_->Check();
    if (error != ENOENT) return Status(Code::kIo, "cannot examine " + name + ": " + ErrorText(error), error);
    return Status(Code::kIo,
                  IsRemoved(directory_) ? "the directory has been removed"
                                        : name + " has been removed from the directory",
                  error);
  }

 private:
  static int Opened(int fd, std::unique_ptr<LogFile>* file) {
    if (fd < 0) return errno;
    *file = std::make_unique<PosixFile>(fd);
    return 0;
  }
  int directory_;
  const DirectoryLock* lock_;
};

// Begins again while a signal interrupts the call.
template <typename Call>
int Uninterrupted(Call call) {
  int error;
  do {
    error = call();
  } while (error == EINTR);
  return error;
}

}  // namespace

std::unique_ptr<LogFileSystem> LogFileSystem::Posix(int directory_fd, const DirectoryLock* lock) {
  return std::make_unique<PosixFileSystem>(directory_fd, lock);
}

int WriteAllAt(LogFile* file, uint64_t position, const void* data, size_t bytes) {
  const auto* next = static_cast<const uint8_t*>(data);
  while (bytes > 0) {
    size_t written = 0;
    const int error = file->WriteAt(position, next, bytes, &written);
    if (error == EINTR) continue;
    if (error != 0) return error;
    if (written == 0) return EIO;
    next += written;
    position += written;
    bytes -= written;
  }
  return 0;
}

int ReadAllAt(LogFile* file, uint64_t position, void* out, size_t bytes, size_t* got) {
  *got = 0;
  while (*got < bytes) {
    size_t part = 0;
    const int error = file->ReadAt(position + *got, static_cast<uint8_t*>(out) + *got, bytes - *got, &part);
    if (error == EINTR) continue;
    if (error != 0) return error;
    if (part == 0) break;
    *got += part;
  }
  return 0;
}

int DataSync(LogFile* file) {
  return Uninterrupted([&] { return file->DataSync(); });
}

int SyncDirectory(LogFileSystem* files) {
  return Uninterrupted([&] { return files->SyncDirectory(); });
}

int OpenFile(LogFileSystem* files, const std::string& name, std::unique_ptr<LogFile>* file) {
  return Uninterrupted([&] { return files->Open(name, file); });
}

int CreateFile(LogFileSystem* files, const std::string& name, std::unique_ptr<LogFile>* file) {
  return Uninterrupted([&] { return files->Create(name, file); });
}

}  // namespace forkstore
