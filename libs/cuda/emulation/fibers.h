// Runs kernels without a GPU, from their own sources: the threads of a block are fibers, which go on in turn from one
// barrier, or one exchange of a warp's lanes, to the next. Blocks run one after the other. To be included before a kernel.
#pragma once
#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <vector>

#define __global__ inline
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __shared__ static

namespace esparse {

struct Index {
  unsigned x, y, z;
};
inline Index threadIdx, blockIdx, blockDim, gridDim;

namespace emulation {

class Block {
 public:
  // Runs one block to its end.
  static void run(unsigned threads, const std::function<void()>& kernel) {
    Block block(threads, kernel);
    current() = &block;
    while (block.step()) {
    }
    current() = nullptr;
  }
  static Block*& current() {
    static Block* block = nullptr;
    return block;
  }
  void barrier() { wait(Waiting::kBlock); }
  // What lane `from` of this thread's warp gives.
  std::uint64_t exchange(std::uint64_t value, unsigned from) {
    const unsigned warp = threadIdx.x / 32 * 32;
    given_[threadIdx.x] = value;
    wait(Waiting::kWarp);
    const std::uint64_t got = given_[warp + from];
    wait(Waiting::kWarp);
    return got;
  }

 private:
  enum class Waiting { kNot, kBlock, kWarp, kDone };
  static constexpr std::size_t kStack = 256 << 10;
  struct Fiber {
    ucontext_t context;
    jmp_buf place;
    bool begun = false;
    std::unique_ptr<char[]> stack;
    Waiting waiting = Waiting::kNot;
  };

  Block(unsigned threads, const std::function<void()>& kernel) : kernel_(kernel), fibers_(threads), given_(threads) {
    for (Fiber& fiber : fibers_) begin(fiber);
  }
  void begin(Fiber& fiber) {
    fiber.stack.reset(new char[kStack]);
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStack;
    makecontext(&fiber.context, &Block::enter, 0);
  }
  static void enter() {
    Block& block = *current();
    const unsigned thread = threadIdx.x;
    block.kernel_();
    block.fibers_[thread].waiting = Waiting::kDone;
    _longjmp(block.turn_, 1);
  }
  void wait(Waiting what) {
    const unsigned thread = threadIdx.x;
    fibers_[thread].waiting = what;
    // After its first turn a fiber is left and entered by jumps: unlike contexts, they ask nothing of the system.
    if (_setjmp(fibers_[thread].place) == 0) _longjmp(turn_, 1);
    threadIdx.x = thread;
  }
  void go_on(unsigned thread) {
    threadIdx.x = thread;
    if (_setjmp(turn_) != 0) return;
    Fiber& fiber = fibers_[thread];
    if (fiber.begun) _longjmp(fiber.place, 1);
    fiber.begun = true;
    setcontext(&fiber.context);
  }
  // Lets every thread go on that can, then those whose block or warp has come together; whether any is left.
  bool step() {
    for (unsigned t = 0; t < fibers_.size(); t++) {
      if (fibers_[t].waiting != Waiting::kNot) continue;
      go_on(t);
    }
    bool left = false, all = true, released = false;
    for (const Fiber& fiber : fibers_) {
      left = left || fiber.waiting != Waiting::kDone;
      all = all && (fiber.waiting == Waiting::kBlock || fiber.waiting == Waiting::kDone);
    }
    for (unsigned warp = 0; warp < fibers_.size(); warp += 32) {
      bool together = true;
      for (unsigned lane = 0; lane < 32; lane++) together = together && fibers_[warp + lane].waiting == Waiting::kWarp;
      for (unsigned lane = 0; lane < 32; lane++) {
        Fiber& fiber = fibers_[warp + lane];
        if ((together || all) && fiber.waiting != Waiting::kDone) {
          fiber.waiting = Waiting::kNot;
          released = true;
        }
      }
    }
    if (left && !released) {
      std::fprintf(stderr, "threads wait for each other for ever\n");
      std::abort();
    }
    return left;
  }

  const std::function<void()>& kernel_;
  std::vector<Fiber> fibers_;
  std::vector<std::uint64_t> given_;
  jmp_buf turn_;  // of the scheduler
};

// Dynamic shared memory, as much as a block may have.
inline std::uint64_t* shared() {
  static std::vector<std::uint64_t> words((227 << 10) / 8);
  return words.data();
}

template <class Kernel, class... Arguments>
void launch(const Kernel& kernel, Index grid, unsigned threads, const Arguments&... arguments) {
  gridDim = grid;
  blockDim = {threads, 1, 1};
  for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++) {
    for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++) {
      Block::run(threads, [&] { kernel(arguments...); });
    }
  }
}

}  // namespace emulation

inline std::uint64_t* shared_words() { return emulation::shared(); }
inline void wait_for_producers() {}
inline void release_dependents() {}
inline void __syncthreads() { emulation::Block::current()->barrier(); }
inline std::uint64_t __shfl_xor_sync(unsigned, std::uint64_t value, int lanes) {
  return emulation::Block::current()->exchange(value, threadIdx.x % 32 ^ static_cast<unsigned>(lanes));
}
template <class T>
T __ldcg(const T* from) {
  return *from;
}
template <class T, class V>
T atomicAdd(T* to, V value) {
  const T before = *to;
  *to += static_cast<T>(value);
  return before;
}
template <class T>
T atomicOr(T* to, T bits) {
  const T before = *to;
  *to |= bits;
  return before;
}
inline int min(int a, int b) { return a < b ? a : b; }
using std::isfinite;

}  // namespace esparse
