// Device memory, launches, graphs and their times, random data: what the checks and the timings share.
#pragma once
#include <cuda_runtime.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <set>
#include <vector>

#include "../kernels/device.cuh"

namespace harness {

#define CHECK(call)                                                                          \
  do {                                                                                       \
    const cudaError_t error_ = (call);                                                       \
    if (error_ != cudaSuccess) {                                                             \
      std::printf("%s:%d: %s: %s\n", __FILE__, __LINE__, #call, cudaGetErrorString(error_)); \
      std::exit(1);                                                                          \
    }                                                                                        \
  } while (0)

// What is under way: where nothing new is said for 20 seconds, the program says what hung and ends with 3. A kernel that
// waits for ever cannot be stopped in another way.
inline void stage(const char* format, ...) __attribute__((format(printf, 1, 2)));
inline char* stage_text() {
  static char text[160] = "the start";
  return text;
}
inline void on_hang(int) {
  const char* text = stage_text();
  const char head[] = "HANG in ", end[] = "\n";
  if (write(1, head, sizeof head - 1) < 0 || write(1, text, std::strlen(text)) < 0 || write(1, end, 1) < 0) _exit(4);
  _exit(3);
}
inline void stage(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(stage_text(), 160, format, arguments);
  va_end(arguments);
  std::signal(SIGALRM, on_hang);
  alarm(20);
}

// An array on the device. Begins poisoned: all bits set, which is NaN as a float, so that what nobody wrote is seen.
template <class T>
class Device {
 public:
  Device() = default;
  explicit Device(std::size_t count) : count_(count) {
    CHECK(cudaMalloc(&data_, std::max<std::size_t>(bytes(), 16)));
    poison();
  }
  explicit Device(const std::vector<T>& from) : Device(from.size()) { copy_from(from); }
  Device(Device&& other) noexcept { swap(other); }
  Device& operator=(Device&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Device() { cudaFree(data_); }

  operator T*() const { return data_; }
  std::size_t count() const { return count_; }
  std::size_t bytes() const { return count_ * sizeof(T); }
  void poison() { CHECK(cudaMemset(data_, 0xff, bytes())); }
  void copy_from(const std::vector<T>& from) { CHECK(cudaMemcpy(data_, from.data(), bytes(), cudaMemcpyHostToDevice)); }
  std::vector<T> host() const {
    std::vector<T> out(count_);
    CHECK(cudaMemcpy(out.data(), data_, bytes(), cudaMemcpyDeviceToHost));
    return out;
  }

 private:
  void swap(Device& other) {
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
  }
  T* data_ = nullptr;
  std::size_t count_ = 0;
};

// Launches on one stream. `overlapped`: each kernel may begin before the one before it ends (programmatic dependent
// launch); all kernels of ours wait by themselves.
inline cudaStream_t plain_stream() {
  static const cudaStream_t stream = [] {
    cudaStream_t made;
    CHECK(cudaStreamCreate(&made));
    return made;
  }();
  return stream;
}

struct Launcher {
  cudaStream_t stream = plain_stream();
  bool overlapped = true;

  template <class... P, class... A>
  void operator()(void (*kernel)(P...), dim3 grid, int threads, int shared, A&&... args) const {
    prepare(reinterpret_cast<const void*>(kernel));
    cudaLaunchAttribute attribute{};
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config{};
    config.gridDim = grid;
    config.blockDim = dim3(threads);
    config.dynamicSmemBytes = shared;
    config.stream = stream;
    config.attrs = &attribute;
    config.numAttrs = overlapped ? 1 : 0;
    CHECK(cudaLaunchKernelEx(&config, kernel, static_cast<P>(args)...));
  }

 private:
  // All kernels ask for the same division of an SM's memory: one with another cannot start beside them.
  static void prepare(const void* kernel) {
    static std::set<const void*> prepared;
    if (!prepared.insert(kernel).second) return;
    cudaFuncAttributes attributes;
    CHECK(cudaFuncGetAttributes(&attributes, kernel));
    const int most = 227 * 1024 - static_cast<int>(attributes.sharedSizeBytes);
    CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most));
    CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributePreferredSharedMemoryCarveout, 100));
  }
};

// What `enqueue` launches, as a graph. Where it throws, so does the constructor.
class Graph {
 public:
  Graph(bool overlapped, const std::function<void(const Launcher&)>& enqueue) {
    CHECK(cudaStreamCreate(&stream_));
    CHECK(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
    cudaGraph_t graph;
    try {
      enqueue(Launcher{stream_, overlapped});
    } catch (...) {
      CHECK(cudaStreamEndCapture(stream_, &graph));
      CHECK(cudaGraphDestroy(graph));
      CHECK(cudaStreamDestroy(stream_));
      throw;
    }
    CHECK(cudaStreamEndCapture(stream_, &graph));
    CHECK(cudaGraphInstantiate(&graph_, graph, 0));
    CHECK(cudaGraphDestroy(graph));
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  ~Graph() {
    cudaGraphExecDestroy(graph_);
    cudaStreamDestroy(stream_);
  }

  void run() const {
    CHECK(cudaGraphLaunch(graph_, stream_));
    CHECK(cudaStreamSynchronize(stream_));
  }

  // Median of `repeats` replays, in microseconds.
  double microseconds(int repeats) const { return medians({this}, repeats)[0]; }

  // The same of several graphs, which are replayed in turns.
  static std::vector<double> medians(const std::vector<const Graph*>& graphs, int repeats) {
    std::vector<std::vector<float>> times(graphs.size());
    for (int i = 0; i < repeats + 2; i++) {
      for (std::size_t g = 0; g < graphs.size(); g++) {
        const float us = graphs[g]->replay();
        if (i >= 2) times[g].push_back(us);
      }
    }
    std::vector<double> out;
    for (std::vector<float>& of : times) {
      std::sort(of.begin(), of.end());
      out.push_back(of[of.size() / 2]);
    }
    return out;
  }

 private:
  // Microseconds.
  float replay() const {
    cudaEvent_t from, to;
    CHECK(cudaEventCreate(&from));
    CHECK(cudaEventCreate(&to));
    CHECK(cudaEventRecord(from, stream_));
    CHECK(cudaGraphLaunch(graph_, stream_));
    CHECK(cudaEventRecord(to, stream_));
    CHECK(cudaEventSynchronize(to));
    float milliseconds;
    CHECK(cudaEventElapsedTime(&milliseconds, from, to));
    CHECK(cudaEventDestroy(from));
    CHECK(cudaEventDestroy(to));
    return milliseconds * 1e3f;
  }

  cudaStream_t stream_ = nullptr;
  cudaGraphExec_t graph_ = nullptr;
};

ESPARSE_BOTH std::uint32_t mixed(std::uint64_t x) {
  x = (x ^ x >> 33) * 0xff51afd7ed558ccdull;
  x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ull;
  return static_cast<std::uint32_t>(x ^ x >> 33);
}
ESPARSE_BOTH float uniform_of(std::uint64_t seed, std::uint64_t i, float range) {
  return range * ((mixed(seed * 0x9e3779b97f4a7c15ull + i) >> 8) * 0x1p-23f - 1);
}

__global__ void fill_bf16(std::uint16_t* to, std::size_t count, std::uint64_t seed, float range) {
  const std::size_t step = static_cast<std::size_t>(gridDim.x) * blockDim.x;
  for (std::size_t i = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x; i < count; i += step) {
    to[i] = esparse::bf16_bits(uniform_of(seed, i, range));
  }
}

// Two of four positions for 16 rows, both slots of a (tile, group).
__global__ void fill_positions(esparse::Words2* to, std::size_t count, std::uint64_t seed) {
  const std::size_t step = static_cast<std::size_t>(gridDim.x) * blockDim.x;
  for (std::size_t i = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x; i < count; i += step) {
    esparse::Words2 slots{};
    for (int row = 0; row < 16; row++) {
      const std::uint32_t choice = mixed(seed + 16 * i + row) % 6;  // 01 02 03 12 13 23
      slots.word[0] |= (choice < 3 ? 0u : choice < 5 ? 1u : 2u) << (2 * row);
      slots.word[1] |= (choice < 3 ? choice + 1 : choice < 5 ? choice - 1 : 3u) << (2 * row);
    }
    to[i] = slots;
  }
}

__global__ void fill_words(std::uint32_t* to, std::size_t count, std::uint64_t seed) {
  const std::size_t step = static_cast<std::size_t>(gridDim.x) * blockDim.x;
  for (std::size_t i = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x; i < count; i += step) {
    to[i] = mixed(seed + i);
  }
}

// bf16 around `scale`.
__global__ void fill_scales(std::uint16_t* to, std::size_t count, std::uint64_t seed, float scale) {
  const std::size_t step = static_cast<std::size_t>(gridDim.x) * blockDim.x;
  for (std::size_t i = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x; i < count; i += step) {
    to[i] = esparse::bf16_bits(scale * (1 + uniform_of(seed, i, 0.25f)));
  }
}

// The positions of eight groups of a row, as `quantized-v1` has them.
__global__ void fill_fields(std::uint32_t* to, std::size_t count, std::uint64_t seed) {
  const std::size_t step = static_cast<std::size_t>(gridDim.x) * blockDim.x;
  for (std::size_t i = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x; i < count; i += step) {
    std::uint32_t word = 0;
    for (int group = 0; group < 8; group++) {
      const std::uint32_t choice = mixed(seed + 8 * i + group) % 6;  // 01 02 03 12 13 23
      const std::uint32_t first = choice < 3 ? 0u : choice < 5 ? 1u : 2u;
      const std::uint32_t second = choice < 3 ? choice + 1 : choice < 5 ? choice - 1 : 3u;
      word |= (first | second << 8) << (16 * (group % 2) + 2 * (group / 2));
    }
    to[i] = word;
  }
}

inline std::vector<float> random_floats(std::size_t count, std::uint64_t seed, float range) {
  std::vector<float> out(count);
  for (std::size_t i = 0; i < count; i++) out[i] = uniform_of(seed, i, range);
  return out;
}

inline std::vector<std::int32_t> random_permutation(int count, std::uint64_t seed) {
  std::vector<std::int32_t> out(count);
  for (int i = 0; i < count; i++) out[i] = i;
  for (int i = count - 1; i > 0; i--) std::swap(out[i], out[mixed(seed + i) % (i + 1)]);
  return out;
}

// ||out - reference|| / ||reference||; infinite where anything is not a finite number.
template <class T>
double relative_error(const std::vector<T>& out, const std::vector<double>& reference) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < reference.size(); i++) {
    const double x = out[i];
    if (!std::isfinite(x)) return INFINITY;
    difference += (x - reference[i]) * (x - reference[i]);
    size += reference[i] * reference[i];
  }
  return std::sqrt(difference / size);
}

// Counts what is wrong, and says each.
struct Report {
  int failures = 0;
  void expect(bool right, const char* what, double value = 0) {
    if (right) return;
    failures++;
    std::printf("WRONG: %s (%g)\n", what, value);
  }
};

}  // namespace harness
