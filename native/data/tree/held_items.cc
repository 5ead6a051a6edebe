#include "data/tree/held_items.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "data/node/pack.h"

namespace forkstore {
namespace {

constexpr uint32_t kFirstItems = 64;
// A chunk of more is too long a piece of work, one of much less too short.
constexpr uint64_t kEnoughBytes = 256 << 10;

// As many items as are likely to take about so much, after `items` took `bytes`.
uint32_t NextLimit(uint32_t limit, uint64_t bytes) {
  if (bytes > kEnoughBytes) return std::max(limit / 2, 1u);
  if (bytes < kEnoughBytes / 8) return std::min(limit * 4, HeldItems::kMostAtOnce);
  return limit;
}

}  // namespace

void HeldItems::Add(uint64_t number, Parts parts, uint64_t start) {
  List list;
  list.parts = std::move(parts);
  list.start = start;
  list.limit = kFirstItems;
  if (!list.parts.empty()) list.place.sequence = list.parts.front().first;
  lists_.emplace(number, std::move(list));
}

HeldItems::Parts HeldItems::Take(uint64_t number) {
  const auto found = lists_.find(number);
  if (found == lists_.end()) return {};
  Parts parts = std::move(found->second.parts);
  lists_.erase(found);
  return parts;
}

bool HeldItems::Advance(List* list, uint64_t taken) {
  if (taken == list->taken) return true;
  if (taken != list->taken + list->given) return false;
  list->taken = taken;
  list->given = 0;
  list->place = list->next;
  if (list->is_spilled) list->chunks.pop_front();
  return true;
}

Status HeldItems::Read(uint64_t number, uint64_t taken, uint32_t most, std::vector<uint8_t>* out,
                       uint32_t* indexes, uint32_t* count) {
  *count = 0;
  const auto found = lists_.find(number);
  if (found == lists_.end()) return Status(Code::kNotFound, "there is no such list of removed items");
  List& list = found->second;
  if (!Advance(&list, taken)) return Status(Code::kInvalid, "removed items are read in order");
  if (!list.is_spilled) return ReadParts(&list, most, out, indexes, count);
  if (list.chunks.empty()) {
    return list.is_cut_off ? Status(Code::kTooLarge, "a removed item is too large for a copy") : Status::Ok();
  }
  const Chunk& chunk = list.chunks.front();
  out->insert(out->end(), chunk.bytes.begin(), chunk.bytes.end());
  std::copy(chunk.indexes.begin(), chunk.indexes.end(), indexes);
  *count = list.given = static_cast<uint32_t>(chunk.indexes.size());
  return Status::Ok();
}

// A chunk that is given once more is as long as it was, or shorter where the reader says so.
Status HeldItems::ReadParts(List* list, uint32_t most, std::vector<uint8_t>* out, uint32_t* indexes,
                            uint32_t* count) {
  const uint32_t wanted = std::min(list->given > 0 ? list->given : list->limit, most);
  for (uint32_t limit = std::clamp(wanted, 1u, kMostAtOnce);; limit = 1) {
    const uint32_t got = Gather(*list, limit, indexes, &list->next);
    if (got == 0) return Status::Ok();
    const uint64_t before = out->size();
    Status status = Packer(heap_, *nodes_, *shapes_, out).PackSlots(slots_, got);
    if (!status.ok() && got > 1) continue;
    if (!status.ok()) return status;
    list->limit = NextLimit(limit, out->size() - before);
    *count = list->given = got;
    return status;
  }
}

uint32_t HeldItems::Gather(const List& list, uint32_t limit, uint32_t* indexes, Place* next) {
  OrderTrie::Place places[kMostAtOnce];
  uint32_t found = 0;
  *next = list.place;
  while (next->part < list.parts.size() && found < limit) {
    const OrderTrie::Part& part = list.parts[next->part];
    uint32_t got = 1;
    if (part.height == 0) {
      places[0].sequence = part.first;
      slots_[found] = std::bit_cast<Slot>(part.top);
    } else {
      got = OrderTrie::ScanPart(heap_, part, next->sequence, limit - found, places);
      for (uint32_t i = 0; i < got; ++i) slots_[found + i] = heap_.Read<Slot>(places[i].field);
    }
    for (uint32_t i = 0; i < got; ++i) {
      indexes[found + i] = static_cast<uint32_t>((places[i].sequence - list.start) & (kSequenceLimit - 1));
    }
    found += got;
    // A part that has given as many as were asked for may have more.
    if (part.height > 0 && found == limit && got > 0) {
      next->sequence = places[got - 1].sequence + 1;
      break;
    }
    ++next->part;
    if (next->part < list.parts.size()) next->sequence = list.parts[next->part].first;
  }
  return found;
}

uint64_t HeldItems::Spill(Parts* parts) {
  const auto found =
      std::find_if(lists_.begin(), lists_.end(), [](const auto& each) { return !each.second.is_spilled; });
  if (found == lists_.end()) return 0;
  List& list = found->second;
  std::vector<uint8_t> bytes;
  uint32_t indexes[kMostAtOnce];
  // The first chunk is the one that the reader may have.
  for (;;) {
    bytes.clear();
    uint32_t count = 0;
    list.is_cut_off = !ReadParts(&list, kMostAtOnce, &bytes, indexes, &count).ok();
    if (count == 0) break;
    list.chunks.push_back(Chunk{{bytes.begin(), bytes.end()}, {indexes, indexes + count}});
    list.given = 0;
    list.place = list.next;
  }
  list.is_spilled = true;
  list.given = list.chunks.empty() ? 0 : static_cast<uint32_t>(list.chunks.front().indexes.size());
  *parts = std::exchange(list.parts, {});
  return found->first;
}

}  // namespace forkstore
