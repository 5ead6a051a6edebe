#include "data/node/item_sequence.h"

#include <algorithm>
#include <cstring>

namespace forkstore {

void ItemSequence::SetField(size_t distance, uint64_t value) {
  if (heap_.Read<uint64_t>(block_ + distance) != value) heap_.Mutate<uint64_t>(block_ + distance) = value;
}

template <typename Each>
void ItemSequence::ForEach(uint64_t from, uint64_t to, Each each) const {
  constexpr uint32_t kPiece = 64;
  OrderTrie::Place places[kPiece];
  while (from < to) {
    // Up to where positions wrap around.
    const uint64_t first = Position(from);
    const uint64_t count = std::min(to - from, kSequenceLimit - first);
    for (uint64_t next = first; next < first + count;) {
      const uint32_t found = items_.ScanPlaces(next, kPiece, places);
      for (uint32_t i = 0; i < found; i++) {
        const uint64_t distance = places[i].sequence - first;
        if (distance >= count) break;
        if (!each(static_cast<uint32_t>(from + distance), places[i].field)) return;
      }
      if (found < kPiece) break;
      next = places[kPiece - 1].sequence + 1;
    }
    from += count;
  }
}

void ItemSequence::RemoveItems(uint64_t from, uint64_t to, Release release, void* context, Detach detach) {
  if (from + 1 == to) {  // pop and shift
    const Offset slot = items_.FindField(Position(from));
    if (slot == kNone) return;
    const uint64_t item = heap_.Read<uint64_t>(slot);
    if (detach != nullptr) {
      detach(context, OrderTrie::Part{Position(from), item, 0});
    } else if (release != nullptr) {
      release(context, item);
    }
    items_.Remove(Position(from));
    return;
  }
  while (from < to) {
    const uint64_t first = Position(from);
    const uint64_t count = std::min(to - from, kSequenceLimit - first);
    items_.RemoveRange(first, first + count - 1, release, context, detach);
    from += count;
  }
}

// Keeps the trie of a queue low, whose origin goes up and up.
void ItemSequence::ResetOriginIfEmpty() {
  if (length() == 0) SetField(offsetof(SequenceBlock, origin), kFirstOrigin);
}

Status ItemSequence::Set(uint32_t index, uint64_t slot) {
  const Offset field = Find(index);
  if (field != kNone) {
    heap_.Mutate<uint64_t>(field) = slot;
    return Status::Ok();
  }
  Status status = items_.Insert(Position(index), slot);
  if (status.ok() && index >= length()) SetField(offsetof(SequenceBlock, length), uint64_t{index} + 1);
  return status;
}

bool ItemSequence::Remove(uint32_t index) {
  if (Find(index) == kNone) return false;
  items_.Remove(Position(index));
  return true;
}

void ItemSequence::SetLength(uint32_t length_now, Release release, void* context, Detach detach) {
  RemoveItems(length_now, length(), release, context, detach);
  SetField(offsetof(SequenceBlock, length), length_now);
  ResetOriginIfEmpty();
}

Status ItemSequence::InsertRun(uint64_t position, const uint64_t* slots, uint64_t count) {
  position &= kSequenceLimit - 1;
  const uint64_t before_wrap = std::min(count, kSequenceLimit - position);
  Status status = items_.InsertRun(position, slots, before_wrap);
  return status.ok() ? items_.InsertRun(0, slots + before_wrap, count - before_wrap) : status;
}

// Piece by piece, from the end that the items move to, so that each piece moves to where nothing is any more.
// Large pieces where the range is large, since there may be next to nothing in it.
Status ItemSequence::Move(uint64_t from, uint64_t to, uint64_t change) {
  const uint64_t piece = std::max<uint64_t>(4096, (to - from) / 1024);
  const bool up = change < kSequenceLimit / 2;
  std::vector<uint32_t> indexes;
  std::vector<uint64_t> slots;
  while (from < to) {
    const uint64_t first = up && to - from > piece ? to - piece : from;
    const uint64_t end = up ? to : std::min(to, from + piece);
    (up ? to : from) = up ? first : end;
    indexes.clear();
    slots.clear();
    ForEach(first, end, [&](uint32_t index, Offset slot) {
      indexes.push_back(index);
      slots.push_back(heap_.Read<uint64_t>(slot));
      return true;
    });
    if (slots.empty()) continue;
    RemoveItems(first, end, nullptr, nullptr, nullptr);
    for (size_t i = 0, next; i < slots.size(); i = next) {
      for (next = i + 1; next < slots.size() && indexes[next] == indexes[next - 1] + 1;) next++;
      Status status = InsertRun(Position(indexes[i]) + change, &slots[i], next - i);
      if (!status.ok()) return status;
    }
  }
  return Status::Ok();
}

Status ItemSequence::Splice(uint32_t start, uint32_t delete_count, const uint64_t* slots, uint32_t count,
                            Release release, void* context, Detach detach) {
  const uint64_t length_before = length();
  const uint64_t behind = length_before - start - delete_count;
  // Negative numbers wrap around, as positions do.
  const uint64_t growth = (uint64_t{count} - delete_count) & (kSequenceLimit - 1);
  const bool head_moves = start < behind;
  const uint64_t new_origin = (head_moves ? origin() - growth : origin()) & (kSequenceLimit - 1);
  RemoveItems(start, uint64_t{start} + delete_count, release, context, detach);
  if (growth != 0) {
    Status status = head_moves ? Move(0, start, (0 - growth) & (kSequenceLimit - 1))
                               : Move(uint64_t{start} + delete_count, length_before, growth);
    if (!status.ok()) return status;
  }
  for (uint32_t first = 0, end; first < count; first = end + 1) {
    for (end = first; end < count && slots[end] != kHoleSlot;) end++;
    Status status = InsertRun(new_origin + start + first, slots + first, end - first);
    if (!status.ok()) return status;
  }
  // Last, so that what fails before anything has moved has changed nothing.
  SetField(offsetof(SequenceBlock, origin), new_origin);
  SetField(offsetof(SequenceBlock, length), length_before + count - delete_count);
  ResetOriginIfEmpty();
  return Status::Ok();
}

Status ItemSequence::Permute(const uint32_t* order) {
  const uint32_t count = length();
  std::vector<uint64_t> slots(count, kHoleSlot);
  uint32_t present = 0;
  ForEach(0, count, [&](uint32_t index, Offset slot) {
    slots[index] = heap_.Read<uint64_t>(slot);
    present++;
    return true;
  });
  if (present != count) {
    RemoveItems(0, count, nullptr, nullptr, nullptr);
    for (uint32_t i = 0; i < count; i++) {
      if (slots[order[i]] == kHoleSlot) continue;
      Status status = items_.Insert(Position(i), slots[order[i]]);
      if (!status.ok()) return status;
    }
    return Status::Ok();
  }
  // Neighbours in a leaf are written together.
  std::vector<uint64_t> run;
  Offset run_start = kNone;
  const auto write_run = [&] {
    if (run.empty()) return;
    const uint64_t bytes = run.size() * sizeof(uint64_t);
    std::memcpy(heap_.Write(run_start, bytes), run.data(), bytes);
    run.clear();
  };
  ForEach(0, count, [&](uint32_t index, Offset slot) {
    if (slot != run_start + run.size() * sizeof(uint64_t)) {
      write_run();
      run_start = slot;
    }
    run.push_back(slots[order[index]]);
    return true;
  });
  write_run();
  return Status::Ok();
}

uint32_t ItemSequence::Scan(uint32_t from, uint32_t limit, Offset* slots) const {
  const uint32_t end = length();
  if (from >= end) return 0;
  const uint32_t count = std::min(limit, end - from);
  std::fill_n(slots, count, kNone);
  ForEach(from, uint64_t{from} + count, [&](uint32_t index, Offset slot) {
    slots[index - from] = slot;
    return true;
  });
  return count;
}

uint32_t ItemSequence::ScanPresent(uint32_t from, uint32_t limit, Item* items) const {
  uint32_t found = 0;
  if (limit == 0) return 0;
  ForEach(from, length(), [&](uint32_t index, Offset slot) {
    items[found++] = Item{index, slot};
    return found < limit;
  });
  return found;
}

namespace {

struct Restoring {
  ItemSequence::Visit visit;
  void* context;
  uint64_t origin;
  uint64_t length;
};

}  // namespace

Status ItemSequence::Restore(Visit visit, void* context) {
  const SequenceBlock block = heap_.Read<SequenceBlock>(block_);
  if (block.length > kMaxItems || block.origin >= kSequenceLimit || block.zero != 0) {
    return Status(Code::kCorrupt, "items: bad length or origin");
  }
  Restoring restoring{visit, context, block.origin, block.length};
  return items_.Restore(
      [](void* raw, uint64_t position, uint64_t slot) {
        const Restoring* r = static_cast<const Restoring*>(raw);
        const uint64_t index = (position - r->origin) & (kSequenceLimit - 1);
        return index < r->length && r->visit(r->context, static_cast<uint32_t>(index), slot);
      },
      &restoring);
}

}  // namespace forkstore
