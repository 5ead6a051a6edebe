#include "data/value/value.h"

#include <sys/random.h>

#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>

#include "data/value/name_table.h"
#include "data/value/object_view.h"
#include "data/value/shape.h"

namespace forkstore {

ValueScratch::ValueScratch() : names(std::make_unique<NameTable>()) {}
ValueScratch::~ValueScratch() = default;

HashSeed NameSeed() {
  static const HashSeed seed = [] {
    HashSeed drawn;
    if (getrandom(&drawn, sizeof(drawn), GRND_NONBLOCK) != sizeof(drawn)) {
      // Early in the boot of a machine: less secret, still not known to who chooses the names.
      drawn.k0 = static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
      drawn.k1 = reinterpret_cast<uintptr_t>(&drawn);
    }
    return drawn;
  }();
  return seed;
}

double Slot::AsDouble() const {
  return std::bit_cast<double>(uint64_t{high} << 32 | low);
}

bool StringBytes::operator==(const StringBytes& other) const {
  return bytes == other.bytes && utf16 == other.utf16 &&
         (bytes == 0 || std::memcmp(data, other.data, bytes) == 0);
}

bool ReadString(const uint8_t* at, StringBytes* out) {
  Slot slot;
  std::memcpy(&slot, at, sizeof(slot));
  if (slot.IsDouble()) return false;
  switch (slot.tag()) {
    case kShort:
      out->utf16 = false;
      out->bytes = slot.info() & 0xFF;
      out->inline_characters[0] = static_cast<uint8_t>(slot.info() >> 8);
      std::memcpy(out->inline_characters + 1, &slot.low, 4);
      out->data = out->inline_characters;
      return true;
    case kLatin1:
    case kUtf16:
      out->utf16 = slot.tag() == kUtf16;
      out->bytes = slot.info() * (out->utf16 ? 2u : 1u);
      out->data = at + slot.low;
      return true;
    case kExtended: {
      if (slot.info() != kLatin1Long && slot.info() != kUtf16Long) return false;
      uint32_t length;
      std::memcpy(&length, at + slot.low, 4);
      out->utf16 = slot.info() == kUtf16Long;
      out->bytes = uint64_t{length} * (out->utf16 ? 2 : 1);
      out->data = at + slot.low + 4;
      return true;
    }
    default:
      return false;
  }
}

Slot NumberSlot(double number) {
  if (number >= -2147483648.0 && number <= 2147483647.0) {
    const int32_t integer = static_cast<int32_t>(number);
    if (integer == number && !(integer == 0 && std::signbit(number))) {
      return Slot{static_cast<uint32_t>(integer), uint32_t{kInt} << 16};
    }
  }
  const uint64_t bits = std::isnan(number) ? kCanonicalNanBits : std::bit_cast<uint64_t>(number);
  return Slot{static_cast<uint32_t>(bits), static_cast<uint32_t>(bits >> 32)};
}

bool SlotNumber(Slot slot, double* number) {
  if (slot.IsDouble()) {
    *number = slot.AsDouble();
    return true;
  }
  if (slot.tag() != kInt) return false;
  *number = static_cast<int32_t>(slot.low);
  return true;
}

Status FindField(const uint8_t* value, const StringBytes& name, const ShapeTable& shapes, uint64_t* slot) {
  ObjectView object;
  if (!object.Open(value, shapes)) return Status(Code::kWrongType, "not an object");
  const int64_t field = object.FieldIndex(name);
  *slot = field < 0 ? 0 : object.ValueSlot(static_cast<uint32_t>(field));
  return Status::Ok();
}

}  // namespace forkstore
