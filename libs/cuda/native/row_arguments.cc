#include "row_arguments.h"

#include "js.h"

namespace esparse {

StepWants wants_of(const Napi::CallbackInfo& info, unsigned at) {
  const auto from = info[at].As<Napi::Object>();
  const auto wanted = [&](const char* name) { return from.Get(name).ToBoolean().Value(); };
  StepWants wants{wanted("several"), wanted("head"), wanted("likeliest"), wanted("continues")};
  wants.draw = wanted("penalties") ? Draw::kPenalised : wanted("samples") ? Draw::kSampled : Draw::kLikeliest;
  wants.reports = wanted("reports");
  return wants;
}

std::vector<RowChoice> choices_of(const Napi::CallbackInfo& info, unsigned at, int rows, Draw draw,
                                  const DecoderShape& shape, int max_pages) {
  std::vector<RowChoice> out;
  if (draw == Draw::kLikeliest) return out;
  const auto* const given = elements<std::uint8_t>(info[at + 1], rows * sizeof(Choice), "choices");
  const auto histories = info[at + 2].As<Napi::Array>();
  for (int row = 0; row < rows; row++) {
    RowChoice choice{{}, nullptr};
    std::memcpy(&choice.how, given + row * sizeof(Choice), sizeof(Choice));
    if (choice.how.length < 0 || choice.how.length > max_pages * kPagePositions) {
      throw Failure("internal", "a history that is longer than the context");
    }
    const Napi::Value history = histories.Get(static_cast<unsigned>(row));
    if (absent(history)) choice.how.length = 0;
    else choice.history = elements<std::uint32_t>(history, choice.how.length, "history");
    for (int i = 0; i < choice.how.length; i++) {
      if (choice.history[i] >= static_cast<std::uint32_t>(shape.vocabulary)) throw Failure("internal", "no such token");
    }
    out.push_back(choice);
  }
  return out;
}

std::vector<PromptPart> prompt_parts_of(const Napi::Array& from) {
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
  return parts;
}

}  // namespace esparse
