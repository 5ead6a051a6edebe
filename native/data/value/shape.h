// Shapes: the field names that objects of one form share, kept once for the whole store (hidden
// classes, after Self's maps: Chambers, Ungar, Lee 1989). A shape is never changed or freed; their
// number is bounded, so that keys chosen by users cannot fill memory with them.
//
// Undo scopes (memory/undo.h) do not cover them: a shape that was defined in one outlives its rollback.
//
// The list of shapes lives in the arena (docs/format.md, section 4); an index from names to ids and the
// parsed names live in scratch memory and are rebuilt on loading.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "data/value/value.h"
#include "memory/heap.h"

namespace forkstore {

inline constexpr uint32_t kMaxShapes = 4096;
inline constexpr uint32_t kMaxShapeFields = 64;
inline constexpr uint32_t kMaxNameUnits = 255;  // UTF-16 code units of a field name

// What an object of the tree that is changed may do about a shape.
enum class ShapeUse {
  kWithout,  // have none
  kFind,     // have one that is there
  kDefine,   // also have a new one defined
};

// Appends one name to a name list (format.md, section 2).
void AppendName(const StringBytes& name, std::vector<uint8_t>* name_list);

class ShapeTable {
 public:
  // `newest` and `count` live in the root block: the caller passes where (arena offsets of a u64 and a
  // u32).
  ShapeTable(Heap heap, Offset newest_field, Offset count_field);
  ~ShapeTable();

  uint32_t count() const;
  bool Has(uint32_t shape) const { return shape < count(); }
  uint32_t FieldCount(uint32_t shape) const;
  // The name list (format.md, section 2), as stored; valid as long as the store.
  std::span<const uint8_t> NameList(uint32_t shape) const;
  const StringBytes& FieldName(uint32_t shape, uint32_t field) const;
  // The field's number, or -1.
  int32_t FieldIndex(uint32_t shape, const StringBytes& name) const;

  // The id of the shape with exactly these names in this order, defining it when new.
  // Errors: kInvalid (malformed, repeated or too long names, over kMaxShapeFields), kTooLarge (the
  // table is full), kFull (the arena is).
  Status Define(std::span<const uint8_t> name_list, uint32_t count, uint32_t* shape);
  // False when there is no such shape; any bytes whatever are a legal argument.
  bool Find(std::span<const uint8_t> name_list, uint32_t* shape) const;

  // Takes back the newest shapes until `count` are left: for an operation that defined a shape and then
  // could not be finished. REQUIRES: no value uses them.
  void Truncate(uint32_t count);

  // Loading: walks the list in the arena, claims its blocks, checks every name list and that ids
  // count down to 0. Errors: kCorrupt.
  Status Restore();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace forkstore
