// How many threads compute: see src/pruning/pruning-threads.ts and src/inference/compute-threads.ts.
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

Napi::Value set_compute(Call& call, const ThreadsArguments& a) {
  set_compute_threads(a.threads);
  return call.nothing();
}

Napi::Value get_compute(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(compute_threads()));
}

}  // namespace

void register_threads(Napi::Object exports) {
  add_kernel(exports, "setJobThreads", set_jobs);
  add_kernel(exports, "setComputeThreads", set_compute);
  exports.Set("computeThreads", Napi::Function::New(exports.Env(), get_compute));
}

}  // namespace esparse
