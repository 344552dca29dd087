// What a kernel may take, and how each kind of it is read from JavaScript. A kernel's arguments are a struct that names
// its fields once:
//
//   struct AddArguments {
//     Span<float> a, b, y;
//     std::size_t count;
//     template <typename Each>
//     void fields(Each& each) { each("a", a), each("b", b), each("count", count), each("y", y); }
//   };
//
// From that list come both what is read (`ArgumentReader`) and what the addon says that the kernel takes (`ArgumentList`).
#pragma once
#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace esparse {

// A typed array's memory. It stays alive while a synchronous kernel runs, and until a job's promise is settled.
template <typename T>
struct Span {
  T* data = nullptr;
  std::size_t length = 0;
};

// A typed array, or null in JavaScript: then `data` is null.
template <typename T>
struct Optional : Span<T> {};

// Floating-point numbers as they are stored: 16 bits each, or 32. One of the two is there.
struct StoredFloats {
  Span<std::uint16_t> halves;
  Span<float> floats;
  bool wide() const { return floats.data != nullptr || halves.data == nullptr; }
  std::size_t length() const { return halves.length + floats.length; }
  void* data() const { return wide() ? static_cast<void*>(floats.data) : halves.data; }
};

enum Dtype { kBf16, kF16, kF32 };

// A flag by which JavaScript ends a job early: one integer, not 0 once it is raised. Long chunks look at it.
class CancelFlag {
 public:
  CancelFlag() = default;
  explicit CancelFlag(const std::int32_t* flag) : flag_(flag) {}
  bool raised() const { return __atomic_load_n(flag_, __ATOMIC_RELAXED) != 0; }

 private:
  const std::int32_t* flag_ = nullptr;
};

template <typename T>
struct Element;
#define ESPARSE_ELEMENT(type, napi, name)                \
  template <>                                            \
  struct Element<type> {                                 \
    static constexpr napi_typedarray_type kNapi = napi;  \
    static constexpr const char *kType = name, *kOptional = name "?"; \
  };
ESPARSE_ELEMENT(float, napi_float32_array, "f32")
ESPARSE_ELEMENT(double, napi_float64_array, "f64")
ESPARSE_ELEMENT(std::int32_t, napi_int32_array, "i32")
ESPARSE_ELEMENT(std::uint32_t, napi_uint32_array, "u32")
ESPARSE_ELEMENT(std::uint16_t, napi_uint16_array, "u16")
ESPARSE_ELEMENT(std::uint8_t, napi_uint8_array, "u8")
#undef ESPARSE_ELEMENT

// Of each kind of argument its name, which src/runtime/kernel.ts maps to a type of TypeScript, and how it is read; `read`
// gives false for what is none.
template <typename T>
struct Argument;

template <typename T>
struct Argument<Span<T>> {
  static constexpr const char* kType = Element<T>::kType;
  static bool read(napi_env env, napi_value value, Span<T>& to) {
    napi_typedarray_type type;
    void* data = nullptr;
    if (napi_get_typedarray_info(env, value, &type, &to.length, &data, nullptr, nullptr) != napi_ok) return false;
    to.data = static_cast<T*>(data);
    return type == Element<T>::kNapi;
  }
};

template <typename T>
struct Argument<Optional<T>> {
  static constexpr const char* kType = Element<T>::kOptional;
  static bool read(napi_env env, napi_value value, Optional<T>& to) {
    napi_valuetype type;
    if (napi_typeof(env, value, &type) == napi_ok && type == napi_null) return true;
    return Argument<Span<T>>::read(env, value, to);
  }
};

template <>
struct Argument<StoredFloats> {
  static constexpr const char* kType = "u16|f32";
  static bool read(napi_env env, napi_value value, StoredFloats& to) {
    if (Argument<Span<std::uint16_t>>::read(env, value, to.halves)) return true;
    to.halves = {};
    return Argument<Span<float>>::read(env, value, to.floats);
  }
};

template <>
struct Argument<CancelFlag> {
  static constexpr const char* kType = "cancel";
  static bool read(napi_env env, napi_value value, CancelFlag& to) {
    Span<std::int32_t> flag;
    if (!Argument<Span<std::int32_t>>::read(env, value, flag) || flag.length != 1) return false;
    to = CancelFlag(flag.data);
    return true;
  }
};

template <>
struct Argument<double> {
  static constexpr const char* kType = "number";
  static bool read(napi_env env, napi_value value, double& to) {
    return napi_get_value_double(env, value, &to) == napi_ok;
  }
};

// A whole number from 0 to 2^48: products of two sizes that memory can hold do not overflow.
template <>
struct Argument<std::size_t> {
  static constexpr const char* kType = "size";
  static bool read(napi_env env, napi_value value, std::size_t& to) {
    double number = 0;
    if (napi_get_value_double(env, value, &number) != napi_ok || !(number >= 0 && number <= 281474976710656.0)) {
      return false;
    }
    to = static_cast<std::size_t>(number);
    return static_cast<double>(to) == number;
  }
};

template <>
struct Argument<std::string> {
  static constexpr const char* kType = "string";
  static bool read(napi_env env, napi_value value, std::string& to) {
    std::size_t length = 0;
    if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) return false;
    to.resize(length);
    return napi_get_value_string_utf8(env, value, &to[0], length + 1, &length) == napi_ok;
  }
};

template <>
struct Argument<Dtype> {
  static constexpr const char* kType = "dtype";
  static bool read(napi_env env, napi_value value, Dtype& to) {
    std::string name;
    if (!Argument<std::string>::read(env, value, name)) return false;
    to = name == "bf16" ? kBf16 : name == "f16" ? kF16 : kF32;
    return to != kF32 || name == "f32";
  }
};

// Reads the fields of a struct from the arguments of a call, in their order; stops at the first that is wrong.
class ArgumentReader {
 public:
  explicit ArgumentReader(const Napi::CallbackInfo& info) : info_(info) {}

  template <typename T>
  void operator()(const char* name, T& field) {
    if (wrong_ != nullptr || Argument<T>::read(info_.Env(), info_[next_++], field)) return;
    wrong_ = name;
    expected_ = Argument<T>::kType;
  }

  // The argument that could not be read, and of what kind it should be; null where all could.
  const char* wrong() const { return wrong_; }
  const char* expected() const { return expected_; }

 private:
  const Napi::CallbackInfo& info_;
  std::size_t next_ = 0;
  const char *wrong_ = nullptr, *expected_ = nullptr;
};

// Lists the names and kinds of the fields of a struct, as an object of JavaScript.
class ArgumentList {
 public:
  explicit ArgumentList(Napi::Env env) : list_(Napi::Object::New(env)) {}

  template <typename T>
  void operator()(const char* name, T&) {
    list_.Set(name, Argument<T>::kType);
  }

  Napi::Object list() const { return list_; }

 private:
  Napi::Object list_;
};

}  // namespace esparse
