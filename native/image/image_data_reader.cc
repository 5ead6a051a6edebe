#include "image/image_data_reader.h"

#include <pthread.h>

#include <algorithm>
#include <string>

#include "base/crc32c.h"
#include "base/thread.h"

namespace forkstore {

namespace {

constexpr uint64_t kUnitsPerChunk = kChunkBytes / kUnitBytes;
constexpr uint64_t kMaxReadUnits = 4 * kUnitsPerChunk;

// The units of the data section in order, as runs that are contiguous in the arena too.
class UnitRuns {
 public:
  explicit UnitRuns(const ImageData& data) : data_(data) {}

  // The next run of at most `limit` units; 0 at the end.
  uint64_t Next(uint64_t limit, uint64_t* first) {
    while (next_ < data_.units && !UnitHasData(data_.table[next_])) ++next_;
    *first = next_;
    while (next_ < data_.units && next_ - *first < limit && UnitHasData(data_.table[next_])) ++next_;
    return next_ - *first;
  }

 private:
  const ImageData& data_;
  uint64_t next_ = 0;
};

// How far the reading thread has come, and whether it should go on. (Not std::condition_variable, whose
// waiting needs a newer libstdc++ than the library promises to run with.)
class Progress {
 public:
  ~Progress() {
    pthread_cond_destroy(&changed_);
    pthread_mutex_destroy(&mutex_);
  }

  // The reader's side. False: stop.
  bool Advance(uint64_t units) {
    pthread_mutex_lock(&mutex_);
    units_ += units;
    const bool go_on = !stopped_;
    pthread_cond_signal(&changed_);
    pthread_mutex_unlock(&mutex_);
    return go_on;
  }
  void Fail(Status status) {
    pthread_mutex_lock(&mutex_);
    failure_ = std::move(status);
    pthread_cond_signal(&changed_);
    pthread_mutex_unlock(&mutex_);
  }

  // The checking side.
  Status WaitFor(uint64_t units) {
    pthread_mutex_lock(&mutex_);
    while (units_ < units && failure_.ok()) pthread_cond_wait(&changed_, &mutex_);
    Status status = units_ < units ? failure_ : Status::Ok();
    pthread_mutex_unlock(&mutex_);
    return status;
  }
  void Stop() {
    pthread_mutex_lock(&mutex_);
    stopped_ = true;
    pthread_mutex_unlock(&mutex_);
  }

 private:
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t changed_ = PTHREAD_COND_INITIALIZER;
  uint64_t units_ = 0;
  bool stopped_ = false;
  Status failure_;
};

struct Reader {
  const ImageData& data;
  Progress progress;
  uint64_t touched;

  void Run() {
    UnitRuns runs(data);
    uint64_t position = data.position;
    uint64_t first;
    while (const uint64_t count = runs.Next(kMaxReadUnits, &first)) {
      const uint64_t bytes = count * kUnitBytes;
      // Straight to base(), past Arena::Write: pages that equal the newest image are clean, and marking
      // them would make the next incremental save write them all.
      uint64_t read;
      const uint64_t start = first * kUnitBytes;
      Status status = data.file->ReadFresh(position, data.arena->base() + start, bytes, &read);
      if (!status.ok()) return progress.Fail(std::move(status));
      if (read < bytes) touched = std::min(touched, (start + read) / kUnitBytes * kUnitBytes);
      position += bytes;
      if (!progress.Advance(count)) return;
    }
  }
};

Status CheckData(const ImageData& data, Progress* progress) {
  UnitRuns runs(data);
  const uint64_t chunks = RoundUp(data.data_units, kUnitsPerChunk) / kUnitsPerChunk;
  for (uint64_t chunk = 0; chunk < chunks; ++chunk) {
    const uint64_t end = std::min((chunk + 1) * kUnitsPerChunk, data.data_units);
    if (Status status = progress->WaitFor(end); !status.ok()) return status;
    uint32_t crc = 0;
    for (uint64_t left = end - chunk * kUnitsPerChunk; left > 0;) {
      uint64_t first;
      const uint64_t count = runs.Next(left, &first);
      crc = Crc32c(data.arena->base() + first * kUnitBytes, count * kUnitBytes, crc);
      left -= count;
    }
    if (crc != data.checksums[chunk]) {
      return Status(Code::kCorrupt, "image: bad checksum of chunk " + std::to_string(chunk));
    }
  }
  return Status::Ok();
}

}  // namespace

Status ReadImageData(const ImageData& data, uint64_t* touched) {
  Reader reader{data, {}, data.units * kUnitBytes};
  Thread thread;
  const Status started = Thread::Start([](void* argument) { static_cast<Reader*>(argument)->Run(); }, &reader,
                                       "forkstore-read", &thread);
  if (!started.ok()) reader.Run();
  Status status = CheckData(data, &reader.progress);
  reader.progress.Stop();
  if (thread.joinable()) thread.Join();
  *touched = reader.touched;
  return status;
}

}  // namespace forkstore
