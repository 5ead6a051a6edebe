// Any bytes: CheckValue must neither crash nor accept anything but the one encoding of what the bytes
// mean. The first byte says how the rest is used: as one value, or cut in two, as a value and its
// patch.

#include <cstdio>
#include <cstdlib>

#include "data/value/value.h"
#include "testing/shapes.h"

namespace forkstore {
namespace {

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::abort();
}

class Fuzzer {
 public:
  Fuzzer() {
    shapes_.Define({});
    shapes_.Define({u"a"});
    shapes_.Define({u"a", u"b"});
    shapes_.Define({u"id", u"a longer name", u"\u20AC"});
    shapes_.Define({u"1", u"2", u"3", u"4", u"5", u"6", u"7", u"8", u"9", u"10"});
  }

  void Run(const uint8_t* data, size_t size) {
    if (size == 0 || size > 64 * 1024) return;
    shapes_.table().Truncate(5);
    const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    if (data[0] % 2 == 0) {
      AlignedBytes value(bytes);
      Check(&value);
      return;
    }
    const size_t cut = std::min<size_t>(bytes.size(), 8 * (data[0] / 2u));
    AlignedBytes current(bytes.substr(0, cut));
    AlignedBytes patch(bytes.substr(cut));
    const uint64_t current_bytes = Check(&current);
    const uint64_t patch_bytes = Check(&patch);
    if (current_bytes > 0 && patch_bytes > 0) Patch(&current, current_bytes, &patch, patch_bytes);
  }

 private:
  // The value's length, or 0 when it is refused.
  uint64_t Check(AlignedBytes* value) {
    uint64_t length = 0;
    if (!CheckValue(value->data(), value->size(), shapes_.table(), &scratch_, &length).ok()) return 0;
    Require(length >= 8 && length % 8 == 0 && length <= value->size(), "the length is a possible one");
    Require(CheckedValueBytes(value->data(), shapes_.table()) == length, "both lengths agree");
    const oracle::Tree tree = oracle::Decoder(value->data(), shapes_.table()).Decode();
    const std::string encoded = oracle::Encoder(&shapes_.table()).Encode(tree);
    Require(encoded == std::string(value->data(), value->data() + length), "an accepted value is canonical");
    return length;
  }

  void Patch(AlignedBytes* current, uint64_t current_bytes, AlignedBytes* patch, uint64_t patch_bytes) {
    std::vector<uint8_t> out;
    const Status status = PatchValue(current->data(), current_bytes, patch->data(), patch_bytes,
                                     &shapes_.table(), &scratch_, &out);
    Require(status.ok() || status.code() == Code::kWrongType,
            "two values can be merged unless one is no object");
    if (!status.ok()) return;
    AlignedBytes merged(std::string(out.begin(), out.end()));
    Require(Check(&merged) == out.size(), "a merged value is canonical");
    const auto write = [](void* context, uint64_t distance, const uint8_t* source, uint64_t bytes) {
      std::memcpy(static_cast<AlignedBytes*>(context)->data() + distance, source, bytes);
    };
    // A dictionary may turn into an object of a shape on the way through PatchValue: then only
    // what the fields hold is the same.
    const bool same_form = std::memcmp(current->data() + 4, merged.data() + 4, 4) == 0;
    if (!PatchInPlace(current->data(), patch->data(), shapes_.table(), write, current)) return;
    if (!same_form) {
      Require(Check(current) == current_bytes, "a value patched in place is canonical");
      return;
    }
    Require(current_bytes == out.size() && std::memcmp(current->data(), out.data(), out.size()) == 0,
            "in place or not, the result is the same");
  }

  ShapesForTest shapes_;
  ValueScratch scratch_;
};

}  // namespace
}  // namespace forkstore

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static forkstore::Fuzzer* const fuzzer = new forkstore::Fuzzer;
  fuzzer->Run(data, size);
  return 0;
}
