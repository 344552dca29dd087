// How many threads compute jobs: see src/pruning/pruning-threads.ts.
#include "kernel.h"
#include "thread_pool.h"

namespace esparse {
namespace {

struct ThreadsArguments {
  std::size_t threads;
  template <typename Each>
  void fields(Each& each) {
    each("threads", threads);
  }
};

Napi::Value set_jobs(Call& call, const ThreadsArguments& a) {
  return Napi::Boolean::New(call.env(), set_job_threads(a.threads));
}

}  // namespace

void register_threads(Napi::Object exports) {
  add_kernel(exports, "setJobThreads", set_jobs);
}

}  // namespace esparse
