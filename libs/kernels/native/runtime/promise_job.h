// From a JavaScript call to a job on the pool and back to a promise.
#pragma once
#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace esparse {

// A typed array handed over by JavaScript: its memory, kept alive until the job is done.
template <typename T>
struct Span {
  T* data = nullptr;
  std::size_t length = 0;
};

// A flag by which JavaScript ends a job early: one integer, not 0 once it is raised. Long chunks look at it.
class CancelFlag {
 public:
  explicit CancelFlag(Span<std::int32_t> flag) : flag_(flag.data) {}
  bool raised() const { return __atomic_load_n(flag_, __ATOMIC_RELAXED) != 0; }

 private:
  const std::int32_t* flag_;
};

// Collects the arguments of one call, checks them, and runs the job.
class Call {
 public:
  explicit Call(const Napi::CallbackInfo& info) : info_(info), env_(info.Env()) {}

  // The typed array at position `index`; throws a TypeError in JavaScript unless its element type is T.
  template <typename T>
  Span<T> array(std::size_t index);
  // As `array`, and throws a RangeError unless it has exactly `length` elements.
  template <typename T>
  Span<T> array(std::size_t index, std::size_t length);
  // A non-negative integer that a size_t can hold.
  std::size_t size(std::size_t index);
  // The same, at most `most`.
  std::size_t size(std::size_t index, std::size_t most);
  double number(std::size_t index);

  // True once an argument was refused: the exception is pending, return Undefined().
  bool failed() const { return env_.IsExceptionPending(); }

  // Runs `run(chunk)` for each chunk on the pool, then, on the JavaScript thread, resolves the promise with
  // `result(env)`. The arrays taken through this call stay alive until then.
  Napi::Value promise(std::size_t chunks, std::function<void(std::size_t)> run,
                      std::function<Napi::Value(Napi::Env)> result);

 private:
  Napi::TypedArray typed_array(std::size_t index);
  void refuse(std::size_t index, const std::string& why);

  const Napi::CallbackInfo& info_;
  Napi::Env env_;
  std::vector<Napi::Reference<Napi::TypedArray>> held_;
};

template <typename T>
constexpr napi_typedarray_type array_type();
template <> constexpr napi_typedarray_type array_type<float>() { return napi_float32_array; }
template <> constexpr napi_typedarray_type array_type<double>() { return napi_float64_array; }
template <> constexpr napi_typedarray_type array_type<std::int32_t>() { return napi_int32_array; }
template <> constexpr napi_typedarray_type array_type<std::uint32_t>() { return napi_uint32_array; }
template <> constexpr napi_typedarray_type array_type<std::uint16_t>() { return napi_uint16_array; }
template <> constexpr napi_typedarray_type array_type<std::uint8_t>() { return napi_uint8_array; }

template <typename T>
Span<T> Call::array(std::size_t index) {
  if (failed()) return {};
  Napi::TypedArray array = typed_array(index);
  if (failed()) return {};
  if (array.TypedArrayType() != array_type<T>()) {
    refuse(index, "a typed array of another element type was expected");
    return {};
  }
  held_.push_back(Napi::Reference<Napi::TypedArray>::New(array, 1));
  auto* bytes = static_cast<std::uint8_t*>(array.ArrayBuffer().Data());
  return {reinterpret_cast<T*>(bytes + array.ByteOffset()), array.ElementLength()};
}

template <typename T>
Span<T> Call::array(std::size_t index, std::size_t length) {
  Span<T> span = array<T>(index);
  if (!failed() && span.length != length) {
    refuse(index, "it has " + std::to_string(span.length) + " elements, expected " + std::to_string(length));
  }
  return span;
}

// Splits [0, total) into `chunks` nearly equal ranges; calls body(begin, end) for range `chunk`.
template <typename Body>
void in_range(std::size_t total, std::size_t chunks, std::size_t chunk, Body body) {
  const std::size_t begin = total * chunk / chunks;
  const std::size_t end = total * (chunk + 1) / chunks;
  if (begin < end) body(begin, end);
}

}  // namespace esparse
