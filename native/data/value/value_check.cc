// CheckValue: one pass over the slots in the order in which a writer lays them out. Because that order
// fixes where everything must lie, a reference is right when it points at the cursor and nowhere
// else: nothing can overlap, nothing can hide between two pieces, and no cycle can exist.

#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "data/value/name_table.h"
#include "data/value/shape.h"
#include "data/value/text.h"
#include "data/value/value.h"

namespace forkstore {
namespace {

static_assert(std::endian::native == std::endian::little, "words are read as they lie in memory");

constexpr double kMaxDateMs = 8.64e15;  // ECMA-262, "Time Values and Time Range"
constexpr uint32_t kNoContainer = 0;
constexpr uint32_t kInObject = 1;
constexpr uint32_t kInArray = 2;
constexpr uint32_t kInDictionary = 3;

// A double that a writer would not have stored otherwise: as INT, or as the one NaN.
inline bool IsCanonicalDouble(uint64_t bits) {
  const double number = std::bit_cast<double>(bits);
  if (number >= -2147483648.0 && number <= 2147483647.0) {
    const int32_t integer = static_cast<int32_t>(number);
    return integer != number || bits == uint64_t{1} << 63;
  }
  return !std::isnan(number) || bits == kCanonicalNanBits;
}

inline bool IsCanonicalDate(uint64_t bits) {
  if (bits == kCanonicalNanBits) return true;
  const double milliseconds = std::bit_cast<double>(bits);
  return std::fabs(milliseconds) <= kMaxDateMs && std::trunc(milliseconds) == milliseconds &&
         bits != uint64_t{1} << 63;
}

// The bits of a SHORT slot that its length leaves no use for: they are 0. Characters 1..4 are in the low
// bytes, character 0 is in byte 5.
constexpr uint64_t kShortUnused[6] = {
    0x0000FF00FFFFFFFF, 0x00000000FFFFFFFF, 0x00000000FFFFFF00, 0x00000000FFFF0000, 0x00000000FF000000, 0,
};

inline bool IsCanonicalShort(uint64_t word) {
  const uint64_t length = word >> 32 & 0xFF;
  return length <= 5 && (word & kShortUnused[length]) == 0;
}

inline bool IsStringSlot(uint64_t word) {
  const uint32_t tag = static_cast<uint32_t>(word >> 48);
  if (tag == kExtended) return (word >> 32 & 0xFFFF) <= kUtf16Long;
  return tag == kShort || tag == kLatin1 || tag == kUtf16;
}

class Checker {
 public:
  Checker(const uint8_t* bytes, uint64_t size, const ShapeTable& shapes, ValueScratch* scratch)
      : bytes_(bytes), size_(size), shapes_(shapes), scratch_(scratch) {}

  // Where the checking stopped, when it failed.
  uint64_t position() const { return position_; }
  uint64_t length() const { return cursor_; }

  bool Run() {
    if (size_ < 8) return false;
    if (!Walk() || !Align(8)) return false;
    for (const uint32_t body : scratch_->dictionaries) {
      if (!HasDistinctKeys(body)) return false;
    }
    return true;
  }

 private:
  uint64_t Word(uint64_t position) const {
    uint64_t word;
    std::memcpy(&word, bytes_ + position, 8);
    return word;
  }
  uint32_t Half(uint64_t position) const {
    uint32_t half;
    std::memcpy(&half, bytes_ + position, 4);
    return half;
  }
  bool Fits(uint64_t bytes) const { return bytes <= size_ - cursor_; }

  // Moves the cursor up over 0-bytes. size_ is a multiple of 8, so the word can be read whole.
  bool Align(uint64_t alignment) {
    const uint64_t padding = (0 - cursor_) & (alignment - 1);
    if (padding == 0) return true;
    const uint64_t used = cursor_ & 7;
    const uint64_t mask = ((uint64_t{1} << (8 * padding)) - 1) << (8 * used);
    if ((Word(cursor_ - used) & mask) != 0) return false;
    cursor_ += padding;
    return true;
  }

  bool Walk();
  bool ReadBody(uint32_t kind);
  bool OpenExtended(uint64_t at, uint64_t word, ValueScratch::Frame* container);
  bool HasDistinctKeys(uint32_t body);

  // Goes on with a container whose slots are at the cursor; the one it is in waits, unless it is done.
  void Enter(uint32_t kind, uint64_t words, ValueScratch::Frame* frame) {
    if (frame->next != frame->end) scratch_->frames.push_back(*frame);
    frame->next = static_cast<uint32_t>(cursor_ / 8);
    frame->end = static_cast<uint32_t>(cursor_ / 8 + words);
    frame->kind = kind;
    cursor_ += 8 * words;
  }

  const uint8_t* const bytes_;
  const uint64_t size_;
  const ShapeTable& shapes_;
  ValueScratch* const scratch_;
  uint64_t cursor_ = 8;
  uint64_t position_ = 0;
};

bool Checker::Walk() {
  ValueScratch::Frame frame{0, 1, kNoContainer};
  for (;;) {
    if (frame.next == frame.end) {
      if (scratch_->frames.empty()) return true;
      frame = scratch_->frames.back();
      scratch_->frames.pop_back();
      continue;
    }
    const uint64_t at = uint64_t{frame.next} * 8;
    const uint64_t word = Word(at);
    position_ = at;
    const bool is_key = frame.kind == kInDictionary && (frame.end - frame.next) % 2 == 0;
    if (is_key && !IsStringSlot(word)) return false;
    ++frame.next;
    const uint32_t high = static_cast<uint32_t>(word >> 32);
    if (high < 0xFFF80000u) {
      if (!IsCanonicalDouble(word)) return false;
      continue;
    }
    const uint64_t low = word & 0xFFFFFFFF;
    const uint32_t info = high & 0xFFFF;
    switch (high >> 16) {
      case kSpecial:
        if (info != 0 || low > (frame.kind == kInArray ? kHole : kTrue)) return false;
        break;
      case kInt:
        if (info != 0) return false;
        break;
      case kShort:
        if (!IsCanonicalShort(word)) return false;
        break;
      case kLatin1:
        if (info < 6 || info == 0xFFFF || low != cursor_ - at || !Fits(info)) return false;
        cursor_ += info;
        break;
      case kUtf16: {
        const uint64_t bytes = uint64_t{info} * 2;  // 0 has no wide unit either
        if (info == 0xFFFF || !Align(2) || low != cursor_ - at || !Fits(bytes) ||
            !HasWideUnit(bytes_ + cursor_, bytes)) {
          return false;
        }
        cursor_ += bytes;
        break;
      }
      case kObject: {
        if (!shapes_.Has(info) || !Align(8) || low != cursor_ - at) return false;
        const uint64_t fields = shapes_.FieldCount(info);
        if (!Fits(8 * fields)) return false;
        Enter(kInObject, fields, &frame);
        break;
      }
      case kArray: {
        if (info != 0 || !Align(8) || low != cursor_ - at || !Fits(8)) return false;
        const uint64_t length = Word(cursor_);
        cursor_ += 8;
        // A set upper half makes the length too large to fit.
        if (length > (size_ - cursor_) / 8) return false;
        Enter(kInArray, length, &frame);
        break;
      }
      default:
        if (!OpenExtended(at, word, &frame)) return false;
        break;
    }
  }
}

bool Checker::OpenExtended(uint64_t at, uint64_t word, ValueScratch::Frame* frame) {
  const uint32_t kind = static_cast<uint32_t>(word >> 32) & 0xFFFF;
  if (!Align(kind <= kUtf16Long ? 4 : 8) || (word & 0xFFFFFFFF) != cursor_ - at) return false;
  if (kind != kDictionary) return ReadBody(kind);
  if (!Fits(8)) return false;
  const uint64_t count = Word(cursor_);
  scratch_->dictionaries.push_back(static_cast<uint32_t>(cursor_ / 8));
  cursor_ += 8;
  if (count > (size_ - cursor_) / 16) return false;
  Enter(kInDictionary, 2 * count, frame);
  return true;
}

// A body without slots.
bool Checker::ReadBody(uint32_t kind) {
  switch (kind) {
    case kLatin1Long:
    case kUtf16Long: {
      if (!Fits(4)) return false;
      const uint64_t length = Half(cursor_);
      const uint64_t bytes = kind == kUtf16Long ? 2 * length : length;
      cursor_ += 4;
      if (length < 0xFFFF || !Fits(bytes)) return false;
      if (kind == kUtf16Long && !HasWideUnit(bytes_ + cursor_, bytes)) return false;
      cursor_ += bytes;
      return true;
    }
    case kBigint: {
      if (!Fits(8)) return false;
      const uint64_t words = Half(cursor_);
      const uint32_t sign = Half(cursor_ + 4);
      cursor_ += 8;
      if (sign > 1 || words > (size_ - cursor_) / 8) return false;
      if (words == 0) return sign == 0;
      cursor_ += 8 * words;
      return Word(cursor_ - 8) != 0;
    }
    case kBytes:
    case kBuffer: {
      if (!Fits(8)) return false;
      const uint64_t length = Word(cursor_);
      cursor_ += 8;
      if (!Fits(length)) return false;
      cursor_ += length;
      return true;
    }
    case kDate:
      if (!Fits(8) || !IsCanonicalDate(Word(cursor_))) return false;
      cursor_ += 8;
      return true;
    default:
      return false;
  }
}

bool Checker::HasDistinctKeys(uint32_t body) {
  constexpr uint32_t kFewKeys = 8;
  const uint32_t count = Half(uint64_t{body} * 8);
  const uint8_t* const keys = bytes_ + uint64_t{body} * 8 + 8;
  position_ = uint64_t{body} * 8;
  const auto is_same = [keys](uint32_t number, const StringBytes& key) {
    StringBytes other;
    ReadString(keys + uint64_t{number} * 16, &other);
    return other == key;
  };
  const bool few = count <= kFewKeys;
  if (!few) scratch_->names->Reset(count);
  for (uint32_t number = 0; number < count; ++number) {
    StringBytes key;
    ReadString(keys + uint64_t{number} * 16, &key);
    if (few) {
      for (uint32_t before = 0; before < number; ++before) {
        if (is_same(before, key)) return false;
      }
    } else if (scratch_->names->FindOrAdd(NameTable::Hash(key), number, [&](uint32_t other) {
                 return is_same(other, key);
               }) != NameTable::kAbsent) {
      return false;
    }
  }
  return true;
}

// Gives memory back that only an unusually large value needed.
template <typename T>
void Reset(std::vector<T>* scratch) {
  if (scratch->capacity() > 128 * 1024) {
    std::vector<T>().swap(*scratch);
  } else {
    scratch->clear();
  }
}

__attribute__((noinline, cold)) Status Refuse(uint64_t position) {
  return Status(Code::kInvalid, "no canonical value: wrong at byte " + std::to_string(position));
}

}  // namespace

Status CheckValue(const uint8_t* bytes, uint64_t size, const ShapeTable& shapes, ValueScratch* scratch,
                  uint64_t* length) {
  // A value's length is a multiple of 8, so what is behind the last whole word is no part of it.
  const uint64_t usable = (size < kMaxValueBytes ? size : kMaxValueBytes) & ~uint64_t{7};
  Checker checker(bytes, usable, shapes, scratch);
  const bool good = checker.Run();
  *length = good ? checker.length() : 0;
  if (!scratch->dictionaries.empty()) {
    Reset(&scratch->dictionaries);
    scratch->names->Trim();
  }
  if (!good || scratch->frames.capacity() > 0) Reset(&scratch->frames);
  return good ? Status::Ok() : Refuse(checker.position());
}

}  // namespace forkstore
