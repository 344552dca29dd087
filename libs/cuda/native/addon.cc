// What JavaScript sees of a decoder on one GPU, and the addon's exports. Calls block, and come from one thread at a time. The sizes of arrays are
// checked here; what they mean is checked in TypeScript (`src/decoder.ts`).
#include <napi.h>

#include <optional>

#include "arithmetic_class.h"
#include "js.h"
#include "prefill.h"

namespace esparse {
namespace {

float number(const Napi::Object& from, const char* name) { return from.Get(name).ToNumber().FloatValue(); }

bool flag(const Napi::Object& from, const char* name) { return from.Get(name).ToBoolean().Value(); }

// What `src/decoder.ts` has as a StoredLinear.
HostLinear linear_of(const Napi::Object& from) {
  HostLinear linear;
  linear.rows = integer(from, "rows");
  linear.cols = integer(from, "cols");
  const std::size_t rows = linear.rows, cols = linear.cols, tiles = linear.stored_tiles();
  const bool sparse = !absent(from.Get("indices")), integers = !absent(from.Get("bits"));
  if (integers) {
    linear.integers.bits = integer(from, "bits");
    linear.integers.span = integer(from, "span") * (sparse ? kKeep : 1);
    if ((linear.integers.bits != 4 && linear.integers.bits != 8) || linear.integers.span < 1) {
      throw Failure("internal", "integers that the kernels do not have");
    }
  } else {
    linear.values = elements<std::uint16_t>(from.Get("values"), sparse ? tiles * kTileRows * cols / 2 : rows * cols, "values");
  }
  if (sparse) {
    const std::size_t bytes = integers ? tiles * kCodeVector * ((linear.survivors_of(true) + 15) / 16)
                                       : tiles * (cols / kGroup) * sizeof(Words2);
    linear.indices = reinterpret_cast<const std::uint32_t*>(elements<std::uint8_t>(from.Get("indices"), bytes, "indices"));
    if (!absent(from.Get("permutation"))) {
      linear.permutation = elements<std::int32_t>(from.Get("permutation"), cols, "permutation");
    }
  }
  if (integers) {
    linear.integers.codes = elements<std::uint8_t>(from.Get("values"), linear.code_bytes(), "values");
    linear.integers.scales = elements<std::uint16_t>(from.Get("scales"), linear.scale_bytes() / 2, "scales");
  }
  return linear;
}

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

  // (shape, pages of the longest sequence, PTX of the modules of decoding and of those of prefill, bytes that the weights take on the device, most
  // tokens of a prefill): gives whether there are kernels of prefill for it
  Napi::Value begin(const Napi::CallbackInfo& info) {
    return call(info, [&]() -> Napi::Value {
      shape_ = shape_of(info[0].As<Napi::Object>());
      max_pages_ = info[1].ToNumber().Int32Value();
      prefills_ = device_->prefills() && shape_.prefills();
      most_prompt_tokens_ = prefills_ ? info[4].ToNumber().Int32Value() : 0;
      require_room(size(info[3]) + Step::bytes(shape_, max_pages_, device_->facts().shared_of_cta) + Prefill::bytes(shape_, most_prompt_tokens_) +
                   page_bytes_of(shape_));
      for (unsigned kind = 0; kind < (prefills_ ? 2 : 1); kind++) {
        const auto ptx = info[2].As<Napi::Array>().Get(kind).As<Napi::Array>();
        for (unsigned i = 0; i < ptx.Length(); i++) device_->load_kernels(ptx.Get(i).ToString().Utf8Value().c_str());
      }
      stream_ = make_stream();
      loader_.emplace(*device_, shape_, stream_.get());
      return Napi::Boolean::New(info.Env(), prefills_);
    });
  }

  static DecoderShape shape_of(const Napi::Object& from) {
    DecoderShape shape{};
    shape.channels = integer(from, "hidden");
    shape.hidden = padded(shape.channels);
    shape.inner = padded(integer(from, "inner"));
    shape.layers = integer(from, "layers");
    shape.heads = integer(from, "heads");
    shape.kv_heads = integer(from, "kvHeads");
    shape.head_dims = integer(from, "headDim");
    shape.dims = integer(from, "deviceHeadDim");
    shape.vocabulary = integer(from, "vocab");
    shape.epsilon = number(from, "epsilon");
    shape.after_epsilon = number(from, "afterEpsilon");
    shape.head_epsilon = number(from, "headEpsilon");
    shape.scale = number(from, "scale");
    shape.embedding_factor = number(from, "embeddingFactor");
    // As `decoder.ts` counts them.
    shape.norm = static_cast<Norm>(integer(from, "norm"));
    shape.last_norm = static_cast<Norm>(integer(from, "lastNorm"));
    shape.head_norm = static_cast<HeadNorm>(integer(from, "headNorm"));
    shape.activation = static_cast<Activation>(integer(from, "activation"));
    shape.norms_after = flag(from, "normsAfter");
    shape.biased = flag(from, "biased");
    shape.gated = flag(from, "gated");
    shape.sinks = flag(from, "sinks");
    shape.alpha = number(from, "alpha");
    shape.limit = number(from, "limit");
    shape.experts = integer(from, "experts");
    shape.top = integer(from, "top");
    shape.normalises = flag(from, "normalises");
    if (shape.experts > kMostExperts || shape.top > kMostTop || shape.top > shape.experts) {
      throw Failure("internal", "more experts than the kernels have");
    }
    return shape;
  }

  // (parts): embedding (vocabulary x channels), head (the same), learned positions (any x channels) and what the last norm
  // adds, which may be absent; the last norm; tables of angles, and how many these are; rows of q, k and v, or absent
  Napi::Value outer(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      const auto from = info[0].As<Napi::Object>();
      const auto table = [&](const char* name) {
        const HostLinear linear = linear_of(from.Get(name).As<Napi::Object>());
        if (linear.rows != shape_.vocabulary || linear.cols != shape_.channels || linear.indices != nullptr) {
          throw Failure("internal", "an embedding of another size");
        }
        return linear;
      };
      const auto length = [&](const char* name) { return from.Get(name).As<Napi::TypedArray>().ElementLength(); };
      HostOuter outer{};
      outer.embedding = table("embedding");
      if (!absent(from.Get("head"))) outer.head = table("head");
      if (!absent(from.Get("positions"))) {
        outer.position_count = length("positions") / shape_.channels;
        if (outer.position_count < static_cast<std::size_t>(max_pages_) * kPagePositions) {
          throw Failure("internal", "fewer learned positions than a sequence may have");
        }
        outer.positions = elements<std::uint16_t>(from.Get("positions"), length("positions"), "positions");
      }
      outer.norm = elements<float>(from.Get("norm"), shape_.channels, "norm");
      outer.shift = vector_of(from, "shift", shape_.channels);
      outer.rotary_floats = length("rotary");
      outer.rotary = elements<float>(from.Get("rotary"), outer.rotary_floats, "rotary");
      outer.tables = integer(from, "tables");
      if (!absent(from.Get("rows"))) {
        const auto rows = from.Get("rows").As<Napi::Array>();
        for (unsigned i = 0; i < 3; i++) {
          if (!absent(rows.Get(i))) outer.rows[i] = rows_of(rows.Get(i), i == 0 ? shape_.heads : shape_.kv_heads);
        }
      }
      loading().outer(outer);
      return info.Env().Undefined();
    });
  }

  // Which row of a linear stands at each place of so many heads; -1 fills up.
  const std::int32_t* rows_of(const Napi::Value& value, int heads) const {
    const int places = heads * shape_.dims, stored = heads * shape_.head_dims;
    const auto* const rows = elements<std::int32_t>(value, places, "rows");
    for (int i = 0; i < places; i++) {
      if (rows[i] < -1 || rows[i] >= stored) throw Failure("internal", "a row that is not there");
    }
    return rows;
  }

  static const float* vector_of(const Napi::Object& from, const char* name, int count) {
    return absent(from.Get(name)) ? nullptr : elements<float>(from.Get(name), count, name);
  }

  HostPart part_of(const Napi::Object& from) const {
    const auto given = [&](const char* name) { return vector_of(from, name, shape_.channels); };
    return {given("before"), given("shift"), given("bias"), given("after")};
  }

  // (index, parts, linears by role, that of up absent where there is no gate); parts: `attention` and `mlp`, and, where there
  // are any, `bias` of q, k and v, `innerBias` of what is before down, norms of q and k (`query`, `key`), `window`, which table
  // of angles (`rotary`)
  Napi::Value block(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      const auto parts = info[1].As<Napi::Object>();
      const auto from = info[2].As<Napi::Array>();
      HostLinear linears[kRoles]{};
      for (unsigned role = 0; role < kRoles; role++) {
        if (!absent(from.Get(role))) linears[role] = linear_of(from.Get(role).As<Napi::Object>());
      }
      const int query = shape_.heads * shape_.dims, key = shape_.kv_heads * shape_.dims;
      const bool wide = shape_.head_norm == HeadNorm::kWidth;
      const HostBlock block{part_of(parts.Get("attention").As<Napi::Object>()),
                            part_of(parts.Get("mlp").As<Napi::Object>()),
                            vector_of(parts, "bias", query + 2 * key),
                            vector_of(parts, "innerBias", linears[kDown].cols * (shape_.gated ? 2 : 1)),
                            vector_of(parts, "query", wide ? query : shape_.dims),
                            vector_of(parts, "key", wide ? key : shape_.dims),
                            vector_of(parts, "sinks", shape_.heads),
                            vector_of(parts, "router", shape_.experts * shape_.channels),
                            vector_of(parts, "routerBias", shape_.experts),
                            absent(parts.Get("window")) ? 0 : integer(parts, "window"),
                            absent(parts.Get("rotary")) ? 0 : integer(parts, "rotary")};
      loading().block(info[0].ToNumber().Int32Value(), block, linears);
      return info.Env().Undefined();
    });
  }

  // (index of the block, number of the expert, its linears gate, up and down, biases of gate and up one after the other, of down;
  // biases may be absent): expert after expert
  Napi::Value expert(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      const auto from = info[2].As<Napi::Array>();
      const auto linear = [&](unsigned i) { return linear_of(from.Get(i).As<Napi::Object>()); };
      const auto biases = info[3].As<Napi::Object>();
      HostExpert expert{linear(0), linear(1), linear(2), nullptr, nullptr};
      expert.inner_bias = vector_of(biases, "inner", 2 * expert.down.cols);
      expert.bias = vector_of(biases, "down", shape_.channels);
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

  // What is wanted of rows, as `StepWants`, and how their tokens are chosen: (wants, choices, histories), the last two only
  // where tokens are sampled.
  StepWants wants_of(const Napi::CallbackInfo& info, unsigned at) {
    const auto from = info[at].As<Napi::Object>();
    const auto wanted = [&](const char* name) { return from.Get(name).ToBoolean().Value(); };
    StepWants wants{wanted("several"), wanted("head"), wanted("likeliest"), wanted("continues")};
    wants.draw = wanted("penalties") ? Draw::kPenalised : wanted("samples") ? Draw::kSampled : Draw::kLikeliest;
    wants.reports = wanted("reports");
    return wants;
  }
  std::vector<RowChoice> choices_of(const Napi::CallbackInfo& info, unsigned at, int rows, Draw draw) {
    std::vector<RowChoice> out;
    if (draw == Draw::kLikeliest) return out;
    const auto* const given = elements<std::uint8_t>(info[at + 1], rows * sizeof(Choice), "choices");
    const auto histories = info[at + 2].As<Napi::Array>();
    for (int row = 0; row < rows; row++) {
      RowChoice choice{{}, nullptr};
      std::memcpy(&choice.how, given + row * sizeof(Choice), sizeof(Choice));
      if (choice.how.length < 0 || choice.how.length > max_pages_ * kPagePositions) {
        throw Failure("internal", "a history that is longer than the context");
      }
      const Napi::Value history = histories.Get(static_cast<unsigned>(row));
      if (absent(history)) choice.how.length = 0;
      else choice.history = elements<std::uint32_t>(history, choice.how.length, "history");
      for (int i = 0; i < choice.how.length; i++) {
        if (choice.history[i] >= static_cast<std::uint32_t>(shape_.vocabulary)) throw Failure("internal", "no such token");
      }
      out.push_back(choice);
    }
    return out;
  }

  // (inputs, rows, wants, choices, histories): see Step::run
  Napi::Value run(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      const std::size_t count = static_cast<std::size_t>(kMaxRows) * (3 + max_pages_);
      const int rows = info[1].ToNumber().Int32Value();
      if (rows < 1 || rows > kMaxRows) throw Failure("internal", "a step of " + std::to_string(rows) + " rows");
      const StepWants wants = wants_of(info, 2);
      running().run(elements<std::int32_t>(info[0], count, "inputs"), rows, wants, choices_of(info, 2, rows, wants.draw));
      return info.Env().Undefined();
    });
  }

  // (parts): pieces of prompts, each with its tokens, the position of the first, and the pages of its sequence
  Napi::Value prefill(const Napi::CallbackInfo& info) {
    return call(info, [&] {
      if (!prefill_) throw Failure("internal", "there are no kernels of prefill for it");
      const auto from = info[0].As<Napi::Array>();
      std::vector<PromptPart> parts;
      for (unsigned i = 0; i < from.Length(); i++) {
        const auto part = from.Get(i).As<Napi::Object>();
        const int count = part.Get("tokens").As<Napi::TypedArray>().ElementLength(), position = integer(part, "position");
        const auto pages = part.Get("pages").As<Napi::TypedArray>();
        if (count < 1 || position < 0 || position + count > static_cast<int>(pages.ElementLength()) * kPagePositions) {
          throw Failure("internal", "a piece of a prompt that its pages do not hold");
        }
        parts.push_back({elements<std::uint32_t>(part.Get("tokens"), count, "tokens"), count, position,
                         elements<std::int32_t>(pages, pages.ElementLength(), "pages")});
      }
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
      running().head(prefill_->residual(), rows, count, wants, choices_of(info, 1, count, wants.draw));
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
                  "another process holds the rest: nvidia-smi shows it");
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

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("CudaDecoder", CudaDecoder::define(env));
  exports.Set("CudaArithmetic", define_arithmetic(env));
  exports.Set("gpuCount", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return guarded(info.Env(), [&]() -> Napi::Value {
                  int count = 0;
                  check(driver().device_count(&count), "be counted");
                  return Napi::Number::New(info.Env(), count);
                });
              }));
  return exports;
}

}  // namespace

NODE_API_MODULE(esparse_cuda, init)

}  // namespace esparse
