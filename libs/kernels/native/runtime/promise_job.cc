#include "promise_job.h"

#include <cmath>
#include <memory>

#include "thread_pool.h"

namespace esparse {

void Call::refuse(std::size_t index, const std::string& why) {
  Napi::TypeError::New(env_, "argument " + std::to_string(index) + ": " + why).ThrowAsJavaScriptException();
}

Napi::TypedArray Call::typed_array(std::size_t index) {
  Napi::Value value = info_[index];
  if (!value.IsTypedArray()) {
    refuse(index, "a typed array was expected");
    return {};
  }
  return value.As<Napi::TypedArray>();
}

double Call::number(std::size_t index) {
  if (failed()) return 0;
  Napi::Value value = info_[index];
  if (!value.IsNumber()) {
    refuse(index, "a number was expected");
    return 0;
  }
  return value.As<Napi::Number>().DoubleValue();
}

std::size_t Call::size(std::size_t index) {
  const double value = number(index);
  if (failed()) return 0;
  if (!(value >= 0 && value <= 9007199254740991.0 && std::floor(value) == value)) {
    refuse(index, "a non-negative integer was expected");
    return 0;
  }
  return static_cast<std::size_t>(value);
}

std::size_t Call::size(std::size_t index, std::size_t most) {
  const std::size_t value = size(index);
  if (!failed() && value > most) refuse(index, "it is over " + std::to_string(most));
  return value;
}

namespace {

struct Pending {
  Napi::Promise::Deferred deferred;
  Napi::ThreadSafeFunction wake;
  std::function<Napi::Value(Napi::Env)> result;
  std::vector<Napi::Reference<Napi::TypedArray>> held;
};

}  // namespace

Napi::Value Call::promise(std::size_t chunks, std::function<void(std::size_t)> run,
                          std::function<Napi::Value(Napi::Env)> result) {
  auto* pending = new Pending{Napi::Promise::Deferred::New(env_), {}, std::move(result), std::move(held_)};
  pending->wake = Napi::ThreadSafeFunction::New(
      env_, Napi::Function::New(env_, [](const Napi::CallbackInfo&) {}), "esparse.kernel", 0, 1);
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

}  // namespace esparse
