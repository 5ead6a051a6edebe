#include "image/image_data_reader.h"

#include <pthread.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/hole.h"
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
  // Of the data section. Before the units that it is in; in ascending order.
  void AddHole(const Hole& hole) {
    pthread_mutex_lock(&mutex_);
    holes_.push_back(hole);
    pthread_mutex_unlock(&mutex_);
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
  // The first hole, in units that were waited for, that ends behind `position`. REQUIRES: rising positions.
  Hole HoleFrom(uint64_t position) {
    pthread_mutex_lock(&mutex_);
    while (next_hole_ < holes_.size() && holes_[next_hole_].end <= position) ++next_hole_;
    const Hole hole = next_hole_ < holes_.size() ? holes_[next_hole_] : kNoHole;
    pthread_mutex_unlock(&mutex_);
    return hole;
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
  std::vector<Hole> holes_;
  size_t next_hole_ = 0;
};

struct Reader {
  const ImageData& data;
  Progress progress;
  uint64_t touched;
  // The last data that was looked for.
  uint64_t data_begin = 0;
  uint64_t data_end = 0;

  void Run() {
    UnitRuns runs(data);
    uint64_t position = data.position;
    uint64_t first;
    while (const uint64_t count = runs.Next(kMaxReadUnits, &first)) {
      const uint64_t bytes = count * kUnitBytes;
      if (Status status = ReadRun(position, first * kUnitBytes, bytes); !status.ok()) {
        return progress.Fail(std::move(status));
      }
      position += bytes;
      if (!progress.Advance(count)) return;
    }
  }

  // What is in no hole, into memory that is 0 and has not been touched: so a file takes memory by the blocks
  // that it has, whatever its length. Straight to base(), past Arena::Write: pages that equal the newest
  // image are clean, and marking them would make the next incremental save write them all.
  Status ReadRun(uint64_t position, uint64_t offset, uint64_t bytes) {
    for (uint64_t done = 0; done < bytes;) {
      const uint64_t from = position + done;
      if (from >= data_end) {
        data.file->NextData(from, &data_begin, &data_end);
        if (data_begin >= data_end) data_begin = data_end = ~uint64_t{0};
      }
      if (from < data_begin) {
        const uint64_t hole = std::min(data_begin - from, bytes - done);
        touched = std::min(touched, (offset + done) / kUnitBytes * kUnitBytes);
        progress.AddHole({from - data.position, from - data.position + hole});
        done += hole;
        continue;
      }
      const uint64_t there = std::min(data_end - from, bytes - done);
      Status status = data.file->ReadAt(from, data.arena->base() + offset + done, there);
      if (!status.ok()) return status;
      done += there;
    }
    return Status::Ok();
  }
};

Status CheckData(const ImageData& data, Progress* progress) {
  const auto hole_from = [progress](uint64_t position) { return progress->HoleFrom(position); };
  UnitRuns runs(data);
  const uint64_t chunks = RoundUp(data.data_units, kUnitsPerChunk) / kUnitsPerChunk;
  uint64_t position = 0;
  for (uint64_t chunk = 0; chunk < chunks; ++chunk) {
    const uint64_t end = std::min((chunk + 1) * kUnitsPerChunk, data.data_units);
    if (Status status = progress->WaitFor(end); !status.ok()) return status;
    uint32_t crc = 0;
    for (uint64_t left = end - chunk * kUnitsPerChunk; left > 0;) {
      uint64_t first;
      const uint64_t count = runs.Next(left, &first);
      const uint64_t bytes = count * kUnitBytes;
      const uint8_t* memory = data.arena->base() + first * kUnitBytes;
      crc = Crc32cAroundHoles(memory, position, bytes, hole_from, crc);
      position += bytes;
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
