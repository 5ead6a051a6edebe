// Tests only: a directory's files for the log, whose calls a test holds, counts and has fail.
#pragma once

#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "log/log_file_system.h"

namespace forkstore {

// Holds writes or syncs, counts syncs, and has a write fail; otherwise the directory's own.
struct Brake {
  std::atomic<bool> hold{false};  // writes wait
  std::atomic<bool> hold_syncs{false};
  std::atomic<bool> held{false};  // one has waited
  std::atomic<int> fail_in{-1};   // so many writes later one fails
  std::atomic<int> syncs{0};
};

class BrakedFile final : public LogFile {
 public:
  BrakedFile(std::unique_ptr<LogFile> file, Brake* brake) : file_(std::move(file)), brake_(brake) {}
  int WriteAt(uint64_t position, const void* data, size_t bytes, size_t* written) override {
    Wait(brake_->hold);
    if (brake_->fail_in >= 0 && brake_->fail_in-- == 0) return ENOSPC;
    return file_->WriteAt(position, data, bytes, written);
  }
  int ReadAt(uint64_t position, void* out, size_t bytes, size_t* got) override {
    return file_->ReadAt(position, out, bytes, got);
  }
  int DataSync() override {
    Wait(brake_->hold_syncs);
    brake_->syncs += 1;
    return file_->DataSync();
  }
  int Allocate(uint64_t bytes) override { return file_->Allocate(bytes); }
  int Truncate(uint64_t bytes) override { return file_->Truncate(bytes); }
  int Size(uint64_t* bytes) override { return file_->Size(bytes); }
  void DropCache() override { file_->DropCache(); }

 private:
  void Wait(const std::atomic<bool>& hold) {
    while (hold) {
      brake_->held = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  std::unique_ptr<LogFile> file_;
  Brake* brake_;
};

class BrakedFileSystem final : public LogFileSystem {
 public:
  BrakedFileSystem(std::unique_ptr<LogFileSystem> files, Brake* brake)
      : files_(std::move(files)), brake_(brake) {}
  int Create(const std::string& name, std::unique_ptr<LogFile>* file) override {
    return Wrapped(files_->Create(name, file), file);
  }
  int Open(const std::string& name, std::unique_ptr<LogFile>* file) override {
    return Wrapped(files_->Open(name, file), file);
  }
  int Rename(const std::string& from, const std::string& to) override { return files_->Rename(from, to); }
  int Remove(const std::string& name) override { return files_->Remove(name); }
  int SyncDirectory() override { return files_->SyncDirectory(); }
  int List(std::vector<std::string>* names) override { return files_->List(names); }

 private:
  int Wrapped(int error, std::unique_ptr<LogFile>* file) {
    if (error == 0) *file = std::make_unique<BrakedFile>(std::move(*file), brake_);
    return error;
  }
  std::unique_ptr<LogFileSystem> files_;
  Brake* brake_;
};

}  // namespace forkstore
