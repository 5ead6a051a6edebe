#include "memory/undo.h"

#include <cstring>

namespace forkstore {
namespace {

constexpr uint64_t kKeptBytes = uint64_t{1} << 20;  // of each list, between scopes

// Behind the old bytes.
struct Trailer {
  Offset offset;
  uint64_t bytes;
};

template <typename T>
void ReleaseIfLarge(std::vector<T>* list) {
  list->clear();
  // Swapped, as assigning {} would keep the memory.
  if (list->capacity() * sizeof(T) > kKeptBytes) std::vector<T>().swap(*list);
}

}  // namespace

Undo::~Undo() {
  SetRecording(false);
}

bool Undo::recording() const {
  return arena_->undo() == this;
}

void Undo::SetRecording(bool recording) {
  arena_->SetUndo(recording ? this : nullptr);
  allocator_->SetUndo(recording ? this : nullptr);
}

Undo::Position Undo::Begin() {
  newest_ = kNone;  // of the scope around this one, which keeps it
  newest_bytes_ = 0;
  if (depth_++ == 0) SetRecording(true);
  return Position{saved_.size(), allocated_.size(), freed_.size()};
}

void Undo::Commit() {
  if (--depth_ != 0) return;
  SetRecording(false);
  for (const Offset block : freed_) allocator_->Free(block);
  GiveMemoryBack();
}

void Undo::Rollback(const Position& position) {
  SetRecording(false);
  RestoreBytes(position.bytes);
  while (allocated_.size() > position.allocated) {
    allocator_->Free(allocated_.back());
    allocated_.pop_back();
  }
  freed_.resize(position.freed);
  newest_ = kNone;
  newest_bytes_ = 0;
  if (--depth_ != 0) {
    SetRecording(true);
  } else {
    GiveMemoryBack();
  }
}

uint64_t Undo::recorded_bytes() const {
  return saved_.size() + (allocated_.size() + freed_.size()) * sizeof(Offset);
}

uint64_t Undo::memory_bytes() const {
  return saved_.capacity() + (allocated_.capacity() + freed_.capacity()) * sizeof(Offset);
}

void Undo::RecordWrite(Offset offset, uint64_t bytes) {
  if (offset - newest_ < newest_bytes_) return;
  const Trailer trailer{offset, bytes};
  const uint8_t* old_bytes = arena_->At(offset);
  const uint8_t* trailer_bytes = reinterpret_cast<const uint8_t*>(&trailer);
  saved_.insert(saved_.end(), old_bytes, old_bytes + bytes);
  saved_.insert(saved_.end(), trailer_bytes, trailer_bytes + sizeof(trailer));
}

void Undo::RecordAllocation(Offset block, uint64_t bytes) {
  allocated_.push_back(block);
  newest_ = block;
  newest_bytes_ = bytes;
}

// Newest first: what was written twice ends with its oldest bytes.
void Undo::RestoreBytes(uint64_t until) {
  uint64_t end = saved_.size();
  while (end > until) {
    Trailer trailer;
    end -= sizeof(trailer);
    std::memcpy(&trailer, saved_.data() + end, sizeof(trailer));
    end -= trailer.bytes;
    std::memcpy(arena_->Write(trailer.offset, trailer.bytes), saved_.data() + end, trailer.bytes);
  }
  saved_.resize(until);
}

void Undo::GiveMemoryBack() {
  ReleaseIfLarge(&saved_);
  ReleaseIfLarge(&allocated_);
  ReleaseIfLarge(&freed_);
}

Undo::Suspended::Suspended(Undo* undo) : undo_(undo), was_recording_(undo != nullptr && undo->recording()) {
  if (was_recording_) undo_->SetRecording(false);
}

Undo::Suspended::~Suspended() {
  if (was_recording_) undo_->SetRecording(true);
}

}  // namespace forkstore
