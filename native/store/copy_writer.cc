#include "store/copy_writer.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <vector>

#include "base/bell.h"
#include "base/thread.h"
#include "files/file_descriptor.h"
#include "image/frozen_chunks.h"
#include "image/image_writer.h"
#include "store/stand_back.h"

namespace forkstore {

namespace {

// What stays prepared for the next snapshot.
constexpr uint64_t kKeptBufferBytes = uint64_t{4} << 20;

}  // namespace

struct CopyWriter::State {
  FrozenPages* pages;
  FrozenTable* table;
  Directory* directory;
  ImageSource source;
  PaceLimits pace;

  std::atomic<uint64_t> bytes_written{0};
  std::atomic<bool> stop{false};
  std::atomic<bool> has_ended{false};
  // Who ends first: the thread, or the watcher that gives it up.
  enum class Fate { kWrites, kHasWritten, kGivenUp };
  std::atomic<Fate> fate{Fate::kWrites};
  Bell bell;
  uint32_t heard = 0;  // the watcher's
  Status status;       // the thread's until it has ended, as the next
  ImageWriteResult result;
  Thread thread;  // last: joined before anything else goes

  void Run();
  Status Write();
};

CopyWriter::CopyWriter(FrozenPages* pages, FrozenTable* table, Directory* directory,
                       const ImageSource& source, const PaceLimits& pace)
    : state_(std::make_unique<State>()) {
  state_->pages = pages;
  state_->table = table;
  state_->directory = directory;
  state_->source = source;
  state_->pace = pace;
}

CopyWriter::~CopyWriter() {
  CopyWriter::Stop();
}

Status CopyWriter::Begin() {
  Status status = state_->directory->Check();
  if (status.ok()) {
    status = Thread::Start([](void* argument) { static_cast<State*>(argument)->Run(); }, state_.get(),
                           "forkstore-save", &state_->thread);
  }
  if (status.ok()) return status;
  state_->pages->End();
  state_->pages->ReleaseBuffers(0);
  state_->has_ended.store(true);
  return AsSnapshotFailure(status);
}

void CopyWriter::State::Run() {
  StandBack();
  status = Write();
  // From here on the owner copies nothing more; what it may be copying is looked at by nobody.
  pages->End();
  pages->ReleaseBuffers(std::min(kKeptBufferBytes, source.units * kUnitBytes / 64));
  // Nobody is left who would publish or remove the file; nobody else ever has this name.
  if (fate.exchange(Fate::kHasWritten) == Fate::kGivenUp) directory->RemoveTemporary(source.generation);
  has_ended.store(true);
  bell.Ring();
}

Status CopyWriter::State::Write() {
  std::vector<uint32_t> entries(source.units);
  table->Read(entries.data());
  source.table = entries.data();
  FrozenChunks chunks(pages, entries);
  std::unique_ptr<ImageWriterSpace> space;
  if (Status made = ImageWriterSpace::Create(source, &space); !made.ok()) return made;
  int fd = -1;
  if (Status made = directory->CreateTemporary(source.generation, &fd); !made.ok()) return made;
  const FileDescriptor file(fd);
  const auto go_on = [](void* self, uint64_t bytes) {
    auto* state = static_cast<State*>(self);
    state->bytes_written.store(bytes, std::memory_order_relaxed);
    state->bell.Ring();
    return !state->stop.load(std::memory_order_relaxed);
  };
  result = WriteImage(source, &chunks, file.get(), space.get(), go_on, this, pace);
  return Status::Ok();
}

SnapshotWriter::Heard CopyWriter::Listen(uint32_t timeout_ms) {
  State& state = *state_;
  if (state.has_ended.load()) return Heard::kEnd;
  state.bell.Sleep(state.heard, timeout_ms);
  if (state.has_ended.load()) return Heard::kEnd;
  // It rings after each piece, and while it rests.
  const uint32_t count = state.bell.Count();
  const bool is_news = count != state.heard;
  state.heard = count;
  return is_news ? Heard::kProgress : Heard::kNothing;
}

void CopyWriter::Stop() {
  state_->stop.store(true);
}

Status CopyWriter::End(SnapshotOutcome* outcome) {
  State& state = *state_;
  State::Fate fate = State::Fate::kWrites;
  if (!state.has_ended.load() && state.fate.compare_exchange_strong(fate, State::Fate::kGivenUp)) {
    state.pages->End();
    return Status(Code::kSnapshotFailed, "the snapshot's thread waits for the disk");
  }
  if (state.thread.joinable()) state.thread.Join();
  outcome->bytes = state.result.file_bytes;
  outcome->copied_bytes = state.pages->peak_bytes();
  outcome->copied_bytes_known = true;
  outcome->copies_exceeded = state.result.gone;
  if (!state.status.ok()) {
    return Status(Code::kSnapshotFailed, "the snapshot could not be written: " + state.status.message(),
                  state.status.system_errno());
  }
  if (state.result.error == 0) return Status::Ok();
  if (state.result.gone) {
    return Status(Code::kSnapshotFailed,
                  "the snapshot was given up: more would have had to be copied than the " +
                      std::to_string(state.pages->buffers().most_bytes()) +
                      " bytes that copies may take (snapshot.maxCopiedBytes)",
                  ENOBUFS);
  }
  return Status(Code::kSnapshotFailed,
                std::string("the snapshot could not be written: ") + state.result.call + ": " +
                    ErrorText(state.result.error),
                state.result.error);
}

uint64_t CopyWriter::bytes_written() const {
  return state_->bytes_written.load(std::memory_order_relaxed);
}

bool CopyWriter::has_ended() const {
  return state_->has_ended.load();
}

}  // namespace forkstore
