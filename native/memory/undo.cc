#include "memory/undo.h"

#include <algorithm>
#include <cstring>

namespace forkstore {
namespace {

constexpr uint64_t kKeptBytes = uint64_t{1} << 20;  // of each list, between scopes
constexpr uint64_t kFirstCells = 256;

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
  if (scopes_.empty()) SetRecording(true);
  scopes_.push_back({records_.size(), events_.size()});
  return scopes_.back();
}

void Undo::Commit() {
  const uint64_t inner = scopes_.back().records;
  scopes_.pop_back();
  if (!scopes_.empty()) {
    MergeInto(scopes_.back().records, inner);
    return;
  }
  SetRecording(false);
  for (const uint64_t event : events_) {
    if ((event & kEventMask) == kFreed) allocator_->Free(event & ~kEventMask);
  }
  for (const Record& record : records_) table_[record.cell] = 0;
  GiveMemoryBack();
}

void Undo::Rollback(const Position& position) {
  SetRecording(false);
  RestoreBytes(position.records);
  UndoEvents(position.events);
  newest_ = kNone;
  newest_bytes_ = 0;
  scopes_.pop_back();
  if (!scopes_.empty()) {
    SetRecording(true);
  } else {
    GiveMemoryBack();
  }
}

uint64_t Undo::recorded_bytes() const {
  return saved_.size() + records_.size() * sizeof(Record) + events_.size() * sizeof(uint64_t) +
         spilled_.size() * sizeof(Spill);
}

uint64_t Undo::memory_bytes() const {
  return saved_.capacity() + records_.capacity() * sizeof(Record) + table_.capacity() * sizeof(uint32_t) +
         events_.capacity() * sizeof(uint64_t) + spilled_.capacity() * sizeof(Spill);
}

uint32_t Undo::CellOf(Offset offset) const {
  const uint64_t mask = table_.size() - 1;
  uint64_t cell = (offset * 0x9E3779B97F4A7C15 >> 32) & mask;
  while (table_[cell] != 0 && records_[table_[cell] - 1].offset != offset) cell = (cell + 1) & mask;
  return static_cast<uint32_t>(cell);
}

// Records go into the new table in the order in which they came, as they went into the old one: whichever
// goes first from the end leaves no gap in another's way.
void Undo::GrowTable() {
  table_.assign(std::max(kFirstCells, table_.size() * 2), 0);
  for (uint32_t number = 0; number < records_.size(); ++number) {
    Record& record = records_[number];
    record.cell = CellOf(record.offset);
    table_[record.cell] = number + 1;
  }
}

void Undo::Save(Offset offset, uint64_t bytes, uint32_t cell) {
  const uint8_t* old_bytes = arena_->At(offset);
  records_.push_back({offset, bytes, saved_.size(), table_[cell], cell});
  table_[cell] = static_cast<uint32_t>(records_.size());
  saved_.insert(saved_.end(), old_bytes, old_bytes + bytes);
}

void Undo::RecordWrite(Offset offset, uint64_t bytes) {
  if (offset - newest_ < newest_bytes_) return;
  if (records_.size() * 2 >= table_.size()) GrowTable();
  // What this scope has of it already, piece by piece, and then the rest.
  const uint64_t begin = scopes_.back().records;
  for (;;) {
    const uint32_t cell = CellOf(offset);
    if (table_[cell] <= begin) return Save(offset, bytes, cell);
    const uint64_t saved = records_[table_[cell] - 1].bytes;
    if (saved >= bytes) return;
    offset += saved;
    bytes -= saved;
  }
}

void Undo::RecordAllocation(Offset block, uint64_t bytes) {
  events_.push_back(block | kAllocated);
  newest_ = block;
  newest_bytes_ = bytes;
}

void Undo::MergeInto(uint64_t outer, uint64_t inner) {
  for (uint64_t number = records_.size(); number-- > inner;) {
    table_[records_[number].cell] = records_[number].before;
  }
  uint64_t kept = inner;
  uint64_t end = inner < records_.size() ? records_[inner].position : saved_.size();
  for (uint64_t number = inner; number < records_.size(); ++number) {
    Record record = records_[number];
    record.before = table_[record.cell];
    uint64_t known = record.before > outer ? records_[record.before - 1].bytes : 0;
    if (known >= record.bytes) continue;
    std::memmove(saved_.data() + end, saved_.data() + record.position, record.bytes);
    record.position = end;
    end += record.bytes;
    records_[kept] = record;
    table_[record.cell] = static_cast<uint32_t>(++kept);
  }
  records_.resize(kept);
  saved_.resize(end);
}

// Newest first: what several scopes have saved ends with its oldest bytes.
void Undo::RestoreBytes(uint64_t until) {
  while (records_.size() > until) {
    const Record& record = records_.back();
    std::memcpy(arena_->Write(record.offset, record.bytes), saved_.data() + record.position, record.bytes);
    saved_.resize(record.position);
    table_[record.cell] = record.before;
    records_.pop_back();
  }
}

void Undo::UndoEvents(uint64_t until) {
  while (events_.size() > until) {
    const uint64_t event = events_.back();
    events_.pop_back();
    switch (event & kEventMask) {
      case kAllocated:
        allocator_->Free(event & ~kEventMask);
        break;
      case kSpill: {
        const Spill& spill = spilled_.back();
        uint64_t& freed = events_[spill.event];
        allocator_->Claim(freed & ~kEventMask, spill.capacity);
        freed = (freed & ~kEventMask) | kFreed;
        next_spill_ = std::min(next_spill_, spill.event);
        spilled_.pop_back();
        break;
      }
      default:  // freed, and kept back: it has been there all the time
        break;
    }
  }
  next_spill_ = std::min<uint64_t>(next_spill_, events_.size());
}

bool Undo::SpillFreed(uint64_t bytes) {
  const uint64_t end = events_.size();
  uint64_t spilled = 0;
  for (; next_spill_ < end && spilled < bytes; ++next_spill_) {
    const uint64_t event = events_[next_spill_];
    if ((event & kEventMask) != kFreed) continue;
    const Offset block = event & ~kEventMask;
    const uint64_t capacity = allocator_->Capacity(block);
    RecordWrite(block, capacity);
    events_[next_spill_] = block | kFreedAndSpilled;
    spilled_.push_back({next_spill_, capacity});
    events_.push_back(kSpill);
    spilled += capacity;
    SetRecording(false);
    allocator_->Free(block);
    SetRecording(true);
  }
  return spilled > 0;
}

void Undo::GiveMemoryBack() {
  next_spill_ = 0;
  ReleaseIfLarge(&saved_);
  ReleaseIfLarge(&records_);
  ReleaseIfLarge(&events_);
  ReleaseIfLarge(&spilled_);
  if (table_.capacity() * sizeof(uint32_t) > kKeptBytes) std::vector<uint32_t>().swap(table_);
}

Undo::Suspended::Suspended(Undo* undo) : undo_(undo), was_recording_(undo != nullptr && undo->recording()) {
  if (was_recording_) undo_->SetRecording(false);
}

Undo::Suspended::~Suspended() {
  if (was_recording_) undo_->SetRecording(true);
}

}  // namespace forkstore
