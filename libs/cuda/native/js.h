// What the addon's classes have in common: failures as JavaScript's errors, and values of JavaScript as those of C++.
#pragma once
#include <napi.h>

#include "device.h"
#include "failure.h"

namespace esparse {

inline Napi::Error error_of(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.what());
  error.Value().Set("kind", failure.kind);
  if (!failure.hint.empty()) error.Value().Set("hint", failure.hint);
  error.Value().Set("lost", failure.lost);
  return error;
}

[[noreturn]] inline void throw_js(Napi::Env env, const Failure& failure) { throw error_of(env, failure); }

// Runs what may fail on the device.
template <class Work>
auto guarded(Napi::Env env, const Work& work) {
  try {
    return work();
  } catch (const Failure& failure) {
    throw_js(env, failure);
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw_js(env, Failure("internal", error.what()));
  }
}

// The elements of a typed array that has so many of this size.
template <class T>
T* elements(const Napi::Value& value, std::size_t count, const char* what) {
  if (value.IsTypedArray()) {
    const auto array = value.As<Napi::TypedArray>();
    if (array.ElementSize() == sizeof(T) && array.ElementLength() == count) {
      return reinterpret_cast<T*>(static_cast<std::uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset());
    }
  }
  throw Failure("internal", std::string(what) + ": an array of " + std::to_string(count) + " elements was expected");
}

inline int integer(const Napi::Object& from, const char* name) { return from.Get(name).ToNumber().Int32Value(); }
inline std::size_t size(const Napi::Value& value) { return static_cast<std::size_t>(value.ToNumber().DoubleValue()); }
inline bool absent(const Napi::Value& value) { return value.IsUndefined() || value.IsNull(); }

// What a GPU is.
inline Napi::Object facts_of(Napi::Env env, const Device& device) {
  const DeviceFacts& facts = device.facts();
  Napi::Object out = Napi::Object::New(env);
  out.Set("name", facts.name);
  out.Set("driverVersion", facts.driver_version);
  out.Set("major", facts.major);
  out.Set("minor", facts.minor);
  out.Set("multiprocessors", facts.multiprocessors);
  out.Set("freeBytes", static_cast<double>(facts.free_bytes));
  out.Set("totalBytes", static_cast<double>(facts.total_bytes));
  return out;
}

}  // namespace esparse
