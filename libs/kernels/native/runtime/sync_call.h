// The arguments of a synchronous call: typed arrays and numbers, checked, without handles that outlive the call.
#pragma once
#include <napi.h>

#include <cstddef>
#include <string>

#include "promise_job.h"

namespace esparse {

class SyncCall {
 public:
  explicit SyncCall(const Napi::CallbackInfo& info) : info_(info), env_(info.Env()) {}

  // The typed array at `index`; a TypeError in JavaScript unless its elements are T, a RangeError unless it has at
  // least `least` of them.
  template <typename T>
  Span<T> array(std::size_t index, std::size_t least = 0) {
    napi_typedarray_type type;
    std::size_t length = 0;
    void* data = nullptr;
    if (failed()) return {};
    if (napi_get_typedarray_info(env_, info_[index], &type, &length, &data, nullptr, nullptr) != napi_ok ||
        type != array_type<T>()) {
      refuse(index, "a typed array of another element type was expected");
      return {};
    }
    if (length < least) {
      refuse(index, "it has " + std::to_string(length) + " elements, at least " + std::to_string(least) +
                        " are needed");
      return {};
    }
    return {static_cast<T*>(data), length};
  }

  // A whole number from 0 to 2^48: products of two sizes that memory can hold do not overflow.
  std::size_t size(std::size_t index) {
    const double value = number(index);
    if (value >= 0 && value <= 281474976710656.0 && value == static_cast<double>(static_cast<std::size_t>(value))) {
      return static_cast<std::size_t>(value);
    }
    refuse(index, "a whole number was expected");
    return 0;
  }

  double number(std::size_t index) {
    double value = 0;
    if (napi_get_value_double(env_, info_[index], &value) != napi_ok) refuse(index, "a number was expected");
    return value;
  }

  void refuse(std::size_t index, const std::string& why) {
    if (failed()) return;
    Napi::RangeError::New(env_, "argument " + std::to_string(index) + ": " + why).ThrowAsJavaScriptException();
  }

  // True once an argument was refused: the exception is pending, return Undefined().
  bool failed() const { return env_.IsExceptionPending(); }

 private:
  const Napi::CallbackInfo& info_;
  Napi::Env env_;
};

}  // namespace esparse
