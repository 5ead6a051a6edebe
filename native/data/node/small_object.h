// SmallObject: how the members of a small object are ordered, and which form it takes: SHAPED, DICTIONARY, or
// (when it is too large for either) TABLE. Members are added and removed in the form of a DICTIONARY;
// Settle() then says what the node becomes.
#pragma once

#include <cstdint>
#include <vector>

#include "base/status.h"
#include "data/node/small_node.h"
#include "data/value/shape.h"

namespace forkstore {

inline constexpr uint32_t kMaxOwnShapeFields = 8;  // of a shape that is defined for a changed object
inline constexpr uint32_t kMaxOwnShapes = 1024;    // beyond as many shapes, none is

// Whether the names of a shape are in property order (docs/format.md, section 4 "Nodes").
bool IsInPropertyOrder(const ShapeTable& shapes, uint32_t shape);

class SmallObject {
 public:
  SmallObject(ShapeTable* shapes, SmallNode* node) : shapes_(shapes), node_(node) {}

  // From SHAPED to DICTIONARY, whatever the lengths of the names.
  void SpellOut();
  // All of these: REQUIRES: a DICTIONARY.
  // Puts a member where property order has it. REQUIRES: at most 64 members; none of this name.
  void Add(const StringBytes& name, const Piece& value);
  void Remove(uint32_t member) { node_->Erase(member * 2, 2); }
  const StringBytes& Name(uint32_t member, StringBytes* storage) const {
    return PieceName((*node_)[member * 2], storage);
  }
  // Makes it SHAPED when there is a shape with its names, or, with kDefine, one may be defined
  // (docs/format.md, section 3, "Ids"); leaves it a DICTIONARY otherwise. Errors: kFull, when a shape is to
  // be defined and there is no memory for it: doing without would be a choice that no replay could know of.
  Status TryShape(ShapeUse use, std::vector<uint8_t>* name_list);
  // Whether neither SHAPED nor DICTIONARY can hold it. Any small object.
  bool NeedsTable() const;

 private:
  ShapeTable* shapes_;
  SmallNode* node_;
};

}  // namespace forkstore
