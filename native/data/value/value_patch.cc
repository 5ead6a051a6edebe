// PATCH: replaces and adds fields of an object value.
//
// Distances are relative to the slot that holds them, so what a slot refers to can be copied to another
// place as plain bytes, as long as the place has the same alignment: only the root's own slots change.

#include <array>
#include <cstring>

#include "data/value/name_table.h"
#include "data/value/object_view.h"
#include "data/value/shape.h"
#include "data/value/value.h"
#include "data/value/value_body.h"

namespace forkstore {
namespace {

constexpr uint32_t kFewFields = 8;  // up to here searching one by one is faster than hashing

// The end of everything that the slot at `at` refers to, directly or not. Pieces lie in the order of the
// slots, so the last reference of a container leads to its end.
const uint8_t* SubtreeEnd(const uint8_t* at, const ShapeTable& shapes) {
  Slot slot = ReadSlot(at);
  if (!IsReference(slot)) return at + 8;
  for (;;) {
    const uint8_t* const target = at + slot.low;
    const Body body = ReadBody(slot, target, shapes);
    const uint8_t* const end = target + body.bytes;
    const uint8_t* const first = end - body.slots * 8;
    const uint8_t* last = end;
    do {
      if (last == first) return end;
      last -= 8;
      slot = ReadSlot(last);
    } while (!IsReference(slot));
    at = last;
  }
}

// Builds a value: *out ends where the cursor of the format is, and resizing it supplies the 0-bytes.
class Writer {
 public:
  Writer(const ShapeTable& shapes, std::vector<uint8_t>* out) : shapes_(shapes), out_(out) { out->clear(); }

  // Adds room for `bytes` at a multiple of `alignment`; returns where it is.
  uint64_t Extend(uint64_t bytes, uint64_t alignment) {
    const uint64_t place = RoundUp(out_->size(), alignment);
    out_->resize(place + bytes);
    return place;
  }
  void PutHalf(uint64_t position, uint32_t half) { std::memcpy(out_->data() + position, &half, 4); }
  void PutSlot(uint64_t position, Slot slot) { std::memcpy(out_->data() + position, &slot, 8); }

  // Copies a slot with everything it refers to. False when the value becomes too large.
  bool Copy(uint64_t position, const uint8_t* source) {
    const Slot slot = ReadSlot(source);
    if (!IsReference(slot)) {
      PutSlot(position, slot);
      return true;
    }
    const uint8_t* const target = source + slot.low;
    const uint64_t bytes = static_cast<uint64_t>(SubtreeEnd(source, shapes_) - target);
    return Append(position, slot.high, ReadBody(slot, target, shapes_).alignment, target, bytes);
  }

  // Stores a shape's field name as a dictionary's key.
  bool PutName(uint64_t position, const StringBytes& name) {
    if (!name.utf16 && name.bytes <= 5) {
      uint8_t slot[8] = {0, 0, 0, 0, static_cast<uint8_t>(name.bytes), 0, 0xFF, 0xFF};
      if (name.bytes > 0) slot[5] = name.data[0];
      for (uint64_t i = 1; i < name.bytes; ++i) slot[i - 1] = name.data[i];
      std::memcpy(out_->data() + position, slot, 8);
      return true;
    }
    // Not over kMaxNameUnits, since it is in a shape: neither form has to be a long one.
    const uint32_t tag = name.utf16 ? kUtf16 : kLatin1;
    const uint64_t unit = name.utf16 ? 2 : 1;
    const uint32_t length = static_cast<uint32_t>(name.bytes / unit);
    return Append(position, tag << 16 | length, unit, name.data, name.bytes);
  }

  // Ends the value.
  bool Finish() {
    Extend(0, 8);
    return out_->size() <= kMaxValueBytes;
  }

 private:
  bool Append(uint64_t position, uint32_t high, uint64_t alignment, const uint8_t* data, uint64_t bytes) {
    if (RoundUp(out_->size(), alignment) + bytes > kMaxValueBytes) return false;
    const uint64_t place = Extend(bytes, alignment);
    if (bytes > 0) std::memcpy(out_->data() + place, data, bytes);
    PutSlot(position, Slot{static_cast<uint32_t>(place - position), high});
    return true;
  }

  const ShapeTable& shapes_;
  std::vector<uint8_t>* const out_;
};

// The object that a patch makes: `current`'s fields, some of them replaced, then fields added behind.
class Merger {
 public:
  Merger(const ObjectView& current, const ObjectView& patch, ShapeTable* shapes, ValueScratch* scratch,
         std::vector<uint8_t>* out)
      : current_(current), patch_(patch), shapes_(*shapes), scratch_(scratch), out_(out) {}

  Status Run();

 private:
  static constexpr uint32_t kKept = 0xFFFFFFFF;

  void MatchFields();
  bool ListNames(std::vector<uint8_t>* list) const;
  Status WriteObject(uint32_t shape);
  Status WriteDictionary();

  uint64_t count() const { return uint64_t{current_.count()} + added_.size(); }
  // The object that has the name of a field of the result, and its number there.
  const ObjectView& Namer(uint64_t field, uint32_t* number) const {
    const bool old = field < current_.count();
    *number = old ? static_cast<uint32_t>(field) : added_[field - current_.count()];
    return old ? current_ : patch_;
  }
  // The slot with the value of a field of the result.
  const uint8_t* Source(uint64_t field) const {
    if (field >= current_.count()) return patch_.At(patch_.ValueSlot(added_[field - current_.count()]));
    const uint32_t replacement = replaced_by_[field];
    return replacement == kKept ? current_.At(current_.ValueSlot(static_cast<uint32_t>(field)))
                                : patch_.At(patch_.ValueSlot(replacement));
  }

  const ObjectView& current_;
  const ObjectView& patch_;
  ShapeTable& shapes_;
  ValueScratch* const scratch_;
  std::vector<uint8_t>* const out_;
  std::vector<uint32_t> replaced_by_;  // for each field of current_, the patch's field or kKept
  std::vector<uint32_t> added_;        // fields of patch_ that current_ lacks
};

Status TooLarge() {
  return Status(Code::kTooLarge, "the patched value would be too large");
}

void Merger::MatchFields() {
  replaced_by_.assign(current_.count(), kKept);
  std::vector<bool> found(patch_.count());
  if (!current_.is_dictionary()) {
    for (uint32_t field = 0; field < patch_.count(); ++field) {
      StringBytes storage;
      const int64_t same = current_.FieldIndex(patch_.Name(field, &storage));
      if (same < 0) continue;
      replaced_by_[static_cast<size_t>(same)] = field;
      found[field] = true;
    }
  } else {
    // Both may be wide, so neither is searched for each field of the other.
    NameTable& names = *scratch_->names;
    const auto patch_has = [this](const StringBytes& name) {
      return [this, &name](uint32_t field) {
        StringBytes storage;
        return patch_.Name(field, &storage) == name;
      };
    };
    names.Reset(patch_.count());
    for (uint32_t field = 0; field < patch_.count(); ++field) {
      StringBytes storage;
      const StringBytes& name = patch_.Name(field, &storage);
      names.FindOrAdd(NameTable::Hash(name), field, patch_has(name));
    }
    for (uint32_t field = 0; field < current_.count(); ++field) {
      StringBytes storage;
      const StringBytes& name = current_.Name(field, &storage);
      const uint32_t same = names.Find(NameTable::Hash(name), patch_has(name));
      if (same == NameTable::kAbsent) continue;
      replaced_by_[field] = same;
      found[same] = true;
    }
    names.Trim();
  }
  for (uint32_t field = 0; field < patch_.count(); ++field) {
    if (!found[field]) added_.push_back(field);
  }
}

// False when a name is too long for a shape.
bool Merger::ListNames(std::vector<uint8_t>* list) const {
  for (uint64_t field = 0; field < count(); ++field) {
    uint32_t number;
    const ObjectView& namer = Namer(field, &number);
    StringBytes storage;
    const StringBytes& name = namer.Name(number, &storage);
    if (name.bytes > uint64_t{kMaxNameUnits} * (name.utf16 ? 2 : 1)) return false;
    AppendName(name, list);
  }
  return true;
}

Status Merger::WriteObject(uint32_t shape) {
  Writer writer(shapes_, out_);
  writer.Extend(8, 8);
  writer.PutSlot(0, Slot{8, uint32_t{kObject} << 16 | shape});
  const uint64_t slots = writer.Extend(8 * count(), 8);
  for (uint64_t field = 0; field < count(); ++field) {
    if (!writer.Copy(slots + 8 * field, Source(field))) return TooLarge();
  }
  return writer.Finish() ? Status::Ok() : TooLarge();
}

Status Merger::WriteDictionary() {
  if (16 + 16 * count() > kMaxValueBytes) return TooLarge();
  Writer writer(shapes_, out_);
  writer.Extend(8, 8);
  writer.PutSlot(0, Slot{8, uint32_t{kExtended} << 16 | kDictionary});
  const uint64_t body = writer.Extend(8 + 16 * count(), 8);
  writer.PutHalf(body, static_cast<uint32_t>(count()));
  for (uint64_t field = 0; field < count(); ++field) {
    const uint64_t key = body + 8 + 16 * field;
    uint32_t number;
    const ObjectView& namer = Namer(field, &number);
    const bool fits = namer.is_dictionary() ? writer.Copy(key, namer.At(namer.KeySlot(number)))
                                            : writer.PutName(key, shapes_.FieldName(namer.shape(), number));
    if (!fits || !writer.Copy(key + 8, Source(field))) return TooLarge();
  }
  return writer.Finish() ? Status::Ok() : TooLarge();
}

Status Merger::Run() {
  MatchFields();
  if (added_.empty() && !current_.is_dictionary()) return WriteObject(current_.shape());
  std::vector<uint8_t> list;
  if (count() > kMaxShapeFields || !ListNames(&list)) return WriteDictionary();
  // The id is filled in last: a value that turns out too large must not leave a new shape behind.
  if (Status status = WriteObject(0); !status.ok()) return status;
  uint32_t shape = 0;
  Status status = shapes_.Define(list, static_cast<uint32_t>(count()), &shape);
  if (status.code() == Code::kTooLarge) return WriteDictionary();
  if (!status.ok()) return status;
  const uint32_t high = uint32_t{kObject} << 16 | shape;
  std::memcpy(out_->data() + 4, &high, 4);
  return Status::Ok();
}

}  // namespace

uint64_t CheckedValueBytes(const uint8_t* value, const ShapeTable& shapes) {
  return RoundUp(static_cast<uint64_t>(SubtreeEnd(value, shapes) - value), 8);
}

void CopyValue(const uint8_t* slot, const ShapeTable& shapes, std::vector<uint64_t>* out) {
  Slot root = ReadSlot(slot);
  uint64_t bytes = 0;  // behind the slot
  const uint8_t* source = nullptr;
  if (IsReference(root)) {
    source = slot + root.low;
    bytes = static_cast<uint64_t>(SubtreeEnd(slot, shapes) - source);
    root.low = sizeof(root);  // a multiple of 8, as every alignment asks for
  }
  out->assign(1 + RoundUp(bytes, 8) / 8, 0);
  std::memcpy(out->data(), &root, sizeof(root));
  if (bytes > 0) std::memcpy(out->data() + 1, source, bytes);
}

Status PatchValue(const uint8_t* current, uint64_t current_bytes, const uint8_t* patch, uint64_t patch_bytes,
                  ShapeTable* shapes, ValueScratch* scratch, std::vector<uint8_t>* out) {
  out->clear();
  ObjectView current_object, patch_object;
  if (!current_object.Open(current, *shapes)) return Status(Code::kWrongType, "the value is not an object");
  if (!patch_object.Open(patch, *shapes)) return Status(Code::kWrongType, "the patch is not an object");
  if (patch_object.count() == 0) {
    out->assign(current, current + current_bytes);
    return Status::Ok();
  }
  out->reserve(current_bytes + patch_bytes);
  Status status = Merger(current_object, patch_object, shapes, scratch, out).Run();
  if (!status.ok()) out->clear();
  return status;
}

bool PatchInPlace(const uint8_t* current, const uint8_t* patch, const ShapeTable& shapes, WriteBytes write,
                  void* context) {
  ObjectView current_object, patch_object;
  if (!current_object.Open(current, shapes) || !patch_object.Open(patch, shapes)) return false;
  const uint32_t count = patch_object.count();
  if (count > (current_object.is_dictionary() ? kFewFields : kMaxShapeFields)) return false;

  struct Change {
    uint64_t distance;
    const uint8_t* source;
    uint64_t bytes;
  };
  std::array<Change, kMaxShapeFields> changes;
  for (uint32_t field = 0; field < count; ++field) {
    StringBytes storage;
    const int64_t same = current_object.FieldIndex(patch_object.Name(field, &storage));
    if (same < 0) return false;
    const uint64_t distance = current_object.ValueSlot(static_cast<uint32_t>(same));
    const uint8_t* const source = patch_object.At(patch_object.ValueSlot(field));
    const Slot before = ReadSlot(current + distance);
    const Slot after = ReadSlot(source);
    if (!IsReference(before) && !IsReference(after)) {
      changes[field] = {distance, source, 8};
      continue;
    }
    // The slot stays as it is; what it refers to is written over.
    if (!IsReference(before) || before.high != after.high) return false;
    const Body body = ReadBody(after, source + after.low, shapes);
    if (body.slots > 0 || ReadBody(before, current + distance + before.low, shapes).bytes != body.bytes) {
      return false;
    }
    changes[field] = {distance + before.low, source + after.low, body.bytes};
  }
  for (uint32_t field = 0; field < count; ++field) {
    const Change& change = changes[field];
    if (std::memcmp(current + change.distance, change.source, change.bytes) == 0) continue;
    write(context, change.distance, change.source, change.bytes);
  }
  return true;
}

}  // namespace forkstore
