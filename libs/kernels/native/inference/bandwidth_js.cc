// How fast this machine's memory can be read: what a product that reads its weights once is measured against.
#include <algorithm>
#include <chrono>

#include "compute_argument.h"
#include "runtime/kernel.h"
#include "runtime/thread_pool.h"

namespace esparse {
namespace {

constexpr std::size_t kPartFloats = (256 << 10) / sizeof(float);

struct ReadMemoryArguments {
  const Compute* compute;
  Span<float> array;
  template <typename Each>
  void fields(Each& each) {
    each("compute", compute), each("array", array);
  }
};

// Gives the seconds in which all compute threads together read the array once.
Napi::Value read_memory(Call& call, const ReadMemoryArguments& a) {
  const std::size_t parts = (a.array.length + kPartFloats - 1) / kPartFloats;
  volatile float seen = 0;
  const auto began = std::chrono::steady_clock::now();
  parallel_for(a.compute->threads, parts, [&](std::size_t part) {
    const std::size_t first = part * kPartFloats;
    seen = a.compute->matrix->read(a.array.data + first, std::min(kPartFloats, a.array.length - first));
  });
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  return Napi::Number::New(call.env(), took.count());
}

}  // namespace

void register_bandwidth(Napi::Object exports) { add_kernel(exports, "readMemory", read_memory); }

}  // namespace esparse
