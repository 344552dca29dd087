// What JavaScript sees of plain arithmetic on one GPU: `src/arithmetic.ts` has the same with types. Addresses are numbers.
#include "arithmetic_class.h"

#include "arithmetic.h"
#include "js.h"

namespace esparse {
namespace {

CuPointer address(const Napi::Value& value) { return static_cast<CuPointer>(value.ToNumber().DoubleValue()); }

// All bytes of a typed array.
std::pair<void*, std::size_t> bytes_of(const Napi::Value& value) {
  if (!value.IsTypedArray()) throw Failure("internal", "a typed array was expected");
  // Not by way of its buffer, which threads may share.
  void* data = nullptr;
  if (napi_get_typedarray_info(value.Env(), value, nullptr, nullptr, &data, nullptr, nullptr) != napi_ok) {
    throw Failure("internal", "a typed array cannot be read");
  }
  return {data, value.As<Napi::TypedArray>().ByteLength()};
}

// A kernel's arguments, each in eight bytes: the driver reads as many of them as the parameter has.
class Arguments {
 public:
  // A letter each: p an address, i a whole number of 32 bits, l one of 64, f a float, d a double.
  Arguments(const std::string& types, const Napi::Array& values) {
    if (types.size() > kMost || values.Length() != types.size()) throw Failure("internal", "arguments that do not fit");
    for (std::size_t i = 0; i < types.size(); i++) {
      const double value = values.Get(i).ToNumber().DoubleValue();
      switch (types[i]) {
        case 'p': put(i, static_cast<CuPointer>(value)); break;
        case 'i': put(i, static_cast<std::int32_t>(value)); break;
        case 'l': put(i, static_cast<std::int64_t>(value)); break;
        case 'f': put(i, static_cast<float>(value)); break;
        case 'd': put(i, value); break;
        default: throw Failure("internal", std::string("no kernel takes an argument of type ") + types[i]);
      }
      pointers_[i] = &values_[i];
    }
  }
  void** pointers() { return pointers_; }

 private:
  static constexpr std::size_t kMost = 24;
  template <class T>
  void put(std::size_t i, T value) {
    std::memcpy(&values_[i], &value, sizeof value);
  }
  std::uint64_t values_[kMost] = {};
  void* pointers_[kMost];
};

// Work of a thread that waits for it, such as a copy from or to an array, which stays meanwhile; the promise is kept once all is done.
struct Waiting {
  Napi::Promise::Deferred deferred;
  Napi::ThreadSafeFunction wake;
  Napi::ObjectReference kept;
  std::function<void()> work;
  std::optional<Failure> failure;

  void run() {
    try {
      work();
    } catch (const Failure& thrown) {
      failure = thrown;
    } catch (const std::exception& thrown) {
      failure = Failure("internal", thrown.what());
    }
    work = nullptr;  // with what it holds
  }
  void settle(Napi::Env env) const {
    if (failure) deferred.Reject(error_of(env, *failure).Value());
    else deferred.Resolve(env.Undefined());
  }
};

Napi::Promise done(Waiters& waiters, const Napi::Value& kept, std::function<void()> work) {
  const Napi::Env env = kept.Env();
  auto* const waiting = new Waiting{Napi::Promise::Deferred::New(env), {}, Napi::Persistent(kept.As<Napi::Object>()),
                                    std::move(work), {}};
  waiting->wake = Napi::ThreadSafeFunction::New(
      env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}), "esparse.waiting", 0, 1);
  const Napi::Promise promise = waiting->deferred.Promise();
  waiters.run([waiting] {
    waiting->run();
    // The callback deletes `waiting`, perhaps before the call returns.
    Napi::ThreadSafeFunction wake = waiting->wake;
    wake.BlockingCall(waiting, [](Napi::Env of, Napi::Function, Waiting* settled) {
      const Napi::HandleScope scope(of);
      settled->settle(of);
      delete settled;
    });
    wake.Release();
  });
  return promise;
}

Napi::Promise taken(Waiters& waiters, const Device& device, const Napi::Value& array, std::shared_ptr<Landing> landing) {
  return done(waiters, array, [&device, to = bytes_of(array).first, landing = std::move(landing)] {
    landing->take(device, to);
  });
}

class CudaArithmetic : public Napi::ObjectWrap<CudaArithmetic> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "CudaArithmetic",
                       {
                           InstanceMethod<&CudaArithmetic::facts>("facts"),
                           InstanceMethod<&CudaArithmetic::load>("load"),
                           InstanceMethod<&CudaArithmetic::allocate>("allocate"),
                           InstanceMethod<&CudaArithmetic::free>("free"),
                           InstanceMethod<&CudaArithmetic::upload>("upload"),
                           InstanceMethod<&CudaArithmetic::upload_later>("uploadLater"),
                           InstanceMethod<&CudaArithmetic::download>("download"),
                           InstanceMethod<&CudaArithmetic::download_later>("downloadLater"),
                           InstanceMethod<&CudaArithmetic::download_beside>("downloadBeside"),
                           InstanceMethod<&CudaArithmetic::copy>("copy"),
                           InstanceMethod<&CudaArithmetic::copy_from>("copyFrom"),
                           InstanceMethod<&CudaArithmetic::fill>("fill"),
                           InstanceMethod<&CudaArithmetic::share>("share"),
                           InstanceMethod<&CudaArithmetic::open_shared>("openShared"),
                           InstanceMethod<&CudaArithmetic::close_shared>("closeShared"),
                           InstanceMethod<&CudaArithmetic::launch>("launch"),
                           InstanceMethod<&CudaArithmetic::multiply>("multiply"),
                           InstanceMethod<&CudaArithmetic::begin_recording>("beginRecording"),
                           InstanceMethod<&CudaArithmetic::end_recording>("endRecording"),
                           InstanceMethod<&CudaArithmetic::replay>("replay"),
                           InstanceMethod<&CudaArithmetic::forget>("forget"),
                           InstanceMethod<&CudaArithmetic::wait>("wait"),
                           InstanceMethod<&CudaArithmetic::close>("close"),
                       });
  }

  // (ordinal)
  explicit CudaArithmetic(const Napi::CallbackInfo& info) : Napi::ObjectWrap<CudaArithmetic>(info) {
    guarded(info.Env(), [&] {
      cublaslt();  // what is missing is said before anything is loaded
      arithmetic_ = std::make_unique<Arithmetic>(info[0].ToNumber().Int32Value());
    });
  }
  ~CudaArithmetic() override { release(); }

 private:
  Napi::Value facts(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value {
      Napi::Object out = facts_of(info.Env(), arithmetic_->device());
      out.Set("freeBytes", static_cast<double>(arithmetic_->device().free_bytes()));
      out.Set("heldBytes", static_cast<double>(arithmetic_->held_bytes()));
      out.Set("cublaslt", static_cast<double>(cublaslt().version));
      return out;
    });
  }

  // (PTX)
  Napi::Value load(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      arithmetic_->device().load_kernels(info[0].ToString().Utf8Value().c_str());
      return info.Env().Undefined();
    });
  }

  // (bytes): the address
  Napi::Value allocate(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value {
      return Napi::Number::New(info.Env(), static_cast<double>(arithmetic_->allocate(size(info[0]))));
    });
  }

  Napi::Value free(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      arithmetic_->free(address(info[0]));
      return info.Env().Undefined();
    });
  }

  // (address, typed array)
  Napi::Value upload(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      const auto [data, bytes] = bytes_of(info[1]);
      arithmetic_->upload(address(info[0]), data, bytes);
      return info.Env().Undefined();
    });
  }

  // (address, typed array): a promise
  Napi::Value upload_later(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value {
      const auto [data, bytes] = bytes_of(info[1]);
      return done(arithmetic_->waiters(), info[1], arithmetic_->upload_later(address(info[0]), data, bytes));
    });
  }

  // (address, typed array)
  Napi::Value download(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      const auto [data, bytes] = bytes_of(info[1]);
      arithmetic_->download(data, address(info[0]), bytes);
      return info.Env().Undefined();
    });
  }

  // (address, typed array): a promise
  Napi::Value download_later(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value {
      return taken(arithmetic_->waiters(), arithmetic_->device(), info[1],
                   arithmetic_->send(address(info[0]), bytes_of(info[1]).second));
    });
  }

  // (address, typed array): a promise
  Napi::Value download_beside(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value {
      return taken(arithmetic_->waiters(), arithmetic_->device(), info[1],
                   arithmetic_->send_beside(address(info[0]), bytes_of(info[1]).second));
    });
  }

  // (to, from, bytes)
  Napi::Value copy(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      arithmetic_->copy(address(info[0]), address(info[1]), size(info[2]));
      return info.Env().Undefined();
    });
  }

  // (to, another of these, from, bytes)
  Napi::Value copy_from(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      CudaArithmetic* const other = Unwrap(info[1].As<Napi::Object>());
      if (!other->arithmetic_) throw Failure("internal", "the other GPU has been closed");
      arithmetic_->copy_from(address(info[0]), *other->arithmetic_, address(info[2]), size(info[3]));
      return info.Env().Undefined();
    });
  }

  // (to, byte, bytes)
  Napi::Value fill(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      arithmetic_->fill(address(info[0]), static_cast<unsigned char>(info[1].ToNumber().Uint32Value()), size(info[2]));
      return info.Env().Undefined();
    });
  }

  // (address): a handle
  Napi::Value share(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value {
      const CuIpcHandle handle = arithmetic_->share(address(info[0]));
      auto out = Napi::Uint8Array::New(info.Env(), sizeof handle);
      std::memcpy(out.Data(), &handle, sizeof handle);
      return out;
    });
  }

  // (handle): an address
  Napi::Value open_shared(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value {
      CuIpcHandle handle;
      std::memcpy(&handle, elements<std::uint8_t>(info[0], sizeof handle, "a handle"), sizeof handle);
      return Napi::Number::New(info.Env(), static_cast<double>(arithmetic_->open_shared(handle)));
    });
  }

  // (address): a promise
  Napi::Value close_shared(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value {
      return done(arithmetic_->waiters(), info.This(), arithmetic_->close_shared(address(info[0])));
    });
  }

  // (kernel, grid x, y, z, threads, bytes of shared memory, types of the arguments, arguments)
  Napi::Value launch(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      const auto count = [&](int i) { return info[i].ToNumber().Uint32Value(); };
      const Device::Launch how{{count(1), count(2), count(3)}, count(4), count(5)};
      Arguments arguments(info[6].ToString().Utf8Value(), info[7].As<Napi::Array>());
      arithmetic_->device().launch_kernel(arithmetic_->stream(), info[0].ToString().Utf8Value(), how,
                                          arguments.pointers());
      return info.Env().Undefined();
    });
  }

  // (product): see `Product` in `src/arithmetic.ts`
  Napi::Value multiply(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      const auto from = info[0].As<Napi::Object>();
      const auto whole = [&](const char* name) { return static_cast<long long>(from.Get(name).ToNumber().DoubleValue()); };
      const auto given = [&](const char* name, long long otherwise) {
        return absent(from.Get(name)) ? otherwise : whole(name);
      };
      const auto factor = [&](const char* name, float otherwise) {
        return absent(from.Get(name)) ? otherwise : from.Get(name).ToNumber().FloatValue();
      };
      const auto elements = [&](const char* name) {
        const std::string type = from.Get(name).ToString().Utf8Value();
        return type == "bf16" ? Elements::kBf16 : type == "f16" ? Elements::kF16 : Elements::kF32;
      };
      ProductShape shape{};
      shape.m = integer(from, "m");
      shape.n = integer(from, "n");
      shape.k = integer(from, "k");
      shape.transpose_left = from.Get("transposeLeft").ToBoolean();
      shape.transpose_right = from.Get("transposeRight").ToBoolean();
      shape.inputs = elements("inputs");
      shape.outputs = elements("outputs");
      shape.left_stride = given("leftStride", shape.transpose_left ? shape.m : shape.k);
      shape.right_stride = given("rightStride", shape.transpose_right ? shape.k : shape.n);
      shape.out_stride = given("outStride", shape.n);
      shape.batch = static_cast<int>(given("batch", 1));
      shape.left_step = given("leftStep", 0);
      shape.right_step = given("rightStep", 0);
      shape.out_step = given("outStep", 0);
      const CuPointer out = address(from.Get("out"));
      const CuPointer c = absent(from.Get("c")) ? out : address(from.Get("c"));
      arithmetic_->multiply(shape, {address(from.Get("left")), address(from.Get("right")), c, out, factor("alpha", 1),
                                    factor("beta", 0)});
      return info.Env().Undefined();
    });
  }

  // See `record` in `src/arithmetic.ts`.
  Napi::Value begin_recording(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value { return Napi::Boolean::New(info.Env(), arithmetic_->begin_recording()); });
  }

  // (): its number
  Napi::Value end_recording(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value { return Napi::Number::New(info.Env(), arithmetic_->end_recording()); });
  }

  // (number)
  Napi::Value replay(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      arithmetic_->replay(info[0].ToNumber().Int32Value());
      return info.Env().Undefined();
    });
  }

  // (number)
  Napi::Value forget(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      arithmetic_->forget(info[0].ToNumber().Int32Value());
      return info.Env().Undefined();
    });
  }

  Napi::Value wait(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      arithmetic_->wait();
      return info.Env().Undefined();
    });
  }

  Napi::Value close(const Napi::CallbackInfo& info) {
    release();
    return info.Env().Undefined();
  }

  template <class Work>
  Napi::Value call(const Napi::CallbackInfo& info, const Work& work) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      if (!arithmetic_) throw Failure("internal", "the GPU has been closed");
      arithmetic_->device().use();
      return work();
    });
  }

  // With the context current.
  void release() {
    if (!arithmetic_) return;
    driver().set_context(arithmetic_->device().context());
    arithmetic_.reset();
  }

  std::unique_ptr<Arithmetic> arithmetic_;
};

}  // namespace

Napi::Function define_arithmetic(Napi::Env env) { return CudaArithmetic::define(env); }

}  // namespace esparse
