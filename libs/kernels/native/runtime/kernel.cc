#include "kernel.h"

#include <vector>

#include "thread_pool.h"

namespace esparse {

void Call::refuse(const char* argument, const std::string& why) {
  if (failed_) return;
  failed_ = true;
  Napi::RangeError::New(env(), std::string(kernel_) + ": " + argument + ": " + why).ThrowAsJavaScriptException();
}

void Call::refuse_length(const char* argument, std::size_t length, const std::string& expected) {
  refuse(argument, "it has " + std::to_string(length) + " elements, " + expected + " were expected");
}

void Call::at_most(const char* argument, std::size_t value, std::size_t most) {
  if (value > most) refuse(argument, "it is " + std::to_string(value) + ", at most " + std::to_string(most) + " was expected");
}

namespace {

struct Pending {
  Napi::Promise::Deferred deferred;
  Napi::ThreadSafeFunction wake;
  std::function<Napi::Value(Napi::Env)> result;
  std::vector<Napi::Reference<Napi::TypedArray>> arrays;
};

}  // namespace

Napi::Value Call::promise(std::size_t chunks, std::function<void(std::size_t)> run,
                          std::function<Napi::Value(Napi::Env)> result) {
  auto* pending = new Pending{Napi::Promise::Deferred::New(env()), {}, std::move(result), {}};
  for (std::size_t i = 0; i < info_.Length(); i++) {
    if (!info_[i].IsTypedArray()) continue;
    pending->arrays.push_back(Napi::Reference<Napi::TypedArray>::New(info_[i].As<Napi::TypedArray>(), 1));
  }
  pending->wake = Napi::ThreadSafeFunction::New(
      env(), Napi::Function::New(env(), [](const Napi::CallbackInfo&) {}), "esparse.kernel", 0, 1);
  Napi::Promise promise = pending->deferred.Promise();
  submit(Job{chunks, std::move(run), [pending] {
               // The callback deletes `pending`, perhaps before BlockingCall returns: hold on to `wake` alone.
               Napi::ThreadSafeFunction wake = pending->wake;
               wake.BlockingCall(pending, [](Napi::Env env, Napi::Function, Pending* settled) {
                 Napi::HandleScope scope(env);
                 settled->deferred.Resolve(settled->result(env));
                 delete settled;
               });
               wake.Release();
             }});
  return promise;
}

Napi::Value Call::promise(std::size_t chunks, std::function<void(std::size_t)> run) {
  return promise(chunks, std::move(run), [](Napi::Env env) { return env.Undefined(); });
}

}  // namespace esparse
