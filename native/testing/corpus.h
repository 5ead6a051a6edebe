// Where the inputs are kept from which the fuzzers start, and which the unit tests run as well.
#pragma once

#include <filesystem>
#include <string>

namespace forkstore {

inline std::filesystem::path CorpusFolder(const std::string& name) {
  return std::filesystem::path(__FILE__).parent_path() / "fuzz" / "corpus" / name;
}

}  // namespace forkstore
