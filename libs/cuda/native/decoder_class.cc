// What JavaScript sees of a decoder on one GPU. Calls block, and come from one thread at a time. The sizes of arrays are checked
// here and where arguments are read; what they mean is checked in TypeScript (`src/decoder.ts`).
#include "decoder_class.h"

#include <optional>

#include "decoder_arguments.h"
#include "js.h"
#include "prefill.h"
#include "row_arguments.h"

namespace esparse {
namespace {

class CudaDecoder : public Napi::ObjectWrap<CudaDecoder> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "CudaDecoder",
                       {
                           InstanceMethod<&CudaDecoder::facts>("facts"),
                           InstanceMethod<&CudaDecoder::begin>("begin"),
                           InstanceMethod<&CudaDecoder::outer>("outer"),
                           InstanceMethod<&CudaDecoder::block>("block"),
                           InstanceMethod<&CudaDecoder::expert>("expert"),
                           InstanceMethod<&CudaDecoder::finish>("finish"),
                           InstanceMethod<&CudaDecoder::run>("run"),
                           InstanceMethod<&CudaDecoder::prefill>("prefill"),
                           InstanceMethod<&CudaDecoder::head>("head"),
                           InstanceMethod<&CudaDecoder::wait>("wait"),
                           InstanceMethod<&CudaDecoder::usage>("usage"),
                           InstanceMethod<&CudaDecoder::chosen>("chosen"),
                           InstanceMethod<&CudaDecoder::report>("report"),
                           InstanceMethod<&CudaDecoder::logits>("logits"),
                           InstanceMethod<&CudaDecoder::close>("close"),
                       });
  }

  // (ordinal)
  explicit CudaDecoder(const Napi::CallbackInfo& info) : Napi::ObjectWrap<CudaDecoder>(info) {
    guarded(info.Env(), [&] { device_.emplace(info[0].ToNumber().Int32Value()); });
  }
  ~CudaDecoder() override { release(); }

 private:
  Napi::Value facts(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value {
      Napi::Object out = facts_of(info.Env(), *device_);
      out.Set("readBandwidth", device_->facts().read_bandwidth);
      out.Set("image", device_->facts().image);
      return out;
    });
  }

  // (shape, pages of the longest sequence, PTX of the modules of decoding and of those of prefill, of which there may be none, bytes
  // that the weights take on the device, most tokens of a prefill): gives whether there are kernels of prefill for it
  Napi::Value begin(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value {
      shape_ = shape_of(info[0].As<Napi::Object>());
      max_pages_ = info[1].ToNumber().Int32Value();
      const auto modules = info[2].As<Napi::Array>();
      prefills_ = modules.Get(1u).As<Napi::Array>().Length() > 0 && shape_.prefills();
      most_prompt_tokens_ = prefills_ ? info[4].ToNumber().Int32Value() : 0;
      require_room(size(info[3]) + Step::bytes(shape_, max_pages_, device_->facts().shared_of_cta, device_->facts().multiprocessors) + Prefill::bytes(shape_, most_prompt_tokens_) +
                   page_bytes_of(shape_));
      for (unsigned kind = 0; kind < (prefills_ ? 2 : 1); kind++) {
        const auto ptx = modules.Get(kind).As<Napi::Array>();
        for (unsigned i = 0; i < ptx.Length(); i++) device_->load_kernels(ptx.Get(i).ToString().Utf8Value().c_str());
      }
      stream_ = make_stream();
      loader_.emplace(*device_, shape_, stream_.get());
      return Napi::Boolean::New(info.Env(), prefills_);
    });
  }

  // (parts): embedding (vocabulary x channels), head (the same), learned positions (any x channels) and what the last norm
  // adds, which may be absent; the last norm; tables of angles, and how many these are; rows of q, k and v, or absent
  Napi::Value outer(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      const HostOuter outer = outer_of(info[0].As<Napi::Object>(), shape_, max_pages_);
      loading().outer(outer);
      return info.Env().Undefined();
    });
  }

  // (index, parts, linears by role, that of up absent where there is no gate); parts: `attention` and `mlp`, and, where there
  // are any, `bias` of q, k and v, `innerBias` of what is before down, norms of q and k (`query`, `key`), `window`, which table
  // of angles (`rotary`)
  Napi::Value block(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      const auto parts = info[1].As<Napi::Object>();
      HostLinear linears[kRoles]{};
      read_linears(info[2].As<Napi::Array>(), linears);
      const HostBlock block = block_of(parts, linears[kDown], shape_);
      loading().block(info[0].ToNumber().Int32Value(), block, linears);
      return info.Env().Undefined();
    });
  }

  // (index of the block, number of the expert, its linears gate, up and down, biases of gate and up one after the other, of down;
  // biases may be absent): expert after expert
  Napi::Value expert(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      const HostExpert expert = expert_of(info[2].As<Napi::Array>(), info[3].As<Napi::Object>(), shape_);
      const int number = info[1].ToNumber().Int32Value();
      if (number < 0 || number >= shape_.experts) throw Failure("internal", "an expert that is not there");
      loading().expert(info[0].ToNumber().Int32Value(), number, expert);
      return info.Env().Undefined();
    });
  }

  // (bytes of the cache, or 0 for nine tenths of what memory is left): gives its pages, and the bytes of each
  Napi::Value finish(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value {
      decoder_ = loading().finish();
      loader_.reset();
      step_.emplace(*device_, *decoder_, max_pages_, stream_.get());
      if (prefills_) {
        prefill_.emplace(*device_, *decoder_, step_->cache(), most_prompt_tokens_, stream_.get());
      }
      const std::size_t page = page_bytes_of(shape_), wanted = size(info[0]), free = device_->free_bytes();
      const std::size_t bytes = wanted != 0 ? wanted : free / 10 * 9;
      const std::size_t pages = std::min<std::size_t>(bytes / page, INT32_MAX);
      if (pages < 1) {
        throw Failure("usage", "a key-value cache of " + std::to_string(bytes) + " bytes holds no page of " +
                                   std::to_string(page) + " bytes",
                      "give the cache more memory");
      }
      if (pages * page > free) {
        throw Failure("usage", "a key-value cache of " + std::to_string(bytes) + " bytes does not fit: " +
                                   std::to_string(free) + " bytes of the GPU's memory are free beside the model",
                      "give the cache less memory");
      }
      step_->use_cache({static_cast<int>(pages), page, DeviceArray<std::uint16_t>(pages * page / 2)});
      if (prefill_) prefill_->use_cache();
      Napi::Object out = Napi::Object::New(info.Env());
      out.Set("pages", static_cast<double>(pages));
      out.Set("pageBytes", static_cast<double>(page));
      return out;
    });
  }

  // (inputs, rows, wants, choices, histories): see Step::run
  Napi::Value run(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      const std::size_t count = static_cast<std::size_t>(kMaxRows) * (3 + max_pages_);
      const int rows = info[1].ToNumber().Int32Value();
      if (rows < 1 || rows > kMaxRows) throw Failure("internal", "a step of " + std::to_string(rows) + " rows");
      const StepWants wants = wants_of(info, 2);
      running().run(elements<std::int32_t>(info[0], count, "inputs"), rows, wants, choices_of(info, 2, rows, wants.draw, shape_, max_pages_));
      return info.Env().Undefined();
    });
  }

  // (parts): pieces of prompts, each with its tokens, the position of the first, and the pages of its sequence
  Napi::Value prefill(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      if (!prefill_) throw Failure("internal", "there are no kernels of prefill for it");
      const std::vector<PromptPart> parts = prompt_parts_of(info[0].As<Napi::Array>());
      prefill_->run(parts);
      return info.Env().Undefined();
    });
  }

  // (rows, wants, choices, histories): logits of these rows of the last prefill, as `chosen` and `logits` give them
  Napi::Value head(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      if (!prefill_) throw Failure("internal", "there are no kernels of prefill for it");
      const int count = info[0].As<Napi::TypedArray>().ElementLength();
      if (count < 1 || count > kMaxRows) throw Failure("internal", "logits of " + std::to_string(count) + " rows");
      const auto* const rows = elements<std::int32_t>(info[0], count, "rows");
      for (int i = 0; i < count; i++) {
        if (rows[i] < 0 || rows[i] >= most_prompt_tokens_) throw Failure("internal", "logits of a row that is not there");
      }
      const StepWants wants = wants_of(info, 1);
      running().head(prefill_->residual(), rows, count, wants, choices_of(info, 1, count, wants.draw, shape_, max_pages_));
      return info.Env().Undefined();
    });
  }

  // Until all that was asked for has ended, but for what the device has begun by itself.
  Napi::Value wait(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      if (prefill_) prefill_->wait();
      running().wait();
      return info.Env().Undefined();
    });
  }

  // What the device holds, and what it has run: memory, graphs, and how often one was launched for so many tokens
  Napi::Value usage(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value {
      const std::size_t before = device_->facts().free_bytes, free = device_->free_bytes();
      Napi::Object out = Napi::Object::New(info.Env()), launches = Napi::Object::New(info.Env());
      out.Set("memoryUsed", static_cast<double>(before > free ? before - free : 0));
      out.Set("graphs", running().graphs());
      for (const auto& [tokens, count] : running().launches()) launches.Set(tokens, static_cast<double>(count));
      out.Set("launches", launches);
      return out;
    });
  }

  // (row): the token that was chosen; kNotNumbers where its logits are none, kLeftToHost
  Napi::Value chosen(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value {
      return Napi::Number::New(info.Env(), running().chosen(info[0].ToNumber().Int32Value()));
    });
  }

  // (row, out): its report
  Napi::Value report(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      const ChoiceReport& report = running().report(info[0].ToNumber().Int32Value());
      std::memcpy(elements<std::uint8_t>(info[1], sizeof report, "report"), &report, sizeof report);
      return info.Env().Undefined();
    });
  }

  // (row, out)
  Napi::Value logits(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      running().logits(info[0].ToNumber().Int32Value(), elements<float>(info[1], shape_.vocabulary, "logits"));
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
      if (!device_) throw Failure("internal", "the decoder has been closed");
      device_->use();
      return work();
    });
  }

  // Before anything is loaded.
  void require_room(std::size_t needed) const {
    const DeviceFacts& facts = device_->facts();
    const std::size_t free = device_->free_bytes();
    if (needed <= free) return;
    const auto mib = [](std::size_t bytes) { return std::to_string((bytes >> 20) + 1) + " MiB"; };
    const std::string needs = "the model needs " + mib(needed) + " of the memory of " + facts.name;
    if (needed > facts.total_bytes) {
      throw Failure("unsupported", needs + ", which has " + mib(facts.total_bytes),
                    "use a GPU with more memory, a smaller model, or a shorter --max-context");
    }
    throw Failure("unavailable", needs + ", of which " + mib(free) + " are free",
                  "another process holds the rest: nvidia-smi shows it; or the run that a server has beside this one, "
                  "whose cache --kv-memory bounds");
  }

  DecoderLoader& loading() {
    if (!loader_) throw Failure("internal", "the decoder is not being loaded");
    return *loader_;
  }
  Step& running() {
    if (!step_) throw Failure("internal", "the decoder is not loaded");
    return *step_;
  }

  // In the order in which they depend on each other, with the context current.
  void release() {
    if (!device_) return;
    driver().set_context(device_->context());
    if (stream_.get() != nullptr) driver().wait_for_stream(stream_.get());
    prefill_.reset();
    step_.reset();
    loader_.reset();
    decoder_.reset();
    stream_ = Stream();
    device_.reset();
  }

  std::optional<Device> device_;
  DecoderShape shape_{};
  int max_pages_ = 0, most_prompt_tokens_ = 0;
  bool prefills_ = false;
  Stream stream_;
  std::optional<DecoderLoader> loader_;
  std::unique_ptr<Decoder> decoder_;
  std::optional<Step> step_;
  std::optional<Prefill> prefill_;
};

}  // namespace

Napi::Function define_decoder(Napi::Env env) { return CudaDecoder::define(env); }

}  // namespace esparse
