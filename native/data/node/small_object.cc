#include "data/node/small_object.h"

#include "data/map/ordered_map.h"

namespace forkstore {

bool IsInPropertyOrder(const ShapeTable& shapes, uint32_t shape) {
  const uint32_t count = shapes.FieldCount(shape);
  int64_t before = -1;  // the index name before, or beyond them all
  for (uint32_t field = 0; field < count; ++field) {
    const StringBytes& name = shapes.FieldName(shape, field);
    int64_t place = int64_t{1} << 32;
    uint32_t index = 0;
    if (name.bytes > 0 && name.data[0] <= '9' && IndexOfName(KeyOfString(name), &index)) place = index;
    if (place < before) return false;
    before = place;
  }
  return true;
}

void SmallObject::SpellOut() {
  if (node_->head.kind != NodeKind::kShaped) return;
  const uint32_t shape = node_->head.shape;
  const uint32_t count = node_->slots();
  node_->SetSlots(count * 2);
  for (uint32_t field = count; field-- > 0;) {
    (*node_)[field * 2 + 1] = (*node_)[field];
    (*node_)[field * 2] = NamePiece(shapes_->FieldName(shape, field));
  }
  node_->head.kind = NodeKind::kDictionary;
  node_->head.shape = 0;
}

void SmallObject::Add(const StringBytes& name, const Piece& value) {
  uint32_t member = node_->members();
  uint32_t index = 0;
  if (IndexOfName(KeyOfString(name), &index)) {
    for (member = 0; member < node_->members(); ++member) {
      StringBytes storage;
      uint32_t other = 0;
      if (!IndexOfName(KeyOfString(Name(member, &storage)), &other) || other > index) break;
    }
  }
  node_->Insert(member * 2, value);
  node_->Insert(member * 2, NamePiece(name));
}

Status SmallObject::TryShape(ShapeUse use, std::vector<uint8_t>* name_list) {
  const uint32_t count = node_->members();
  if (use == ShapeUse::kWithout || count > kMaxShapeFields) return Status::Ok();
  name_list->clear();
  bool long_name = false;
  for (uint32_t member = 0; member < count; ++member) {
    StringBytes storage;
    const StringBytes& name = Name(member, &storage);
    if (name.bytes > uint64_t{kMaxNameUnits} * (name.utf16 ? 2 : 1)) return Status::Ok();
    long_name |= name.bytes > kMaxInlineBytes;
    AppendName(name, name_list);
  }
  uint32_t shape = 0;
  if (!shapes_->Find(*name_list, &shape)) {
    const bool may_define = use == ShapeUse::kDefine && !long_name && count <= kMaxOwnShapeFields;
    if (!may_define || shapes_->count() >= kMaxOwnShapes) return Status::Ok();
    if (Status status = shapes_->Define(*name_list, count, &shape); !status.ok()) return status;
  }
  for (uint32_t member = 0; member < count; ++member) (*node_)[member] = (*node_)[member * 2 + 1];
  node_->SetSlots(count);
  node_->head.kind = NodeKind::kShaped;
  node_->head.shape = shape;
  return Status::Ok();
}

bool SmallObject::NeedsTable() const {
  if (node_->members() > kMaxSmallMembers) return true;
  if (node_->head.kind != NodeKind::kDictionary) return false;
  for (uint32_t member = 0; member < node_->members(); ++member) {
    if ((*node_)[member * 2].bytes > kMaxInlineBytes) return true;
  }
  return false;
}

}  // namespace forkstore
