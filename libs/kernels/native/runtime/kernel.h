// A kernel as JavaScript sees it: a function of the addon that reads a struct of arguments and computes, at once or as a
// job of the pool that ends in a promise.
#pragma once
#include <napi.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "arguments.h"

namespace esparse {

// One call of a kernel.
class Call {
 public:
  Call(const Napi::CallbackInfo& info, const char* kernel) : info_(info), kernel_(kernel) {}

  Napi::Env env() const { return info_.Env(); }
  Napi::Value nothing() const { return info_.Env().Undefined(); }

  // Throws a RangeError in JavaScript that names the kernel and what is wrong with the argument; the first one counts.
  void refuse(const char* argument, const std::string& why);

  // Refuses an array that has not exactly `length` elements, or not at least `least`.
  template <typename T>
  void exactly(const char* argument, const Span<T>& array, std::size_t length) {
    if (array.length != length) refuse_length(argument, array.length, std::to_string(length));
  }
  template <typename T>
  void at_least(const char* argument, const Span<T>& array, std::size_t least) {
    if (array.length < least) refuse_length(argument, array.length, "at least " + std::to_string(least));
  }
  // Refuses a number above `most`.
  void at_most(const char* argument, std::size_t value, std::size_t most);

  // True once an argument was refused: the exception is pending, return nothing().
  bool failed() const { return failed_; }

  // Runs `run(chunk)` for each chunk on the pool, then, on the JavaScript thread, resolves the promise with `result(env)`.
  // The arrays of the call stay alive until then.
  Napi::Value promise(std::size_t chunks, std::function<void(std::size_t)> run,
                      std::function<Napi::Value(Napi::Env)> result);
  // The same, resolved with nothing.
  Napi::Value promise(std::size_t chunks, std::function<void(std::size_t)> run);

 private:
  void refuse_length(const char* argument, std::size_t length, const std::string& expected);

  const Napi::CallbackInfo& info_;
  const char* kernel_;
  bool failed_ = false;
};

// Adds `run` to the addon as `name`, and its arguments to the addon's `signatures`.
template <typename Arguments>
void add_kernel(Napi::Object exports, const char* name, Napi::Value (*run)(Call&, const Arguments&)) {
  exports.Set(name, Napi::Function::New(
                        exports.Env(),
                        [name, run](const Napi::CallbackInfo& info) -> Napi::Value {
                          Call call(info, name);
                          Arguments arguments{};
                          ArgumentReader reader(info);
                          arguments.fields(reader);
                          if (reader.wrong() != nullptr) {
                            call.refuse(reader.wrong(), std::string(reader.expected()) + " was expected");
                            return call.nothing();
                          }
                          return run(call, arguments);
                        },
                        name));
  ArgumentList list(exports.Env());
  Arguments{}.fields(list);
  exports.Get("signatures").As<Napi::Object>().Set(name, list.list());
}

// Splits [0, total) into `chunks` nearly equal ranges; calls body(begin, end) for range `chunk`.
template <typename Body>
void in_range(std::size_t total, std::size_t chunks, std::size_t chunk, Body body) {
  const std::size_t begin = total * chunk / chunks;
  const std::size_t end = total * (chunk + 1) / chunks;
  if (begin < end) body(begin, end);
}

// Resolves to whether something holds of every part of an array, of some `part` elements.
template <typename T>
Napi::Value holds_of_all(Call& call, const Span<T>& array, std::size_t part, bool (*holds)(const T*, std::size_t)) {
  const std::size_t chunks = (array.length + part - 1) / part;
  const auto all = std::make_shared<std::atomic<bool>>(true);
  return call.promise(
      chunks,
      [=](std::size_t chunk) {
        in_range(array.length, chunks, chunk, [&](std::size_t begin, std::size_t end) {
          if (!holds(array.data + begin, end - begin)) *all = false;
        });
      },
      [all](Napi::Env env) { return Napi::Boolean::New(env, *all); });
}

}  // namespace esparse
