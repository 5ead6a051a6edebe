#include "engine/map_table.h"

#include <cstddef>
#include <iterator>
#include <limits>

#include "engine/root.h"

namespace forkstore {

namespace {

std::string MapName(const Key& key) {
  std::string name(1, static_cast<char>(key.kind));
  name.append(reinterpret_cast<const char*>(key.data), key.bytes);
  return name;
}

}  // namespace

OrderedMap* MapTable::Find(uint32_t id) {
  if (last_found_ == entries_.end() || last_found_->first != id) last_found_ = entries_.find(id);
  if (last_found_ == entries_.end() || last_found_->second.is_dropped) return nullptr;
  return &last_found_->second.map;
}

uint32_t MapTable::FindName(const Key& name) const {
  const auto found = names_.find(MapName(name));
  return found == names_.end() ? 0 : found->second;
}

Key MapTable::NameOf(uint32_t id) const {
  return NameAt(entries_.find(id)->second.map.header());
}

uint32_t MapTable::Scan(uint64_t from, uint32_t limit, uint32_t* ids) const {
  if (from > std::numeric_limits<uint32_t>::max()) return 0;
  uint32_t count = 0;
  for (auto at = entries_.lower_bound(static_cast<uint32_t>(from)); at != entries_.end() && count < limit;
       ++at) {
    if (!at->second.is_dropped) ids[count++] = at->first;
  }
  return count;
}

OrderedMap* MapTable::Add(Offset header, HashSeed seed) {
  const uint32_t id = heap_.Read<MapHeader>(header).id;
  if (!names_.emplace(MapName(NameAt(header)), id).second) return nullptr;
  return &entries_.emplace(id, Entry{OrderedMap(heap_, header, seed)}).first->second.map;
}

void MapTable::Drop(uint32_t id) {
  const auto entry = entries_.find(id);
  names_.erase(MapName(NameOf(id)));
  entry->second.is_dropped = true;
  ++version_;
  if (scopes_.empty()) {
    Remove(entry);
  } else {
    dropped_.push_back(id);
  }
}

void MapTable::NoteInsertion(uint32_t id) {
  if (scopes_.empty()) return;
  Entry& entry = entries_.find(id)->second;
  if (entry.noted > scopes_.back().insertions) return;
  insertions_.push_back(Insertion{id, entry.noted});
  entry.noted = insertions_.size();
}

void MapTable::Begin() {
  scopes_.push_back(Scope{insertions_.size(), dropped_.size()});
}

void MapTable::Commit() {
  const Scope scope = scopes_.back();
  scopes_.pop_back();
  PassInsertionsOn(scope.insertions);
  if (!scopes_.empty()) return;
  for (const uint32_t id : dropped_) Remove(entries_.find(id));
  dropped_.clear();
}

void MapTable::BeforeRollback() {
  for (size_t at = scopes_.back().insertions; at < insertions_.size(); ++at) {
    const auto entry = entries_.find(insertions_[at].id);
    if (entry != entries_.end()) insertions_[at].sequence = entry->second.map.next_sequence();
  }
}

void MapTable::AfterRollback() {
  const Scope scope = scopes_.back();
  scopes_.pop_back();
  for (; dropped_.size() > scope.dropped; dropped_.pop_back()) {
    const auto entry = entries_.find(dropped_.back());
    const auto [name, is_free] = names_.emplace(MapName(NameOf(entry->first)), entry->first);
    if (!is_free) {
      Remove(entries_.find(name->second));
      name->second = entry->first;
    }
    entry->second.is_dropped = false;
    ++version_;
  }
  // Iterations go by sequence numbers, and may have come past those that are taken back: no others get them
  // again.
  for (size_t at = scope.insertions; at < insertions_.size(); ++at) {
    const auto entry = entries_.find(insertions_[at].id);
    if (entry != entries_.end()) entry->second.map.SkipSequences(insertions_[at].sequence);
  }
  PassInsertionsOn(scope.insertions);
}

// The scope around has had these insertions, too.
void MapTable::PassInsertionsOn(size_t since) {
  const size_t outer = scopes_.empty() ? insertions_.size() : scopes_.back().insertions;
  size_t kept = since;
  for (size_t at = since; at < insertions_.size(); ++at) {
    const Insertion insertion = insertions_[at];
    const auto entry = entries_.find(insertion.id);
    if (entry == entries_.end()) continue;
    if (scopes_.empty() || insertion.before > outer) {
      entry->second.noted = insertion.before;
      continue;
    }
    insertions_[kept++] = insertion;
    entry->second.noted = kept;
  }
  insertions_.resize(kept);
}

Key MapTable::NameAt(Offset header) const {
  const MapHeader& fields = heap_.Read<MapHeader>(header);
  return Key{static_cast<KeyKind>(fields.name_kind), heap_.At(header + sizeof(MapHeader)), fields.name_bytes};
}

// Headers and their list are outside of all undo scopes: see Engine::State::CreateMap.
void MapTable::Remove(Entries::iterator entry) {
  const Undo::Suspended suspended(undo_);
  const Offset header = entry->second.map.header();
  const Offset older = heap_.Read<MapHeader>(header).next;
  const auto newer = std::next(entry);
  heap_.Mutate<uint64_t>(newer == entries_.end() ? kRootOffset + offsetof(RootBlock, maps)
                                                 : newer->second.map.header() + offsetof(MapHeader, next)) =
      older;
  heap_.Free(header);
  last_found_ = entries_.end();
  entries_.erase(entry);
}

}  // namespace forkstore
