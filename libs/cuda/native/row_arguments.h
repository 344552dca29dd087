// What JavaScript asks of rows, and gives of prompts.
#pragma once
#include <napi.h>

#include <vector>

#include "prefill.h"
#include "step.h"

namespace esparse {

// What is wanted of rows, as `StepWants`, and how their tokens are chosen: (wants, choices, histories) from argument `at` on, the
// last two only where tokens are sampled.
StepWants wants_of(const Napi::CallbackInfo& info, unsigned at);
std::vector<RowChoice> choices_of(const Napi::CallbackInfo& info, unsigned at, int rows, Draw draw,
                                  const DecoderShape& shape, int max_pages);
// Pieces of prompts, each with its tokens, the position of the first, and the pages of its sequence.
std::vector<PromptPart> prompt_parts_of(const Napi::Array& from);

}  // namespace esparse
