// Threads and instruction set as JavaScript chooses them: see src/inference/inference-kernels.ts.
#include "compute.h"
#include "runtime/kernel.h"
#include "runtime/thread_pool.h"

namespace esparse {

// An instruction set as an argument: its name.
template <>
struct Argument<const Kernels*> {
  static constexpr const char* kType = "instructionSet";
  static bool read(napi_env env, napi_value value, const Kernels*& to) {
    std::string name;
    if (!Argument<std::string>::read(env, value, name)) return false;
    to = kernels_named(name.c_str());
    return to != nullptr;
  }
};

namespace {

struct CreateComputeArguments {
  const Kernels* set;
  std::size_t threads;
  template <typename Each>
  void fields(Each& each) {
    each("instructionSet", set), each("threads", threads);
  }
};

Napi::Value create_compute(Call& call, const CreateComputeArguments& a) {
  if (a.threads == 0) call.refuse("threads", "at least one was expected");
  call.at_most("threads", a.threads, kMaxThreads);
  if (call.failed()) return call.nothing();
  return Napi::External<Compute>::New(call.env(), new Compute(*a.set, a.threads),
                                      [](Napi::Env, Compute* unused) { delete unused; });
}

// instructionSets(): string[], the fastest first.
Napi::Value instruction_sets(const Napi::CallbackInfo& info) {
  const auto& there = all_kernels();
  Napi::Array names = Napi::Array::New(info.Env(), there.size());
  for (std::uint32_t i = 0; i < there.size(); i++) names.Set(i, there[i]->name);
  return names;
}

// processors(): number.
Napi::Value get_processors(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(processors()));
}

}  // namespace

void register_compute(Napi::Object exports) {
  add_kernel(exports, "createCompute", create_compute);
  exports.Set("instructionSets", Napi::Function::New(exports.Env(), instruction_sets));
  exports.Set("processors", Napi::Function::New(exports.Env(), get_processors));
}

}  // namespace esparse
