// ObjectView: the fields of an object value's root, whether their names are in a shape or beside them.
#pragma once

#include <cstdint>
#include <cstring>

#include "data/value/shape.h"
#include "data/value/value.h"

namespace forkstore {

// Distances are from the start of the value. REQUIRES: the value is checked and outlives the view.
class ObjectView {
 public:
  // False when the root is not an object.
  bool Open(const uint8_t* value, const ShapeTable& shapes) {
    std::memcpy(&root_, value, sizeof(root_));
    value_ = value;
    shapes_ = &shapes;
    if (root_.IsDouble()) return false;
    if (root_.tag() == kObject) {
      count_ = shapes.FieldCount(root_.info());
      slots_ = root_.low;
      return true;
    }
    if (root_.tag() != kExtended || root_.info() != kDictionary) return false;
    std::memcpy(&count_, value + root_.low, 4);
    slots_ = root_.low + 8;
    return true;
  }

  bool is_dictionary() const { return root_.tag() == kExtended; }
  uint32_t shape() const { return root_.info(); }  // REQUIRES: !is_dictionary()
  uint32_t count() const { return count_; }
  const uint8_t* At(uint64_t distance) const { return value_ + distance; }

  // REQUIRES: is_dictionary().
  uint64_t KeySlot(uint32_t field) const { return slots_ + uint64_t{field} * 16; }
  uint64_t ValueSlot(uint32_t field) const {
    return is_dictionary() ? KeySlot(field) + 8 : slots_ + uint64_t{field} * 8;
  }
  // The name, in *storage or in the shape table.
  const StringBytes& Name(uint32_t field, StringBytes* storage) const {
    if (!is_dictionary()) return shapes_->FieldName(shape(), field);
    ReadString(value_ + KeySlot(field), storage);
    return *storage;
  }
  // The field's number or -1; looks at every name of a dictionary.
  int64_t FieldIndex(const StringBytes& name) const {
    if (!is_dictionary()) return shapes_->FieldIndex(shape(), name);
    for (uint32_t field = 0; field < count_; ++field) {
      StringBytes storage;
      if (Name(field, &storage) == name) return field;
    }
    return -1;
  }

 private:
  const uint8_t* value_ = nullptr;
  const ShapeTable* shapes_ = nullptr;
  Slot root_ = {};
  uint32_t count_ = 0;
  uint64_t slots_ = 0;
};

}  // namespace forkstore
