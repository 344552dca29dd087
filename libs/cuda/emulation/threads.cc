#include "threads.h"

#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

namespace esparse {

Index3 threadIdx, blockIdx, blockDim, gridDim;

namespace {

constexpr std::size_t kStackBytes = 64 << 10;
constexpr unsigned kWarpThreads = 32, kMostThreads = 1024;
// So often in a row threads may give way, and nothing else happens, before they are taken to wait in vain.
constexpr unsigned kMostTurns = 1 << 20;

// Where somebody stopped. Switching is by what the compiler has for it: swapcontext calls the system, and longjmp looks through
// what is to be cleaned up.
using Place = void* [5];
[[noreturn, gnu::noinline]] void go_on(Place& place) { __builtin_longjmp(place, 1); }

// A stack on which threads of the block run, one after the other until one of them waits.
struct Fiber {
  std::unique_ptr<char[]> stack{new char[kStackBytes]};
  ucontext_t context;
  Place place;
  bool started = false;
  unsigned thread = 0;  // that waits here
};

struct Block {
  const std::function<void()>* body = nullptr;
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::vector<Fiber*> idle;
  std::vector<Fiber*> of_warp[32], of_block;  // which wait
  std::vector<Fiber*> ready;
  std::vector<Fiber*> giving_way;
  unsigned turns = 0;  // of such, one after the other
  unsigned next = 0, threads = 0;
  unsigned ended_of_warp[32] = {}, ended = 0;
  Place scheduler;
  ucontext_t home;
  Fiber* running = nullptr;
};
Block block;

std::uint64_t exchanged[2][kMostThreads];
unsigned exchanges_of_warp[32];

unsigned threads_of_warp(unsigned warp) { return std::min(kWarpThreads, block.threads - warp * kWarpThreads); }

// Lets those go on that all others have reached or left.
void release_warp(unsigned warp) {
  auto& waiting = block.of_warp[warp];
  if (waiting.empty() || waiting.size() + block.ended_of_warp[warp] < threads_of_warp(warp)) return;
  block.ready.insert(block.ready.end(), waiting.rbegin(), waiting.rend());
  waiting.clear();
  exchanges_of_warp[warp]++;
}
void release_block() {
  if (block.of_block.empty() || block.of_block.size() + block.ended < block.threads) return;
  block.ready.insert(block.ready.end(), block.of_block.rbegin(), block.of_block.rend());
  block.of_block.clear();
}

void use(unsigned thread) { threadIdx = {thread, 0, 0}; }

// What a fiber does: threads that have not begun, as long as there are any.
void run_threads() {
  while (block.next < block.threads) {
    const unsigned thread = block.next++;
    use(thread);
    (*block.body)();
    const unsigned warp = threadIdx.x / kWarpThreads;
    block.ended++;
    block.ended_of_warp[warp]++;
    release_warp(warp);
    release_block();
  }
}

// Goes on with who may; all that are ready have begun.
[[noreturn]] void leave() {
  if (block.ready.empty()) go_on(block.scheduler);
  block.running = block.ready.back();
  block.ready.pop_back();
  block.turns = 0;
  go_on(block.running->place);
}

void fiber_main() {
  for (;;) {
    run_threads();
    Fiber* const self = block.running;
    block.idle.push_back(self);
    if (__builtin_setjmp(self->place) == 0) leave();
  }
}

void resume(Fiber* fiber) {
  block.running = fiber;
  if (__builtin_setjmp(block.scheduler) != 0) return;
  if (fiber->started) go_on(fiber->place);
  fiber->started = true;
  getcontext(&fiber->context);
  fiber->context.uc_stack.ss_sp = fiber->stack.get();
  fiber->context.uc_stack.ss_size = kStackBytes;
  fiber->context.uc_link = nullptr;
  makecontext(&fiber->context, fiber_main, 0);
  setcontext(&fiber->context);
}

template <class Release>
void wait_in(std::vector<Fiber*>& waiting, const Release& release) {
  Fiber* const self = block.running;
  const unsigned thread = threadIdx.x;
  self->thread = thread;
  waiting.push_back(self);
  release(thread / kWarpThreads);
  if (__builtin_setjmp(self->place) == 0) leave();
  use(thread);
}

void run_block() {
  block.next = block.ended = 0;
  std::fill(std::begin(block.ended_of_warp), std::end(block.ended_of_warp), 0u);
  while (block.ended < block.threads) {
    if (!block.ready.empty()) {
      Fiber* const fiber = block.ready.back();
      block.ready.pop_back();
      block.turns = 0;
      resume(fiber);
      continue;
    }
    if (block.next >= block.threads && !block.giving_way.empty() && block.turns < kMostTurns) {
      std::swap(block.ready, block.giving_way);
      const unsigned turns = block.turns + 1;
      while (!block.ready.empty()) {
        Fiber* const fiber = block.ready.back();
        block.ready.pop_back();
        resume(fiber);
      }
      block.turns = turns;
      continue;
    }
    if (block.next >= block.threads) {
      std::fprintf(stderr, "emulated kernel: threads wait for each other for ever\n");
      std::_Exit(99);
    }
    if (block.idle.empty()) {
      block.fibers.push_back(std::make_unique<Fiber>());
      block.idle.push_back(block.fibers.back().get());
    }
    Fiber* const fiber = block.idle.back();
    block.idle.pop_back();
    resume(fiber);
  }
}

}  // namespace

void wait_for_block() {
  wait_in(block.of_block, [](unsigned) { release_block(); });
}
void wait_for_warp() {
  wait_in(block.of_warp[threadIdx.x / kWarpThreads], [](unsigned warp) { release_warp(warp); });
}
void give_way() {
  Fiber* const self = block.running;
  const unsigned thread = threadIdx.x;
  block.giving_way.push_back(self);
  if (__builtin_setjmp(self->place) == 0) leave();
  use(thread);
}
void* dynamic_shared() {
  alignas(128) static char memory[228 << 10];
  return memory;
}
std::uint64_t* exchange() { return exchanged[exchanges_of_warp[threadIdx.x / kWarpThreads] % 2]; }

void run_grid(const Index3& grid, const Index3& size, const std::function<void()>& body) {
  gridDim = grid;
  blockDim = size;
  block.body = &body;
  block.threads = size.x;
  for (unsigned z = 0; z < grid.z; z++) {
    for (unsigned y = 0; y < grid.y; y++) {
      for (unsigned x = 0; x < grid.x; x++) {
        blockIdx = {x, y, z};
        run_block();
      }
    }
  }
}

}  // namespace esparse
