// Values: the encoded form of one JavaScript value; docs/format.md, section 1.
//
// Nothing here touches the arena: values are spans of bytes, position-independent, so that the same
// code checks an operation, a record in memory and a record that was read from disk.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "memory/layout.h"

namespace forkstore {

class ShapeTable;

struct Slot {
  uint32_t low;
  uint32_t high;

  double AsDouble() const;
  bool IsDouble() const { return high < 0xFFF80000u; }
  uint32_t tag() const { return high >> 16; }  // only when !IsDouble()
  uint32_t info() const { return high & 0xFFFFu; }
};
static_assert(sizeof(Slot) == 8);

inline constexpr uint64_t kCanonicalNanBits = 0x7FF8000000000000;

enum Tag : uint32_t {
  kSpecial = 0xFFF8,
  kInt = 0xFFF9,
  kLatin1 = 0xFFFA,
  kUtf16 = 0xFFFB,
  kObject = 0xFFFC,
  kArray = 0xFFFD,
  kExtended = 0xFFFE,
  kShort = 0xFFFF,
};
enum Special : uint32_t { kUndefined = 0, kNull = 1, kFalse = 2, kTrue = 3, kHole = 4 };
enum ExtendedKind : uint32_t {
  kLatin1Long = 0,
  kUtf16Long = 1,
  kBigint = 2,
  kBytes = 3,
  kBuffer = 4,
  kDate = 5,
  kDictionary = 6,
};

// A string as the format holds it: `bytes` of Latin-1 characters, or of UTF-16 code units.
struct StringBytes {
  bool utf16 = false;
  const uint8_t* data = nullptr;
  uint64_t bytes = 0;
  uint8_t inline_characters[8] = {};  // what data points to for a SHORT string

  bool operator==(const StringBytes& other) const;
};

// Reads the string whose slot is at `slot`; false when the slot is not a string. REQUIRES: checked.
// `out->data` may point into *out: do not copy `out`.
bool ReadString(const uint8_t* slot, StringBytes* out);

class NameTable;

// Work space for walking values without recursion; keep one and pass it again. It never takes memory
// for a length that the bytes merely claim.
class ValueScratch {
 public:
  ValueScratch();
  ~ValueScratch();

  // A container that is not finished: the 8-byte words that hold its slots still to be visited, and
  // its tag. Eight bytes, so that even a value that is nothing but nesting needs less scratch memory
  // than it has bytes.
  struct Frame {
    uint32_t next;
    uint32_t end : 28;
    uint32_t kind : 4;
  };
  std::vector<Frame> frames;
  std::vector<uint32_t> dictionaries;  // where their bodies are, in 8-byte words
  std::vector<uint8_t> bytes;
  std::unique_ptr<NameTable> names;
};

// Checks that bytes[0, size) begin with one canonical value, of *length bytes (a multiple of 8).
// Accepts exactly what the format's grammar allows: any bytes whatever are a legal argument.
// `bytes` is 8-aligned. Work and memory are linear in the value; no recursion.
// Errors: kInvalid (the caller decides whether that means kCorrupt).
Status CheckValue(const uint8_t* bytes, uint64_t size, const ShapeTable& shapes, ValueScratch* scratch,
                  uint64_t* length);

// The length of a value that is checked already. Looks at one container a level, not at the whole value.
uint64_t CheckedValueBytes(const uint8_t* value, const ShapeTable& shapes);

// The slot at `slot` of a checked value, with all that it refers to, as a value of its own.
void CopyValue(const uint8_t* slot, const ShapeTable& shapes, std::vector<uint64_t>* out);

// PATCH. `current` and `patch` are checked values; both roots must be objects (else kWrongType). The
// result, in *out, is `current` with the patch's fields replaced, and those it lacks added behind, in
// the patch's order. A patch without fields changes nothing. A result that needs a shape the table lacks
// defines it, so shapes->count() may grow; when the table is full or the object too wide, it becomes
// a dictionary. No shape is defined unless the result is returned. `out` is none of the inputs.
// Errors: kWrongType, kTooLarge, kFull.
Status PatchValue(const uint8_t* current, uint64_t current_bytes, const uint8_t* patch, uint64_t patch_bytes,
                  ShapeTable* shapes, ValueScratch* scratch, std::vector<uint8_t>* out);

// PATCH without a copy: when every field of the patch exists in `current` and both the old and the
// new slot of each are self-contained (numbers, booleans, null, undefined, SHORT strings) or refer to
// bodies of the same kind and as many bytes (strings, dates, bigints, byte arrays), applies the patch to
// `current` through `write` and returns true. Otherwise changes nothing and returns false. `write(context,
// distance from current, source, bytes)` does one change; what is the same already is not written. It may say
// false where a long search would be needed. REQUIRES: both are checked.
using WriteBytes = void (*)(void* context, uint64_t distance, const uint8_t* source, uint64_t bytes);
bool PatchInPlace(const uint8_t* current, const uint8_t* patch, const ShapeTable& shapes, WriteBytes write,
                  void* context);

// The slot of the field with that name in an object value, as a distance from `value`, or 0 when the
// root is an object without that field. Errors: kWrongType when the root is not an object.
Status FindField(const uint8_t* value, const StringBytes& name, const ShapeTable& shapes, uint64_t* slot);

// A number as a slot: INT when it is an int32 and not -0.
Slot NumberSlot(double number);
// The number in a slot; false when it holds something else.
bool SlotNumber(Slot slot, double* number);

}  // namespace forkstore
